"""A last good checkpoint stays the last: none is written of weights that are no numbers, or where there is no room for it."""

import logging
import math
import shutil
from pathlib import Path

import torch
from transformers import TrainerCallback

from open_r1.training.checkpoints import checkpoints
from open_r1.training.preemption import highest
from open_r1.utils.errors import RecipeError


logger = logging.getLogger(__name__)

SPARE = 1.2  # room for a checkpoint, as a multiple of the last one's size


class Soundness(TrainerCallback):
    """Stops a run whose numbers are no numbers any more, and looks before it saves.

    Args:
        max_non_finite (`int`): Logged steps in a row whose loss or gradient may be no finite number.
        when_disk_is_full (`str`): `stop`, or `skip` the checkpoint.
    """

    def __init__(self, max_non_finite: int, when_disk_is_full: str):
        self.max_non_finite, self.when_disk_is_full = max_non_finite, when_disk_is_full
        self.non_finite = 0  # so many in a row

    def on_log(self, args, state, control, logs=None, **kwargs):
        values = [logs[key] for key in ("loss", "grad_norm") if key in logs]
        if not values:
            return
        self.non_finite = 0 if all(map(math.isfinite, values)) else self.non_finite + 1
        if self.non_finite >= self.max_non_finite:
            raise RecipeError(
                f"step {state.global_step}: loss or gradient has not been a finite number in {self.non_finite} logged steps (max_non_finite). "
                f"{_last(args.output_dir)} Lower the learning rate, or look at the data."
            )

    def on_step_end(self, args, state, control, model=None, **kwargs):
        if not control.should_save and state.global_step < state.max_steps:
            return
        if highest(int(not is_finite(model)), args.device):
            raise RecipeError(
                f"step {state.global_step}: the weights are no finite numbers; nothing was saved. {_last(args.output_dir)}"
            )
        if not control.should_save:  # the last step of a run without checkpoints, whose model is saved all the same
            return
        short = no_room(Path(args.output_dir)) if state.is_world_process_zero else None
        if not highest(int(short is not None), args.device):
            return
        if self.when_disk_is_full == "stop":
            raise RecipeError(f"step {state.global_step}: {short or 'the disk is full'}. {_last(args.output_dir)}")
        logger.warning("step %d is not saved: %s", state.global_step, short)
        control.should_save = False

    on_epoch_end = on_step_end


def is_finite(model: torch.nn.Module) -> bool:
    """Whether all weights that this process holds are numbers: all of them, or its part if they are split (ZeRO-3, FSDP)."""
    parts = [getattr(weight, "ds_tensor", weight).detach() for weight in model.parameters()]
    found = [
        torch.isfinite(part.to_local() if hasattr(part, "to_local") else part).all() for part in parts if part.numel()
    ]
    return not found or bool(torch.stack(found).all())


def no_room(output_dir: Path) -> str | None:
    """Why another checkpoint does not fit, or `None`."""
    if not (there := checkpoints(str(output_dir))):
        return None  # looked at before training, by the model's size
    size = sum(path.stat().st_size for path in there[0].rglob("*") if path.is_file())
    free = shutil.disk_usage(output_dir).free
    if free >= SPARE * size:
        return None
    return f"{output_dir} has {free / 1e6:,.1f} MB free, and a checkpoint takes {size / 1e6:,.1f} MB"


def _last(output_dir: str) -> str:
    there = checkpoints(output_dir)
    return f"The last checkpoint is {there[0]}." if there else "There is no checkpoint yet."
