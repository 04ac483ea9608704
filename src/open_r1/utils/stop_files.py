"""The files by which a run is asked to stop, and reports that it has stopped to its job and its pipeline."""

import json
from pathlib import Path

from open_r1.utils.files import write_text_atomically


STOP = "STOP"  # touch this file in a run's output folder to stop it with a checkpoint
STOPPED = "stopped.json"  # written by a run that was stopped in time
INTERRUPTED = "SIGINT"  # Ctrl-C
# Why a run was stopped. If several reasons come together, the last in this order counts.
REASONS = ("", "its job's time is nearly over", f"there was a file {STOP}", "SIGUSR1", "SIGTERM", INTERRUPTED)


def write_stop_note(output_dir: Path, step: int, reason: str) -> None:
    """Reports, to whatever started the run, that it was stopped in time.

    Args:
        output_dir (`Path`): The run's output folder.
        step (`int`): The step after which it was stopped.
        reason (`str`): One of `REASONS`.
    """
    write_text_atomically(output_dir / STOPPED, json.dumps({"step": step, "reason": reason}) + "\n")
