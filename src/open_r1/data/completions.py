"""Reading folders of completions, as `generate.py` writes them; see `generation.completion_store` for the files."""

import json
from collections.abc import Iterator
from pathlib import Path

from open_r1.utils.errors import RecipeError
from open_r1.utils.jsonl import read_lines


def read_manifests(folder: Path) -> list[dict]:
    """The manifests of a folder of completions, in order.

    Raises:
        RecipeError: If there is none, or if a shard is missing or not complete, naming it.
    """
    manifests = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("manifest-*.json"))]
    if not manifests:
        raise RecipeError(f"no completions in {folder} (looked for manifest-*.json).")
    count = int(manifests[0]["shard"].rpartition("-")[2])
    there = {manifest["shard"] for manifest in manifests}
    missing = [f"{i:05}-of-{count:05}" for i in range(count) if f"{i:05}-of-{count:05}" not in there]
    missing += [manifest["shard"] for manifest in manifests if not manifest["complete"]]
    if missing:
        raise RecipeError(f"{folder}: not complete, run these shards again: {', '.join(missing)}.")
    return manifests


def read_completions(folder: Path) -> Iterator[dict]:
    """All completions of a folder, each with its prompt's columns, shards in order; of the prompts only the places are in memory.

    Raises:
        RecipeError: See `read_manifests`.
    """
    for manifest in read_manifests(folder):
        with Path(folder, f"prompts-{manifest['shard']}.jsonl").open("rb") as prompts:
            places, place = {}, 0
            for line in prompts:
                places[json.loads(line)["prompt_id"]] = place
                place += len(line)
            prompt = {"prompt_id": None}
            for row in read_lines(Path(folder, f"completions-{manifest['shard']}.jsonl")):
                if row["prompt_id"] != prompt["prompt_id"]:
                    prompts.seek(places[row["prompt_id"]])
                    prompt = json.loads(prompts.readline())
                yield prompt | row
