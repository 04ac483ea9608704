"""A pipeline as dependent jobs, on a real cluster: all of R1 in miniature with fewer steps, and a stage that fails."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jobs import wait_for_step


FEW = {"max_steps": 10, "save_steps": 10, "eval_strategy": "no"}
RL = FEW | {"eval_on_start": False, "log_completions": False}
FEWER = {"base": {"max_steps": 350, "save_steps": 350, "eval_strategy": "no"}, "student": FEW, "zero": RL, "dev2": RL, "dev2-free": RL,
         "r1": RL, "student-zero": RL, "distill-rl": RL}  # fmt: skip
BASE = {"name": "base", "config": "recipes/tiny/sft/config_base.yaml", "set": FEW}
ZERO = {"name": "zero", "config": "recipes/tiny/grpo/config_zero.yaml", "needs": ["base"], "set": RL}
SAMPLES = {"name": "samples", "config": "recipes/tiny/generate/config_zero.yaml", "needs": ["zero"],
           "set": {"dataset_params": {"size": 40}, "num_generations": 1}}  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A place like the repository, whose outputs are its own."""
    for name in ("recipes", "src", "slurm"):
        (tmp_path / name).symlink_to(Path.cwd() / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pipeline(recipe: dict, *argv: str) -> str:
    Path("pipeline.yaml").write_text(yaml.safe_dump(recipe))
    command = [sys.executable, "-m", "open_r1.pipeline", "--config", "pipeline.yaml", "--slurm", "", *argv]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def submitted(told: str) -> dict[str, str]:
    return {name: job for job, name in re.findall(r"job (\d+): ([\w-]+) \(seed", told)}


def test_all_of_r1_in_miniature_as_dependent_jobs(cluster, folder):
    recipe = yaml.safe_load(Path("recipes/tiny/pipeline.yaml").read_text())
    problems = yaml.safe_load(Path("recipes/tiny/eval/config_heldout.yaml").read_text())["benchmarks"][0]
    for stage in recipe["stages"]:
        stage["set"] = stage.get("set", {}) | FEWER.get(stage["name"], {})
    recipe["stages"][-1]["set"] = {"benchmarks": [problems | {"max_prompts": 16, "num_generations": 1}]}
    recipe |= {"seeds": [42], "claims": []}
    jobs = submitted(pipeline(recipe))
    assert list(jobs) == [stage["name"] for stage in recipe["stages"]]
    again = pipeline(recipe)
    assert submitted(again) == jobs and again.count("is under way") == len(jobs), (
        "submitted again, all keep their jobs"
    )
    for name, job in jobs.items():
        assert cluster.wait(job, seconds=900) == "COMPLETED", f"{name}: {cluster.log(job)}"
    assert (folder / "outputs/tiny/eval/r1/eval.json").is_file()
    assert "0 of 19 stages to run" in pipeline(recipe, "--dry_run", "true")
    assert submitted(pipeline(recipe)) == {}


def test_stage_that_goes_back_into_the_queue_goes_on(cluster, folder):
    """First warned that its time is nearly over, as by --signal, then made room for another."""
    long = BASE | {"set": FEW | {"max_steps": 400, "save_steps": 400}}
    job = submitted(pipeline({"output_dir": "outputs/tiny", "stages": [long]}))["base"]
    asked = (["scancel", "--signal=USR1", "--batch", job], ["scontrol", "requeue", job])
    for times, command in enumerate(asked, 1):
        wait_for_step(folder / "outputs/tiny/base", 100 * times, cluster, job)
        subprocess.run(command, check=True)
        cluster.again(job, times)
    assert cluster.wait(job) == "COMPLETED", cluster.log(job)
    log = (folder / "outputs/tiny/.pipeline/base.log").read_text()
    assert log.count("resuming from") == 2 and cluster.about(job)["Restarts"] == "2", log


def test_a_stage_that_fails_stops_its_dependents_and_when_mended_they_go_on(cluster, folder):
    wrong = ZERO | {"set": RL | {"max_prompt_length": 1}}
    recipe = {"output_dir": "outputs/tiny", "stages": [BASE, wrong, SAMPLES]}
    jobs = submitted(pipeline(recipe))
    assert cluster.wait(jobs["base"]) == "COMPLETED", cluster.log(jobs["base"])
    assert cluster.wait(jobs["zero"]) == "FAILED" and cluster.wait(jobs["samples"]) == "CANCELLED"
    log = cluster.log(jobs["zero"])
    assert (
        "zero (seed 42) failed with status 1" in log
        and "max_prompt_length" in log
        and "submit the pipeline again" in log
    )
    assert "zero ← base: run, it was stopped (job" in pipeline(recipe, "--dry_run", "true")
    mended = submitted(pipeline(recipe | {"stages": [BASE, ZERO, SAMPLES]}))
    assert list(mended) == ["zero", "samples"]
    assert cluster.wait(mended["samples"]) == "COMPLETED", cluster.log(mended["zero"]) + cluster.log(mended["samples"])


def test_stage_that_is_asked_for_is_made_anew(cluster, folder):
    recipe = {
        "output_dir": "outputs/tiny",
        "stages": [BASE],
        "slurm": "",
    }  # a job that reads this must not submit itself
    first = submitted(pipeline(recipe))["base"]
    assert cluster.wait(first) == "COMPLETED", cluster.log(first)
    again = submitted(pipeline(recipe, "--from", "base"))["base"]
    assert cluster.wait(again) == "COMPLETED", cluster.log(again)
    assert (folder / "outputs/tiny/base.old-1").is_dir() and (folder / "outputs/tiny/base/model.safetensors").is_file()
