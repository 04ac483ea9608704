"""The one run skeleton that every trainer shares: check, show, resume, train, save, report.

A script parses its recipe, calls `prepare`, loads its data, shows the start-up box and hands TRL's trainer class to `train`.
Everything that can go wrong because of the user goes wrong in `prepare` or in the data, before weights are loaded.
"""

import importlib.util
import json
import logging
import math
import os
import re
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import datasets
import huggingface_hub
import torch
import transformers
import yaml
from datasets import Dataset
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from transformers import Trainer, TrainingArguments, set_seed
from transformers.integrations import get_available_reporting_integrations
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from trl import ModelConfig, get_peft_config, get_quantization_config

from open_r1.configs import ScriptArguments
from open_r1.models.loading import ModelInfo, load_model, load_model_info
from open_r1.planning.estimate import Shape, memory_of, sharding
from open_r1.training.callbacks import LogHistory, Processes, ProgressLine
from open_r1.training.checkpoints import last_complete_checkpoint, rename_incomplete, what_is_missing
from open_r1.training.hub_pushes import of_each, pushes_of, repo_of
from open_r1.training.model_card import write_model_card
from open_r1.training.preemption import Preemption
from open_r1.training.save_guards import Soundness
from open_r1.utils.errors import RecipeError, RunStopped
from open_r1.utils.files import write_text_atomically


logger = logging.getLogger(__name__)

# With several processes accelerate calls the CPU `cpu:0`, a place to which torch would not load the state of an optimizer.
torch.serialization.register_package(
    99, lambda storage: None, lambda storage, place: storage if re.fullmatch(r"cpu:\d+", place) else None
)


@dataclass
class Run:
    """A recipe, checked and resolved.

    Args:
        stage (`str`): Key of `STAGES`.
        script_args (`ScriptArguments`): Our options.
        training_args (`TrainingArguments`): TRL's.
        model_args (`ModelConfig`): The model's.
        blueprint (`ModelInfo`): The model before its weights.
        resume_from (`str`, *optional*): The checkpoint that training continues from.
        repo (`str`, *optional*): Where on the Hub it is pushed, if it is.
    """

    stage: str
    script_args: ScriptArguments
    training_args: TrainingArguments
    model_args: ModelConfig
    blueprint: ModelInfo
    resume_from: str | None
    repo: str | None

    @property
    def global_batch(self) -> int:
        """Sequences per optimizer step, over all devices."""
        args = self.training_args
        return args.per_device_train_batch_size * args.world_size * args.gradient_accumulation_steps

    @property
    def recipe(self) -> dict:
        """The keys that recipe and command line set: enough to run it again."""
        return {key: value for key, value in self.script_args.keys.items() if key != "dry_run"}


def prepare(
    stage: str, script_args: ScriptArguments, training_args: TrainingArguments, model_args: ModelConfig
) -> Run:
    """Checks all that does not need the data: device, output folder, model, tokenizer, resume point.

    Raises:
        RecipeError: With the key to change.
    """
    _set_up_logging(training_args)
    if training_args.device.type == "cpu" and (training_args.bf16 or training_args.fp16):
        raise RecipeError("bf16/fp16: half precision on a CPU only makes it slower; set `bf16: false`.")
    blueprint = load_model_info(model_args, training_args.seed, getattr(training_args, "trust_remote_code", False))
    if not script_args.dry_run:
        blueprint.require_checkpoint("model_name_or_path")
    _check_output_dir(training_args, blueprint, model_args)
    if not script_args.dry_run:
        _check_packages(training_args)
    repo = repo_of(script_args, training_args, model_args)
    resume_from = _resume_point(training_args)
    training_args.logging_nan_inf_filter = False  # it would show the last good loss instead of one that is no number
    set_seed(training_args.seed)
    return Run(stage, script_args, training_args, model_args, blueprint, resume_from, repo)


def show(run: Run, dataset: Dataset, held_out: Dataset | None, sequence: int, more: dict[str, str], repeats: int = 1):
    """Prints the start-up box.

    Args:
        dataset (`Dataset`): What is trained on.
        held_out (`Dataset`, *optional*): What is evaluated on.
        sequence (`int`): Longest sequence in tokens.
        more (`dict[str, str]`): The script's own lines.
        repeats (`int`, *optional*, defaults to 1): Sequences that each row becomes.
    """
    args, script_args = run.training_args, run.script_args
    steps = (
        args.max_steps
        if args.max_steps > 0
        else math.ceil(len(dataset) * repeats * args.num_train_epochs / run.global_batch)
    )
    shape, share = (
        Shape.of(run.blueprint.config, getattr(args, "trust_remote_code", False)),
        sharding(script_args.accelerate_config),
    )
    tokens = args.per_device_train_batch_size * sequence
    memory = sum(memory_of(shape, run.model_args, args, tokens, args.world_size, share).values())
    lines = {
        "recipe": script_args.recipe or "none (command line only)",
        "model": f"{run.blueprint.source} · {run.blueprint.parameters / 1e6:,.2f}M parameters",
        "dataset": f"{script_args.data} · {len(dataset):,} rows · {', '.join(dataset.column_names)}",
        "held out": f"{len(held_out):,} rows" if held_out else "no evaluation",
        **more,
        "global batch": f"{run.global_batch:,} = {args.per_device_train_batch_size} per device × {args.world_size} "
        f"process{'es' if args.world_size > 1 else ''} × {args.gradient_accumulation_steps} accumulated",
        "steps": f"{steps:,}",
        "tokens": f"at most {steps * run.global_batch * sequence / 1e6:,.1f}M ({sequence:,} a sequence)",
        "memory": f"about {_bytes(memory)} per device ({args.device.type}), estimated",
        "output": args.output_dir,
        "tracker": ", ".join(args.report_to) or "none",
        "Hub": f"{run.repo} ({args.hub_revision or 'main'}{of_each(args)})" if run.repo else "no push",
        "resume": run.resume_from or "no checkpoint, from the start",
    }
    if run.blueprint.build_command:
        lines["model"] += f"\nnot made yet; first: {run.blueprint.build_command}"
    if args.process_index == 0:
        table = Table.grid(padding=(0, 2))
        for name, value in lines.items():
            table.add_row(f"[bold]{name}", str(value).replace("[", r"\["))
        Console().print(Panel(table, title=f"open_r1 {run.stage}", title_align="left", expand=False))


def train(
    run: Run,
    trainer_class: type[Trainer],
    dataset: Dataset,
    held_out: Dataset | None,
    steps_of_a_round: int = 1,
    **kwargs,
):
    """Builds the trainer, trains or resumes, and writes all that a run leaves behind.

    Writes to `output_dir`: the model, `recipe.yaml`, `log_history.jsonl`, `train_results.json`, `README.md` (the model card).

    Args:
        trainer_class (`type[Trainer]`): One of TRL's trainers.
        dataset (`Dataset`): What is trained on.
        held_out (`Dataset`, *optional*): What is evaluated on.
        steps_of_a_round (`int`, *optional*, defaults to 1): Steps after which a run may be stopped.
        kwargs: What only this trainer takes.

    Raises:
        Stopped: If the run was asked to end, and has.
    """
    args, output_dir = run.training_args, Path(run.training_args.output_dir)
    if _finished(run):
        logger.info("%s is already trained; remove the folder to train it again", args.output_dir)
        if run.repo and args.process_index == 0:
            pushes = pushes_of(run.script_args, args, run.repo)
            pushes.start(_step(run))
            pushes.finish()
        return
    trainer = _build(run, trainer_class, dataset, held_out, kwargs)
    preemption = Preemption(args.output_dir, steps_of_a_round)
    safety = Soundness(run.script_args.max_non_finite, run.script_args.when_disk_is_full)
    for callback in (ProgressLine, LogHistory(args.output_dir), Processes, preemption, safety):
        trainer.add_callback(callback)
    trainer.create_model_card = lambda **kwargs: _card(run, trainer, output_dir)  # the one that TRL saves
    pushes = None
    if run.repo and trainer.is_world_process_zero():
        pushes = pushes_of(run.script_args, args, run.repo, lambda folder: _card(run, trainer, folder))
        pushes.start(_step(run))
        trainer.add_callback(pushes)
    if trainer.is_world_process_zero():
        output_dir.mkdir(parents=True, exist_ok=True)
        write_text_atomically(
            output_dir / "recipe.yaml", yaml.safe_dump(run.recipe, sort_keys=False, allow_unicode=True)
        )
        rename_incomplete(args.output_dir, run.resume_from)
    if run.resume_from:
        logger.info("resuming from %s", run.resume_from)
    result = trainer.train(resume_from_checkpoint=run.resume_from)
    if preemption.reason:
        raise RunStopped(
            f"stopped after step {trainer.state.global_step} of {trainer.state.max_steps}: {preemption.reason}"
        )
    trainer.save_metrics("train", result.metrics | {"train_steps": trainer.state.global_step})
    trainer.save_state()
    _card(run, trainer, output_dir)
    trainer.save_model(args.output_dir)
    logger.info("saved to %s", args.output_dir)
    if pushes:
        pushes.finish()


def _build(
    run: Run, trainer_class: type[Trainer], dataset: Dataset, held_out: Dataset | None, options: dict
) -> Trainer:
    """The trainer, which shows nothing by itself."""
    trainer = trainer_class(
        model=load_model(run.model_args, run.training_args),
        args=run.training_args,
        train_dataset=dataset,
        eval_dataset=held_out,
        processing_class=run.blueprint.tokenizer,
        peft_config=get_peft_config(run.model_args),
        quantization_config=get_quantization_config(run.model_args),
        **options,
    )
    for callback in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(callback)
    return trainer


def _bytes(count: float) -> str:
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"


def _card(run: Run, trainer: Trainer, folder: Path):
    if not trainer.is_world_process_zero():
        return
    samples = getattr(trainer, "num_generations_eval", None)
    name = (run.repo or run.training_args.output_dir).rpartition("/")[2]
    write_model_card(folder, name, run.stage, run.recipe, run.script_args.data, trainer.state.log_history, samples)


def _step(run: Run) -> int:
    """The step from which the run goes on."""
    return (
        json.loads((Path(run.resume_from) / "trainer_state.json").read_text())["global_step"] if run.resume_from else 0
    )


def _finished(run: Run) -> bool:
    """Whether nothing is left to train; transformers would train one step more."""
    args = run.training_args
    if not run.resume_from or not (Path(args.output_dir) / "train_results.json").is_file():
        return False
    state = json.loads((Path(run.resume_from) / "trainer_state.json").read_text())
    if args.max_steps > 0:
        return state["global_step"] >= args.max_steps
    return state["global_step"] >= state["max_steps"] and args.num_train_epochs <= state["num_train_epochs"]


def _resume_point(args: TrainingArguments) -> str | None:
    """The checkpoint to continue from: the last complete one in the output folder unless the recipe names another."""
    asked = str(args.resume_from_checkpoint or "true")
    if asked.lower() == "true":
        return last_complete_checkpoint(args.output_dir)
    if asked.lower() == "false":
        if last_complete_checkpoint(args.output_dir):
            raise RecipeError(
                f"resume_from_checkpoint: false, but {args.output_dir} has checkpoints; remove them first."
            )
        return None
    if own := last_complete_checkpoint(args.output_dir):  # it began from that one, and has gone on since
        return own
    missing = what_is_missing(Path(asked))
    if missing:
        raise RecipeError(f"resume_from_checkpoint: cannot continue from {asked!r}: {missing}.")
    return asked


def _check_packages(args: TrainingArguments):
    """Stops if a tracker or vLLM is asked for and not installed; the trainer would find out after loading the model."""
    missing = sorted(set(args.report_to) - set(get_available_reporting_integrations()))
    if missing:
        raise RecipeError(
            f"report_to: {missing[0]!r} is not installed (pip install {missing[0]}); or set `report_to: none`."
        )
    if getattr(args, "use_vllm", False) and importlib.util.find_spec("vllm") is None:  # an option of some stages only
        raise RecipeError("use_vllm: vLLM is not installed (pip install -e '.[gpu]'); or set `use_vllm: false`.")


def _check_output_dir(args: TrainingArguments, blueprint: ModelInfo, model_args: ModelConfig):
    """Stops if the output folder cannot be written or has no room for one checkpoint (weights and two AdamW moments)."""
    path = Path(args.output_dir).absolute()
    while not path.exists():
        path = path.parent
    try:
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise RecipeError(f"output_dir: cannot write to {args.output_dir!r}: {error.strerror}.") from error
    need = blueprint.parameters * (4 if args.save_only_model or args.save_strategy == "no" else 12)
    need *= 0.05 if model_args.use_peft else 1  # an adapter
    free = shutil.disk_usage(path).free
    if free < 1.2 * need:
        raise RecipeError(
            f"output_dir: {path} has {free / 1e6:,.1f} MB free, and one checkpoint takes about {need / 1e6:,.1f} MB."
        )


def _set_up_logging(args: TrainingArguments):
    """Our own messages from the main process; of the libraries only warnings, and those once."""
    main = args.process_index == 0
    logging.basicConfig(
        format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO if main else logging.ERROR
    )
    for name in ("httpx", "accelerate", "datasets", "filelock"):
        logging.getLogger(name).setLevel(logging.WARNING)
    transformers.utils.logging.set_verbosity_warning()
    transformers.utils.logging.disable_progress_bar()
    datasets.utils.logging.set_verbosity_warning()
    huggingface_hub.utils.disable_progress_bars()  # of uploads, which go on beside the training
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module="torch")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
