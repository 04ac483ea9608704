"""The files by which a run is asked to stop and says that it has; read by the run, its job and its pipeline."""

import json
from pathlib import Path

from open_r1.utils.files import write_text_atomically


STOP = "STOP"  # touch this file in a run's output folder to stop it with a checkpoint
STOPPED = "stopped.json"  # what a run that stopped in time leaves behind
REASONS = ("", "its job's time is nearly over", f"there was a file {STOP}", "SIGUSR1", "SIGTERM")


def write_stop_note(folder: Path, step: int, reason: str):
    """Says, to whoever has started the run, that it has been stopped in time."""
    write_text_atomically(folder / STOPPED, json.dumps({"step": step, "reason": reason}) + "\n")
