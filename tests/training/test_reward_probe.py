"""Rewards that do not work are found before the model is loaded; runs in which nothing was judged fail."""

import json
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ZERO
from datasets import Dataset

from open_r1.models.loading import load_tokenizer
from open_r1.rewards import REWARDS
from open_r1.training.reward_probe import make_batch, probe_rewards
from open_r1.utils.errors import RecipeError


JUDGES = """
import json
import os
import urllib.request
from pathlib import Path

CALLS = Path(__file__).with_name("calls.jsonl")

def raises(completions, **kwargs):
    return [completion["text"] for completion in completions]

def one_value(completions, **kwargs):
    return [1.0]

def strings(completions, **kwargs):
    return ["good" for _ in completions]

def nothing(completions, **kwargs):
    pass

def not_judged(completions, **kwargs):
    return [None] * len(completions)

def asks_a_server(completions, **kwargs):
    with urllib.request.urlopen("http://127.0.0.1:9/judge") as answer:
        return json.load(answer)

def fails_in_training(completions, trainer_state, **kwargs):
    if trainer_state.max_steps:
        raise KeyError("verdict")
    return [0.0] * len(completions)

def never_judges_in_training(completions, trainer_state, **kwargs):
    return [None if trainer_state.max_steps else 0.0] * len(completions)

def only_the_second_process_judges(completions, trainer_state, **kwargs):
    is_judged = os.environ["RANK"] == "1" or not trainer_state.max_steps
    return [0.0 if is_judged else None] * len(completions)

def records(completions, **kwargs):
    with CALLS.open("a") as file:
        file.write(json.dumps({"completions": completions, "columns": sorted(kwargs)}) + "\\n")
    return [float(len(str(completion))) for completion in completions]
"""
SMALL = "--per_device_train_batch_size 16 --num_generations 8 --max_completion_length 8 --logging_steps 10".split()
SMALL += "--eval_strategy no --eval_on_start false --report_to none".split()


@pytest.fixture
def grpo(script, checkpoint, tmp_path):
    """Trains two steps with one of the rewards above."""
    (tmp_path / "judges.py").write_text(JUDGES)
    paths = ["--model_name_or_path", checkpoint, "--output_dir", tmp_path / "out"]

    def run(*rewards: str, options: str = "--max_steps 2 --save_steps 1"):
        names = [name if name in REWARDS else f"{tmp_path}/judges.py:{name}" for name in rewards]
        return script("grpo", *ZERO, *paths, *SMALL, "--reward_funcs", *names, *options.split())

    return run


@pytest.mark.parametrize("options", ["--dry_run true", "--max_steps 2"])
@pytest.mark.parametrize(
    ("reward", "message"),
    [
        ("raises", "'raises' raised TypeError: string indices must be integers"),
        ("one_value", "'one_value' returned 1 value for 8 completions; expected a list with one number"),
        ("strings", "'strings' returned 'good' (str) for completion 1 of 8; expected"),
        ("nothing", "'nothing' returned None; expected a list"),
    ],
)
def test_a_broken_reward_is_found_before_the_training(reward, message, options, grpo, tmp_path, caplog):
    outcome = grpo("format", reward, options=options)
    assert outcome.code == 1 and message in outcome.err
    assert ('return [completion["text"]' in caplog.text) == (reward == "raises"), "the traceback is shown"
    assert not (tmp_path / "out").exists()


def test_a_server_must_be_reachable_for_training_but_not_for_a_dry_run(grpo, caplog):
    dry_run = grpo("asks_a_server", options="--dry_run true")
    assert dry_run.code == 0 and "'asks_a_server' cannot reach its server from here" in caplog.text
    training = grpo("asks_a_server")
    assert training.code == 1 and "Connection refused" in training.err


def test_a_reward_that_judges_no_made_completion_is_named(grpo, caplog):
    outcome = grpo("not_judged", options="--dry_run true")
    assert outcome.code == 0 and "'not_judged' returned None or NaN for all of 8 made completions" in caplog.text


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        ("never_judges_in_training", "none of the 32 completions of this run could be judged"),
        ("fails_in_training", "'fails_in_training' raised an exception in all of its calls (2)"),
    ],
)
def test_a_run_without_any_judgement_fails_and_saves_nothing(reward, message, grpo, tmp_path, caplog):
    outcome = grpo(reward, "format")
    assert outcome.code == 1 and message in outcome.err
    assert "All reward functions returned None" not in outcome.err + caplog.text
    assert "no completion has been judged yet" in caplog.text
    assert ("KeyError: 'verdict'" in caplog.text) == (reward == "fails_in_training")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert not names & {"checkpoint-1", "checkpoint-2", "model.safetensors", "README.md", "train_results.json"}


def test_a_run_of_several_processes_fails_only_if_none_of_them_judged_anything(checkpoint, tmp_path):
    (tmp_path / "judges.py").write_text(JUDGES)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29513"]
    options = [*ZERO, "--model_name_or_path", checkpoint, *SMALL, "--max_steps", "1"]
    for reward, status in (("never_judges_in_training", 1), ("only_the_second_process_judges", 0)):
        out = tmp_path / reward
        rewards = ["--reward_funcs", f"{tmp_path}/judges.py:{reward}"]
        command = [*torchrun, "src/open_r1/grpo.py", *options, *rewards, "--output_dir", out]
        run = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        assert run.returncode == status, run.stderr[-3000:]
        assert ("none of the 32 completions" in run.stderr) == (status == 1)
        assert (out / "model.safetensors").exists() == (status == 0)


def test_a_run_with_shaping_rewards_only_fails_too_if_they_have_no_scores(grpo):
    outcome = grpo("language_consistency")
    assert outcome.code == 1 and "none of the 32 completions of this run could be judged" in outcome.err


def test_a_made_batch_looks_like_one_in_training(grpo, tmp_path):
    assert grpo("records", "accuracy", options="--max_steps 1").code == 0
    made, real = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert made["columns"] == real["columns"]
    assert all(isinstance(completion, str) for completion in made["completions"] + real["completions"])
    assert len(made["completions"]) == 8


def test_made_completions_are_messages_if_prompts_are(compose, checkpoint):
    rows = [
        {"prompt": [{"role": "user", "content": "1+1"}], "solution": "2", "domain": domain}
        for domain in ("math", "chat", "math")
    ]
    rewards = compose({"name": "accuracy", "domain": "math"}, {"name": "format", "domain": "chat"})
    completions, columns = make_batch(rewards, Dataset.from_list(rows), load_tokenizer(checkpoint), 2)
    assert columns["domain"] == ["math", "math", "chat", "chat"]
    assert all(message["role"] == "assistant" for [message] in completions)
    assert columns["prompts"] == [rows[0]["prompt"]] * 4
    assert [len(values) for values in columns.values() if isinstance(values, list)] == [4] * 4


def test_the_thought_is_not_opened_twice(compose, checkpoint):
    rows = Dataset.from_list([{"prompt": "1+1<think>", "solution": "2"}])
    rewards = compose("accuracy", prefill="<think>")
    completions, _ = make_batch(rewards, rows, load_tokenizer(checkpoint), 2)
    assert "<think>" not in completions[0] and "</think>" in completions[0]


def test_a_probe_leaves_the_random_generators_unchanged(compose, checkpoint):
    rows = Dataset.from_list([{"prompt": "1+1", "solution": "2"}])
    states = [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]
    expression = "[random.random() + np.random.rand() + torch.rand(()) for _ in completions]"
    rewards = compose({"name": "returns", "expression": expression}, "accuracy")
    probe_rewards(rewards, rows, load_tokenizer(checkpoint), 4, dry_run=False)
    assert states == [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]


def test_a_dry_run_asks_rewards_that_load_something_whether_they_can_start(compose, checkpoint, caplog):
    rows = Dataset.from_list([{"prompt": "1+1", "solution": "2"}])
    rewards = compose("Server")
    probe_rewards(rewards, rows, load_tokenizer(checkpoint), 4, dry_run=True)
    assert "'Server' cannot start here: no server" in caplog.text
    with pytest.raises(RecipeError, match="'Server' cannot start: not started"):
        probe_rewards(rewards, rows, load_tokenizer(checkpoint), 4, dry_run=False)
