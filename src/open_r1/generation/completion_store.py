"""Stores completions in a folder: append-only JSONL files per shard, and a manifest that describes them.

    <output_dir>/manifest-00000-of-00004.json       how completions are sampled, how many are wanted, and whether
                                                    all of them exist
    <output_dir>/prompts-00000-of-00004.jsonl       id, prompt and the other columns of each prompt
    <output_dir>/completions-00000-of-00004.jsonl   one line per completion, in the order in which they were generated
    <output_dir>/failed-00000-of-00004.jsonl        one line per failed request, which the next run retries

A process can be killed at any moment. The next one removes an incomplete last line, reads which completions exist and
generates the others. All completions in a folder are of one kind: a run with other sampling parameters, another model
or other prompts is refused.
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

# Columns of a completion's row, besides its text and the columns of its prompt.
COMPLETION_COLUMNS = (
    "prompt_id",
    "model",
    "sampling",
    "seed",
    "sample",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "error",
)


@dataclass(frozen=True)
class Request:
    """A completion to generate.

    Args:
        prompt_id (`str`): Id of the prompt, unique in the data set.
        sample (`int`): Index of the completion among those of its prompt, from 0.
        prompt (`str` or `list[dict]`): Text, or messages.
        seed (`int`): Seed of this completion.
        prefix (`str`, *optional*, defaults to `""`): Text that the completion begins with.
        max_tokens (`int`, *optional*): Maximum number of tokens to generate; by default that of the back end.
    """

    prompt_id: str
    sample: int
    prompt: Prompt
    seed: int
    prefix: str = ""
    max_tokens: int | None = None


@dataclass
class Completion:
    """A generated completion, or the reason why there is none.

    Args:
        completion (`str`): The text, with the prefix of the request.
        finish_reason (`str`): `stop`, or `length` if it was truncated.
        prompt_tokens (`int`): Number of tokens that were given: the prompt, and the prefix.
        completion_tokens (`int`): Number of tokens that were generated.
        error (`str`, *optional*): Why the request failed.
    """

    completion: str = ""
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    error: str | None = None


def prompt_ids(prompts: Iterable[Prompt], prefixes: Iterable[str] | None = None) -> list[str]:
    """The ids of prompts: a hash of the content, with a number appended where a prompt is repeated.

    Args:
        prompts (`Iterable[str]` or `Iterable[list[dict]]`): The prompts.
        prefixes (`Iterable[str]`, *optional*): The text that each completion begins with.

    >>> ids = prompt_ids(["a", "b", "a"])
    >>> ids[0] != ids[1], ids[2] == ids[0] + "-1"
    (True, True)
    """
    occurrences: dict[str, int] = {}
    ids = []
    contents = prompts if prefixes is None else zip(prompts, prefixes, strict=True)
    for content in contents:
        text = content if isinstance(content, str) else json.dumps(content, sort_keys=True)
        content_hash = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        earlier = occurrences.get(content_hash, 0)
        occurrences[content_hash] = earlier + 1
        ids.append(f"{content_hash}-{earlier}" if earlier else content_hash)
    return ids


def completion_seed(seed: int, prompt_id: str, sample: int) -> int:
    """The seed of a completion: the same in every run, process and shard.

    >>> completion_seed(1, "a", 0) == completion_seed(1, "a", 0) != completion_seed(1, "a", 1)
    True
    """
    digest = hashlib.sha256(f"{seed}/{prompt_id}/{sample}".encode()).digest()
    return int.from_bytes(digest[:4]) % 2**31


def require_json_columns(row: dict) -> None:
    """Checks that all columns of a row can be stored as JSON.

    Raises:
        RecipeError: If a column cannot, with its name.
    """
    for name, value in row.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise RecipeError(
                f"dataset_name: the column {name!r} cannot be stored with the completions ({error}); "
                "remove it or convert it to text."
            ) from error


class CompletionStore:
    """The completions of one shard. Only one process at a time can open it.

    Args:
        folder (`Path`): The run's `output_dir`.
        shard (`int`): Index of the shard, from 0.
        shards (`int`): Number of shards.
        description (`dict`): Model, sampling parameters and everything else that the completions depend on.

    Raises:
        RecipeError: If the folder holds completions of another kind, or another process has opened the shard.
    """

    def __init__(self, folder: Path, shard: int, shards: int, description: dict[str, Any]):
        self.folder = folder
        self.suffix = f"{shard:05}-of-{shards:05}"
        self.description = json.loads(json.dumps(description))
        self.path = self._file("completions", "jsonl")
        self.failed_path = self._file("failed", "jsonl")
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = ExitStack()
        self._lock.enter_context(file_lock(self._file("lock", "txt")))
        self._check_manifests()
        truncate_incomplete_line(self.path)
        truncate_incomplete_line(self.failed_path)
        # For each prompt, a number whose bit `i` says whether completion `i` exists: small even with millions of
        # prompts.
        self.existing: dict[str, int] = {}
        self.rows = 0
        self.tokens = 0
        self.truncated = 0
        for row in read_lines(self.path):
            self._count_row(row)
        self._stream = self.path.open("ab")

    def __enter__(self) -> "CompletionStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._lock.close()

    def has(self, request: Request) -> bool:
        """Whether the completion of a request exists."""
        bits = self.existing.get(request.prompt_id, 0)
        return bool(bits & (1 << request.sample))

    def add(self, generated: list[tuple[Request, Completion]]) -> None:
        """Appends completions and waits until they are on disk. Existing ones are not replaced."""
        lines = []
        failed_lines = []
        for request, completion in generated:
            identity = {"prompt_id": request.prompt_id, "sample": request.sample, "seed": request.seed}
            if completion.error is not None:
                failed_lines.append(encode_line(identity | {"error": completion.error}))
            elif not self.has(request):
                row = self._row(identity, completion)
                lines.append(encode_line(row))
                self._count_row(row)
        self._stream.write(b"".join(lines))
        self._stream.flush()
        os.fsync(self._stream.fileno())
        if failed_lines:
            with self.failed_path.open("ab") as stream:
                stream.write(b"".join(failed_lines))

    def count(self, ids: list[str], num_generations: int) -> int:
        """Counts the existing completions of prompts.

        Args:
            ids (`list[str]`): Ids of the prompts.
            num_generations (`int`): Completions wanted per prompt; surplus ones of an earlier run do not count.
        """
        wanted_bits = (1 << num_generations) - 1
        total = 0
        for prompt_id in ids:
            total += (self.existing.get(prompt_id, 0) & wanted_bits).bit_count()
        return total

    def write_manifest(self, ids: list[str], num_generations: int, features: dict[str, Any] | None = None) -> None:
        """Writes the manifest atomically.

        Args:
            ids (`list[str]`): Ids of the prompts of this shard.
            num_generations (`int`): Completions wanted per prompt.
            features (`dict`, *optional*): Types of the prompts' columns, as `datasets.Features.to_dict` gives them.
        """
        wanted = len(ids) * num_generations
        manifest = {
            **self.description,
            "shard": self.suffix,
            "features": features,
            "prompts": len(ids),
            "wanted": wanted,
            "rows": self.rows,
            "truncated": self.truncated,
            "complete": self.count(ids, num_generations) == wanted,
        }
        text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
        write_text_atomically(self._file("manifest", "json"), text)

    def write_prompts(self, rows: Iterable[dict]) -> None:
        """Writes the prompts with all their columns. Every run does this, since other columns may have changed."""
        with atomic_path(self._file("prompts", "jsonl")) as path, path.open("wb") as stream:
            for row in rows:
                stream.write(encode_line(row))

    def _row(self, identity: dict, completion: Completion) -> dict:
        columns = asdict(completion)
        del columns["error"]
        kind = {"model": self.description["model"], "sampling": self.description["sampling"]}
        return identity | columns | kind

    def _count_row(self, row: dict) -> None:
        bits = self.existing.get(row["prompt_id"], 0)
        self.existing[row["prompt_id"]] = bits | (1 << row["sample"])
        self.rows += 1
        self.tokens += row["completion_tokens"]
        if row["finish_reason"] == "length":
            self.truncated += 1

    def _file(self, kind: str, extension: str) -> Path:
        return self.folder / f"{kind}-{self.suffix}.{extension}"

    def _check_manifests(self) -> None:
        """Checks that all shards in the folder have the same description and the same number of shards."""
        shards = self.suffix.rpartition("-")[2]
        for path in sorted(self.folder.glob("manifest-*.json")):
            manifest = json.loads(path.read_text())
            if manifest["shard"].rpartition("-")[2] != shards:
                raise RecipeError(
                    f"shard: {self.folder} holds {manifest['shard']}; expected …-of-{shards}. "
                    "Use the same number of shards, or another output_dir."
                )
            differences = []
            for key, wanted in self.description.items():
                if manifest.get(key) != wanted:
                    differences.append(_describe_difference(key, manifest.get(key), wanted))
            if differences:
                raise RecipeError(
                    f"output_dir: {self.folder} holds completions of another kind: {'; '.join(differences)}. "
                    "Use another output_dir."
                )


def _describe_difference(key: str, old: Any, new: Any) -> str:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return f"{key} was {str(old)[:80]!r} and is {str(new)[:80]!r}"
    parts = []
    for name in old | new:
        before, now = old.get(name), new.get(name)
        if before != now:
            parts.append(f"{name} was {before!r} and is {now!r}")
    return ", ".join(parts)
