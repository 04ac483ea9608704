"""Which checkpoint to continue from. One that was cut off while it was written, or damaged since, does not count.

A file is whole if it is as long as it says itself: safetensors by its header, what torch writes (a ZIP archive) by its directory, which
stands at the end, JSON by its last bracket. No tensor is read, so this takes a moment for a model of any size.
"""

import json
import logging
import re
import struct
import zipfile
from pathlib import Path

from open_r1.utils.errors import RecipeError
from open_r1.utils.files import rename_aside


logger = logging.getLogger(__name__)

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors")
STATE = "trainer_state.json"  # transformers writes it last
UNFINISHED = "checkpoint-is-incomplete.txt"  # transformers' mark of a checkpoint that it is writing
MARK = "open_r1"  # our own entry in it, see `callbacks.Processes`
ASIDE = "incomplete"  # what a damaged folder's name ends in once it is out of the way


def last_complete_checkpoint(output_dir: str) -> str | None:
    """The newest complete `checkpoint-N` of a folder, `None` if it has none. Newer ones that are not are named in the log.

    Complete means: weights (all shards), optimizer, scheduler and the state of every process' random numbers, each whole, and
    `trainer_state.json` of that very step; so a checkpoint of `save_only_model` is none.

    Raises:
        RecipeError: If there are several, and none is complete: that is no run that was stopped while it saved for the first time.
    """
    folders = checkpoints(output_dir)
    reasons = {}
    for folder in folders:
        reasons[folder] = what_is_missing(folder)
        if reasons[folder] is None:
            return str(folder)
        logger.warning("%s is incomplete (%s), passing it over", folder, reasons[folder])
    if len(folders) > 1:
        told = "; ".join(f"{folder.name}: {reason}" for folder, reason in reasons.items())
        raise RecipeError(
            f"output_dir: none of the {len(folders)} checkpoints in {output_dir} is complete ({told}). Mend one, or remove them to start anew."
        )
    return None


def checkpoints(output_dir: str) -> list[Path]:
    """All `checkpoint-N` of a folder, the newest first."""
    folders = [path for path in Path(output_dir).glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    return sorted(folders, key=step_of, reverse=True)


def rename_incomplete(output_dir: str, resume_from: str | None):
    """Renames the incomplete checkpoints after the one that is resumed from: the run is about to write others of the same steps."""
    for folder in checkpoints(output_dir):
        if folder == Path(resume_from or ""):
            return
        if what_is_missing(folder) is not None:
            aside = rename_aside(folder, ASIDE)
            logger.warning("%s is incomplete and was renamed to %s", folder, aside.name)


def what_is_missing(folder: Path) -> str | None:
    """Why a checkpoint cannot be resumed from, or `None` if it can."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    if STATE not in files or UNFINISHED in files:
        return f"no {STATE}" if STATE not in files else f"it has a {UNFINISHED}"
    for name, path in files.items():
        if not is_whole(path):
            return f"{name} is cut off"
    try:
        state = json.loads(files[STATE].read_text())
        if state["global_step"] != step_of(folder):
            return f"{STATE} is of step {state['global_step']}"
        needed = _needed(files, state.get("stateful_callbacks", {}).get(MARK, {}).get("processes"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return f"it says nothing sensible of itself: {error!r}"
    return next((f"no {name}" for name in needed if name not in files), None)


def is_whole(path: Path) -> bool:
    """Whether a file is as long as it says. Files of other kinds need not be, if they are not empty."""
    if path.suffix not in (".json", ".safetensors", ".pt", ".pth", ".bin", ".distcp") and path.name not in (
        ".metadata",
        "latest",
    ):
        return True
    if not (size := path.stat().st_size):
        return False
    try:
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".safetensors":
            return size == _length_of_safetensors(path, size)
        elif path.suffix in (".pt", ".pth", ".bin"):
            with zipfile.ZipFile(path) as archive:
                return archive.start_dir > 0 and path.open("rb").read(4) == b"PK\x03\x04"
    except (OSError, ValueError, KeyError, struct.error, zipfile.BadZipFile):
        return False
    return True


def _length_of_safetensors(path: Path, size: int) -> int:
    """Bytes of the whole file as its header has it: length of the header, header, and the tensors that it lists."""
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(min(length, size)))
    return (
        8
        + length
        + max((tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"), default=0)
    )


def _needed(files: dict[str, Path], processes: int | None) -> list[str]:
    """The files that a checkpoint must have, by what it has already: of one device or DDP, of DeepSpeed, or of FSDP.

    Args:
        files (`dict[str, Path]`): What it has.
        processes (`int`, *optional*): How many have written it, if that is known.
    """
    processes = processes or sum(name.startswith("rng_state_") for name in files) or 1
    needed = ["training_args.bin", "scheduler.pt"]
    needed += [f"rng_state_{rank}.pth" for rank in range(processes)] if processes > 1 else ["rng_state.pth"]
    if "latest" in files:
        return needed + _of_deepspeed(files, processes)
    if any(name.startswith(("pytorch_model_fsdp", "optimizer_0/")) for name in files):
        split = any(name.startswith("optimizer_0/") for name in files)
        return [*needed, "optimizer_0/.metadata" if split else "optimizer.bin"]
    weights = next((name for name in WEIGHTS if name in files), WEIGHTS[0])
    if weights.endswith("index.json"):
        needed += sorted(set(json.loads(files[weights].read_text())["weight_map"].values()))
    return [*needed, weights, "optimizer.pt"]


def _of_deepspeed(files: dict[str, Path], processes: int) -> list[str]:
    """What DeepSpeed's own folder, which the file `latest` names, must have: every process' part of the optimizer."""
    tag = files["latest"].read_text().strip()
    kind = "bf16_" if any(name.startswith(f"{tag}/bf16_") for name in files) else ""
    needed = [f"{tag}/{kind}zero_pp_rank_{rank}_mp_rank_00_optim_states.pt" for rank in range(processes)]
    if any(
        name.startswith(f"{tag}/zero_pp_rank_") and name.endswith("model_states.pt") for name in files
    ):  # ZeRO-3 splits these too
        return needed + [f"{tag}/zero_pp_rank_{rank}_mp_rank_00_model_states.pt" for rank in range(processes)]
    return [*needed, f"{tag}/mp_rank_00_model_states.pt"]


def step_of(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])
