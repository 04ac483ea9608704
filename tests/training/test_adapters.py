"""LoRA adapters are trained, resumed, and merged into an ordinary checkpoint, also on a 4-bit base model."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from conftest import BASE
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM

from open_r1.models.loading import load_tokenizer


LORA = "--use_peft true --lora_r 8 --lora_target_modules all-linear --lora_dropout 0.0 --learning_rate 1e-3".split()
SHORT = "--eval_strategy no --save_steps 2".split()
HAS_BITSANDBYTES = importlib.util.find_spec("bitsandbytes") is not None


def logits(model, folder) -> torch.Tensor:
    tokens = load_tokenizer(str(folder))("3*7=1;1+5=6;", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        return model(tokens).logits


@pytest.fixture
def train(script, checkpoint, tmp_path):
    def train(folder, *argv):
        paths = ["--model_name_or_path", checkpoint, "--output_dir", tmp_path / folder]
        outcome = script("sft", *BASE, *SHORT, *LORA, *paths, *argv)
        assert outcome.code == 0, outcome.err
        return tmp_path / folder

    return train


def test_adapter_is_trained_resumed_and_merged(train, script, monkeypatch, tmp_path):
    rope = ["--model_init_kwargs", '{"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}']
    train("lora", "--max_steps", "2", *rope)
    adapter = train("lora", "--max_steps", "4", *rope)
    steps = [json.loads(line).get("step") for line in (adapter / "log_history.jsonl").read_text().splitlines()]
    assert steps[-1] == 4 and not (adapter / "model.safetensors").exists()
    merge = ["--adapter", adapter, "--output_dir", tmp_path / "merged", "--dtype", "float32"]
    assert script("merge_adapter", *merge).code == 0
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert merged.config.rope_parameters["rope_theta"] == 500.0, "the options of the base model are kept"
    options = {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}
    with_adapter = logits(AutoPeftModelForCausalLM.from_pretrained(adapter, **options), adapter)
    torch.testing.assert_close(logits(merged, tmp_path / "merged"), with_adapter, rtol=1e-4, atol=1e-4)
    base = json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"]
    without_adapter = logits(AutoModelForCausalLM.from_pretrained(base), adapter)
    assert not torch.allclose(with_adapter, without_adapter, atol=1e-3), "the adapter has learned something"


@pytest.mark.skipif(not HAS_BITSANDBYTES, reason="needs bitsandbytes, which `make test-all` installs")
def test_adapter_on_a_4_bit_base_model(train, script, tmp_path):
    adapter = train("qlora", "--max_steps", "4", "--load_in_4bit", "true")
    assert script("merge_adapter", "--adapter", adapter, "--output_dir", tmp_path / "merged").code == 0
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "merged").dtype == torch.bfloat16


def test_merging_a_folder_without_an_adapter_or_over_a_model_is_refused(script, checkpoint, tmp_path):
    outcome = script("merge_adapter", "--adapter", checkpoint, "--output_dir", tmp_path / "merged")
    assert outcome.code == 1 and "no adapter_config.json" in outcome.err
    (tmp_path / "adapter_config.json").write_text("{}")
    outcome = script("merge_adapter", "--adapter", tmp_path, "--output_dir", checkpoint)
    assert outcome.code == 1 and "holds a model already" in outcome.err


def test_adapter_given_as_a_model_is_an_error_that_explains_merging(script, tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    outcome = script("sft", *BASE, "--model_name_or_path", tmp_path, "--output_dir", tmp_path / "out")
    assert outcome.code == 1 and "is an adapter" in outcome.err and "merge_adapter.py --adapter" in outcome.err
    assert Path("src/open_r1/merge_adapter.py").is_file()
