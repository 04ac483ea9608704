"""Which open_r1 made a file: its version and, in a clone, its commit."""

import subprocess
from importlib.metadata import version
from pathlib import Path


def version_and_commit() -> list[str]:
    """The installed version, with the commit if this is a clone; `-dirty` marks one with uncommitted changes."""
    command = [
        "git",
        "-C",
        str(Path(__file__).parent),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no git, or not a clone
        return [f"open_r1 {version('open_r1')}"]
    return [f"open_r1 {version('open_r1')} (commit {commit})"]
