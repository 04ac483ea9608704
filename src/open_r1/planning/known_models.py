"""The sizes of the recipes' models, so that plans need no network. Source: `config.json` of each on the Hub."""

from functools import cache

from transformers import DeepseekV3Config, LlamaConfig, PreTrainedConfig, Qwen2Config

from open_r1.planning.model_shape import ModelShape


_UNTIED = {"vocab_size": 152064, "tie_word_embeddings": False}
_QWEN_1_5B = {
    "hidden_size": 1536,
    "num_hidden_layers": 28,
    "intermediate_size": 8960,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
}
_QWEN_7B = _UNTIED | {
    "hidden_size": 3584,
    "num_hidden_layers": 28,
    "intermediate_size": 18944,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
}
_QWEN_14B = _UNTIED | {
    "hidden_size": 5120,
    "num_hidden_layers": 48,
    "intermediate_size": 13824,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
}
_QWEN_32B = _QWEN_14B | {"num_hidden_layers": 64, "intermediate_size": 27648}
_LLAMA_8B = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
}
_LLAMA_70B = _LLAMA_8B | {
    "hidden_size": 8192,
    "num_hidden_layers": 80,
    "intermediate_size": 28672,
    "num_attention_heads": 64,
}
_SMOLLM2_135M = {
    "hidden_size": 576,
    "num_hidden_layers": 30,
    "intermediate_size": 1536,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
}
_CONFIGS = {
    "Qwen/Qwen2.5-1.5B": (Qwen2Config, _QWEN_1_5B | {"tie_word_embeddings": True}),
    "Qwen/Qwen2.5-1.5B-Instruct": (Qwen2Config, _QWEN_1_5B | {"tie_word_embeddings": True}),
    "Qwen/Qwen2.5-Math-1.5B": (Qwen2Config, _QWEN_1_5B | {"tie_word_embeddings": True}),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": (Qwen2Config, _QWEN_1_5B | {"tie_word_embeddings": False}),
    "Qwen/Qwen2.5-7B": (Qwen2Config, _QWEN_7B),
    "Qwen/Qwen2.5-7B-Instruct": (Qwen2Config, _QWEN_7B),
    "Qwen/Qwen2.5-7B-Instruct-1M": (Qwen2Config, _QWEN_7B),
    "Qwen/Qwen2.5-Math-7B": (Qwen2Config, _QWEN_7B),
    "outputs/Qwen2.5-Math-7B/base_32k": (Qwen2Config, _QWEN_7B),  # a copy with more positions
    "Qwen/Qwen2.5-Coder-7B-Instruct": (Qwen2Config, _QWEN_7B),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": (Qwen2Config, _QWEN_7B),
    "Qwen/Qwen2.5-14B": (Qwen2Config, _QWEN_14B),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B": (Qwen2Config, _QWEN_14B),
    "Qwen/Qwen2.5-32B": (Qwen2Config, _QWEN_32B),
    "Qwen/Qwen2.5-32B-Instruct": (Qwen2Config, _QWEN_32B),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": (Qwen2Config, _QWEN_32B),
    "meta-llama/Llama-3.1-8B": (LlamaConfig, _LLAMA_8B),
    "deepseek-ai/DeepSeek-R1-Distill-Llama-8B": (LlamaConfig, _LLAMA_8B),
    "meta-llama/Llama-3.3-70B-Instruct": (LlamaConfig, _LLAMA_70B),
    "deepseek-ai/DeepSeek-R1-Distill-Llama-70B": (LlamaConfig, _LLAMA_70B),
    "HuggingFaceTB/SmolLM2-135M-Instruct": (LlamaConfig, _SMOLLM2_135M),
    "deepseek-ai/DeepSeek-V3-Base": (DeepseekV3Config, {}),  # whose sizes are the defaults
    "opensourcerelease/DeepSeek-V3-Base-bf16": (DeepseekV3Config, {}),
    "deepseek-ai/DeepSeek-V3": (DeepseekV3Config, {}),
    "deepseek-ai/DeepSeek-R1": (DeepseekV3Config, {}),
    "deepseek-ai/DeepSeek-R1-Zero": (DeepseekV3Config, {}),
}


def known_config(name: str) -> PreTrainedConfig | None:
    """The configuration of a model of the recipes, as far as its size goes; `None` for other models.

    Args:
        name (`str`): A Hub id.
    """
    if name not in _CONFIGS:
        return None
    config_class, sizes = _CONFIGS[name]
    return config_class(**sizes)


@cache
def known_shape(name: str) -> ModelShape | None:
    """The size of a model of the recipes; `None` for other models.

    Args:
        name (`str`): A Hub id.
    """
    config = known_config(name)
    if config is None:
        return None
    return ModelShape.from_config(config)
