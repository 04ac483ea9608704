"""Ends a process group so that Python can exit."""

import time
from pathlib import Path

import torch


GLOO_THREAD = "pt_gloo_runloop"
THREADS = Path("/proc/self/task")  # Linux only; elsewhere nothing is waited for


def end_process_group() -> None:
    """Destroys the process group, and waits until the threads of Gloo have dropped the tensors that they worked on.

    These threads outlive the group. If one drops a tensor while Python exits, it aborts the process, and with it the
    run (pytorch/pytorch#179291).
    """
    if not torch.distributed.is_initialized():
        return
    torch.distributed.destroy_process_group()
    while True:
        # Dropping a tensor takes the interpreter's lock, which is free during this sleep. A thread that still sleeps
        # afterwards has nothing left to drop.
        time.sleep(0.01)
        if not working_threads():
            return


def working_threads() -> list[str]:
    """Ids of the threads of Gloo that run, or would if they had a CPU."""
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
