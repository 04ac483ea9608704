"""Pipelines: which tasks run, why, and in which folders; real pipelines are killed, stopped and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from open_r1.configs import PipelineArguments
from open_r1.configs.parser import RecipeParser
from open_r1.pipelines.local_runner import StageProcess
from open_r1.pipelines.outdated import describe_change, outdated_tasks, task_inputs
from open_r1.pipelines.tasks import Task, build_tasks, build_tasks_by_seed, require_gpus
from open_r1.utils.errors import RecipeError


BASE = {"name": "base", "config": "recipes/tiny/sft/config_base.yaml"}
ZERO = {"name": "zero", "config": "recipes/tiny/grpo/config_zero.yaml", "needs": ["base"]}
SAMPLES = {"name": "samples", "config": "recipes/tiny/generate/config_zero.yaml", "needs": ["zero"]}


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """Builds pipeline arguments in a folder that contains only links to recipes and scripts."""
    for name in ("recipes", "src"):
        (tmp_path / name).symlink_to(Path.cwd() / name)
    monkeypatch.chdir(tmp_path)

    def arguments(*stages, **kwargs):
        return PipelineArguments(output_dir="outputs/tiny", stages=list(stages or (BASE, ZERO, SAMPLES)), **kwargs)

    return arguments


def finish(task, finished, when="2026-01-01"):
    """Makes a task look finished."""
    task.output_dir.mkdir(parents=True, exist_ok=True)
    task.write_state({"made_of": task_inputs(task, finished), "finished": when, "seconds": 1.0})
    finished[task.name] = when


def test_all_tasks_run_once(arguments):
    args, done = arguments(), {}
    tasks = build_tasks(args, 42)
    assert outdated_tasks(tasks, args) == dict.fromkeys(["base", "zero", "samples"], "never run")
    for task in tasks:
        finish(task, done)
    assert outdated_tasks(tasks, args) == {}


@pytest.mark.parametrize(
    ("launcher", "gpus", "is_enough"),
    [
        ("accelerate launch --config_file recipes/accelerate_configs/zero2.yaml", 8, True),
        ("accelerate launch --config_file recipes/accelerate_configs/zero2.yaml", 4, False),
        ("accelerate launch --config_file recipes/accelerate_configs/zero2.yaml", 0, True),
        ("accelerate launch --config_file=recipes/accelerate_configs/zero2.yaml --num_processes=4", 4, True),
        ("accelerate launch --num_processes 2", 1, False),
        ("accelerate launch --config_file recipes/accelerate_configs/cpu.yaml", 1, True),
        ("accelerate launch", 1, True),
        ("python", 1, True),
    ],
)
def test_launcher_must_not_start_more_processes_than_there_are_gpus(arguments, launcher, gpus, is_enough):
    _, zero, samples = build_tasks(arguments(launcher=launcher), 42)
    require_gpus(samples, gpus)
    if is_enough:
        require_gpus(zero, gpus)
        return
    with pytest.raises(RecipeError, match=f"launcher of 'zero': .* {gpus} GPU.* add `--num_processes {gpus}`"):
        require_gpus(zero, gpus)


def test_a_changed_key_reruns_its_stage_and_all_that_depend_on_it(arguments):
    done = {}
    for task in build_tasks(arguments(), 42):
        finish(task, done)
    args = arguments(BASE, ZERO | {"set": {"max_steps": 7}}, SAMPLES)
    assert outdated_tasks(build_tasks(args, 42), args) == {"zero": "max_steps: 30 → 7", "samples": "zero runs again"}


def test_reasons_for_a_changed_file_a_missing_folder_and_a_stopped_stage(arguments):
    args, done = arguments(), {}
    base, zero, samples = build_tasks(args, 42)
    for task in (base, zero, samples):
        finish(task, done)
    state = samples.state()
    state["made_of"]["files"]["recipes/prompts/tiny.jinja"] = "another digest"
    samples.write_state(state)
    assert outdated_tasks([base, zero, samples], args) == {
        "samples": "the file recipes/prompts/tiny.jinja has changed"
    }
    finish(samples, done)
    samples.output_dir.rmdir()
    assert outdated_tasks([base, zero, samples], args) == {"samples": "outputs/tiny/generate/zero is gone"}
    samples.write_state({"made_of": task_inputs(samples, done)})
    assert outdated_tasks([base, zero, samples], args) == {"samples": "it was stopped"}


def test_another_version_of_open_r1_is_a_reason_to_rerun():
    assert describe_change({"keys": {}, "version": "0.5"}, {"keys": {}, "version": "0.6"}) == "open_r1 0.5 → 0.6"


def test_options_only_and_from(arguments):
    args, done = arguments(), {}
    for task in build_tasks(args, 42):
        finish(task, done)
    from_zero = arguments(from_stage="zero")
    assert outdated_tasks(build_tasks(from_zero, 42), from_zero) == {
        "zero": "requested",
        "samples": "zero runs again",
    }
    only_zero = arguments(only="zero")
    assert outdated_tasks(build_tasks(only_zero, 42), only_zero) == {}, "it is up to date"
    build_tasks(args, 42)[1].write_state({})
    assert outdated_tasks(build_tasks(only_zero, 42), only_zero) == {"zero": "never run"}
    build_tasks(args, 42)[0].write_state({})
    with pytest.raises(RecipeError, match="'zero' needs 'base', which is not done: never run"):
        outdated_tasks(build_tasks(only_zero, 42), only_zero)


def test_each_seed_uses_its_own_folders_in_all_keys(arguments):
    r1 = {"name": "r1", "config": "recipes/tiny/grpo/config_r1.yaml"}
    [task] = build_tasks(arguments(r1, seeds=[42, 7]), 7)
    assert task.keys["seed"] == 7 and task.keys["output_dir"] == "outputs/tiny-7/r1"
    assert task.keys["reward_funcs"][3]["model"] == "outputs/tiny-7/helpfulness"
    argv = task.command[task.command.index("--config") :]
    args, training_args, model_args = RecipeParser("grpo").parse(argv)
    assert args.rewards[3].params["model"] == "outputs/tiny-7/helpfulness" and args.mixture[1].from_step == 10
    assert training_args.seed == 7 and model_args.model_name_or_path == "outputs/tiny-7/dev3"
    [task] = build_tasks(arguments(r1, seeds=[42, 7]), 42)
    assert task.command == ["python", "src/open_r1/grpo.py", "--config", r1["config"]]


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([BASE, BASE], "found the name 'base' twice"),
        ([ZERO], "'zero' needs 'base', which is not a stage before it"),
        ([BASE, ZERO | {"needs": []}], "'zero' reads outputs/tiny/base, which 'base' makes; add 'base' to its needs"),
        ([BASE | {"config": "recipes/tiny/sft/config_bass.yaml"}], "config of 'base': no file"),
        ([BASE | {"set": {"max_stepz": 3}}], "unknown option '--max_stepz'. Did you mean '--max_steps'"),
        ([BASE, BASE | {"name": "again"}], "both write to outputs/tiny/base"),
        ([{"name": "x"}], "'x' has no config"),
        ([BASE | {"name": "a/b"}], "found the name 'a/b'"),
        ([BASE | {"set": {"max_steps": None}}], "set: max_steps is null"),
        ([BASE | {"launcher": "acelerate launch"}], "launcher of 'base': there is no 'acelerate launch' on the path"),
    ],
)
def test_invalid_pipelines_are_refused(arguments, stages, message):
    with pytest.raises(RecipeError, match=message):
        build_tasks_by_seed(arguments(*stages))


def test_seeds_never_share_a_folder(arguments):
    """However the path is spelled; a folder outside the pipeline's, which all seeds would share, is refused."""
    spelled = PipelineArguments(output_dir="./outputs/tiny/", stages=[BASE], seeds=[42, 1])
    folders = [tasks[0].output_dir for tasks in build_tasks_by_seed(spelled).values()]
    assert folders == [Path("outputs/tiny/base"), Path("outputs/tiny-1/base")]
    dotted = arguments(BASE | {"set": {"output_dir": "./outputs/tiny//base"}}, seeds=[1])
    assert build_tasks_by_seed(dotted)[1][0].output_dir == Path("outputs/tiny-1/base")
    # the folder without a suffix belongs to seed 42
    assert build_tasks(arguments(BASE, seeds=[7]), 7)[0].output_dir == Path("outputs/tiny-7/base")
    with pytest.raises(RecipeError, match=r"'base' \(seed 42\) and 'base' \(seed 1\) both write to elsewhere/base"):
        build_tasks_by_seed(arguments(BASE | {"set": {"output_dir": "elsewhere/base"}}, seeds=[42, 1]))


def test_changed_inputs_are_detected(arguments, tmp_path):
    """Inputs are a Python file of the user, a folder that is not an output, and files written by the stage itself."""
    Path("my.py").write_text("def build(): ...")
    Path("data/set").mkdir(parents=True)
    Path("data/set/train.jsonl").write_text("{}\n")
    changed_base = BASE | {"set": {"dataset_name": "my.py:build"}}
    args, done = arguments(changed_base, ZERO | {"set": {"dataset_name": "data/set"}}), {}
    base, zero = build_tasks(args, 42)
    for task in (base, zero):
        finish(task, done)
    assert outdated_tasks([base, zero], args) == {}
    Path("data/set/train.jsonl").write_text("{}\n{}\n")
    assert outdated_tasks([base, zero], args) == {"zero": "the file data/set has changed"}
    Path("my.py").write_text("def build(): return 1")
    assert outdated_tasks([base, zero], args)["base"] == "the file my.py:build has changed"
    finish(base, done)
    base.write_state(base.state() | {"made": ["model.safetensors"]})
    assert outdated_tasks([base], args) == {"base": "outputs/tiny/base/model.safetensors is gone"}


def test_dates_and_long_texts_are_allowed(arguments):
    args, done = arguments(BASE | {"set": {"dataset_params": {"since": date(2024, 8, 1)}, "run_name": "x" * 5000}}), {}
    [base] = build_tasks(args, 42)
    finish(base, done)
    assert outdated_tasks(build_tasks(args, 42), args) == {}


def test_dry_run_of_the_miniature(run_pipeline):
    outcome = run_pipeline("--config", "recipes/tiny/pipeline.yaml", "--dry_run", "true")
    assert outcome.returncode == 0, outcome.stderr
    assert "r1 ← dev3, helpfulness, harmlessness" in outcome.stdout and "outputs/tiny-1/dev2" in outcome.stdout


@pytest.fixture
def run_pipeline():
    def run(*argv):
        return subprocess.run(
            [sys.executable, "-m", "open_r1.pipeline", *map(str, argv)], capture_output=True, text=True
        )

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
    folder = tmp_path / "mine" / "generate"
    folder.mkdir(parents=True)
    one = recipe | {"output_dir": str(tmp_path / "out/one")}
    two = recipe | {"output_dir": str(tmp_path / "out/two"), "max_prompts": 4}
    two |= {"dataset_name": str(tmp_path / "out/one"), "dataset_params": None}
    (folder / "config_one.yaml").write_text(yaml.safe_dump(one))
    (folder / "config_two.yaml").write_text(yaml.safe_dump(two))
    stages = [
        {"name": "one", "config": str(folder / "config_one.yaml"), "needs": []},
        {"name": "two", "config": str(folder / "config_two.yaml"), "needs": ["one"]},
    ]
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump({"output_dir": str(tmp_path / "out"), "stages": stages}))
    return path


def test_a_killed_pipeline_resumes(small, run_pipeline, tmp_path):
    command = [sys.executable, "-m", "open_r1.pipeline", "--config", str(small)]
    completions = tmp_path / "out/one/completions-00000-of-00001.jsonl"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        while not (completions.exists() and completions.stat().st_size) and killed.poll() is None:
            time.sleep(0.05)
        os.kill(killed.pid, signal.SIGKILL)
    outcome = run_pipeline("--config", small)
    assert outcome.returncode == 0, outcome.stderr
    still_running = "is still running, started by a pipeline that was killed" in outcome.stdout
    assert still_running or "one (seed 42) starts: it was stopped" in outcome.stdout
    assert "2 stages run" in outcome.stdout
    rows = [json.loads(line) for line in completions.read_text().splitlines()]
    assert len({(row["prompt_id"], row["sample"]) for row in rows}) == len(rows) == 240
    assert "240 of 240 completions exist" in (tmp_path / "out/.pipeline/one.log").read_text()

    again = run_pipeline("--config", small)
    assert again.returncode == 0 and "0 stages run" in again.stdout

    again = run_pipeline("--config", small, "--from", "two")
    assert (
        again.returncode == 0 and "two (seed 42) starts: requested" in again.stdout and "1 stages run" in again.stdout
    )
    assert (tmp_path / "out/two.old-1").is_dir() and (tmp_path / "out/two").is_dir()


def test_a_pipeline_cannot_run_twice_at_the_same_time(small, run_pipeline, tmp_path):
    command = [sys.executable, "-m", "open_r1.pipeline", "--config", str(small)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        while not (tmp_path / "out/.pipeline/one.log").exists() and first.poll() is None:
            time.sleep(0.05)
        second = run_pipeline("--config", small)
        assert second.returncode == 1 and "another process writes there" in second.stderr
        assert first.wait() == 0


def test_the_times_of_all_attempts_add_up(tmp_path):
    """Stopped and killed attempts count too, a killed one up to the last line of its log."""
    task = Task("one", "generate", 42, {"output_dir": str(tmp_path / "one")}, ["true"], [], tmp_path / ".pipeline")
    (tmp_path / "one").mkdir()
    task.write_state({"made_of": task_inputs(task, {}), "seconds": 100.0, "started": time.time() - 50})
    task.log.touch()
    before = time.monotonic()
    process = StageProcess(task, "it was stopped", {}, Console(quiet=True))
    process.wait()
    process.record_success()
    assert 149 < task.state()["seconds"] < 151 + time.monotonic() - before and task.state()["made"] == []


def test_the_folder_of_a_manual_run_is_continued_or_renamed(tmp_path):
    """The stage resumes a run with the same keys; otherwise the folder is renamed, so that nothing is lost."""
    keys = {"output_dir": str(tmp_path / "base"), "max_steps": 7}
    for learned, kept in ((7, True), (8, False)):
        task = Task("base", "sft", 42, keys, ["true"], [], tmp_path / f".pipeline{learned}")
        (tmp_path / "base").mkdir(exist_ok=True)
        (tmp_path / "base/recipe.yaml").write_text(yaml.safe_dump(keys | {"max_steps": learned}))
        StageProcess(task, "never run", {}, Console(quiet=True)).wait()
        assert (tmp_path / "base/recipe.yaml").exists() is kept
    assert "max_steps: 8" in (tmp_path / "base.old-1/recipe.yaml").read_text()


def test_a_failed_stage_is_explained(small, run_pipeline):
    recipe = yaml.safe_load(small.read_text())
    recipe["stages"][0]["set"] = {"model_name_or_path": "outputs/no/model"}
    small.write_text(yaml.safe_dump(recipe))
    outcome = run_pipeline("--config", small)
    assert outcome.returncode == 1
    for words in (
        "one (seed 42) failed with status 1",
        "error: ",
        "model_name_or_path: ",
        "The same command continues the pipeline",
    ):
        assert words in outcome.stderr


def rows_that_record_the_environment(path):
    """Writes a Python file that builds a data set and appends an environment variable to a file."""
    record = path.with_suffix(".txt")
    path.write_text(
        f"""\
import os
from datasets import Dataset

def rows(split, seed):
    with open({str(record)!r}, "a") as stream:
        stream.write(os.environ.get("VARIABLE_OF_A_STAGE", "not set"))
        stream.write(", NVML " + os.environ.get("PYTORCH_NVML_BASED_CUDA_CHECK", "not used") + "\\n")
    return Dataset.from_dict({{"problem": ["1+1", "1+2"]}})
"""
    )
    return f"{path}:rows", record


def test_the_env_of_a_stage_is_set_in_its_process_only(small, run_pipeline, tmp_path, monkeypatch):
    monkeypatch.delenv("VARIABLE_OF_A_STAGE", raising=False)
    rows, record = rows_that_record_the_environment(tmp_path / "mine" / "data.py")
    data = {"dataset_name": rows, "dataset_params": {}}
    pipeline = yaml.safe_load(small.read_text())
    for stage, env in zip(pipeline["stages"], ({"VARIABLE_OF_A_STAGE": "of stage one"}, {}), strict=True):
        path = Path(stage["config"])
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | data | {"env": env}))
    small.write_text(yaml.safe_dump(pipeline))

    build_tasks(PipelineArguments(output_dir=pipeline["output_dir"], stages=pipeline["stages"]), 42)
    assert "VARIABLE_OF_A_STAGE" not in os.environ, "building the tasks changes the environment"
    outcome = run_pipeline("--config", small)
    assert outcome.returncode == 0, outcome.stderr
    assert record.read_text().splitlines() == ["of stage one, NVML 1", "not set, NVML 1"]


def listen_to_ctrl_c():
    """Restores the default handling of Ctrl-C, which a shell disables if the tests run in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_stops_a_stage_with_a_checkpoint(tmp_path):
    output_dir = tmp_path / "out" / "base"
    keys = {"max_steps": 5000, "save_steps": 5000, "logging_steps": 1, "output_dir": str(output_dir)}
    pipeline = {"output_dir": str(tmp_path / "out"), "stages": [BASE | {"set": keys}]}
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump(pipeline))
    command = [sys.executable, "-m", "open_r1.pipeline", "--config", str(path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, preexec_fn=listen_to_ctrl_c, **pipes) as process:
        while not (output_dir / "log_history.jsonl").exists() and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert "stopping base (seed 42)" in stdout and "the same command continues" in stderr
    assert json.loads((output_dir / "stopped.json").read_text())["reason"] == "SIGTERM"
    assert list(output_dir.glob("checkpoint-*/trainer_state.json"))
    state = json.loads((tmp_path / "out/.pipeline/base.json").read_text())
    assert "finished" not in state and state["seconds"] > 0
