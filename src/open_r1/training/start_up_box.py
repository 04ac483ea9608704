"""The start-up box: what a run is about to do, on one screen, before any weights are loaded."""

import copy
import math

from datasets import Dataset
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from open_r1.planning.memory import sharding, training_memory
from open_r1.planning.model_shape import ModelShape
from open_r1.training.checks import needs_gpu
from open_r1.training.hub_options import pushes_checkpoints
from open_r1.training.run import Run


def show_start_up_box(
    run: Run,
    dataset: Dataset,
    held_out: Dataset | None,
    sequence_length: int,
    extra_lines: dict[str, str],
    sequences_per_row: float = 1,
    reward_parameters: int = 0,
) -> None:
    """Prints the start-up box in the main process.

    Args:
        run (`Run`): The run.
        dataset (`Dataset`): The training set.
        held_out (`Dataset`, *optional*): The evaluation set.
        sequence_length (`int`): Tokens of the longest sequence.
        extra_lines (`dict[str, str]`): Additional lines of the script, by name.
        sequences_per_row (`float`, *optional*, defaults to 1):
            Number of sequences to train on per row; less than 1 if several rows are packed into one sequence.
        reward_parameters (`int`, *optional*, defaults to 0): Parameters of reward models on each device.
    """
    if run.training_args.process_index != 0:
        return
    steps = _count_steps(run, len(dataset) * sequences_per_row)
    lines = {
        "recipe": run.script_args.recipe or "none (command line only)",
        "model": _describe_model(run),
        "dataset": f"{run.script_args.data} · {len(dataset):,} rows · {', '.join(dataset.column_names)}",
        "held out": f"{len(held_out):,} rows" if held_out else "no evaluation",
        **extra_lines,
        "global batch": _describe_global_batch(run),
        "steps": f"{steps:,}",
        "tokens": f"at most {steps * run.global_batch * sequence_length / 1e6:,.1f}M ({sequence_length:,} a sequence)",
        "memory": _describe_memory(run, sequence_length, reward_parameters),
        "output": run.training_args.output_dir,
        "tracker": ", ".join(run.training_args.report_to) or "none",
        "Hub": _describe_hub(run),
        "resume": _describe_resume(run),
    }
    table = Table.grid(padding=(0, 2))
    for name, value in lines.items():
        table.add_row(f"[bold]{name}", escape(str(value)))
    Console().print(Panel(table, title=f"open_r1 {run.stage}", title_align="left", expand=False))


def _count_steps(run: Run, sequences: float) -> int:
    args = run.training_args
    if args.max_steps > 0:
        return args.max_steps
    return math.ceil(sequences * args.num_train_epochs / run.global_batch)


def _describe_model(run: Run) -> str:
    info = run.model_info
    description = f"{info.source} · {info.parameters / 1e6:,.2f}M parameters"
    if info.build_command:
        description += f"\nnot made yet; first: {info.build_command}"
    return description


def _describe_global_batch(run: Run) -> str:
    args = run.training_args
    processes = "1 process" if args.world_size == 1 else f"{args.world_size} processes"
    return (
        f"{run.global_batch:,} = {args.per_device_train_batch_size} per device × {processes} "
        f"× {args.gradient_accumulation_steps} accumulated"
    )


def _describe_memory(run: Run, sequence_length: int, reward_parameters: int) -> str:
    args = run.training_args
    device = args.device.type
    if needs_gpu(run.script_args, args):  # a dry run on a machine without one
        device = "a GPU; there is none here"
        args = copy.copy(args)
        args.use_cpu = False
    shape = ModelShape.from_config(run.model_info.config, getattr(args, "trust_remote_code", False))
    needs = training_memory(
        shape,
        run.model_args,
        args,
        tokens=args.per_device_train_batch_size * sequence_length,
        processes=args.world_size,
        share=sharding(run.script_args.accelerate_config),
    )
    reward_models = reward_parameters * (4 if device == "cpu" else 2)
    total = sum(needs.values()) + reward_models
    line = f"about {_format_bytes(total)} per device ({device}), estimated"
    if reward_models:
        line += f"\nof which reward models: {_format_bytes(reward_models)} (`offload: true` keeps them on the CPU)"
    return line


def _describe_resume(run: Run) -> str:
    if not run.resume_from:
        return "no checkpoint, from the start"
    lines = [run.resume_from]
    lines += [f"since then, {change}" for change in run.changes]
    return "\n".join(lines)


def _describe_hub(run: Run) -> str:
    if not run.repo:
        return "no push"
    checkpoints = ", and every checkpoint as a revision" if pushes_checkpoints(run.training_args) else ""
    return f"{run.repo} ({run.training_args.hub_revision or 'main'}{checkpoints})"


def _format_bytes(count: float) -> str:
    if count >= 2**30:
        return f"{count / 2**30:,.1f} GiB"
    return f"{count / 2**20:,.0f} MiB"
