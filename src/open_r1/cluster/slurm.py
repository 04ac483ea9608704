"""The Slurm job that this process runs in, and Slurm's commands. No other module calls Slurm directly."""

import math
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from datetime import datetime

from open_r1.utils.errors import RecipeError


# Variables that launchers and Slurm set for the processes of a run. They would mislead any other program: it would
# believe that it is one of these processes, and wait for the others.
RUN_VARIABLES = re.compile(
    r"RANK|\w+_RANK|WORLD_SIZE|LOCAL_WORLD_SIZE|MASTER_\w+|TORCHELASTIC_\w+|ACCELERATE_\w+|FSDP_\w+"
    r"|SLURM_(?!CONF$|JWT$|CLUSTERS$)\w+|VLLM_API_KEY|VLLM_HOST_IP"
)
# In what a job asks for: `gres:gpu:2`, `gres/gpu:a100:2`, `cpu=8,gres/gpu=2`, or `gres:gpu` for one.
GPU_REQUEST = re.compile(r"\bgpu(?::[^:=,]*[^:=,\d][^:=,]*)?(?:[:=](\d+))?(?=,|$)")
FIRST_PORT = 20000  # below the ephemeral ports of Linux
PORTS_PER_JOB = 3
MAX_JOBS_WITH_OWN_PORTS = 3333


@dataclass
class SlurmJob:
    """The Slurm job that this process runs in.

    Args:
        id (`str`): Slurm's id: a number, or `<array>_<task>`.
        port (`int`): The first of three ports that no other job uses.
        nodes (`list[str]`): Names of its nodes, in order.
        gpus (`int`): GPUs per node.
        processes (`int`): Training processes per node: `PROCESSES_PER_NODE` if set, otherwise one per GPU, or one.
        end (`float`): Unix time at which its time limit is reached; infinite without one.
        warned (`bool`): Whether Slurm has warned, by SIGUSR1, that the time limit is near.
    """

    id: str
    port: int
    nodes: list[str]
    gpus: int
    processes: int
    end: float
    warned: bool = False

    @classmethod
    def current(cls) -> "SlurmJob":
        """Reads the job from the environment and from Slurm, and installs a handler for Slurm's warning.

        Raises:
            RecipeError: If this process does not run in a job.
        """
        number = os.environ.get("SLURM_JOB_ID")
        if not number:
            raise RecipeError(
                "SLURM_JOB_ID is not set, so this is not a Slurm job. Submit one: "
                "sbatch slurm/train.slurm --recipe RECIPE"
            )
        job_id = number
        if "SLURM_ARRAY_JOB_ID" in os.environ:
            # One task has the same number as the whole array. This id is that of the task alone.
            job_id = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
        gpus = gpus_per_node(run_slurm_command("scontrol", "--oneliner", "show", "job", job_id))
        processes = os.environ.get("PROCESSES_PER_NODE") or gpus or 1
        job = cls(
            id=job_id,
            port=FIRST_PORT + PORTS_PER_JOB * (int(number) % MAX_JOBS_WITH_OWN_PORTS),
            nodes=run_slurm_command("scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]).split(),
            gpus=gpus,
            processes=int(processes),
            end=_time_limit(job_id),
        )
        signal.signal(signal.SIGUSR1, job._receive_warning)
        return job

    def _receive_warning(self, *_: object) -> None:
        self.warned = True

    @property
    def address(self) -> str:
        """The address at which other nodes reach the first node."""
        return self.address_of(self.nodes[0])

    def address_of(self, node: str) -> str:
        """The address of a node. Slurm knows it even if the node's name is not a host name.

        Args:
            node (`str`): Name of the node.
        """
        description = run_slurm_command("scontrol", "--oneliner", "show", "node", node)
        for word in description.split():
            name, _, value = word.partition("=")
            if name == "NodeAddr":
                return value
        raise RecipeError(f"scontrol does not report the address (NodeAddr) of {node}: {description}")

    @property
    def shard(self) -> str | None:
        """The shard of a task of a job array, as `i/n`; `None` if the job is not part of an array.

        Raises:
            RecipeError: If the array is not `0-<n-1>`, since the shard of a task must not depend on which tasks are
                submitted.
        """
        if "SLURM_ARRAY_TASK_ID" not in os.environ:
            return None
        task = int(os.environ["SLURM_ARRAY_TASK_ID"])
        first = int(os.environ["SLURM_ARRAY_TASK_MIN"])
        last = int(os.environ["SLURM_ARRAY_TASK_MAX"])
        count = int(os.environ["SLURM_ARRAY_TASK_COUNT"])
        if first != 0 or last != count - 1:
            raise RecipeError(
                f"--array: found {count} tasks from {first} to {last}; expected 0-{last}, "
                "whose finished shards are skipped, or --shard."
            )
        return f"{task}/{count}"

    def requeue(self) -> None:
        """Requeues the job, which ends it here."""
        run_slurm_command("scontrol", "requeue", self.id)


def gpus_per_node(job_description: str) -> int:
    """Finds out how many GPUs of each node a job asked for.

    A job with whole nodes (`--exclusive`) is allocated all of their GPUs, but a recipe for one GPU must not become a
    run of eight processes, with eight times the batch.

    Args:
        job_description (`str`): What `scontrol --oneliner show job` prints.

    Returns:
        `int`: The number that it asked for per node, per task (one on each node) or in all; if it did not ask, all
        that it has on this node.

    >>> gpus_per_node("JobId=7 NumNodes=2 TresPerNode=gres:gpu:a100:4 Requeue=1")
    4
    """
    for name in ("TresPerNode", "TresPerTask"):
        count = _count_gpus(name, job_description)
        if count:
            return count
    on_this_node = int(os.environ.get("SLURM_GPUS_ON_NODE") or 0)
    nodes = re.search(r"\bNumNodes=(\d+)", job_description)
    in_all = _count_gpus("TresPerJob", job_description)
    if nodes and in_all:
        return min(on_this_node, in_all // int(nodes[1]))
    return on_this_node


def _count_gpus(request_name: str, job_description: str) -> int:
    """The GPUs in one of a job's requests, such as `TresPerNode`; 0 if there are none."""
    request = re.search(rf"\b{request_name}=(\S+)", job_description)
    if request is None:
        return 0
    return sum(int(count or 1) for count in GPU_REQUEST.findall(request[1]))


def run_slurm_command(*command: str, env: dict[str, str] | None = None) -> str:
    """Runs a program of Slurm.

    Args:
        command (`str`): The program and its arguments.
        env (`dict[str, str]`, *optional*): Environment; by default that of this process.

    Returns:
        `str`: Its output.

    Raises:
        RecipeError: If it fails, with its error message.
    """
    try:
        result = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    except FileNotFoundError as error:
        raise RecipeError(f"{command[0]}: Slurm is not installed on this machine.") from error
    except subprocess.CalledProcessError as error:
        message = error.stderr.strip() or f"status {error.returncode}"
        raise RecipeError(f"{' '.join(command)}: {message}") from error
    return result.stdout.strip()


def submit_job(script: str, options: list[str], arguments: list[str], after: list[str] | None = None) -> str:
    """Submits a job.

    Args:
        script (`str`): The script, such as `slurm/train.slurm`.
        options (`list[str]`): Options of sbatch.
        arguments (`list[str]`): Arguments of the script.
        after (`list[str]`, *optional*): Ids of jobs that must succeed first. If one fails, this job is cancelled.

    Returns:
        `str`: Id of the job.
    """
    command = ["sbatch", "--parsable"]
    if after:
        command += [f"--dependency=afterok:{':'.join(after)}", "--kill-on-invalid-dep=yes"]
    command += [*options, script, *arguments]
    output = run_slurm_command(*command, env=clean_environment())
    return output.partition(";")[0]  # the cluster's name may follow


def clean_environment() -> dict[str, str]:
    """The environment without the variables of this run, for programs that are not part of it."""
    return {name: value for name, value in os.environ.items() if not RUN_VARIABLES.fullmatch(name)}


def job_state(job_id: str) -> str | None:
    """The state of a job, such as `PENDING`; `None` if Slurm no longer knows the job."""
    try:
        output = run_slurm_command("squeue", "--noheader", "--states=all", "--jobs", job_id, "--format", "%T")
    except RecipeError as error:
        if "Invalid job id" in str(error):
            return None
        raise
    return output or None


def srun_command(nodes: list[str], gpus: int, command: list[str]) -> list[str]:
    """Builds a command that runs another one once per node, and ends it on all nodes if it fails on one.

    Args:
        nodes (`list[str]`): Nodes of this job.
        gpus (`int`): GPUs per node.
        command (`list[str]`): What to run.
    """
    count = str(len(nodes))
    # A step only gets GPUs that it asks for, or that the job did.
    gpu_options = ["--gpus-per-node", str(gpus)] if gpus else []
    return [
        # SLURM_GPUS is the number of GPUs of the whole job; a step on only some of the nodes would request as many.
        *("env", "-u", "SLURM_GPUS"),
        # --export=ALL: the step needs this process's environment, even if sbatch was told not to pass one on.
        *("srun", "--export=ALL"),
        *("--nodes", count, "--ntasks", count, "--ntasks-per-node", "1", "--nodelist", ",".join(nodes)),
        *gpu_options,
        # All cores of the node, even where Slurm would bind each task to one.
        "--cpu-bind=none",
        *("--kill-on-bad-exit=1", "--wait=0"),
        *command,
    ]


def _time_limit(job_id: str) -> float:
    """The Unix time at which a job reaches its time limit. Older versions of Slurm do not set SLURM_JOB_END_TIME."""
    end = run_slurm_command("squeue", "--noheader", "--job", job_id, "--format", "%e")
    if not end[:1].isdigit():  # "N/A", or similar
        return math.inf
    return datetime.fromisoformat(end).timestamp()
