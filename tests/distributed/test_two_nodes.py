"""Two launchers, as on two nodes, become one job: with every file of recipes/accelerate_configs, on the CPU.

`make test-all` runs these in an environment that has DeepSpeed.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from open_r1.cluster.launch import launcher_command


if not os.environ.get("DISTRIBUTED"):
    pytest.skip("needs DeepSpeed; `make test-all` has it", allow_module_level=True)

SCRIPT = Path(__file__).with_name("rank.py").resolve()
SECRET = "hf_secret"
ONE_JOB = [f"rank {rank} of 4, 4 counted" for rank in range(4)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_launchers(commands: list[list[str]], folder: Path) -> str:
    """Runs one launcher per node at the same time, in a folder; returns what their processes print."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HF_TOKEN": SECRET}
    launchers = []
    for rank, command in enumerate(commands):
        env = environment | {"SLURM_PROCID": str(rank)}
        launchers.append(
            subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    output = ""
    for launcher in launchers:
        out, err = launcher.communicate(timeout=180)
        assert launcher.returncode == 0, err[-3000:]
        output += out
    return output


def for_the_cpu(config: str, folder: Path, without_launcher: bool = False) -> Path:
    keys = yaml.safe_load(Path(f"recipes/accelerate_configs/{config}.yaml").read_text())
    keys |= {"use_cpu": True, "mixed_precision": "no"}
    if without_launcher:
        keys["deepspeed_config"].pop("deepspeed_multinode_launcher", None)
    path = folder / "accelerate.yaml"
    path.write_text(yaml.safe_dump(keys))
    return path


def ranks_in(output: str) -> list[str]:
    return sorted(line for line in output.splitlines() if line.startswith("rank"))


def files_with_environment(folder: Path) -> list[Path]:
    """The files into which a launcher has written the environment, and with it users' keys."""
    files = [path for path in folder.iterdir() if path.is_file()]
    return [path for path in files if path.name == ".deepspeed_env" or SECRET in path.read_text()]


@pytest.mark.parametrize(
    ("config", "without_launcher"),
    [("ddp", False), ("fsdp2", False), ("zero2", False), ("zero3", False), ("zero3", True)],
    ids=["ddp", "fsdp2", "zero2", "zero3", "a zero3 of the user"],
)
def test_slurm_jobs_on_two_nodes_are_one_job(tmp_path, config, without_launcher):
    job = SimpleNamespace(nodes=["a", "b"], gpus=0, processes=2, address="127.0.0.1", port=free_port())
    path = for_the_cpu(config, tmp_path, without_launcher)
    command = launcher_command(job, job.nodes, str(path), bf16=False)
    on_each_node = [*command[command.index("bash") :], str(SCRIPT)]  # without `srun`
    output = start_launchers([on_each_node, on_each_node], tmp_path)
    assert ranks_in(output) == ONE_JOB, output
    assert files_with_environment(tmp_path) == []


@pytest.mark.parametrize("config", ["zero2", "zero3"])
def test_launchers_started_by_hand_are_one_job(tmp_path, config):
    path = for_the_cpu(config, tmp_path)
    port = free_port()
    commands = []
    for rank in range(2):
        options = ["--num_machines", 2, "--num_processes", 4, "--machine_rank", rank]
        options += ["--main_process_ip", "127.0.0.1", "--main_process_port", port, "--config_file", path]
        commands.append(["accelerate", "launch", "--quiet", *map(str, options), str(SCRIPT)])
    output = start_launchers(commands, tmp_path)
    assert ranks_in(output) == ONE_JOB, output
    assert files_with_environment(tmp_path) == []
