"""Where completions are kept: an append-only JSONL file a shard, with a manifest that says what is in it.

    <output_dir>/manifest-00000-of-00004.json       how these were drawn, how many there are to be, whether they are all there
    <output_dir>/prompts-00000-of-00004.jsonl       id, prompt and the other columns of each prompt
    <output_dir>/completions-00000-of-00004.jsonl   one line a completion, in the order in which they came
    <output_dir>/failed-00000-of-00004.jsonl        one line a completion that could not be had, tried again by the next run

A process may be killed at any moment. The next one cuts a torn last line off, reads which completions are there and draws the
others. A folder takes completions of one kind only: other sampling parameters, another model or other prompts are refused.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from open_r1.utils.errors import RecipeError
from open_r1.utils.files import atomic_path, file_lock, write_text_atomically
from open_r1.utils.jsonl import encode_line, read_lines, truncate_incomplete_line


logger = logging.getLogger(__name__)

Prompt = str | list[dict]


@dataclass(frozen=True)
class Request:
    """One completion to draw.

    Args:
        prompt_id (`str`): The prompt's, unique in the data set.
        sample (`int`): Which of its completions, from 0.
        prompt (`Prompt`): Text, or messages.
        seed (`int`): Its own.
    """

    prompt_id: str
    sample: int
    prompt: Prompt
    seed: int


@dataclass
class Completion:
    """One completion drawn, or why not.

    Args:
        completion (`str`): The text.
        finish_reason (`str`): `stop`, or `length` where it was cut off.
        prompt_tokens (`int`): Tokens of the prompt.
        completion_tokens (`int`): Tokens of the completion.
        error (`str`, *optional*): Why there is none.
    """

    completion: str = ""
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    error: str | None = None


def prompt_ids(prompts: Iterable[Prompt]) -> list[str]:
    """An id for each prompt, made of its content, and of its number where several are the same.

    >>> ids = prompt_ids(["a", "b", "a"])
    >>> ids[0] != ids[1], ids[2] == ids[0] + "-1"
    (True, True)
    """
    seen: dict[str, int] = {}
    ids = []
    for prompt in prompts:
        text = prompt if isinstance(prompt, str) else json.dumps(prompt, sort_keys=True)
        name = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        count = seen[name] = seen.get(name, -1) + 1
        ids.append(f"{name}-{count}" if count else name)
    return ids


def seed_of(seed: int, prompt_id: str, sample: int) -> int:
    """The seed of a completion: the same in any run, process or shard.

    >>> seed_of(1, "a", 0) == seed_of(1, "a", 0) != seed_of(1, "a", 1)
    True
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{prompt_id}/{sample}".encode()).digest()[:4]) % 2**31


def check_writable(row: dict):
    """Stops if a column of the prompts cannot be kept as JSON.

    Raises:
        RecipeError: Naming it.
    """
    for name, value in row.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise RecipeError(
                f"dataset_name: the column {name!r} cannot be kept with the completions ({error}); leave it out or make it text."
            ) from error


class CompletionStore:
    """The completions of one shard. One process at a time.

    Args:
        folder (`Path`): The run's `output_dir`.
        shard (`int`): Which shard, from 0.
        shards (`int`): How many there are.
        description (`dict`): Model, sampling parameters and whatever else makes completions different.

    Raises:
        RecipeError: If the folder holds completions of another kind, or another process writes to it.
    """

    def __init__(self, folder: Path, shard: int, shards: int, description: dict[str, Any]):
        self.folder, self.suffix = folder, f"{shard:05}-of-{shards:05}"
        self.description = json.loads(json.dumps(description))
        self.path, self.failed_path = self._file("completions", "jsonl"), self._file("failed", "jsonl")
        folder.mkdir(parents=True, exist_ok=True)
        self._open = ExitStack()
        self._open.enter_context(file_lock(self._file("lock", "txt")))
        self._check_manifests()
        for path in (self.path, self.failed_path):
            truncate_incomplete_line(path)
        self.done: dict[str, int] = {}  # prompt to a bit for each completion that is there
        self.tokens = self.rows = self.truncated = 0
        for row in read_lines(self.path):
            self._count(row)
        self._stream = self.path.open("ab")

    def __enter__(self) -> "CompletionStore":
        return self

    def __exit__(self, *_):
        self._stream.close()
        self._open.close()

    def has(self, job: Request) -> bool:
        return bool(self.done.get(job.prompt_id, 0) >> job.sample & 1)

    def add(self, drawn: list[tuple[Request, Completion]]):
        """Keeps completions, on the disk when this returns; those that are there already are left as they are."""
        lines, failed = [], []
        for job, sample in drawn:
            row = {"prompt_id": job.prompt_id, "sample": job.sample, "seed": job.seed}
            if sample.error is not None:
                failed.append(row | {"error": sample.error})
            elif not self.has(job):
                lines.append(
                    row | {key: value for key, value in asdict(sample).items() if key != "error"} | self._kind()
                )
                self._count(lines[-1])
        self._stream.write(b"".join(map(encode_line, lines)))
        self._stream.flush()
        os.fsync(self._stream.fileno())
        if failed:
            with self.failed_path.open("ab") as stream:
                stream.write(b"".join(map(encode_line, failed)))

    def count(self, ids: list[str], samples: int) -> int:
        """How many of the first so many completions of these prompts are there; there may be others, of a run that wanted more."""
        return sum((self.done.get(name, 0) & (1 << samples) - 1).bit_count() for name in ids)

    def describe(self, ids: list[str], samples: int, features: dict[str, Any] | None = None):
        """Writes the manifest, whole or not at all.

        Args:
            ids (`list[str]`): Prompts of this shard.
            samples (`int`): Completions that each should have.
            features (`dict`, *optional*): Types of the prompts' columns, as `datasets.Features.to_dict` gives them.
        """
        manifest = {
            **self.description,
            "shard": self.suffix,
            "features": features,
            "prompts": len(ids),
            "wanted": len(ids) * samples,
            "rows": self.rows,
            "truncated": self.truncated,
            "complete": self.count(ids, samples) == len(ids) * samples,
        }
        write_text_atomically(
            self._file("manifest", "json"), json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
        )

    def keep_prompts(self, rows: Iterable[dict]):
        """Writes the prompts with all their columns, anew in every run: the prompts are the same, a gold may have been mended."""
        with atomic_path(self._file("prompts", "jsonl")) as part, part.open("wb") as stream:
            stream.writelines(map(encode_line, rows))

    def _kind(self) -> dict:
        return {"model": self.description["model"], "sampling": self.description["sampling"]}

    def _count(self, row: dict):
        self.done[row["prompt_id"]] = self.done.get(row["prompt_id"], 0) | 1 << row["sample"]
        self.rows += 1
        self.tokens += row["completion_tokens"]
        self.truncated += row["finish_reason"] == "length"

    def _file(self, kind: str, ending: str) -> Path:
        return self.folder / f"{kind}-{self.suffix}.{ending}"

    def _check_manifests(self):
        """Stops if any shard of the folder was drawn otherwise, or if the folder was split into another number of shards."""
        for path in sorted(self.folder.glob("manifest-*.json")):
            found = json.loads(path.read_text())
            if found["shard"].rpartition("-")[2] != self.suffix.rpartition("-")[2]:
                raise RecipeError(
                    f"shard: {self.folder} holds {found['shard']}; expected …-of-{self.suffix.rpartition('-')[2]}. Use the same number of "
                    "shards, or another output_dir."
                )
            differ = [key for key, value in self.description.items() if found.get(key) != value]
            if differ:
                told = "; ".join(_difference(key, found.get(key), self.description[key]) for key in differ)
                raise RecipeError(
                    f"output_dir: {self.folder} holds completions of another kind: {told}. Use another output_dir."
                )


def _difference(key: str, found: Any, wanted: Any) -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        names = [name for name in found | wanted if found.get(name) != wanted.get(name)]
        return ", ".join(f"{name} was {found.get(name)!r} and is {wanted.get(name)!r}" for name in names)
    return f"{key} was {str(found)[:80]!r} and is {str(wanted)[:80]!r}"
