"""Finds the checkpoint to resume from, skipping those that are incomplete or damaged.

When all processes have written their part of a checkpoint, [`CheckpointManifest`] lists its files and their sizes in
`manifest.json`. A checkpoint is complete if it still has all of them. This works for any layout (one device, DDP,
DeepSpeed or FSDP), and is fast for a model of any size.

A checkpoint without a manifest, written by another program or by a run that was killed during the save, is only
checked roughly.
"""

import json
import logging
import os
import re
import zipfile
from pathlib import Path

from accelerate import PartialState
from safetensors import SafetensorError, safe_open
from transformers import TrainerCallback, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from open_r1.utils.errors import RecipeError
from open_r1.utils.files import rename_aside, write_text_atomically


logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
UNFINISHED = "checkpoint-is-incomplete.txt"  # transformers puts this into a checkpoint while it writes it
STATE_KEY = "open_r1"  # our entry among the callbacks' states in trainer_state.json
# Without a manifest: what the trainer, DeepSpeed (`global_step*`) and FSDP call the weights and the optimizer's state.
WEIGHTS = ("*.safetensors", "pytorch_model*", "global_step*")
OPTIMIZER = ("optimizer*", "global_step*")


class CheckpointManifest(TrainerCallback):
    """Writes `manifest.json`, with the size of every file, into each checkpoint."""

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Records the number of processes in the trainer's state."""
        # Each process writes its random state last; see `_random_states`.
        state.stateful_callbacks[STATE_KEY] = {"processes": args.world_size}

    def on_save(self, args, state, control, **kwargs) -> None:
        """Writes the manifest once every process has saved its files."""
        PartialState().wait_for_everyone()
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.is_world_process_zero and checkpoint.is_dir():
            write_manifest(checkpoint)


def write_manifest(checkpoint: Path) -> None:
    """Writes the sizes of a checkpoint's files, once their contents have reached the disk."""
    sizes = {}
    for path in sorted(checkpoint.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            with path.open("rb") as file:
                os.fsync(file.fileno())
            sizes[str(path.relative_to(checkpoint))] = path.stat().st_size
    write_text_atomically(checkpoint / MANIFEST, json.dumps(sizes, indent=1) + "\n")


def last_complete_checkpoint(output_dir: str) -> str | None:
    """Finds the newest complete `checkpoint-<step>` in a folder. Logs newer ones that are incomplete.

    Args:
        output_dir (`str`): The run's output folder.

    Returns:
        `str`, *optional*: Its path. `None` if there is no checkpoint, or a single incomplete one, which a run that was
            killed during its first save leaves behind.

    Raises:
        RecipeError: If there are several checkpoints and none is complete.
    """
    defects = []
    for checkpoint in checkpoints(output_dir):
        defect = find_defect(checkpoint)
        if defect is None:
            return str(checkpoint)
        logger.warning("%s is incomplete (%s), skipping it", checkpoint, defect)
        defects.append(f"{checkpoint.name}: {defect}")
    if len(defects) > 1:
        raise RecipeError(
            f"output_dir: none of the {len(defects)} checkpoints in {output_dir} is complete ({'; '.join(defects)}). "
            "Repair one, or remove them to start from scratch."
        )
    return None


def resume_checkpoint(args: TrainingArguments) -> str | None:
    """The checkpoint to resume from: the last complete one of the run, or else the one that the recipe names.

    Args:
        args (`TrainingArguments`): `resume_from_checkpoint` is `true` (the default), `false` or the path of a
            checkpoint, which is only used as long as the run has no checkpoints of its own.

    Raises:
        RecipeError: If the checkpoint that the recipe names cannot be used, or there are checkpoints although the
            recipe says `false`.
    """
    own_checkpoint = last_complete_checkpoint(args.output_dir)
    wanted = str(args.resume_from_checkpoint or "true")
    if wanted.lower() == "false" and own_checkpoint:
        raise RecipeError(f"resume_from_checkpoint: false, but {args.output_dir} has checkpoints; remove them first.")
    if own_checkpoint or wanted.lower() in ("true", "false"):
        return own_checkpoint
    defect = find_defect(Path(wanted))
    if defect:
        raise RecipeError(f"resume_from_checkpoint: cannot continue from {wanted!r}: {defect}.")
    return wanted


def checkpoints(output_dir: str) -> list[Path]:
    """All folders `checkpoint-<step>` of a run, the newest first."""
    folders = [path for path in Path(output_dir).glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    return sorted(folders, key=step_of, reverse=True)


def step_of(checkpoint: Path) -> int:
    """The step of a folder `checkpoint-<step>`."""
    return int(checkpoint.name.rpartition("-")[2])


def read_trainer_state(checkpoint: str | Path) -> dict:
    """Reads the trainer's state from a checkpoint's `trainer_state.json`."""
    return json.loads((Path(checkpoint) / TRAINER_STATE_NAME).read_text())


def rename_incomplete(output_dir: str, resume_from: str | None) -> None:
    """Renames incomplete checkpoints newer than the one to resume from, since the run will write them again."""
    for checkpoint in checkpoints(output_dir):
        if checkpoint == Path(resume_from or ""):
            return
        if find_defect(checkpoint) is not None:
            renamed = rename_aside(checkpoint, "incomplete")
            logger.warning("%s is incomplete and was renamed to %s", checkpoint, renamed.name)


def find_defect(checkpoint: Path) -> str | None:
    """Why a checkpoint cannot be resumed from; `None` if it can."""
    if (checkpoint / UNFINISHED).exists():
        return f"it has a {UNFINISHED}"
    if (checkpoint / MANIFEST).is_file():
        return _find_defect_by_manifest(checkpoint) or _find_defect_in_state(checkpoint)
    return _find_defect_in_state(checkpoint) or _find_defect_without_manifest(checkpoint)


def _find_defect_by_manifest(checkpoint: Path) -> str | None:
    try:
        sizes = json.loads((checkpoint / MANIFEST).read_text())
        for name, size in sizes.items():
            path = checkpoint / name
            if not path.is_file():
                return f"no {name}"
            if path.stat().st_size != size:
                return f"{name} has {path.stat().st_size:,} bytes instead of {size:,}"
            if _is_blank(path):
                return f"{name} is blank"
    except (OSError, ValueError, AttributeError) as error:
        return f"{MANIFEST} cannot be read: {error!r}"
    return None


def _find_defect_in_state(checkpoint: Path) -> str | None:
    if not (checkpoint / TRAINER_STATE_NAME).is_file():
        return f"no {TRAINER_STATE_NAME}"
    try:
        step, expected = read_trainer_state(checkpoint)["global_step"], step_of(checkpoint)
    except (OSError, ValueError, TypeError, KeyError) as error:
        return f"{TRAINER_STATE_NAME} cannot be read: {error!r}"
    if step != expected:
        return f"{TRAINER_STATE_NAME} is of step {step}"
    return None


def _find_defect_without_manifest(checkpoint: Path) -> str | None:
    """Checks that there are weights and an optimizer state, and that no file is truncated."""
    if not _has_any(checkpoint, WEIGHTS):
        return "no weights"
    if not _has_any(checkpoint, OPTIMIZER):
        return "no optimizer state"
    for name in _random_states(checkpoint):
        if not (checkpoint / name).is_file():
            return f"no {name}"
    for folder in _shard_folders(checkpoint):
        for needed in (".metadata", "*.distcp"):
            if not any(folder.glob(needed)):
                return f"no {folder.name}/{needed}"
    for path in sorted(checkpoint.rglob("*")):
        if path.is_file() and _is_cut_off(path):
            return f"{path.relative_to(checkpoint)} is cut off"
    return None


def _random_states(checkpoint: Path) -> list[str]:
    """The files that the processes of our runs write last. One is missing if the run was killed before that."""
    try:
        processes = read_trainer_state(checkpoint)["stateful_callbacks"][STATE_KEY]["processes"]
    except (KeyError, TypeError):  # written by another program
        return []
    if processes == 1:
        return ["rng_state.pth"]
    return [f"rng_state_{rank}.pth" for rank in range(processes)]


def _shard_folders(checkpoint: Path) -> list[Path]:
    """The folders in which FSDP stores the shards of weights and optimizer."""
    folders = []
    for pattern in ("pytorch_model_fsdp_*", "optimizer_*"):
        folders += [path for path in sorted(checkpoint.glob(pattern)) if path.is_dir()]
    return folders


def _has_any(checkpoint: Path, patterns: tuple[str, ...]) -> bool:
    return any(any(checkpoint.glob(pattern)) for pattern in patterns)


def _is_cut_off(path: Path) -> bool:
    """Whether a tensor file is truncated."""
    if path.suffix in (".pt", ".pth", ".bin"):  # torch writes ZIP archives, whose directory is at the end
        return not zipfile.is_zipfile(path)
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt"):
                return False
        except (SafetensorError, OSError):
            return True
    return False


def _is_blank(path: Path) -> bool:
    """Whether a file starts with zeros only, as a file system may leave it after a power failure."""
    with path.open("rb") as file:
        head = file.read(16)
    return len(head) > 0 and not any(head)
