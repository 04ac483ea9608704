"""Pipelines: what runs and why, in which folders; a real one, killed and continued."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from open_r1.configs import PipelineArguments, RecipeError
from open_r1.parser import RecipeParser
from open_r1.stages import changed, made_of, plan, tasks_of


BASE = {"name": "base", "config": "recipes/tiny/sft/config_base.yaml"}
ZERO = {"name": "zero", "config": "recipes/tiny/grpo/config_zero.yaml", "needs": ["base"]}
SAMPLES = {"name": "samples", "config": "recipes/tiny/generate/config_zero.yaml", "needs": ["zero"]}


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """A pipeline whose outputs would be in a folder of its own; recipes are found there too."""
    for name in ("recipes", "src"):
        (tmp_path / name).symlink_to(Path.cwd() / name)
    monkeypatch.chdir(tmp_path)

    def arguments(*stages, **kwargs):
        return PipelineArguments(output_dir="outputs/tiny", stages=list(stages or (BASE, ZERO, SAMPLES)), **kwargs)

    return arguments


def finish(task, done, when="2026-01-01"):
    """As if a task had been run."""
    task.output_dir.mkdir(parents=True, exist_ok=True)
    task.write_state({"made_of": made_of(task, done), "finished": when, "seconds": 1.0})
    done[task.name] = when


def test_first_everything_runs_then_nothing(arguments):
    args, done = arguments(), {}
    tasks = tasks_of(args, 42)
    assert plan(tasks, args) == dict.fromkeys(["base", "zero", "samples"], "never run")
    for task in tasks:
        finish(task, done)
    assert plan(tasks, args) == {}


def test_a_changed_key_runs_its_stage_and_all_behind_it(arguments):
    done = {}
    for task in tasks_of(arguments(), 42):
        finish(task, done)
    args = arguments(BASE, ZERO | {"set": {"max_steps": 7}}, SAMPLES)
    assert plan(tasks_of(args, 42), args) == {"zero": "max_steps: 30 → 7", "samples": "zero is made anew"}


def test_a_changed_file_a_lost_folder_and_a_stopped_stage_are_told_apart(arguments):
    args, done = arguments(), {}
    base, zero, samples = tasks_of(args, 42)
    for task in (base, zero, samples):
        finish(task, done)
    state = samples.state()
    state["made_of"]["files"]["recipes/chat_templates/tiny.jinja"] = "another digest"
    samples.write_state(state)
    assert plan([base, zero, samples], args) == {"samples": "the file recipes/chat_templates/tiny.jinja has changed"}
    finish(samples, done)
    samples.output_dir.rmdir()
    assert plan([base, zero, samples], args) == {"samples": "outputs/tiny/generate/zero is gone"}
    samples.write_state({"made_of": made_of(samples, done)})
    assert plan([base, zero, samples], args) == {"samples": "it was stopped"}


def test_another_version_runs_again():
    assert changed({"keys": {}, "version": "0.5"}, {"keys": {}, "version": "0.6"}) == "open_r1 0.5 → 0.6"


def test_only_and_from(arguments):
    args, done = arguments(), {}
    for task in tasks_of(args, 42):
        finish(task, done)
    again = arguments(from_stage="zero")
    assert plan(tasks_of(again, 42), again) == {"zero": "asked for", "samples": "zero is made anew"}
    alone = arguments(only="zero")
    assert plan(tasks_of(alone, 42), alone) == {}, "it is done"
    tasks_of(args, 42)[1].write_state({})
    assert plan(tasks_of(alone, 42), alone) == {"zero": "never run"}
    tasks_of(args, 42)[0].write_state({})
    with pytest.raises(RecipeError, match="'zero' needs 'base', which is not done: never run"):
        plan(tasks_of(alone, 42), alone)


def test_each_seed_has_its_folder_wherever_it_stands(arguments):
    r1 = {"name": "r1", "config": "recipes/tiny/grpo/config_r1.yaml"}
    [task] = tasks_of(arguments(r1, seeds=[42, 7]), 7)
    assert task.keys["seed"] == 7 and task.keys["output_dir"] == "outputs/tiny-7/r1"
    assert task.keys["reward_funcs"][3]["model"] == "outputs/tiny-7/helpfulness"
    argv = task.command[task.command.index("--config") :]
    args, training_args, model_args = RecipeParser("grpo").parse(argv)
    assert args.rewards[3].params["model"] == "outputs/tiny-7/helpfulness" and args.mixture[1].from_step == 5
    assert training_args.seed == 7 and model_args.model_name_or_path == "outputs/tiny-7/dev3"
    assert tasks_of(arguments(r1, seeds=[42, 7]), 42)[0].command == ["python", "src/open_r1/grpo.py", "--config", r1["config"]]


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([BASE, BASE], "two of the name 'base'"),
        ([ZERO], "'zero' needs 'base', which is no stage before it"),
        ([BASE, ZERO | {"needs": []}], "'zero' reads outputs/tiny/base, which 'base' makes; add 'base' to its needs"),
        ([BASE | {"config": "recipes/tiny/sft/config_bass.yaml"}], "config of 'base': no file"),
        ([BASE | {"set": {"max_stepz": 3}}], "unknown option '--max_stepz'. Did you mean '--max_steps'"),
        ([BASE, BASE | {"name": "again"}], "both write to outputs/tiny/base"),
        ([{"name": "x"}], "'x' has no config"),
    ],
)
def test_wrong_pipelines_are_refused_at_once(arguments, stages, message):
    with pytest.raises(RecipeError, match=message):
        tasks_of(arguments(*stages), 42)


def test_dry_run_of_the_miniature(script_of_pipeline):
    outcome = script_of_pipeline("--config", "recipes/tiny/pipeline.yaml", "--dry_run", "true")
    assert outcome.returncode == 0, outcome.stderr
    assert "r1 ← dev3, helpfulness, harmlessness" in outcome.stdout and "outputs/tiny-1/dev2" in outcome.stdout


@pytest.fixture
def script_of_pipeline():
    def run(*argv):
        return subprocess.run([sys.executable, "-m", "open_r1.pipeline", *map(str, argv)], capture_output=True, text=True)

    return run


@pytest.fixture
def small(tmp_path):
    """A pipeline of two stages: completions, and completions for the same prompts from another seed."""
    recipe = yaml.safe_load(Path("recipes/tiny/generate/config_zero.yaml").read_text())
    recipe |= {
        "model_name_or_path": "open_r1.data.tiny:base_model",
        "dataset_params": {"size": 60},
        "max_completion_length": 16,
        "batch_size": 2,
    }
    stages = []
    for name, more in (
        ("one", {}),
        ("two", {"dataset_name": str(tmp_path / "out/one"), "dataset_params": None, "max_prompts": 4}),
    ):
        folder = tmp_path / "mine" / "generate"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"config_{name}.yaml").write_text(
            yaml.safe_dump(recipe | {"output_dir": str(tmp_path / "out" / name)} | more)
        )
        stages.append({"name": name, "config": str(folder / f"config_{name}.yaml"), "needs": ["one"] if name == "two" else []})
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump({"output_dir": str(tmp_path / "out"), "stages": stages}))
    return path


def test_killed_and_run_again_it_continues(small, script_of_pipeline, tmp_path):
    command = [sys.executable, "-m", "open_r1.pipeline", "--config", str(small)]
    completions = tmp_path / "out/one/completions-00000-of-00001.jsonl"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        while not (completions.exists() and completions.stat().st_size) and killed.poll() is None:
            time.sleep(0.05)
        os.kill(killed.pid, signal.SIGKILL)
    outcome = script_of_pipeline("--config", small)
    assert outcome.returncode == 0, outcome.stderr
    assert (
        "still at work for a pipeline that was killed" in outcome.stdout or "one (seed 42): it was stopped" in outcome.stdout
    )
    assert "2 stages run" in outcome.stdout
    rows = [json.loads(line) for line in completions.read_text().splitlines()]
    assert len({(row["prompt_id"], row["sample"]) for row in rows}) == len(rows) == 240
    assert "240 of 240 completions are there" in (tmp_path / "out/.pipeline/one.log").read_text()

    again = script_of_pipeline("--config", small)
    assert again.returncode == 0 and "0 stages run" in again.stdout

    anew = script_of_pipeline("--config", small, "--from", "two")
    assert anew.returncode == 0 and "two (seed 42): asked for" in anew.stdout and "1 stages run" in anew.stdout
    assert (tmp_path / "out/two.old-1").is_dir() and (tmp_path / "out/two").is_dir()


def test_a_stage_that_fails_says_why(small, script_of_pipeline):
    recipe = yaml.safe_load(small.read_text())
    recipe["stages"][0]["set"] = {"model_name_or_path": "outputs/nobody"}
    small.write_text(yaml.safe_dump(recipe))
    outcome = script_of_pipeline("--config", small)
    assert outcome.returncode == 1
    for words in ("one (seed 42) failed with status 1", "error: ", "model_name_or_path: ", "The same command continues here"):
        assert words in outcome.stderr
