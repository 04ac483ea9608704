"""The recipes of SmolLM2-135M-Instruct, run with a small random Llama that has the same chat format."""

import json

import pytest
from datasets import Dataset
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM, set_seed

from open_r1.data import tiny, word_problems


RECIPES = "recipes/SmolLM2-135M-Instruct"
SFT = f"{RECIPES}/sft/config_dev1.yaml"
GRPO = f"{RECIPES}/grpo/config_dev2.yaml"
FEW_ROWS = ["--dataset_params", '{"size": 64, "levels": [1]}']


@pytest.fixture(scope="module")
def small_llama(tmp_path_factory) -> str:
    """The path of a random Llama whose turns end with `<|im_end|>`."""
    path = tmp_path_factory.mktemp("small_llama")
    tokenizer = tiny.tokenizer()
    tokenizer.add_special_tokens({"eos_token": "<|im_end|>", "additional_special_tokens": ["<|im_start|>"]})
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_key_value_heads=1,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    set_seed(0)
    LlamaForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return str(path)


def test_dry_runs_show_the_geometry(script, small_llama, tmp_path):
    options = ["--model_name_or_path", small_llama, "--output_dir", tmp_path / "out", "--dry_run", "true"]
    sft = script("sft", "--config", SFT, *options)
    assert sft.code == 0, sft.err
    assert "open_r1.data.word_problems:thoughts · 1,280 rows" in sft.out
    grpo = script("grpo", "--config", GRPO, *options, "--max_prompt_length", 200)  # a token is a character here
    assert grpo.code == 0, grpo.err
    assert "64 per step, 8 per prompt" in grpo.out
    assert "1 × accuracy + 1 × format + 1 × language_consistency" in grpo.out


def test_sft_runs_and_saves_float32_weights(script, small_llama, tmp_path):
    """Weights and optimizer stay in float32, also on a CPU that computes in bf16."""
    options = ["--model_name_or_path", small_llama, "--output_dir", tmp_path / "dev1", *FEW_ROWS, "--max_steps", 2]
    outcome = script("sft", "--config", SFT, *options)
    assert outcome.code == 0, outcome.err
    weights = load_file(tmp_path / "dev1/model.safetensors")
    assert {str(weight.dtype) for weight in weights.values()} == {"torch.float32"}


def test_grpo_runs_and_logs_every_reward(script, small_llama, tmp_path):
    options = ["--model_name_or_path", small_llama, "--output_dir", tmp_path / "dev2", *FEW_ROWS, "--max_steps", 1]
    options += ["--max_prompt_length", 200, "--max_completion_length", 8, "--max_eval_samples", 4]
    outcome = script("grpo", "--config", GRPO, *options)
    assert outcome.code == 0, outcome.err
    logged = [json.loads(line) for line in (tmp_path / "dev2/log_history.jsonl").read_text().splitlines()]
    steps = [entry for entry in logged if "reward" in entry]
    assert {"rewards/accuracy/mean", "rewards/format/mean", "rewards/language_consistency/mean"} <= set(steps[0])


def test_completions_are_generated_and_evaluated_on_held_out_problems(script, small_llama, tmp_path):
    options = ["--model_name_or_path", small_llama, "--max_completion_length", 4]
    generated = script(
        "generate", "--config", f"{RECIPES}/generate/config_dev2.yaml", *options,
        "--output_dir", tmp_path / "samples", "--max_prompts", 2,
    )  # fmt: skip
    assert generated.code == 0, generated.err
    evaluated = script(
        "evaluation", "--config", f"{RECIPES}/eval/config_heldout.yaml", *options, "--output_dir", tmp_path / "eval"
    )
    assert evaluated.code == 0, evaluated.err
    scored = Dataset.from_parquet(str(tmp_path / "eval/word_problems.parquet"))
    assert len(set(scored["problem"])) == 256
    assert set(scored["level"]) == {2, 3}
    assert not set(scored["problem"]) & set(word_problems.problems("train", 42, size=1000, largest=10)["problem"])
