"""JSON Lines files that a killed process may have left with an incomplete last line."""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from open_r1.utils.errors import RecipeError


logger = logging.getLogger(__name__)


def encode_line(row: dict) -> bytes:
    return (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def read_lines(path: Path) -> Iterator[dict]:
    """The rows of a JSONL file, one at a time.

    Raises:
        RecipeError: Naming file and line of one that is broken.
    """
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="surrogatepass") as stream:
        for number, line in enumerate(stream, 1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise RecipeError(f"{path}, line {number}: no JSON: {line[:80]!r}") from error


def truncate_incomplete_line(path: Path):
    """Cuts a torn last line off."""
    if not path.exists():
        return
    with path.open("rb+") as stream:
        size = end = stream.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 2**16)
            stream.seek(start)
            cut = stream.read(end - start).rfind(b"\n")
            end = start if cut < 0 else start + cut + 1
            if cut >= 0:
                break
        if end < size:
            logger.warning("%s: cut %d bytes of a torn last line off", path, size - end)
            stream.truncate(end)
