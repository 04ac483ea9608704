"""The Slurm cluster of a test session."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster import down, find_obstacle, up

from open_r1.cluster.slurm import run_slurm_command


ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")


class Cluster:
    """Submits jobs, queries them, and waits for them, as a user would."""

    def sbatch(self, *argv) -> str:
        return run_slurm_command("sbatch", "--parsable", *map(str, argv))

    def state(self, job: str) -> str:
        return self.about(job)["JobState"]

    def about(self, job: str) -> dict[str, str]:
        words = run_slurm_command("scontrol", "--oneliner", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait(self, job: str, *states: str, seconds: float = 180) -> str:
        """Waits until a job has ended or is in one of the given states; returns its state."""
        for _ in range(int(seconds / 0.2)):
            state = self.state(job)
            if state in (*states, *ENDED):
                return state
            time.sleep(0.2)
        raise AssertionError(f"job {job} is {state}: {self.log(job)}")

    def log(self, job: str) -> str:
        path = Path(self.about(job)["StdOut"])
        return path.read_text(errors="replace") if path.exists() else ""

    def restart(self, job: str, times: int = 1) -> None:
        """Starts a job immediately after its n-th requeue, for which Slurm would wait two minutes."""
        for _ in range(600):
            about = self.about(job)
            if about["JobState"] == "RUNNING" and about["Restarts"] == str(times):
                return
            if about["JobState"] == "PENDING":
                run_slurm_command("scontrol", "update", f"JobId={job}", "StartTime=now")
            time.sleep(0.2)
        raise AssertionError(self.log(job))


def wait_for_step(folder, step, cluster, job) -> None:
    """Waits until a run has logged a step."""
    for _ in range(600):
        path = folder / "log_history.jsonl"
        if path.exists() and any(json.loads(line)["step"] >= step for line in path.read_text().splitlines()):
            return
        assert cluster.state(job) in ("RUNNING", "PENDING"), cluster.log(job)
        time.sleep(0.1)
    raise AssertionError(cluster.log(job))


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Runs a cluster until the end of the block; its jobs use the current Python environment."""
    reason = find_obstacle()
    if reason:
        pytest.fail(reason)
    folder.parent.chmod(0o755)
    os.environ |= up(folder)
    os.environ |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "VIRTUAL_ENV": sys.prefix}
    yield Cluster()
    down(folder)
