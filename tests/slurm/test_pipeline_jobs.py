"""Pipelines as dependent jobs on a real cluster: the miniature of R1 with fewer steps; failed and stopped stages."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jobs import wait_for_step


FEW = {"max_steps": 10, "save_steps": 10, "eval_strategy": "no"}
RL = FEW | {"eval_on_start": False, "log_completions": False}
FEWER_STEPS = {
    "base": {"max_steps": 350, "save_steps": 350, "eval_strategy": "no"},
    "student": FEW,
    "zero": RL,
    "dev2": RL,
    "dev2-free": RL,
    "r1": RL,
    "student-zero": RL,
    "distill-rl": RL,
}
BASE = {"name": "base", "config": "recipes/tiny/sft/config_base.yaml", "set": FEW}
ZERO = {"name": "zero", "config": "recipes/tiny/grpo/config_zero.yaml", "needs": ["base"], "set": RL}
SAMPLES = {"name": "samples", "config": "recipes/tiny/generate/config_zero.yaml", "needs": ["zero"]}
SAMPLES |= {"set": {"dataset_params": {"size": 40}, "num_generations": 1}}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The working directory of the jobs, with links to recipes and scripts."""
    for name in ("recipes", "src", "slurm"):
        (tmp_path / name).symlink_to(Path.cwd() / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def submit(recipe: dict, *argv: str) -> str:
    Path("pipeline.yaml").write_text(yaml.safe_dump(recipe))
    command = [sys.executable, "-m", "open_r1.pipeline", "--config", "pipeline.yaml", "--slurm", "", *argv]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def submitted_jobs(output: str) -> dict[str, str]:
    return {name: job for job, name in re.findall(r"job (\d+): ([\w-]+) \(seed", output)}


def test_miniature_of_r1_runs_as_dependent_jobs(cluster, folder):
    recipe = yaml.safe_load(Path("recipes/tiny/pipeline.yaml").read_text())
    problems = yaml.safe_load(Path("recipes/tiny/eval/config_heldout.yaml").read_text())["benchmarks"][0]
    for stage in recipe["stages"]:
        stage["set"] = stage.get("set", {}) | FEWER_STEPS.get(stage["name"], {})
    recipe["stages"][-1]["set"] = {"benchmarks": [problems | {"max_prompts": 16, "num_generations": 1}]}
    recipe |= {"seeds": [42], "claims": []}
    jobs = submitted_jobs(submit(recipe))
    assert list(jobs) == [stage["name"] for stage in recipe["stages"]]
    again = submit(recipe)
    assert submitted_jobs(again) == jobs, "submitting again keeps all jobs"
    assert again.count("is under way") == len(jobs)
    for name, job in jobs.items():
        assert cluster.wait(job, seconds=900) == "COMPLETED", f"{name}: {cluster.log(job)}"
    assert (folder / "outputs/tiny/eval/r1/eval.json").is_file()
    assert "0 of 19 stages to run" in submit(recipe, "--dry_run", "true")
    assert submitted_jobs(submit(recipe)) == {}


def test_a_requeued_stage_continues(cluster, folder):
    """First it is warned of its time limit, as by --signal, then requeued, as by a preemption."""
    long = BASE | {"set": FEW | {"max_steps": 400, "save_steps": 400}}
    job = submitted_jobs(submit({"output_dir": "outputs/tiny", "stages": [long]}))["base"]
    interruptions = (["scancel", "--signal=USR1", "--batch", job], ["scontrol", "requeue", job])
    for times, command in enumerate(interruptions, 1):
        wait_for_step(folder / "outputs/tiny/base", 100 * times, cluster, job)
        subprocess.run(command, check=True)
        cluster.restart(job, times)
    assert cluster.wait(job) == "COMPLETED", cluster.log(job)
    log = (folder / "outputs/tiny/.pipeline/base.log").read_text()
    assert log.count("resuming from") == 2 and cluster.about(job)["Restarts"] == "2", log


def test_a_failed_stage_cancels_its_dependents_and_continues_once_fixed(cluster, folder):
    wrong = ZERO | {"set": RL | {"max_prompt_length": 1}}
    recipe = {"output_dir": "outputs/tiny", "stages": [BASE, wrong, SAMPLES]}
    jobs = submitted_jobs(submit(recipe))
    assert cluster.wait(jobs["base"]) == "COMPLETED", cluster.log(jobs["base"])
    assert cluster.wait(jobs["zero"]) == "FAILED" and cluster.wait(jobs["samples"]) == "CANCELLED"
    log = cluster.log(jobs["zero"])
    for words in ("zero (seed 42) failed with status 1", "max_prompt_length", "submit the pipeline again"):
        assert words in log
    assert "zero ← base: run, it was stopped (job" in submit(recipe, "--dry_run", "true")
    fixed = submitted_jobs(submit(recipe | {"stages": [BASE, ZERO, SAMPLES]}))
    assert list(fixed) == ["zero", "samples"]
    assert cluster.wait(fixed["samples"]) == "COMPLETED", cluster.log(fixed["zero"]) + cluster.log(fixed["samples"])


def test_a_requested_stage_runs_again(cluster, folder):
    # The job reads the key `slurm` too, but must not submit jobs itself.
    recipe = {"output_dir": "outputs/tiny", "stages": [BASE], "slurm": ""}
    first = submitted_jobs(submit(recipe))["base"]
    assert cluster.wait(first) == "COMPLETED", cluster.log(first)
    again = submitted_jobs(submit(recipe, "--from", "base"))["base"]
    assert cluster.wait(again) == "COMPLETED", cluster.log(again)
    assert (folder / "outputs/tiny/base.old-1").is_dir() and (folder / "outputs/tiny/base/model.safetensors").is_file()
