"""How many CPU cores there are to use."""

import os


def available_cores() -> int:
    """Number of cores that this process may use. On Linux this respects CPU affinity (`taskset`, Slurm)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cores_per_process() -> int:
    """The available cores, divided among the processes of a training run on this machine."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, available_cores() // processes)
