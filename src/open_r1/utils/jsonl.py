"""Reads and repairs JSON Lines files, including those whose last line is incomplete after a process was killed."""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from open_r1.utils.errors import RecipeError


logger = logging.getLogger(__name__)

BLOCK = 2**16  # bytes to search at a time for the last newline


def encode_line(row: dict) -> bytes:
    r"""Encodes a row as a line of a JSONL file. Keeps lone surrogates (models do generate them); dates become text.

    >>> encode_line({"text": "é"})
    b'{"text": "\xc3\xa9"}\n'
    """
    return (json.dumps(row, ensure_ascii=False, default=str) + "\n").encode("utf-8", "surrogatepass")


def read_lines(path: Path) -> Iterator[dict]:
    """Iterates over the rows of a file. A file that does not exist has no rows.

    Args:
        path (`Path`): The file.

    Raises:
        RecipeError: If a line is not valid JSON.
    """
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="surrogatepass") as stream:
        for number, line in enumerate(stream, 1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise RecipeError(f"{path}, line {number}: not valid JSON: {line[:80]!r}") from error


def truncate_incomplete_line(path: Path) -> None:
    """Removes the last line of a file if it does not end with a newline.

    Args:
        path (`Path`): The file; it does not have to exist.
    """
    if not path.exists():
        return
    with path.open("rb+") as stream:
        size = stream.seek(0, os.SEEK_END)
        complete_size = _size_of_complete_lines(stream, size)
        if complete_size < size:
            logger.warning("%s: removed an incomplete last line of %d bytes", path, size - complete_size)
            stream.truncate(complete_size)


def _size_of_complete_lines(stream: BinaryIO, size: int) -> int:
    """The position right after the last newline, searching from the end of the file."""
    end = size
    while end > 0:
        start = max(0, end - BLOCK)
        stream.seek(start)
        newline = stream.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
