"""Files that ask a run to stop, and the file in which it tells its job and its pipeline that it has stopped."""

import json
from pathlib import Path

from open_r1.utils.files import write_text_atomically


STOP = "STOP"  # touch this file in a run's output folder to stop it with a checkpoint
STOPPED = "stopped.json"  # written by a run that saved a checkpoint and stopped
INTERRUPTED = "SIGINT"  # Ctrl-C
# Reasons to stop a run. If several apply at once, the last one in this order is reported.
REASONS = ("", "its job's time is nearly over", f"there was a file {STOP}", "SIGUSR1", "SIGTERM", INTERRUPTED)


def write_stop_note(output_dir: Path, step: int, reason: str) -> None:
    """Tells the process that started the run (a Slurm job or a pipeline) that it stopped with a checkpoint.

    Args:
        output_dir (`Path`): The run's output folder.
        step (`int`): The last step before it stopped.
        reason (`str`): One of `REASONS`.
    """
    write_text_atomically(output_dir / STOPPED, json.dumps({"step": step, "reason": reason}) + "\n")
