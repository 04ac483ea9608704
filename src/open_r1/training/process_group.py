"""Destroys the process group so that Python can exit safely."""

import time
from pathlib import Path

import torch


GLOO_THREAD = "pt_gloo_runloop"
THREADS = Path("/proc/self/task")  # Linux only; on other systems there is no wait


def end_process_group() -> None:
    """Destroys the process group, and waits until Gloo's threads have released the tensors that they worked on.

    These threads outlive the group. If one releases a tensor while Python exits, it aborts the process, and the run
    fails (pytorch/pytorch#179291).
    """
    if not torch.distributed.is_initialized():
        return
    torch.distributed.destroy_process_group()
    while True:
        # Releasing a tensor takes the interpreter's lock, which is free during this sleep. A thread that still sleeps
        # afterwards has nothing left to release.
        time.sleep(0.01)
        if not working_threads():
            return


def working_threads() -> list[str]:
    """The ids of Gloo's threads that are running, or waiting for a CPU."""
    working = []
    for thread in THREADS.glob("*"):
        try:
            status = (thread / "stat").read_text()
        except OSError:  # it has ended
            continue
        name, _, fields = status.partition("(")[2].rpartition(")")  # proc_pid_stat(5): id, (name), state
        if name == GLOO_THREAD and fields.split()[0] != "S":
            working.append(thread.name)
    return working
