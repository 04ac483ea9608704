"""A reference model that the policy replaces during the run (`sync_ref_model`; DeepSeek-R1, Methods).

TRL replaces it by a callback that gathers both whole models on every GPU with ZeRO-3, and a run that resumes starts
again from the reference model of step 0. [`ReferenceSync`] takes its place: it replaces one weight after another,
saves the reference model in each checkpoint and restores it from there.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import Trainer, TrainerCallback, TrainingArguments
from trl.trainer.callbacks import SyncRefModelCallback

from open_r1.training.checkpoints import step_of
from open_r1.training.run_record import read_record
from open_r1.utils.errors import RecipeError


if TYPE_CHECKING:
    from open_r1.training.run import Run

logger = logging.getLogger(__name__)

FOLDER = "reference_model"  # within a checkpoint
SHARD_BYTES = 5 * 10**9  # of a file


class ReferenceSync(TrainerCallback):
    """Replaces the reference model by the policy every `ref_model_sync_steps` steps; saves and restores it.

    Args:
        reference (`nn.Module`): The trainer's reference model, prepared for its device or devices.
        accelerator (`Accelerator`): The trainer's accelerator.
        resume_from (`str`, *optional*): The checkpoint that the run resumes from.
    """

    def __init__(self, reference: nn.Module, accelerator: Accelerator, resume_from: str | None):
        self.reference = reference
        self.accelerator = accelerator
        self.resume_from = resume_from

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Restores the reference model if the run resumes after the first replacement."""
        if self.resume_from is None or not saved_reference(Path(self.resume_from)):
            return
        restore_reference(self._unwrap(self.reference), Path(self.resume_from) / FOLDER)
        logger.info("restored the reference model from %s", Path(self.resume_from) / FOLDER)

    def on_step_end(self, args, state, control, model=None, **kwargs) -> None:
        """Moves the reference model towards the policy by `ref_model_mixup_alpha`; 1 replaces it."""
        if state.global_step % args.ref_model_sync_steps == 0:
            policy = self._unwrap(model)
            sync_reference(policy, self._unwrap(self.reference), args.ref_model_mixup_alpha)

    def on_save(self, args, state, control, **kwargs) -> None:
        """Saves the reference model, once it differs from the model that the run started from."""
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if saves_reference(args, state.global_step):
            save_reference(self._unwrap(self.reference), checkpoint / FOLDER, state.is_world_process_zero)

    def _unwrap(self, model: nn.Module) -> nn.Module:
        return self.accelerator.unwrap_model(model)


def use_reference_sync(trainer: Trainer, resume_from: str | None) -> None:
    """Puts [`ReferenceSync`] in the place of TRL's callback.

    Args:
        trainer (`Trainer`): TRL's GRPOTrainer, with `sync_ref_model`.
        resume_from (`str`, *optional*): The checkpoint that the run resumes from.

    Raises:
        RecipeError: With FSDP 1, which keeps several weights in one tensor.
    """
    fsdp = getattr(trainer.accelerator.state, "fsdp_plugin", None)
    if fsdp is not None and fsdp.fsdp_version == 1:
        raise RecipeError("sync_ref_model: not supported with FSDP 1; set `fsdp_version: 2` in the accelerate_config.")
    trainer.remove_callback(SyncRefModelCallback)
    trainer.add_callback(ReferenceSync(trainer.ref_model, trainer.accelerator, resume_from))


def check_saved_reference(run: "Run") -> None:
    """Stops if a run would resume from a checkpoint of its own that should have a reference model and has none.

    Args:
        run (`Run`): The run.

    Raises:
        RecipeError: If so, unless the recipe accepts changes.
    """
    args = run.training_args
    if not run.resume_from or not getattr(args, "sync_ref_model", False):  # only GRPO has it
        return
    checkpoint = Path(run.resume_from)
    record = read_record(checkpoint)
    was_synchronized = record is None or record["options"].get("sync_ref_model", False)
    was_replaced = was_synchronized and step_of(checkpoint) >= args.ref_model_sync_steps
    if not was_replaced or saved_reference(checkpoint):
        return
    problem = (
        f"sync_ref_model: {checkpoint} has no folder {FOLDER}: the run would continue with the reference model of "
        f"step 0 until the next multiple of {args.ref_model_sync_steps} steps (ref_model_sync_steps)"
    )
    is_own = checkpoint.resolve().parent == Path(args.output_dir).resolve()
    if is_own and not run.script_args.resume_with_changes:
        raise RecipeError(
            f"{problem}. Resume from a checkpoint that has one, or accept this: --resume_with_changes true"
        )
    logger.warning("%s", problem)


def saves_reference(args: TrainingArguments, step: int) -> bool:
    """Whether the checkpoint of a step has the reference model; not before it was replaced for the first time."""
    if not getattr(args, "sync_ref_model", False):  # only GRPO has it
        return False
    return step >= args.ref_model_sync_steps and not args.save_only_model


def saved_reference(checkpoint: Path) -> list[Path]:
    """The files of a checkpoint that hold its reference model; none if it was not replaced yet."""
    return sorted((checkpoint / FOLDER).glob("*.safetensors"))


def sync_reference(policy: nn.Module, reference: nn.Module, alpha: float) -> None:
    """Mixes the policy's weights into the reference model, one weight at a time.

    Args:
        policy (`nn.Module`): The policy.
        reference (`nn.Module`): The reference model; changed in place.
        alpha (`float`): Share of the policy; 1 copies it.
    """
    for new, old in zip(policy.parameters(), reference.parameters(), strict=True):
        with _gather(new) as new_weight, _gather(old, modify=True) as old_weight:
            if old_weight is not None:
                old_weight.mul_(1.0 - alpha).add_(new_weight, alpha=alpha)


def save_reference(reference: nn.Module, folder: Path, is_main_process: bool) -> None:
    """Writes the reference model, one weight at a time; all processes take part, the main one writes.

    Args:
        reference (`nn.Module`): The reference model.
        folder (`Path`): Where to.
        is_main_process (`bool`): Whether this is the main process.
    """
    shard = {}
    shard_bytes = 0
    shards = 0
    if is_main_process:
        folder.mkdir(exist_ok=True)
    for name, parameter in reference.named_parameters():
        with _gather(parameter) as weight:
            if isinstance(weight, DTensor):
                weight = weight.full_tensor()
            if not is_main_process:
                continue
            if shard and shard_bytes + weight.nbytes > SHARD_BYTES:
                shards += 1
                save_file(shard, folder / f"model-{shards:05d}.safetensors")
                shard = {}
                shard_bytes = 0
            shard[name] = weight.to("cpu", copy=True).contiguous()
            shard_bytes += weight.nbytes
    if shard:
        save_file(shard, folder / f"model-{shards + 1:05d}.safetensors")


def restore_reference(reference: nn.Module, folder: Path) -> None:
    """Reads what [`save_reference`] wrote, with any number of processes.

    Args:
        reference (`nn.Module`): The reference model; changed in place.
        folder (`Path`): Where from.

    Raises:
        RecipeError: If the files are those of another model.
    """
    parameters = dict(reference.named_parameters())
    restored = set()
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118, not a mapping
                if name not in parameters:
                    raise RecipeError(f"sync_ref_model: {path} has the weight {name}, which the model lacks.")
                _copy(file.get_tensor(name), parameters[name])
                restored.add(name)
    missing = sorted(set(parameters) - restored)
    if missing:
        raise RecipeError(f"sync_ref_model: {folder} lacks {len(missing)} weights of the model, such as {missing[0]}.")


def _copy(saved: torch.Tensor, parameter: nn.Parameter) -> None:
    """Copies a whole weight into a parameter, of which this process may hold only a part."""
    with _gather(parameter, modify=True) as weight:
        if weight is None:
            return
        if isinstance(weight, DTensor):
            saved = distribute_tensor(saved.to(weight.device), weight.device_mesh, weight.placements)
        weight.copy_(saved)


@contextmanager
def _gather(parameter: nn.Parameter, modify: bool = False) -> Iterator[torch.Tensor | None]:
    """The values of a parameter; with ZeRO-3 gathered from all processes for a moment.

    Args:
        parameter (`nn.Parameter`): The parameter.
        modify (`bool`, *optional*, defaults to `False`):
            Whether the values will be changed. With ZeRO-3 the first process changes them for all; the others get
            `None`.
    """
    if not hasattr(parameter, "ds_id"):
        yield parameter.data
        return
    import deepspeed  # optional, and slow to import

    modifier = 0 if modify else None
    with deepspeed.zero.GatheredParameters([parameter], modifier_rank=modifier):
        if modify and deepspeed.comm.get_rank() != 0:
            yield None
        else:
            yield parameter.data
