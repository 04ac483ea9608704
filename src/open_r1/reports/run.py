"""Report on one GRPO run: training curves, a table, how thinking changes, and completions before and after training.

Writes `report.md`, `curves.png` and `thinking.png`. The measures follow the paper's figures 2 and 3 (accuracy and
length by step) and its appendix C.2 (words of reflection).
"""

import math
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from rich.console import Console

from open_r1.configs import RewardSpec
from open_r1.reports.figures import make_panels, plot_series, save_figure, start_at_zero
from open_r1.reports.history import ACCURACY, LENGTH, History, consensus_by_step, read_run, read_train_runtime
from open_r1.reports.thinking import measure_thinking, summarize_thinking, thinking_lines
from open_r1.utils.files import write_text_atomically
from open_r1.utils.markdown import markdown_table


NEXT_RECIPE = "recipes/Qwen2.5-1.5B/grpo/config_zero.yaml"
TRAIN_STYLE = {"label": "training prompts", "color": "tab:blue", "alpha": 0.6}
HELD_OUT_STYLE = {"color": "tab:red", "marker": "o"}
SHARES = {"reflects": "words of reflection", "mixes": "language mixing"}


def report(run_dir: Path, report_dir: Path, examples: int, dry_run: bool, console: Console, command: str) -> None:
    """Writes the report on a run and prints a summary.

    Args:
        run_dir (`Path`): The run's `output_dir`.
        report_dir (`Path`): Output folder of the report.
        examples (`int`): Number of prompts to show with a completion before and after training.
        dry_run (`bool`): Whether to only print what the report would contain.
        console (`Console`): Console to print to.
        command (`str`): The command that creates this report, to be shown in it.

    Raises:
        RecipeError: If the folder is not that of a GRPO run.
    """
    history = read_run(run_dir)
    if dry_run:
        size = f"{len(history.train)} steps, {len(history.completions):,} completions"
        console.print(f"{run_dir}: {size} → {report_dir}", markup=False)
        return
    report_dir.mkdir(parents=True, exist_ok=True)
    base = history.recipe.get("model_name_or_path")
    title = f"{run_dir.name}: {base} after {history.steps} steps of GRPO"
    draw_curves(history, title, report_dir / "curves.png")
    measured = measure_thinking(history)
    page = make_page(history, title, examples, command, thinking_lines(measured, report_dir))
    write_text_atomically(report_dir / "report.md", page)
    summary = make_summary(history, report_dir, run_dir, summarize_thinking(measured))
    console.print(summary, markup=False)


def draw_curves(history: History, title: str, path: Path) -> None:
    """Draws the training curves in one figure: rewards, accuracy, length, format, reflection and language mixing.

    Panels of rewards that the run does not have are left out.
    """
    rewards = history.reward_names()
    drawers = [_draw_rewards]
    if "accuracy" in rewards:
        drawers.append(_draw_accuracy)
    drawers.append(_draw_length)
    if "format" in rewards:
        drawers.append(_draw_format)
    if _other_rewards(history):
        drawers.append(_draw_other_rewards)
    drawers += [_draw_reflection, _draw_language_mixing]

    columns = 3 if len(drawers) <= 6 else 4
    rows = math.ceil(len(drawers) / columns)
    figure, grid = make_panels(rows, columns, title)
    panels = grid.flatten()
    for panel, draw_panel in zip(panels, drawers, strict=False):
        draw_panel(panel, history)
        panel.set_xlabel("step")
        panel.legend(fontsize=8)
        start_at_zero(panel)
    for panel in panels[len(drawers) :]:
        panel.set_visible(False)
    save_figure(figure, path)


def _other_rewards(history: History) -> list[str]:
    """The rewards without their own panel."""
    return [name for name in history.reward_names() if name not in ("accuracy", "format")]


def _draw_rewards(panel: Axes, history: History) -> None:
    panel.set(title="rewards in training", ylabel="mean over completions")
    for name in history.reward_names():
        values = history.train[f"rewards/{name}/mean"]
        plot_series(panel, values, label=name)
    plot_series(panel, history.train["reward"], label="weighted sum", color="black", linewidth=1)


def _draw_accuracy(panel: Axes, history: History) -> None:
    panel.set(title="accuracy", ylabel="share of completions that are right")
    _draw_metric(panel, history, ACCURACY)
    majority = consensus_by_step(history)
    if len(majority):
        label = "training prompts, majority of a group"
        plot_series(panel, majority, label=label, color="tab:blue", linestyle=":")


def _draw_length(panel: Axes, history: History) -> None:
    panel.set(title="length", ylabel="tokens per completion")
    _draw_metric(panel, history, LENGTH)


def _draw_format(panel: Axes, history: History) -> None:
    panel.set(title="format", ylabel="mean reward")
    _draw_metric(panel, history, "rewards/format/mean")


def _draw_metric(panel: Axes, history: History, key: str) -> None:
    """Draws a metric on the training prompts and, if there are evaluations, on held-out problems."""
    if key in history.train:
        plot_series(panel, history.train[key], **TRAIN_STYLE)
    eval_key = f"eval_{key}"
    if eval_key in history.held_out:
        label = f"held out, avg@{history.eval_samples}"
        plot_series(panel, history.held_out[eval_key], label=label, **HELD_OUT_STYLE)


def _draw_other_rewards(panel: Axes, history: History) -> None:
    panel.set(title="other rewards", ylabel="mean reward")
    for number, name in enumerate(_other_rewards(history)):
        color = f"C{number}"
        key = f"rewards/{name}/mean"
        label = f"{name}, training prompts"
        plot_series(panel, history.train[key], label=label, color=color, alpha=0.6)
        eval_key = f"eval_{key}"
        if eval_key in history.held_out:
            label = f"{name}, held out"
            plot_series(panel, history.held_out[eval_key], label=label, color=color, marker="o")


def _draw_reflection(panel: Axes, history: History) -> None:
    panel.set(title="words of reflection", ylabel="share of completions")
    _draw_share(panel, history, "reflects", "tab:green")


def _draw_language_mixing(panel: Axes, history: History) -> None:
    panel.set(title="language mixing", ylabel="share of completions")
    _draw_share(panel, history, "mixes", "tab:purple")


def _draw_share(panel: Axes, history: History, column: str, color: str) -> None:
    values = history.completions.groupby("step")[column].mean()
    plot_series(panel, values, label="training prompts", color=color)


def before_after(history: History) -> pd.DataFrame:
    """The rewards and length before and after training.

    Compares the first and last evaluation or, with fewer than two, the first and last training step.

    Returns:
        `DataFrame`: One row per reward and one for `length`; columns `before` and `after`; `attrs["of"]` describes the
        prompts.
    """
    log = history.train
    prefix = ""
    prompts = "training prompts"
    if len(history.held_out) > 1:
        log = history.held_out
        prefix = "eval_"
        prompts = f"held-out problems, avg@{history.eval_samples}"
    keys = {name: f"{prefix}rewards/{name}/mean" for name in history.reward_names()}
    keys["length"] = prefix + LENGTH
    rows = {}
    for name, key in keys.items():
        if key in log:
            rows[name] = (log[key].iloc[0], log[key].iloc[-1])
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["before", "after"])
    table.attrs["of"] = prompts
    return table


def make_page(history: History, title: str, examples: int, command: str, thinking: list[str]) -> str:
    """The text of `report.md`, with its section about thinking."""
    table = before_after(history)
    first, last = _first_and_last_completions(history)
    rows = []
    for name, row in table.iterrows():
        label = "length (tokens)" if name == "length" else name
        before = _format(name, row.before, 3)
        after = _format(name, row.after, 3)
        rows.append([label, before, after])
    for column, label in SHARES.items():
        before = first[column].mean()
        after = last[column].mean()
        rows.append([f"{label} (share of completions)", f"{before:.3f}", f"{after:.3f}"])
    lines = [
        f"# {title}",
        "",
        f"Rewards: {_describe_rewards(history)}. {_describe_duration(history)}.",
        "",
        f"Before and after: {table.attrs['of']}; words of reflection and language mixing: first and last logged step.",
        "",
        "![curves](curves.png)",
        "",
        markdown_table(["", "before", "after"], rows),
        "",
        *thinking,
        *_example_lines(first, last, examples),
        f"Made by `{command}`.",
        "",
    ]
    return "\n".join(lines)


def _example_lines(first: pd.DataFrame, last: pd.DataFrame, examples: int) -> list[str]:
    """Report section with prompts that occur in the first and last step, and a completion of each."""
    is_shared = first["prompt"].isin(last["prompt"])
    shared = list(first[is_shared]["prompt"].unique())[:examples]
    if not shared:
        return []
    lines = ["## The same prompts before and after", ""]
    for prompt in shared:
        before = first[first["prompt"] == prompt].iloc[0]
        after = last[last["prompt"] == prompt].iloc[0]
        lines += [
            "```text",
            prompt.strip(),
            "",
            f"step {before['step']}:  {before['completion']}",
            f"step {after['step']}:  {after['completion']}",
            "```",
            "",
        ]
    return lines


def _first_and_last_completions(history: History) -> tuple[pd.DataFrame, pd.DataFrame]:
    completions = history.completions
    steps = completions["step"]
    first = completions[steps == steps.min()]
    last = completions[steps == steps.max()]
    return first, last


def make_summary(history: History, report_dir: Path, run_dir: Path, thinking: str) -> str:
    """Summary for the terminal; its first line shows the rewards and length before and after training.

    Args:
        history (`History`): The run.
        report_dir (`Path`): Folder of the report.
        run_dir (`Path`): Folder of the run.
        thinking (`str`): The line about thinking.
    """
    table = before_after(history)
    changes = []
    for name, row in table.iterrows():
        before = _format(name, row.before, 2)
        after = _format(name, row.after, 2)
        unit = " tokens" if name == "length" else ""
        changes.append(f"{name} {before} → {after}{unit}")
    duration = _describe_duration(history)
    base = str(history.recipe.get("model_name_or_path"))
    base_seconds = read_train_runtime(Path(base))
    if base_seconds is not None:
        duration += f", after {base_seconds / 60:.1f} minutes for {base}"
    return "\n".join(
        [
            f"{run_dir}: {', '.join(changes)}",
            f"({table.attrs['of']}; before → after {history.steps} steps of GRPO)",
            thinking,
            f"{duration}. Report: {report_dir / 'report.md'}",
            "Next, the same on one 80 GB GPU (pip install -e '.[gpu]'):",
            f"  accelerate launch src/open_r1/grpo.py --config {NEXT_RECIPE}",
        ]
    )


def _format(name: str, value: float, digits: int) -> str:
    """Formats a reward with the given number of decimals, and a length with one decimal."""
    if name == "length":
        digits = 1
    return f"{value:.{digits}f}"


def _describe_duration(history: History) -> str:
    if history.is_finished:
        return f"{history.minutes:.1f} minutes of training"
    return f"still training, {history.minutes:.1f} minutes so far"


def _describe_rewards(history: History) -> str:
    """Lists the rewards of the recipe with their weights."""
    names = []
    for entry in history.recipe.get("reward_funcs", ["accuracy", "format"]):
        spec = RewardSpec.parse(entry)
        if spec.weight == 1.0:
            names.append(spec.name)
        else:
            names.append(f"{spec.weight:g} × {spec.name}")
    return ", ".join(names)
