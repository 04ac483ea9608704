"""Atomic file writes, locks and renames that stay consistent if the process is killed at any moment."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from open_r1.utils.errors import RecipeError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path next to `path`. On success, its file is synced to disk and replaces `path`."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Holds a lock on a file. The file is not deleted afterwards.

    Raises:
        RecipeError: If another process holds the lock.
    """
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            stream.seek(0)
            owner = stream.read().strip() or "unknown"
            raise RecipeError(
                f"output_dir: {path.parent}, {path.stem}: another process writes there ({owner})."
            ) from error
        stream.truncate(0)
        stream.write(f"{socket.gethostname()}, process {os.getpid()}\n")
        stream.flush()
        yield


def require_file(key: str, path: str) -> None:
    """Checks that a file named in a recipe exists.

    Args:
        key (`str`): The recipe key that names the file.
        path (`str`): Path of the file.

    Raises:
        RecipeError: If the file does not exist.
    """
    if not Path(path).is_file():
        raise RecipeError(f"{key}: no file {path!r} (looked in {os.getcwd()}).")


def rename_aside(path: Path, suffix: str) -> Path:
    """Moves a file or folder out of the way, to `<name>.<suffix>-<number>` with the first unused number.

    Returns:
        `Path`: The new path.
    """
    number = 1
    while path.with_name(f"{path.name}.{suffix}-{number}").exists():
        number += 1
    return path.rename(path.with_name(f"{path.name}.{suffix}-{number}"))


def write_text_atomically(path: Path, text: str, mode: int = 0o666):
    """Writes a text file atomically, with the permissions `mode` minus the user's umask. Keeps lone surrogates."""
    with atomic_path(path) as part:
        part.touch(mode)
        part.write_text(text, encoding="utf-8", errors="surrogatepass")
