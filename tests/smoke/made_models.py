"""Random models of the published architectures: the Hub's configurations with two narrow layers, and tokenizers."""

import json
import re
from functools import cache
from pathlib import Path
from zlib import crc32

import torch
from published_tokenizers import TOKENIZERS, write_tokenizer
from transformers import AutoConfig, AutoModelForCausalLM


NARROW = {
    "transformers_version": "5.10.4",
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "torch_dtype": "bfloat16",
}
QWEN = NARROW | {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "intermediate_size": 64,
    "num_key_value_heads": 2,
    "vocab_size": 152064,
    "max_position_embeddings": 131072,
    "rope_theta": 1000000.0,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "use_sliding_window": False,
    "bos_token_id": 151643,
    "eos_token_id": 151643,
}
SMALL_QWEN = QWEN | {"vocab_size": 151936, "tie_word_embeddings": True}  # up to 3B
MATH = {"max_position_embeddings": 4096, "rope_theta": 10000.0}
SMALL_DISTILL = SMALL_QWEN | MATH | {"tie_word_embeddings": False}
LLAMA = NARROW | {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "intermediate_size": 64,
    "num_key_value_heads": 2,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "rope_theta": 500000.0,
    "rope_scaling": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "bos_token_id": 128000,
    "eos_token_id": 128001,
}
LLAMA_INSTRUCT = LLAMA | {"eos_token_id": [128001, 128008, 128009]}
SMOLLM = LLAMA | {
    "num_attention_heads": 3,
    "num_key_value_heads": 1,
    "hidden_size": 24,
    "vocab_size": 49152,
    "max_position_embeddings": 8192,
    "rope_theta": 100000.0,
    "rope_scaling": None,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
DEEPSEEK_V3 = NARROW | {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "intermediate_size": 64,
    "moe_intermediate_size": 16,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "n_group": 2,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "moe_layer_freq": 1,
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "scoring_func": "sigmoid",
    "topk_method": "noaux_tc",
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "num_key_value_heads": 4,
    "num_nextn_predict_layers": 1,
    "vocab_size": 129280,
    "max_position_embeddings": 163840,
    "rope_theta": 10000,
    "rope_scaling": {
        "type": "yarn",
        "factor": 40,
        "beta_fast": 32,
        "beta_slow": 1,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 4096,
    },
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
FP8 = {
    "quantization_config": {
        "quant_method": "fp8",
        "fmt": "e4m3",
        "activation_scheme": "dynamic",
        "weight_block_size": [128, 128],
    }
}
SAMPLED = {"do_sample": True, "temperature": 0.6, "top_p": 0.95}
INSTRUCT = {
    "do_sample": True,
    "temperature": 0.7,
    "top_p": 0.8,
    "top_k": 20,
    "repetition_penalty": 1.05,
    "bos_token_id": 151643,
    "eos_token_id": [151645, 151643],
    "pad_token_id": 151643,
}

# Which models there are, by the pattern of their id: tokenizer, config.json and generation_config.json (besides the
# token ids of config.json). The first pattern that fits counts.
MODELS = [
    (r"Qwen/Qwen2.5-Math-1.5B", "qwen2.5", SMALL_QWEN | MATH, {}),
    (r"Qwen/Qwen2.5-Math-7B", "qwen2.5", QWEN | MATH, {}),
    (r"Qwen/Qwen2.5-(0.5|1.5|3)B", "qwen2.5", SMALL_QWEN, {"max_new_tokens": 2048}),
    (r"Qwen/Qwen2.5-(7|14|32|72)B", "qwen2.5", QWEN, {"max_new_tokens": 2048}),
    (r"Qwen/Qwen2.5-(Math-|Coder-)?(0.5|1.5|3)B-Instruct", "qwen2.5-instruct", SMALL_QWEN, INSTRUCT),
    (r"Qwen/Qwen2.5-(Math-|Coder-)?\d+B-Instruct(-1M)?", "qwen2.5-instruct", QWEN, INSTRUCT),
    (r"Qwen/Qwen2.5-Coder-\d+B", "qwen2.5", QWEN, {}),
    (r"deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "r1-distill-qwen", SMALL_DISTILL, SAMPLED),
    (r"deepseek-ai/DeepSeek-R1-Distill-Qwen-\d+B", "r1-distill-qwen", QWEN, SAMPLED),
    (r"deepseek-ai/DeepSeek-R1-Distill-Llama-\d+B", "r1-distill-llama", LLAMA, SAMPLED),
    (r"(agentica-org/DeepScaleR-1.5B-Preview|hbx/JustRL-DeepSeek-1.5B)", "r1-distill-qwen", SMALL_DISTILL, SAMPLED),
    (r"deepseek-ai/DeepSeek-V3(-Base|-0324)?", "deepseek-v3", DEEPSEEK_V3 | FP8, {}),
    (r"deepseek-ai/DeepSeek-R1(-Zero|-0528)?", "deepseek-r1", DEEPSEEK_V3 | FP8, SAMPLED),
    (r".+/DeepSeek-V3(-Base|-0324)?-(BF16|bf16)", "deepseek-v3", DEEPSEEK_V3, {}),
    (r"meta-llama/Llama-3.1-\d+B", "llama-3.1", LLAMA, SAMPLED),
    (r"meta-llama/Llama-3.[13]-\d+B-Instruct", "llama-3.3-instruct", LLAMA_INSTRUCT, SAMPLED),
    (r"HuggingFaceTB/SmolLM2-\d+M-Instruct", "smollm2-instruct", SMOLLM, {}),
]  # fmt: skip
# Copies that users make, as the recipes' READMEs say: the folder, the model, and what they change in its config.json.
COPIES = {"outputs/Qwen2.5-Math-7B/base_32k": ("Qwen/Qwen2.5-Math-7B", {"max_position_embeddings": 32768})}


class UnknownModel(LookupError):
    """A recipe names a model that smoke runs cannot make."""


def describe_model(name: str) -> tuple[str, dict, dict]:
    """The tokenizer, the configuration and the generation configuration of a model of the Hub.

    Args:
        name (`str`): Its id.

    Raises:
        UnknownModel: If `MODELS` does not have it.
    """
    for pattern, tokenizer, config, generation_config in MODELS:
        if re.fullmatch(pattern, name):
            return tokenizer, config, generation_config
    raise UnknownModel(f"the model {name!r} is unknown to MODELS in tests/smoke/made_models.py; add its configuration")


def architecture_of(name: str) -> str:
    """The architecture and the kind of tokenizer, as the table of smoke runs shows them."""
    tokenizer, config, _ = describe_model(name)
    architecture = config["architectures"][0].removesuffix("ForCausalLM")
    if TOKENIZERS[tokenizer].is_installed:
        return architecture
    return f"{architecture}, made tokenizer"


def model_files(name: str, folder: Path) -> dict[str, bytes]:
    """The files of a model's repository on the Hub.

    Args:
        name (`str`): Its id.
        folder (`Path`): For intermediate files.
    """
    tokenizer, config, generation_config = describe_model(name)
    files = dict(_tokenizer_files(tokenizer, folder))
    files["config.json"] = json.dumps(config).encode()
    ends = {key: config[key] for key in ("bos_token_id", "eos_token_id")}
    files["generation_config.json"] = json.dumps(ends | generation_config).encode()
    shape = json.dumps({key: value for key, value in config.items() if key != "quantization_config"}, sort_keys=True)
    files["model.safetensors"] = _weights(shape, name, folder)
    return files


def write_copies(folder: Path, intermediate: Path) -> None:
    """Writes the copies of models that users make.

    Args:
        folder (`Path`): The folder that recipes' paths are relative to.
        intermediate (`Path`): For intermediate files.
    """
    for path, (name, changes) in COPIES.items():
        copy = folder / path
        copy.mkdir(parents=True)
        for file, content in model_files(name, intermediate).items():
            (copy / file).write_bytes(content)
        config = json.loads((copy / "config.json").read_text())
        (copy / "config.json").write_text(json.dumps(config | changes))


@cache
def _tokenizer_files(tokenizer: str, folder: Path) -> dict[str, bytes]:
    path = folder / "tokenizers" / tokenizer
    write_tokenizer(tokenizer, path)
    return {file.name: file.read_bytes() for file in path.iterdir()}


@cache
def _weights(config: str, name: str, folder: Path) -> bytes:
    """Random weights of a configuration, other ones for each model: a teacher must differ from its student."""
    path = folder / "weights" / str(len(list(folder.glob("weights/*"))))
    path.mkdir(parents=True)
    (path / "config.json").write_text(config)
    torch.manual_seed(crc32(name.encode()))
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(path), dtype=torch.bfloat16)
    model.save_pretrained(path)
    return (path / "model.safetensors").read_bytes()
