"""Reads the folders of completions that `generate.py` writes; `generation.completion_store` documents their files."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from open_r1.utils.errors import RecipeError
from open_r1.utils.jsonl import read_lines


def read_manifests(folder: Path) -> list[dict]:
    """Reads the manifests of a folder of completions, one per shard, in order.

    Raises:
        RecipeError: If there is none, or if a shard is missing or incomplete, naming it.
    """
    manifests = []
    shards = []
    incomplete = []
    for path in sorted(Path(folder).glob("manifest-*.json")):
        manifest = json.loads(path.read_text())
        manifests.append(manifest)
        shards.append(manifest["shard"])
        if not manifest["complete"]:
            incomplete.append(manifest["shard"])
    if not manifests:
        raise RecipeError(f"no completions in {folder} (looked for manifest-*.json).")
    to_run = missing_shards(shards) + incomplete
    if to_run:
        raise RecipeError(f"{folder}: not complete, run these shards again: {', '.join(to_run)}.")
    return manifests


def missing_shards(shards: Iterable[str]) -> list[str]:
    """The shards that are missing beside those that are there.

    >>> missing_shards(["00000-of-00003", "00002-of-00003"])
    ['00001-of-00003']
    """
    existing = set(shards)
    missing = []
    for count in sorted({shard.rpartition("-")[2] for shard in existing}):
        for number in range(int(count)):
            shard = f"{number:05}-of-{count}"
            if shard not in existing:
                missing.append(shard)
    return missing


def read_completions(folder: Path) -> Iterator[dict]:
    """Reads all completions of a folder, shard by shard, each with its prompt's columns.

    Prompts are read from the disk again when their completions come, so that only their offsets are kept in memory.

    Raises:
        RecipeError: See `read_manifests`.
    """
    for manifest in read_manifests(folder):
        with Path(folder, f"prompts-{manifest['shard']}.jsonl").open("rb") as prompts:
            offsets = _prompt_offsets(prompts)
            prompt = {"prompt_id": None}
            for completion in read_lines(Path(folder, f"completions-{manifest['shard']}.jsonl")):
                if completion["prompt_id"] != prompt["prompt_id"]:
                    prompts.seek(offsets[completion["prompt_id"]])
                    prompt = json.loads(prompts.readline())
                yield prompt | completion


def _prompt_offsets(prompts: BinaryIO) -> dict[str, int]:
    """Where in the file the line of each prompt begins, in bytes."""
    offsets = {}
    offset = 0
    for line in prompts:
        offsets[json.loads(line)["prompt_id"]] = offset
        offset += len(line)
    return offsets
