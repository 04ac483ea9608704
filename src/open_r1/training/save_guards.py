"""Stops a run before it saves weights that are NaN or infinite, or a checkpoint that does not fit on the disk."""

import logging
import math
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import TrainerCallback

from open_r1.training.checkpoints import checkpoints
from open_r1.training.preemption import max_over_processes
from open_r1.training.reference_model import saved_reference, saves_reference
from open_r1.utils.errors import RecipeError


logger = logging.getLogger(__name__)

SPARE_ROOM = 1.2  # free space wanted, as a multiple of the last checkpoint's size


class NonFiniteGuard(TrainerCallback):
    """Stops a run whose loss, gradient or weights are NaN or infinite.

    Args:
        max_non_finite (`int`): Stop after this many consecutive logged steps whose loss or gradient is not finite.
    """

    def __init__(self, max_non_finite: int):
        self.max_non_finite = max_non_finite
        self.non_finite_steps = 0  # in a row

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        """Counts consecutive logged steps whose loss or gradient is NaN or infinite."""
        values = [logs[key] for key in ("loss", "grad_norm") if key in logs]
        if not values:
            return
        if all(math.isfinite(value) for value in values):
            self.non_finite_steps = 0
            return
        self.non_finite_steps += 1
        if self.non_finite_steps >= self.max_non_finite:
            raise RecipeError(
                f"step {state.global_step}: loss or gradient was NaN or infinite in {self.non_finite_steps} "
                f"logged steps in a row (max_non_finite). {_describe_last_checkpoint(args.output_dir)} "
                "Lower the learning rate, or look at the data."
            )

    def on_step_end(self, args, state, control, model=None, **kwargs) -> None:
        """Stops before weights that are NaN or infinite are saved."""
        is_last_step = state.global_step >= state.max_steps  # the model is then saved even without checkpoints
        if not control.should_save and not is_last_step:
            return
        if max_over_processes(int(not is_finite(model)), args.device):
            raise RecipeError(
                f"step {state.global_step}: the weights are NaN or infinite; nothing was saved. "
                f"{_describe_last_checkpoint(args.output_dir)}"
            )

    on_epoch_end = on_step_end


class DiskFullGuard(TrainerCallback):
    """Stops a run, or skips a checkpoint, if the disk has no room for it.

    Args:
        when_disk_is_full (`str`): `stop` or `skip`.
    """

    def __init__(self, when_disk_is_full: str):
        self.when_disk_is_full = when_disk_is_full

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Checks the free space before a checkpoint is written."""
        if not control.should_save:
            return
        shortage = None
        if state.is_world_process_zero:
            shortage = find_shortage(Path(args.output_dir), saves_reference(args, state.global_step))
        if not max_over_processes(int(shortage is not None), args.device):
            return
        if self.when_disk_is_full == "stop":
            raise RecipeError(
                f"step {state.global_step}: {shortage or 'the disk is full'}. "
                f"{_describe_last_checkpoint(args.output_dir)}"
            )
        logger.warning("step %d is not saved: %s", state.global_step, shortage)
        control.should_save = False

    on_epoch_end = on_step_end


def is_finite(model: torch.nn.Module) -> bool:
    """Whether all weights that this process holds are finite. With ZeRO-3 or FSDP, it only holds a part of them."""
    checks = []
    for weight in model.parameters():
        part = getattr(weight, "ds_tensor", weight).detach()  # ZeRO-3
        if hasattr(part, "to_local"):  # FSDP
            part = part.to_local()
        if part.numel():
            checks.append(torch.isfinite(part).all())
    return not checks or bool(torch.stack(checks).all())


def find_shortage(output_dir: Path, with_reference: bool) -> str | None:
    """Why another checkpoint does not fit; `None` if it does, or if none was saved yet (see `check_output_dir`).

    Args:
        output_dir (`Path`): The run's output folder.
        with_reference (`bool`): Whether the checkpoint has the reference model, which is as large as the model.
    """
    saved = checkpoints(str(output_dir))
    if not saved:
        return None
    size = _size_of(saved[0].rglob("*"))
    if with_reference and not saved_reference(saved[0]):
        size += _size_of(saved[0].glob("*.safetensors"))
    free = shutil.disk_usage(output_dir).free
    if free >= SPARE_ROOM * size:
        return None
    return f"{output_dir} has {free / 1e6:,.1f} MB free, and a checkpoint takes {size / 1e6:,.1f} MB"


def _size_of(paths: Iterable[Path]) -> int:
    """The total size of the files among paths, in bytes."""
    return sum(path.stat().st_size for path in paths if path.is_file())


def _describe_last_checkpoint(output_dir: str) -> str:
    saved = checkpoints(output_dir)
    return f"The last checkpoint is {saved[0]}." if saved else "There is no checkpoint yet."
