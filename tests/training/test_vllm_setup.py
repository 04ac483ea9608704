"""What vLLM is told and sent, with transformers' models and TRL's code, without vLLM."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, DeepseekV3Config, Qwen2Config, Qwen3MoeConfig
from trl import DistillationConfig
from trl.generation import vllm_generation
from trl.generation.vllm_generation import VLLMGeneration

from open_r1.configs import DistillationScriptArguments
from open_r1.training.vllm_setup import ITER_NAMED_PARAMS, set_up_vllm


SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 64,
}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 16}
LATENT = {
    "q_lora_rank": 8,
    "kv_lora_rank": 8,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
}
GROUPS = {"n_routed_experts": 4, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1}
CONFIGS = [
    DeepseekV3Config(**SIZES, **EXPERTS, **LATENT, **GROUPS),
    Qwen3MoeConfig(**SIZES, **EXPERTS, num_experts=4, head_dim=16),
    Qwen2Config(**SIZES),
]


@pytest.fixture(autouse=True)
def args(monkeypatch):
    monkeypatch.setattr(VLLMGeneration, "_iter_named_params", ITER_NAMED_PARAMS)
    monkeypatch.setattr(vllm_generation, "VLLMClient", vllm_generation.VLLMClient)
    args = DistillationConfig("unused", use_cpu=True, bf16=False, max_completion_length=8192)
    set_up_vllm(DistillationScriptArguments(dataset_name="x.jsonl", max_prompt_length=1024), args)
    return args


def test_length_of_vllm_is_that_of_prompt_and_completion(args):
    assert args.vllm_max_model_length == 9216


def weights_sent(model) -> dict[str, torch.Tensor]:
    generation = object.__new__(VLLMGeneration)
    generation.model = model
    generation._dist = SimpleNamespace(is_fsdp=False, gather_params=lambda parameters: nullcontext())
    return {name: weight.clone() for name, weight in generation._iter_named_params()}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.model_type)
@pytest.mark.parametrize("is_loaded", [False, True], ids=["made", "loaded"])
def test_weights_have_the_names_and_values_of_a_checkpoint(tmp_path, config, is_loaded):
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(tmp_path)
    if is_loaded:
        model = AutoModelForCausalLM.from_pretrained(tmp_path)
    sent = weights_sent(model)
    saved = load_file(tmp_path / "model.safetensors")
    buffers = {name for name, _ in model.named_buffers()}
    assert sent.keys() == saved.keys() - buffers
    for name, weight in sent.items():
        torch.testing.assert_close(weight, saved[name], rtol=0, atol=0)


def test_experts_with_an_adapter_on_attention():
    config = CONFIGS[0]
    model = get_peft_model(AutoModelForCausalLM.from_config(config), LoraConfig(target_modules=["o_proj"]))
    names = weights_sent(model).keys()
    assert "model.layers.1.mlp.experts.3.gate_proj.weight" in names
    assert "model.layers.1.self_attn.o_proj.weight" in names
    assert not any("lora" in name or name.endswith("gate_up_proj") for name in names)


def test_weights_are_sent_in_the_same_order_each_time():
    """TRL announces the names of all weights once, and only their values afterwards."""
    model = AutoModelForCausalLM.from_config(CONFIGS[0])
    assert list(weights_sent(model)) == list(weights_sent(model))
