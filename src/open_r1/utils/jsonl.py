"""JSON Lines files, including those that a killed process has left with an incomplete last line."""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from open_r1.utils.errors import RecipeError


logger = logging.getLogger(__name__)

BLOCK = 2**16  # bytes that are searched for the end of a line at once


def encode_line(row: dict) -> bytes:
    r"""A row as a line of a file; lone surrogates, which models do generate, are kept, and dates become text.

    >>> encode_line({"text": "é"})
    b'{"text": "\xc3\xa9"}\n'
    """
    return (json.dumps(row, ensure_ascii=False, default=str) + "\n").encode("utf-8", "surrogatepass")


def read_lines(path: Path) -> Iterator[dict]:
    """Reads the rows of a file, one at a time; a file that does not exist has none.

    Args:
        path (`Path`): The file.

    Raises:
        RecipeError: If a line is not JSON, naming file and line.
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
        path (`Path`): The file; it need not exist.
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
    """The position behind the last newline, searched from the end of a file."""
    end = size
    while end > 0:
        start = max(0, end - BLOCK)
        stream.seek(start)
        newline = stream.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
