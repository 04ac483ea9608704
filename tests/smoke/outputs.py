"""Checks what a smoke run has made, and says what it is."""

import json
import math
from pathlib import Path

from datasets import load_dataset
from reductions import SmokeRun
from transformers import AutoTokenizer

from open_r1.configs.recipes import read_recipe
from open_r1.configs.stages import BUILDERS, TRAINING


def describe_output(run: SmokeRun) -> str:
    """Checks what a run has made, and says what it is.

    Raises:
        AssertionError: If it is not what was asked for.
    """
    folder = Path(run.output_dir)
    if run.stage == "pipeline":
        return f"{len(run.stages)} stages"
    if run.stage in TRAINING:
        return _describe_training(run, folder)
    if run.stage == "generate":
        rows = len(load_completions(folder))
        assert rows, "no completions"
        return f"{rows} completions"
    if run.stage == "evaluation":
        evaluations = [json.loads(path.read_text()) for path in sorted(folder.glob("**/eval.json"))]
        wanted = len(read_recipe(str(run.path)).get("models", [])) or 1
        assert len(evaluations) == wanted, f"{len(evaluations)} evaluations"
        benchmarks = list(evaluations[0]["benchmarks"])
        return f"{wanted} models on {', '.join(benchmarks)}"
    assert run.stage in BUILDERS
    rows = load_dataset("parquet", data_files=str(folder / "train-*.parquet"), split="train")
    for messages in rows["messages"]:
        thoughtful = messages[-1]["content"]
        assert thoughtful.startswith("<think>") and thoughtful.count("<think>") == 1, thoughtful[:80]
    return f"{len(rows)} rows"


def load_completions(folder: Path) -> list[str]:
    """The lines of completions in a folder."""
    lines = []
    for path in folder.glob("completions-*.jsonl"):
        lines += path.read_text().splitlines()
    return lines


def _describe_training(run: SmokeRun, folder: Path) -> str:
    """Steps, loss or reward of a training run; its model must stop where it was taught to."""
    results = json.loads((folder / "train_results.json").read_text())
    assert results["train_steps"] == run.steps, f"{results['train_steps']} steps"
    history = [json.loads(line) for line in (folder / "log_history.jsonl").read_text().splitlines()]
    losses = [entry["loss"] for entry in history if "loss" in entry]
    assert len(losses) >= 2 and all(map(math.isfinite, losses)), losses
    if run.stage == "sft" and not read_recipe(str(run.path)).get("use_peft"):
        _check_end(run, folder)
    rewards = [entry["reward"] for entry in history if "reward" in entry]
    what = f"reward {rewards[-1]:.2f}" if rewards else f"loss {losses[-1]:.2f}"
    return f"{run.steps} steps, {what}"


def _check_end(run: SmokeRun, folder: Path) -> None:
    """The token that ends a turn in training must end generation."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ends = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    ends = ends if isinstance(ends, list) else [ends]
    end = read_recipe(str(run.path)).get("eos_token", tokenizer.eos_token)
    assert tokenizer.convert_tokens_to_ids(end) in ends, f"{end} does not end generation: {ends}"
    assert tokenizer.eos_token == end, f"eos_token is {tokenizer.eos_token}"
