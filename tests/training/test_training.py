"""The training scripts, run as users run them: two steps, a resume for two more, output files, the start-up box."""

import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from conftest import BASE, ZERO

from open_r1.training.checkpoints import resume_checkpoint


LAUNCH = [os.path.join(os.path.dirname(sys.executable), "accelerate"), "launch", "--quiet"]
LAUNCH += ["--config_file", "recipes/accelerate_configs/cpu.yaml"]
SMALL_SFT = ["--dataset_params", '{"size": 64}', "--logging_steps", "1", "--warmup_steps", "0"]
SMALL_GRPO = ["--per_device_train_batch_size", "16", "--num_generations", "8", "--max_completion_length", "8"]
SMALL_GRPO += ["--max_eval_samples", "4", "--per_device_eval_batch_size", "16", "--dataset_params", '{"size": 32}']


def launch(stage, *argv):
    return subprocess.run([*LAUNCH, f"src/open_r1/{stage}.py", *map(str, argv)], capture_output=True, text=True)


def history(folder):
    return [json.loads(line) for line in (folder / "log_history.jsonl").read_text().splitlines()]


def steps(folder, key="loss"):
    return [entry["step"] for entry in history(folder) if key in entry]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """SFT from scratch, then GRPO from its checkpoint, both with `accelerate launch` and each resumed once."""
    root = tmp_path_factory.mktemp("runs")
    base, zero = root / "base", root / "zero"
    sft = [*BASE, *SMALL_SFT, "--output_dir", base, "--save_steps", 2]
    grpo = [*ZERO, *SMALL_GRPO, "--model_name_or_path", base, "--output_dir", zero]
    grpo += ["--save_steps", 2, "--eval_steps", 2]
    done = {}
    for name, stage, argv in (("sft", "sft", sft), ("grpo", "grpo", grpo)):
        for limit in (2, 4):
            done[name, limit] = launch(stage, *argv, "--max_steps", limit)
            assert done[name, limit].returncode == 0, done[name, limit].stderr[-3000:]
    return base, zero, done


def test_resumes_from_the_last_checkpoint_and_logs_it(runs):
    base, zero, done = runs
    for folder, name in ((base, "sft"), (zero, "grpo")):
        assert "no checkpoint, from the start" in done[name, 2].stdout
        assert "checkpoint-2" in done[name, 4].stdout and "resuming from" in done[name, 4].stderr
        assert steps(folder) == [1, 2, 3, 4], "no step is repeated or lost"


def test_writes_model_metrics_recipe_and_card(runs):
    base, zero, _ = runs
    for folder in (base, zero):
        assert json.loads((folder / "train_results.json").read_text())["train_steps"] == 4
        assert {"model.safetensors", "tokenizer.json", "recipe.yaml", "README.md"} <= {
            p.name for p in folder.iterdir()
        }
    card = (zero / "README.md").read_text()
    assert "num_generations: 8" in card and "| accuracy, held out |" in card and "avg@4" in card


def test_completions_and_rewards_are_logged(runs):
    _, zero, _ = runs
    table = pd.read_parquet(zero / "completions" / "completions_00003.parquet")
    assert {"prompt", "completion", "accuracy", "format", "advantage"} <= set(table) and len(table) == 16
    assert all("rewards/accuracy/none" in entry for entry in history(zero) if "reward" in entry)
    assert steps(zero, "eval_reward") == [0, 2, 2, 4], "evaluated again where the resumed run starts"


def test_completions_and_held_out_scores_are_printed(runs):
    _, _, done = runs
    log = done["grpo", 2].stderr
    assert "step 1, a completion (accuracy" in log
    assert "step 0/2  held out: reward" in log and "step 2/2  held out: reward" in log
    assert "step 2/2  loss" in log, "the last step is always logged"
    assert "held out, step 0 → 2: reward" in log
    assert "held out, step 0 → 4: reward" in done["grpo", 4].stderr, "across a resume"


def test_libraries_are_quiet(runs):
    _, _, done = runs
    for run in done.values():
        assert "FutureWarning" not in run.stderr and "it/s]" not in run.stderr
        assert "missing keys" not in run.stderr, "on resume, tied embeddings are not missing"
        assert len(run.stderr.splitlines()) < 20, run.stderr


def test_a_finished_run_is_not_trained_again(runs, script):
    base, _, _ = runs
    before = (base / "model.safetensors").stat().st_mtime_ns
    outcome = script("sft", *BASE, *SMALL_SFT, "--output_dir", base, "--save_steps", 2, "--max_steps", 4)
    assert outcome.code == 0
    assert (base / "model.safetensors").stat().st_mtime_ns == before and steps(base) == [1, 2, 3, 4]


def test_start_up_box_of_a_dry_run(checkpoint, script, tmp_path):
    started = time.process_time()
    outcome = script(
        "grpo", *ZERO, "--model_name_or_path", checkpoint, "--output_dir", tmp_path / "out", "--dry_run", "true"
    )
    assert outcome.code == 0 and time.process_time() - started < 15
    for words in (
        "recipes/tiny/grpo/config_zero.yaml",
        "0.66M parameters",
        "4,096 rows",
        "problem, solution",
        "1 × accuracy + 1 × format",
        "256 = 256 per device × 1 process × 1 accumulated",
        "16 per prompt",
        "per device (cpu)",
        "no push",
        "from the start",
    ):
        assert words in " ".join(outcome.out.replace("│", " ").split()), words
    assert not (tmp_path / "out").exists(), "a dry run leaves nothing behind"


def test_the_start_up_box_counts_reward_models(checkpoint, reward_model, script, tmp_path):
    argv = ["--model_name_or_path", checkpoint, "--output_dir", tmp_path / "out", "--dry_run", "true"]

    def show(parameters=""):
        judge = f"{{name: harmlessness, model: {reward_model}{parameters}}}"
        outcome = script("grpo", *ZERO, *argv, "--reward_funcs", "accuracy", judge)
        assert outcome.code == 0, outcome.err
        return " ".join(outcome.out.replace("│", " ").split())

    assert "of which reward models: 3 MiB" in show() and "reward models" not in show(", offload: true")


@pytest.mark.parametrize(
    ("stage", "recipe", "row"),
    [
        ("sft", [*BASE, "--eval_strategy", "steps"], {"prompt": "1+1=?", "completion": "<think>1+1=2</think>2"}),
        ("grpo", ZERO, {"problem": "1+1", "solution": "2"}),
    ],
)
def test_rows_of_a_user_file_without_a_test_split_can_be_held_out(stage, recipe, row, checkpoint, script, tmp_path):
    (tmp_path / "mine.jsonl").write_text(f"{json.dumps(row)}\n" * 64)
    options = ["--dataset_name", tmp_path / "mine.jsonl", "--dataset_params", "{}", "--model_name_or_path", checkpoint]
    options += ["--output_dir", tmp_path / "out", "--dry_run", "true"]
    outcome = script(stage, *recipe, *options)
    assert outcome.code == 1 and "has no split 'test'" in outcome.err and "eval_split_size" in outcome.err
    outcome = script(stage, *recipe, *options, "--eval_split_size", "0.25")
    shown = " ".join(outcome.out.replace("│", " ").split())
    assert outcome.code == 0 and "48 rows" in shown and "held out 16 rows" in shown


@pytest.mark.parametrize("limit", [[], ["--max_length", "64"]])
def test_held_out_conversations_are_checked_like_those_that_are_trained_on(checkpoint, script, tmp_path, limit):
    template = tmp_path / "drops_thoughts.jinja"
    template.write_text("{% for m in messages %}{{ m.content.split('</think>')[-1] }}{% endfor %}{{ eos_token }}")
    for split, answer in (("train", "2"), ("test", "<think>so</think>2")):
        row = {"messages": [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": answer}]}
        (tmp_path / f"{split}.jsonl").write_text(json.dumps(row) + "\n")
    options = ["--dataset_name", tmp_path, "--dataset_params", "{}", "--chat_template_path", template]
    options += ["--model_name_or_path", checkpoint, "--output_dir", tmp_path / "out", "--eval_strategy", "steps"]
    outcome = script("sft", *BASE, *options, *limit, "--dry_run", "true")
    assert outcome.code == 1 and "row 1 of 1: chat_template_path: the chat template drops the thought" in outcome.err


@pytest.mark.skipif(torch.accelerator.is_available(), reason="needs a machine without a GPU")
def test_dry_run_of_a_gpu_recipe_without_a_gpu(checkpoint, script, tmp_path):
    recipe = ["--config", "recipes/Qwen2.5-Math-7B/grpo/config_zero.yaml", "--dry_run", "true"]
    data = ["--dataset_name", "open_r1.data.tiny:problems", "--dataset_solution_column", "solution"]
    outcome = script("grpo", *recipe, *data, "--model_name_or_path", checkpoint, "--output_dir", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert "per device (a GPU; there is none here)" in " ".join(outcome.out.replace("│", " ").split())


def test_dry_run_before_the_starting_checkpoint_exists(script, tmp_path, monkeypatch):
    for name in ("recipes", "src"):
        (tmp_path / name).symlink_to(tmp_path.cwd() / name)
    monkeypatch.chdir(tmp_path)
    outcome = script("grpo", *ZERO, "--dry_run", "true")
    assert outcome.code == 0 and "not made yet" in outcome.out and "sft/config_base.yaml" in outcome.out


def test_run_started_from_another_runs_checkpoint_resumes_from_its_own(runs, tmp_path):
    base, zero, _ = runs
    other = str(base / "checkpoint-4")
    assert resume_checkpoint(SimpleNamespace(resume_from_checkpoint=other, output_dir=str(tmp_path))) == other
    assert resume_checkpoint(SimpleNamespace(resume_from_checkpoint=other, output_dir=str(zero))) == str(
        zero / "checkpoint-4"
    )


@pytest.mark.parametrize("stage", ["sft", "grpo", "report"])
def test_help_begins_with_examples_and_our_options(stage):
    def show(option: str) -> str:
        run = subprocess.run([sys.executable, f"src/open_r1/{stage}.py", option], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return run.stdout

    screen = show("--help").splitlines()[:60]
    assert sum(line.lstrip().startswith("# ") for line in screen) == 5, "five examples"
    if stage != "report":
        assert any("--dataset_name" in line for line in screen)
        assert not any(line.strip().startswith("--learning_rate") for line in show("--help").splitlines())
        everything = show("--help_all")
        assert everything.index("  --dataset_name") < everything.index("  --learning_rate"), "TRL's options come last"
