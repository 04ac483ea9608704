"""The steps that all trainers share: check the recipe, build TRL's trainer, train or resume, save, push.

A script parses its recipe, calls [`prepare`], loads its data, calls [`check_resume`], shows the start-up box and
passes TRL's trainer class to [`train`]. Errors in the recipe or the data are reported before any weights are loaded.
"""

import logging
import os
import re
import warnings
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import torch
import transformers
import yaml
from accelerate.utils import disable_fsdp_ram_efficient_loading
from datasets import Dataset
from tqdm.contrib.logging import logging_redirect_tqdm
from transformers import Trainer, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from trl import ModelConfig, get_peft_config, get_quantization_config

from open_r1.configs import GRPOScriptArguments, ScriptArguments
from open_r1.models.attention import check_attention
from open_r1.models.loading import ModelInfo, load_model, load_model_info
from open_r1.training.callbacks import LogHistory, ProgressLog, ShowCompletions
from open_r1.training.checkpoints import (
    CheckpointManifest,
    read_trainer_state,
    rename_incomplete,
    resume_checkpoint,
    step_of,
)
from open_r1.training.checks import (
    check_output_dir,
    check_packages,
    check_precision,
    check_quantization,
    check_reference_model,
)
from open_r1.training.hub_options import check_hub_options, create_hub_repo, hub_repo_name
from open_r1.training.hub_pushes import HubPushes
from open_r1.training.model_card import write_model_card
from open_r1.training.preemption import Preemption
from open_r1.training.process_group import end_process_group
from open_r1.training.reference_model import check_saved_reference, use_reference_sync
from open_r1.training.reward_guard import RewardGuard
from open_r1.training.run_record import Change, RunRecord, compare_with_checkpoint, describe_run
from open_r1.training.save_guards import DiskFullGuard, NonFiniteGuard
from open_r1.training.tied_weights import expect_tied_weights
from open_r1.utils.errors import RunStopped
from open_r1.utils.files import write_text_atomically
from open_r1.utils.stop_files import INTERRUPTED


logger = logging.getLogger(__name__)

WITH_SECOND_MODEL = ("grpo", "distillation")  # stages whose trainer loads a reference model or a teacher


@dataclass
class Run:
    """A recipe, checked and resolved.

    Args:
        stage (`str`): Key of `STAGES`.
        script_args (`ScriptArguments`): Our options.
        training_args (`TrainingArguments`): The trainer's options.
        model_args (`ModelConfig`): The model's options.
        model_info (`ModelInfo`): The model's configuration and tokenizer, without weights.
        resume_from (`str`, *optional*): The checkpoint to resume from.
        repo (`str`, *optional*): The Hub repository that the model is pushed to.
        record (`dict`): What gives the run its meaning; see [`check_resume`].
        changes (`list[Change]`): What has changed since the checkpoint to resume from.
    """

    stage: str
    script_args: ScriptArguments
    training_args: TrainingArguments
    model_args: ModelConfig
    model_info: ModelInfo
    resume_from: str | None
    repo: str | None
    record: dict[str, Any] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)

    @property
    def global_batch(self) -> int:
        """Sequences per optimizer step, over all devices."""
        args = self.training_args
        return args.per_device_train_batch_size * args.world_size * args.gradient_accumulation_steps

    @property
    def recipe(self) -> dict[str, Any]:
        """The keys that the recipe and the command line set, which are enough to repeat the run."""
        keys = dict(self.script_args.keys)
        for key in ("dry_run", "resume_with_changes"):  # of one call, not of the run
            keys.pop(key, None)
        return keys


def prepare(
    stage: str, script_args: ScriptArguments, training_args: TrainingArguments, model_args: ModelConfig
) -> Run:
    """Checks everything that does not need the data: device, model, output folder, Hub, checkpoint to resume from.

    Args:
        stage (`str`): Key of `STAGES`.
        script_args (`ScriptArguments`): Our options.
        training_args (`TrainingArguments`): The trainer's options.
        model_args (`ModelConfig`): The model's options.

    Raises:
        RecipeError: With the key to change.
    """
    set_up_logging(training_args)
    trust_remote_code = getattr(training_args, "trust_remote_code", False)
    if not script_args.dry_run:
        check_precision(script_args, training_args)
    on_cpu = training_args.device.type == "cpu"
    check_attention(model_args.attn_implementation, on_cpu, script_args.dry_run)
    model_info = load_model_info(model_args, training_args.seed, trust_remote_code)
    check_quantization(model_info.config, model_args)
    check_reference_model(training_args, model_args)
    if not script_args.dry_run:
        model_info.require_checkpoint("model_name_or_path")
        check_packages(training_args)
    check_output_dir(training_args, model_args, model_info.parameters)
    check_hub_options(script_args, training_args, model_args)
    repo = None
    if training_args.push_to_hub:
        training_args.push_to_hub = False  # we push ourselves, since the trainer would not notice a failed push
        is_main_process = training_args.process_index == 0
        creates_repo = is_main_process and not script_args.dry_run
        repo = create_hub_repo(training_args) if creates_repo else hub_repo_name(training_args)
    training_args.logging_nan_inf_filter = False  # it would log the last finite loss instead of a NaN
    set_seed(training_args.seed)
    return Run(stage, script_args, training_args, model_args, model_info, resume_checkpoint(training_args), repo)


def check_resume(run: Run, dataset: Dataset) -> None:
    """Records what gives the run its meaning, and compares it with the checkpoint that the run resumes from.

    Args:
        run (`Run`): From [`prepare`]; its `record` and `changes` are set.
        dataset (`Dataset`): The training set.

    Raises:
        RecipeError: If the run would get another meaning than it had, and the recipe does not ask for it.
    """
    run.record = describe_run(run, dataset)
    if run.resume_from:
        run.changes = compare_with_checkpoint(run, run.record)
        check_saved_reference(run)


def train(
    run: Run,
    trainer_class: type[Trainer],
    dataset: Dataset,
    held_out: Dataset | None,
    steps_of_a_round: int = 1,
    **trainer_options,
) -> None:
    """Builds the trainer, trains or resumes, and saves the results.

    Writes to `output_dir`: the model, `recipe.yaml`, `log_history.jsonl`, `train_results.json`, `README.md` (the model
    card).

    Args:
        run (`Run`): From [`prepare`].
        trainer_class (`type[Trainer]`): One of TRL's trainers.
        dataset (`Dataset`): The training set.
        held_out (`Dataset`, *optional*): The evaluation set.
        steps_of_a_round (`int`, *optional*, defaults to 1): The run can be stopped after any multiple of this.
        trainer_options: Arguments that are specific to this trainer.

    Raises:
        RunStopped: If the run was asked to stop. It has saved a checkpoint.
    """
    if is_finished(run):
        logger.info("%s is already trained; remove the folder to train it again", run.training_args.output_dir)
        push_finished_run(run)
        return
    load_checkpoints_of_numbered_cpus()
    trainer = build_trainer(run, trainer_class, dataset, held_out, trainer_options)
    preemption = Preemption(run.training_args.output_dir, steps_of_a_round)
    add_callbacks(trainer, run, preemption)
    pushes = add_pushes(trainer, run)
    if trainer.is_world_process_zero():
        prepare_output_dir(run)
    if run.resume_from:
        logger.info("resuming from %s", run.resume_from)
        for change in run.changes:
            logger.info("since then, %s", change)
    with logging_redirect_tqdm():
        result = trainer.train(resume_from_checkpoint=run.resume_from)
    if preemption.reason:
        end_process_group()
        raise RunStopped(
            f"stopped after step {trainer.state.global_step} of {trainer.state.max_steps}: {preemption.reason}",
            interrupted=preemption.reason == INTERRUPTED,
        )
    save_results(trainer, run, result.metrics)
    end_process_group()
    if pushes:
        pushes.finish()


def is_finished(run: Run) -> bool:
    """Whether an earlier run has already finished the training. transformers would train for one more step."""
    args = run.training_args
    if not run.resume_from or not (Path(args.output_dir) / "train_results.json").is_file():
        return False
    state = read_trainer_state(run.resume_from)
    if args.max_steps > 0:
        return state["global_step"] >= args.max_steps
    return state["global_step"] >= state["max_steps"] and args.num_train_epochs <= state["num_train_epochs"]


def push_finished_run(run: Run) -> None:
    """Pushes what an earlier run trained but did not push."""
    if run.repo and run.training_args.process_index == 0:
        pushes = HubPushes.from_args(run.script_args, run.training_args, run.repo, lambda folder: None)
        pushes.start(step_of(Path(run.resume_from)))
        pushes.finish()


def build_trainer(
    run: Run,
    trainer_class: type[Trainer],
    dataset: Dataset,
    held_out: Dataset | None,
    trainer_options: dict[str, Any],
) -> Trainer:
    """Builds the trainer, without the callbacks that print."""
    if run.stage in WITH_SECOND_MODEL:
        # With FSDP only the first process would read weights. Accelerate sends those of the policy to the others, but
        # nobody sends those of the reference model or the teacher, which would be zeros there.
        disable_fsdp_ram_efficient_loading()
    trainer = trainer_class(
        model=load_model(run.model_args, run.training_args),
        args=run.training_args,
        train_dataset=dataset,
        eval_dataset=held_out,
        processing_class=run.model_info.tokenizer,
        peft_config=get_peft_config(run.model_args),
        quantization_config=get_quantization_config(run.model_args),
        **trainer_options,
    )
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    expect_tied_weights(trainer)
    # TRL calls this when it saves a checkpoint.
    trainer.create_model_card = lambda **kwargs: save_model_card(trainer, run, Path(run.training_args.output_dir))
    return trainer


def add_callbacks(trainer: Trainer, run: Run, preemption: Preemption) -> None:
    """Adds the callbacks that every run has, in the order in which they are called."""
    trainer.add_callback(ProgressLog())
    trainer.add_callback(LogHistory(run.training_args.output_dir))
    trainer.add_callback(preemption)
    if isinstance(run.script_args, GRPOScriptArguments):
        trainer.add_callback(RewardGuard(trainer.reward_funcs[0].composition))
    trainer.add_callback(NonFiniteGuard(run.script_args.max_non_finite))
    trainer.add_callback(DiskFullGuard(run.script_args.when_disk_is_full))
    if getattr(run.training_args, "sync_ref_model", False):  # only GRPO has it
        use_reference_sync(trainer, run.resume_from)
    trainer.add_callback(RunRecord(run.record))
    trainer.add_callback(CheckpointManifest())
    if isinstance(run.script_args, GRPOScriptArguments):
        trainer.add_callback(ShowCompletions(trainer, run.script_args.show_completions_every))


def add_pushes(trainer: Trainer, run: Run) -> HubPushes | None:
    """Pushes what an earlier run left behind, and checkpoints from now on, if the recipe asks for it."""
    if not run.repo or not trainer.is_world_process_zero():
        return None
    pushes = HubPushes.from_args(
        run.script_args, run.training_args, run.repo, lambda folder: save_model_card(trainer, run, folder)
    )
    pushes.start(step_of(Path(run.resume_from)) if run.resume_from else 0)
    trainer.add_callback(pushes)
    return pushes


def prepare_output_dir(run: Run) -> None:
    """Writes the recipe into the output folder, and moves incomplete checkpoints out of the way."""
    output_dir = Path(run.training_args.output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    recipe = yaml.safe_dump(run.recipe, sort_keys=False, allow_unicode=True)
    write_text_atomically(output_dir / "recipe.yaml", recipe)
    rename_incomplete(run.training_args.output_dir, run.resume_from)


def save_results(trainer: Trainer, run: Run, metrics: dict[str, float]) -> None:
    """Saves the metrics, the model card and the model of a finished run."""
    output_dir = run.training_args.output_dir
    trainer.save_metrics("train", {**metrics, "train_steps": trainer.state.global_step})
    trainer.save_state()
    save_model_card(trainer, run, Path(output_dir))
    trainer.save_model(output_dir)
    logger.info("saved to %s", output_dir)


def save_model_card(trainer: Trainer, run: Run, folder: Path) -> None:
    """Writes the model card of a run into a folder, in the main process."""
    if not trainer.is_world_process_zero():
        return
    name = (run.repo or run.training_args.output_dir).rpartition("/")[2]
    write_model_card(
        folder,
        name=name,
        repo=run.repo,
        stage=run.stage,
        recipe=run.recipe,
        data=run.script_args.data,
        log_history=trainer.state.log_history,
        samples=getattr(trainer, "num_generations_eval", None),
    )


@cache  # torch cannot register it twice
def load_checkpoints_of_numbered_cpus() -> None:
    """Makes torch load tensors from `cpu:0`, as accelerate calls the CPU if there are several processes."""

    def load(storage, location: str):
        return storage if re.fullmatch(r"cpu:\d+", location) else None

    torch.serialization.register_package(99, lambda storage: None, load)


def set_up_logging(args: TrainingArguments) -> None:
    """Logs our messages from the main process only, and only warnings of the libraries."""
    is_main_process = args.process_index == 0
    level = logging.INFO if is_main_process else logging.ERROR
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=level)
    for name in ("httpx", "accelerate", "datasets", "filelock"):
        logging.getLogger(name).setLevel(logging.WARNING)
    transformers.utils.logging.set_verbosity_warning()
    transformers.utils.logging.disable_progress_bar()
    datasets.utils.logging.set_verbosity_warning()
    huggingface_hub.utils.disable_progress_bars()  # of uploads, which run during training
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module="torch")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
