"""A Slurm job: its nodes, and what is asked of Slurm. All that open_r1 knows of Slurm is here."""

import math
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from datetime import datetime

from open_r1.utils.errors import RecipeError


# What launchers and Slurm tell the processes of a run, and would mislead another program: it would wait for processes that are not its own.
OF_A_RUN = re.compile(
    r"RANK|\w+_RANK|WORLD_SIZE|LOCAL_WORLD_SIZE|MASTER_\w+|TORCHELASTIC_\w+|ACCELERATE_\w+|FSDP_\w+|SLURM_(?!CONF$|JWT$|CLUSTERS$)\w+|VLLM_API_KEY|VLLM_HOST_IP"
)


@dataclass
class SlurmJob:
    """The job that this process runs in.

    Args:
        id (`str`): What Slurm calls it: its number, or `<array>_<task>`.
        port (`int`): The first of three ports for this job alone, below those that Linux hands out.
        nodes (`list[str]`): Its nodes, in order.
        processes (`int`): Processes that training starts on each node: as many as it has GPUs, one without, or `PROCESSES_PER_NODE`.
        end (`float`): When its time is over, in seconds since 1970; infinite without a limit.
        warned (`bool`): Whether Slurm has said, by SIGUSR1, that this is soon.
    """

    id: str
    port: int
    nodes: list[str]
    processes: int
    end: float
    warned: bool = False

    @classmethod
    def current(cls) -> "SlurmJob":
        """Reads it from the environment, and what is not there from Slurm; from now on its warning is heard.

        Raises:
            RecipeError: If this is no job.
        """
        if not (number := os.environ.get("SLURM_JOB_ID")):
            raise RecipeError(
                "this is no Slurm job (there is no SLURM_JOB_ID). Submit it: sbatch slurm/train.slurm --recipe RECIPE"
            )
        nodes = run_slurm_command("scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]).split()
        processes = os.environ.get("PROCESSES_PER_NODE") or os.environ.get("SLURM_GPUS_ON_NODE") or "1"
        array = os.environ.get(
            "SLURM_ARRAY_JOB_ID"
        )  # one of its tasks has its number: that alone would mean all of them
        name = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else number
        told = run_slurm_command(
            "squeue", "--noheader", "--job", name, "--format", "%e"
        )  # older Slurms do not set SLURM_JOB_END_TIME
        end = datetime.fromisoformat(told).timestamp() if told[:1].isdigit() else math.inf
        job = cls(name, 20000 + 3 * (int(number) % 3333), nodes, int(processes), end)
        signal.signal(signal.SIGUSR1, lambda *_: setattr(job, "warned", True))
        return job

    @property
    def gpus(self) -> int:
        """GPUs of this node."""
        return int(os.environ.get("SLURM_GPUS_ON_NODE") or 0)

    @property
    def address(self) -> str:
        """Where the other nodes reach the first one."""
        return self.address_of(self.nodes[0])

    def address_of(self, node: str) -> str:
        """Where a node is reached: Slurm knows, also where the name of a node is no name of a host."""
        told = run_slurm_command("scontrol", "--oneliner", "show", "node", node)
        return next(word.partition("=")[2] for word in told.split() if word.startswith("NodeAddr="))

    @property
    def shard(self) -> str | None:
        """Which part of the work is this task's, `i/n`, if the job is one of an array.

        Raises:
            RecipeError: If the array is not `0-<n-1>`: a part must have the same number whenever it is asked for.
        """
        if "SLURM_ARRAY_TASK_ID" not in os.environ:
            return None
        task, first, last, count = (
            int(os.environ[f"SLURM_ARRAY_TASK_{name}"]) for name in ("ID", "MIN", "MAX", "COUNT")
        )
        if first != 0 or last != count - 1:
            raise RecipeError(
                f"--array: found {count} tasks from {first} to {last}; expected 0-{last}, whose finished parts are skipped, or --shard."
            )
        return f"{task}/{count}"

    def requeue(self):
        """Puts the job back into the queue, which ends it here."""
        run_slurm_command("scontrol", "requeue", self.id)


def run_slurm_command(*command: str, env: dict[str, str] | None = None) -> str:
    """What a program of Slurm's says, in this environment or another.

    Raises:
        RecipeError: With its complaint.
    """
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout.strip()
    except FileNotFoundError as error:
        raise RecipeError(f"{command[0]}: there is no Slurm here.") from error
    except subprocess.CalledProcessError as error:
        raise RecipeError(f"{' '.join(command)}: {error.stderr.strip() or f'status {error.returncode}'}") from error


def submit_job(script: str, options: list[str], words: list[str], after: list[str] | None = None) -> str:
    """Submits a job.

    Args:
        script (`str`): Such as `slurm/train.slurm`.
        options (`list[str]`): sbatch's.
        words (`list[str]`): The script's.
        after (`list[str]`, *optional*): Jobs that must have ended well; if one fails, this one is cancelled.

    Returns:
        `str`: Its number.
    """
    needs = [f"--dependency=afterok:{':'.join(after)}", "--kill-on-invalid-dep=yes"] if after else []
    return run_slurm_command(
        "sbatch", "--parsable", *needs, *options, script, *words, env=clean_environment()
    ).partition(";")[0]


def clean_environment() -> dict[str, str]:
    """The environment for a program that is not part of this run."""
    return {key: value for key, value in os.environ.items() if not OF_A_RUN.fullmatch(key)}


def job_state(job: str) -> str | None:
    """A job's state, such as `PENDING`; `None` if Slurm no longer knows it."""
    try:
        return run_slurm_command("squeue", "--noheader", "--states=all", "--jobs", job, "--format", "%T") or None
    except RecipeError as error:
        if "Invalid job id" in str(error):
            return None
        raise


def srun_command(nodes: list[str], command: list[str]) -> list[str]:
    """A command, once on each of these nodes; if it fails on one, it is ended on all."""
    count = str(len(nodes))
    # Of the whole job, which a step on a part of its nodes would ask for too; and what sbatch was told not to hand on, the step is told.
    return [*("env", "-u", "SLURM_GPUS", "srun", "--export=ALL", "--nodes", count, "--ntasks", count, "--ntasks-per-node", "1", "--nodelist", ",".join(nodes)),
            *("--kill-on-bad-exit=1", "--wait=0"), *command]  # fmt: skip
