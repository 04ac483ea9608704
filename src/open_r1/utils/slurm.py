"""A Slurm job: its nodes, and what is asked of Slurm. All that open_r1 knows of Slurm is here."""

import math
import os
import subprocess
from dataclasses import dataclass
from datetime import datetime

from open_r1.configs import RecipeError


@dataclass
class Job:
    """The job that this process runs in.

    Args:
        id (`str`): Its number.
        nodes (`list[str]`): Its nodes, in order.
        processes (`int`): Processes that training starts on each node: as many as it has GPUs, one without, or `PROCESSES_PER_NODE`.
        end (`float`): When its time is over, in seconds since 1970; infinite without a limit.
    """

    id: str
    nodes: list[str]
    processes: int
    end: float

    @classmethod
    def current(cls) -> "Job":
        """Reads it from the environment, and what is not there from Slurm.

        Raises:
            RecipeError: If this is no job.
        """
        if not (number := os.environ.get("SLURM_JOB_ID")):
            raise RecipeError(
                "this is no Slurm job (there is no SLURM_JOB_ID). Submit it: sbatch slurm/train.slurm --recipe RECIPE"
            )
        nodes = ask("scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]).split()
        processes = os.environ.get("PROCESSES_PER_NODE") or os.environ.get("SLURM_GPUS_ON_NODE") or "1"
        told = ask("squeue", "--noheader", "--job", number, "--format", "%e")  # older Slurms do not set SLURM_JOB_END_TIME
        end = datetime.fromisoformat(told).timestamp() if told[:1].isdigit() else math.inf
        return cls(number, nodes, int(processes), end)

    @property
    def address(self) -> str:
        """Where the other nodes reach the first one: Slurm knows, also where the name of a node is no name of a host."""
        told = ask("scontrol", "--oneliner", "show", "node", self.nodes[0])
        return next(word.partition("=")[2] for word in told.split() if word.startswith("NodeAddr="))

    @property
    def port(self) -> int:
        """A port for this job alone, below those that Linux hands out."""
        return 20000 + int(self.id) % 10000

    def requeue(self):
        """Puts the job back into the queue, which ends it here."""
        ask("scontrol", "requeue", self.id)


def ask(*command: str) -> str:
    """What a program of Slurm's says.

    Raises:
        RecipeError: With its complaint.
    """
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError as error:
        raise RecipeError(f"{command[0]}: there is no Slurm here.") from error
    except subprocess.CalledProcessError as error:
        raise RecipeError(f"{' '.join(command)}: {error.stderr.strip() or f'status {error.returncode}'}") from error


def on_nodes(nodes: list[str], command: list[str]) -> list[str]:
    """A command, once on each of these nodes; if it fails on one, it is ended on all."""
    count = str(len(nodes))
    return [*("srun", "--nodes", count, "--ntasks", count, "--ntasks-per-node", "1", "--nodelist", ",".join(nodes)),
            *("--kill-on-bad-exit=1", "--wait=0"), *command]  # fmt: skip
