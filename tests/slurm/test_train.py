"""`sbatch slurm/train.slurm` on a real cluster of two nodes (run by `make test-all`)."""

import json
import os
import re
import subprocess

import pytest
from jobs import wait_for_step


ZERO = ["slurm/train.slurm", "--recipe", "recipes/tiny/grpo/config_zero.yaml"]
SMALL = "--per_device_train_batch_size 16 --num_generations 8 --max_completion_length 8".split()
SMALL += "--eval_strategy no --eval_on_start false".split()
SMALL += "--save_steps 100 --max_steps 40 --steps_per_generation 2".split()


@pytest.fixture(scope="session")
def base(cluster, tmp_path_factory):
    """A base model trained for a few steps by a job on one node."""
    folder = tmp_path_factory.mktemp("models") / "base"
    argv = ["--recipe", "recipes/tiny/sft/config_base.yaml", "--output_dir", folder]
    job = cluster.sbatch("slurm/train.slurm", *argv, "--max_steps", 40, "--save_steps", 20)
    assert cluster.wait(job) == "COMPLETED", cluster.log(job)
    return folder


def losses(folder):
    entries = map(json.loads, (folder / "log_history.jsonl").read_text().splitlines())
    return {entry["step"]: entry["loss"] for entry in entries if "loss" in entry}


@pytest.fixture(scope="module")
def uninterrupted(cluster, base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted") / "zero"
    job = cluster.sbatch(*ZERO, *SMALL, "--model_name_or_path", base, "--output_dir", folder)
    assert cluster.wait(job) == "COMPLETED", cluster.log(job)
    return (folder / "model.safetensors").read_bytes()


def test_two_nodes_have_the_losses_of_one(cluster, base, tmp_path):
    options = ["--output_dir", tmp_path / "two", "--max_steps", 40, "--save_steps", 20]
    options += ["--per_device_train_batch_size", 8]
    job = cluster.sbatch("--nodes=2", "slurm/train.slurm", "--recipe", "recipes/tiny/sft/config_base.yaml", *options)
    assert cluster.wait(job) == "COMPLETED", cluster.log(job)
    assert "on node1, node2" in cluster.log(job) and "16 = 8 per device × 2 processes" in cluster.log(job)
    assert losses(tmp_path / "two") == pytest.approx(losses(base), rel=1e-4)


def test_a_job_has_all_cores_of_its_nodes_unless_it_asks_for_fewer(cluster, tmp_path):
    argv = [*ZERO, "--dry_run", "true", "--output_dir", tmp_path / "zero"]
    job = cluster.sbatch(*argv)
    cluster.wait(job)
    assert cluster.about(job)["NumCPUs"] == str(os.cpu_count()), cluster.log(job)
    part = cluster.sbatch("--oversubscribe", "--cpus-per-task", 1, *argv)
    cluster.wait(part)
    assert cluster.about(part)["NumCPUs"] == "1", cluster.log(part)


def test_nodes_given_to_the_script_submit_another_job(cluster, tmp_path):
    job = cluster.sbatch(*ZERO, "--nodes", 2, *SMALL, "--dry_run", "true", "--output_dir", tmp_path / "zero")
    assert cluster.wait(job) == "COMPLETED", cluster.log(job)
    again = re.search(r"job (\d+) has 2", cluster.log(job))[1]
    assert cluster.wait(again) in ("COMPLETED", "FAILED") and cluster.about(again)["NumNodes"] == "2"


def test_a_run_near_its_time_limit_is_requeued_and_ends_with_the_same_weights(cluster, base, uninterrupted, tmp_path):
    folder = tmp_path / "zero"
    job = cluster.sbatch(*ZERO, *SMALL, "--model_name_or_path", base, "--output_dir", folder)
    wait_for_step(folder, 3, cluster, job)
    subprocess.run(["scancel", "--signal=USR1", "--batch", job], check=True)  # like --signal=B:USR1@600
    cluster.restart(job)
    assert cluster.wait(job) == "COMPLETED", cluster.log(job)
    assert "goes back into the queue" in cluster.log(job) and "resuming from" in cluster.log(job)
    assert cluster.about(job)["Restarts"] == "1"
    assert (folder / "model.safetensors").read_bytes() == uninterrupted


def test_a_preempted_run_ends_with_the_same_weights(cluster, base, uninterrupted, tmp_path):
    folder = tmp_path / "zero"
    job = cluster.sbatch(*ZERO, *SMALL, "--model_name_or_path", base, "--output_dir", folder)
    wait_for_step(folder, 3, cluster, job)
    subprocess.run(["scontrol", "requeue", job], check=True)  # sends SIGTERM to all processes at once
    cluster.restart(job)
    assert cluster.wait(job) == "COMPLETED", cluster.log(job)
    assert "resuming from" in cluster.log(job), "a checkpoint was saved"
    assert (folder / "model.safetensors").read_bytes() == uninterrupted


def test_a_run_stopped_by_a_file_is_not_requeued(cluster, base, tmp_path):
    folder = tmp_path / "zero"
    job = cluster.sbatch(*ZERO, *SMALL, "--model_name_or_path", base, "--output_dir", folder)
    wait_for_step(folder, 3, cluster, job)
    (folder / "STOP").touch()
    assert cluster.wait(job) == "FAILED" and cluster.about(job)["ExitCode"] == "85:0"
    assert "sbatch the same command to continue" in cluster.log(job)


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--recipe", "recipes/tiny/grpo/config_zera.yaml"], "no such recipe"),
        ([*ZERO[1:], "--learning_rat", "1"], "Did you mean '--learning_rate'?"),
        ([*ZERO[1:], "--model_name_or_path", "outputs/nowhere"], "outputs/nowhere"),
    ],
)
def test_user_errors_are_at_the_end_of_the_log(cluster, argv, message):
    job = cluster.sbatch("slurm/train.slurm", *argv)
    assert cluster.wait(job) == "FAILED" and message in cluster.log(job)[-3000:], cluster.log(job)
