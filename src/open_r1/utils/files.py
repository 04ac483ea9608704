"""Files that are there whole or not at all, whenever a process is killed."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from open_r1.utils.errors import RecipeError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; once that is written, on the disk, it takes the place of `path`."""
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
    """Holds a lock on a file, which stays.

    Raises:
        RecipeError: If another process holds it.
    """
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            stream.seek(0)
            told = stream.read().strip() or "unknown"
            raise RecipeError(
                f"output_dir: {path.parent}, {path.stem}: another process writes there ({told})."
            ) from error
        stream.truncate(0)
        stream.write(f"{socket.gethostname()}, process {os.getpid()}\n")
        stream.flush()
        yield


def require_file(key: str, path: str) -> None:
    """Stops if a file that a recipe names does not exist.

    Args:
        key (`str`): The recipe's key.
        path (`str`): Its value.

    Raises:
        RecipeError: If there is no such file.
    """
    if not Path(path).is_file():
        raise RecipeError(f"{key}: no file {path!r} (looked in {os.getcwd()}).")


def rename_aside(path: Path, suffix: str) -> Path:
    """Renames a file or folder that is in the way to `<name>.<suffix>-<number>`, with the first number that is free.

    Returns:
        `Path`: The new path.
    """
    number = 1
    while path.with_name(f"{path.name}.{suffix}-{number}").exists():
        number += 1
    return path.rename(path.with_name(f"{path.name}.{suffix}-{number}"))


def write_text_atomically(path: Path, text: str, mode: int = 0o666):
    """Writes a text file, lone surrogates and all; who may read it is for `mode` and the user's mask to say."""
    with atomic_path(path) as part:
        part.touch(mode)
        part.write_text(text, encoding="utf-8", errors="surrogatepass")
