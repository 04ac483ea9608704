"""What a job asks Slurm for, and the environment of programs that are not part of a run."""

import logging
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from open_r1.cluster.launch import launcher_command, warn_of_few_cores
from open_r1.cluster.slurm import clean_environment, gpus_per_node


SCRIPTS = sorted((Path(__file__).parents[2] / "slurm").glob("*.slurm"))


def test_clean_environment_has_no_variables_of_the_run(monkeypatch):
    for name in (
        "RANK",
        "LOCAL_RANK",
        "WORLD_SIZE",
        "MASTER_ADDR",
        "TORCHELASTIC_RUN_ID",
        "ACCELERATE_USE_FSDP",
        "SLURM_NTASKS",
    ):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    env = clean_environment()
    assert not {name for name in env if name.startswith(("RANK", "WORLD", "MASTER", "TORCHELASTIC", "ACCELERATE"))}
    assert env["SLURM_CONF"] == "/etc/slurm.conf" and env["HF_TOKEN"] == "hf_x" and "SLURM_NTASKS" not in env


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_jobs_get_all_cores_and_all_memory_of_their_nodes(path):
    options = [line for line in path.read_text().splitlines() if line.startswith("#SBATCH ")]
    assert {"#SBATCH --exclusive", "#SBATCH --mem=0"} <= set(options)


@pytest.mark.parametrize(
    ("request_of_job", "expected"),
    [
        ("TresPerNode=gres:gpu:2", 2),
        ("TresPerNode=gres/gpu:a100:4", 4),
        ("TresPerNode=gres:gpu", 1),
        ("TresPerNode=gres/gpu:1g.10gb:3", 3),
        ("TresPerNode=gres:gpu:a100:4,gres:gpu:v100:2", 6),
        ("TresPerTask=cpu=8,gres/gpu=2", 2),
        ("TresPerJob=gres:gpu:16", 8),
        ("TresPerJob=gres:gpu:4", 2),
        ("TresPerNode=gres:nic:2", 8),
        ("TresPerNode=gres:gpumem:80", 8),
        ("", 8),
    ],
)
def test_number_of_gpus_is_that_which_the_job_asked_for(monkeypatch, request_of_job, expected):
    """A job with whole nodes is allocated all GPUs, here eight."""
    monkeypatch.setenv("SLURM_GPUS_ON_NODE", "8")
    assert gpus_per_node(f"JobId=7 JobName=zero NumNodes=2 {request_of_job} Requeue=1") == expected


def test_job_without_gpus(monkeypatch):
    monkeypatch.delenv("SLURM_GPUS_ON_NODE", raising=False)
    assert gpus_per_node("JobId=7 TresPerNode=gres:nic:2 Requeue=1") == 0


@pytest.fixture
def job():
    return SimpleNamespace(nodes=["node1", "node2"], gpus=8, processes=8, address="10.0.0.1", port=20001)


def test_steps_ask_for_gpus_and_are_not_bound_to_a_core(job):
    words = launcher_command(job, job.nodes, "recipes/accelerate_configs/zero3.yaml", bf16=True)
    step = words[: words.index("bash")]
    assert step[step.index("--gpus-per-node") + 1] == "8" and "--cpu-bind=none" in step
    job.gpus = 0
    assert "--gpus-per-node" not in launcher_command(job, job.nodes, None, bf16=False)


def test_deepspeed_is_started_by_one_launcher_per_node(job):
    """Whatever accelerate config a recipe names: accelerate's own default is pdsh."""
    words = launcher_command(job, job.nodes, "mine.yaml", bf16=True)
    assert "--deepspeed_multinode_launcher standard" in shlex.join(words)


def test_accelerate_config_of_a_single_process_is_used(job):
    job.processes = 1
    one_node = job.nodes[:1]
    assert "accelerate" not in shlex.join(launcher_command(job, one_node, None, bf16=True))
    words = launcher_command(job, one_node, "offload.yaml", bf16=True)
    options = words[words.index("--num_machines") :]
    expected = {"--num_machines": "1", "--num_processes": "1", "--config_file": "offload.yaml"}
    assert {name: options[options.index(name) + 1] for name in expected} == expected


@pytest.mark.parametrize(("cores", "is_warned"), [("1", True), ("7", True), ("8", False), ("96", False)])
def test_fewer_cores_than_gpus_are_warned_of(job, monkeypatch, caplog, cores, is_warned):
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", cores)
    with caplog.at_level(logging.WARNING):
        warn_of_few_cores(job)
    assert ("--exclusive, or --cpus-per-task 64" in caplog.text) == is_warned
