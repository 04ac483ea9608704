"""Which checkpoint to continue from. One that was cut off while it was written does not count."""

import json
import logging
import re
from pathlib import Path


logger = logging.getLogger(__name__)

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors")


def last_complete_checkpoint(output_dir: str) -> str | None:
    """The newest complete `checkpoint-N` of a folder, `None` if it has none.

    Complete means: weights (all shards), `trainer_state.json` of that very step, optimizer and scheduler, so a checkpoint of
    `save_only_model` is none. Newer incomplete ones are named in the log and passed over.
    """
    folders = [p for p in Path(output_dir).glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", p.name)]
    for folder in sorted(folders, key=_step, reverse=True):
        missing = what_is_missing(folder)
        if missing is None:
            return str(folder)
        logger.warning("%s is incomplete (%s), passing it over", folder, missing)
    return None


def what_is_missing(folder: Path) -> str | None:
    """Why a checkpoint cannot be resumed from, or `None` if it can."""
    try:
        state = json.loads((folder / "trainer_state.json").read_text())
    except (OSError, json.JSONDecodeError) as error:
        return f"trainer_state.json: {error}"
    if state.get("global_step") != _step(folder):
        return f"trainer_state.json is of step {state.get('global_step')}"
    weights = next((name for name in WEIGHTS if (folder / name).is_file()), None)
    sharded = any(folder.glob("global_step*")) or any(folder.glob("pytorch_model_fsdp*"))  # DeepSpeed, FSDP
    if weights is None and not sharded:
        return "no weights"
    if weights and weights.endswith("index.json"):
        shards = set(json.loads((folder / weights).read_text())["weight_map"].values())
        gone = [shard for shard in sorted(shards) if not (folder / shard).is_file()]
        if gone:
            return f"no {gone[0]}"
    for name in ("scheduler.pt", "training_args.bin", "optimizer.pt"):
        if not sharded and (not (folder / name).is_file() or not (folder / name).stat().st_size):
            return f"no {name}"
    return None


def _step(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])
