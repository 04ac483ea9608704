"""The version of open_r1 that is recorded in files it writes, with the commit if it runs from a git clone."""

import subprocess
from importlib.metadata import version
from pathlib import Path


def version_and_commit() -> list[str]:
    """The installed version, with the commit in a git clone (`-dirty` if there are uncommitted changes)."""
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
