"""One page on all stages and seeds of a pipeline: a table like the paper's, what it claims and whether it shows, curves, and "aha" moments.

The table is that of DeepSeek-R1 v2, Table 3 (Zero, Dev1, Dev2, Dev3, R1), with students beside; the curves those of figures 1 to 3, C.2 and
B.6: accuracy, cons@k, length, language mixing, words of reflection, entropy and groups without a signal against the step, stage after stage.
"""

import json
import math
from pathlib import Path

import pandas as pd
from rich.console import Console

from open_r1.configs import PipelineArguments
from open_r1.evals.reflection import find_repair
from open_r1.evals.results import read
from open_r1.pipelines.outdated import outdated_tasks
from open_r1.pipelines.tasks import Task, build_tasks_by_seed
from open_r1.reports.claims import ClaimResult, check_claim, evaluations
from open_r1.reports.run import History, consensus_by_step, read_run
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import write_text_atomically


PANELS = {  # title → column of the log, or of the completions, or cons@k
    "accuracy": "rewards/accuracy/mean",
    "majority of a group (cons@k)": "cons@k",
    "length (tokens)": "completions/mean_length",
    "language mixing": "mixes",
    "words of reflection": "reflects",
    "entropy": "entropy",
    "groups without signal": "frac_reward_zero_std",
}


def report(args: PipelineArguments, report_dir: Path, examples: int, dry_run: bool, console: Console):
    """Writes the page on a pipeline and says the most important of it.

    Raises:
        RecipeError: If a stage that it is about is not done.
    """
    seeds = build_tasks_by_seed(args)
    for tasks in seeds.values():
        for task in tasks:
            if not task.state().get("finished"):
                raise RecipeError(
                    f"pipeline: {task.name} (seed {task.seed}) is not done; run python -m open_r1.pipeline --config {args.recipe}"
                )
    if dry_run:
        console.print(
            f"{len(args.steps)} stages, {len(seeds)} seeds, {len(args.claimed)} claims → {report_dir}", markup=False
        )
        return
    stale = [
        f"{name} (seed {seed}): {why}"
        for seed, tasks in seeds.items()
        for name, why in outdated_tasks(tasks, args).items()
    ]
    report_dir.mkdir(parents=True, exist_ok=True)
    verdicts = {
        claim.claim: {seed: check_claim(claim, tasks) for seed, tasks in seeds.items()} for claim in args.claimed
    }
    write_text_atomically(report_dir / "claims.json", as_json(verdicts))
    lines = [
        f"# {args.recipe}",
        "",
        f"{len(args.steps)} stages with the seeds {', '.join(map(str, seeds))}.",
        "",
        *([f"**Not of the recipes as they are now**: {'; '.join(stale)}.", ""] if stale else []),
        *checkpoint_lines(seeds, report_dir),
        *claim_lines(verdicts),
        *dynamics_lines(seeds, report_dir, examples),
        "## Minutes",
        "",
        minutes_table(seeds),
        "",
    ]
    write_text_atomically(report_dir / "report.md", "\n".join(lines))
    for claim, found in verdicts.items():
        held = sum(verdict.holds for verdict in found.values())
        console.print(
            f"{held} of {len(found)} seeds: {claim}  ({', '.join(f'{verdict.value:.3f}' for verdict in found.values())})",
            markup=False,
        )
    for line in stale:
        console.print(f"not of the recipes as they are now: {line}", markup=False)
    console.print(f"Report: {report_dir / 'report.md'}", markup=False)


def checkpoint_lines(seeds: dict[int, list[Task]], report_dir: Path) -> list[str]:
    """Every evaluated checkpoint in a table and a picture; nothing without evaluations."""
    table = measured(seeds)
    if not len(table):
        return []
    draw_checkpoints(table, report_dir / "checkpoints.png")
    told = "Mean over the seeds, and in brackets the least and the most of any. avg@k is the share that is right (accuracy), or the mean score."
    return [told, "", stage_table(table), "", "![checkpoints](checkpoints.png)", ""]


def claim_lines(verdicts: dict[str, dict[int, ClaimResult]]) -> list[str]:
    """What is claimed, and whether it shows; nothing without claims."""
    head = [
        "## What the paper found, and what this shows",
        "",
        "Value, difference or ratio with its 95% interval over resampled problems, the same for both sides; for what must hold throughout, the",
        "least and the largest evaluation while training. *NO* means that it does not show here.",
        "",
    ]
    return [*head, claim_table(verdicts), ""] if verdicts else []


def dynamics_lines(seeds: dict[int, list[Task]], report_dir: Path, examples: int) -> list[str]:
    """Curves of the stages of reinforcement learning, and what they repaired; nothing without such stages."""
    runs = {
        seed: {task.output_dir.name: read_run(task.output_dir) for task in tasks if _is_rl(task)}
        for seed, tasks in seeds.items()
    }
    if not all(runs.values()):
        return []
    draw(runs, report_dir / "dynamics.png")
    told = (
        "A line a seed, training prompts. Groups without signal are those whose completions all have the same reward."
    )
    return ["## Stage after stage", "", told, "", "![dynamics](dynamics.png)", "", *aha_lines(runs, examples)]


def _is_rl(task: Task) -> bool:
    return (task.output_dir / "completions").is_dir()


def measured(seeds: dict[int, list[Task]]) -> pd.DataFrame:
    """Every measure of every evaluation: rows seed, checkpoint, measure (`benchmark measure`), value."""
    rows = []
    for seed, tasks in seeds.items():
        for checkpoint, (_, folder) in evaluations(tasks).items():
            for benchmark, results in read(str(folder))["benchmarks"].items():
                for name, value in results.items():
                    if isinstance(value, dict) and not name.startswith("pass@"):
                        rows.append((seed, checkpoint, f"{benchmark}: {name}", value["value"]))
    return pd.DataFrame(rows, columns=["seed", "checkpoint", "measure", "value"])


def stage_table(table: pd.DataFrame) -> str:
    """Measures against checkpoints, in Markdown."""
    cells = table.groupby(["measure", "checkpoint"], sort=False)["value"].agg(["mean", "min", "max"])
    checkpoints = list(dict.fromkeys(table["checkpoint"]))
    lines = ["| | " + " | ".join(checkpoints) + " |", "|---" * (len(checkpoints) + 1) + "|"]
    for measure in dict.fromkeys(table["measure"]):
        if cells.loc[measure]["max"].max() < 0.005 and ": avg@" not in measure:  # nothing but 0.00
            continue
        digits = 1 if cells.loc[measure]["max"].max() > 2 else 2
        row = [
            cells.loc[measure, checkpoint] if (measure, checkpoint) in cells.index else None
            for checkpoint in checkpoints
        ]
        told = [
            "–" if c is None else f"{c['mean']:.{digits}f} ({c['min']:.{digits}f}–{c['max']:.{digits}f})" for c in row
        ]
        lines.append(f"| {measure} | " + " | ".join(told) + " |")
    return "\n".join(lines)


def claim_table(verdicts: dict[str, dict[int, ClaimResult]]) -> str:
    """Claims against seeds, in Markdown."""
    seeds = list(next(iter(verdicts.values()))) if verdicts else []
    lines = ["| | " + " | ".join(f"seed {seed}" for seed in seeds) + " |", "|---" * (len(seeds) + 1) + "|"]
    lines += [
        f"| {claim} | " + " | ".join(str(found[seed]) for seed in seeds) + " |" for claim, found in verdicts.items()
    ]
    return "\n".join(lines)


def minutes_table(seeds: dict[int, list[Task]]) -> str:
    """How long each stage took, start and end included."""
    names = [task.name for task in next(iter(seeds.values()))]
    took = {seed: {task.name: task.state()["seconds"] / 60 for task in tasks} for seed, tasks in seeds.items()}
    lines = ["| stage | " + " | ".join(f"seed {seed}" for seed in seeds) + " |", "|---" * (len(seeds) + 1) + "|"]
    return "\n".join(
        lines + [f"| {name} | " + " | ".join(f"{took[seed][name]:.1f}" for seed in seeds) + " |" for name in names]
    )


def aha_lines(runs: dict[int, dict[str, History]], examples: int) -> list[str]:
    """Completions in which a slip is noticed and repaired, and the answer right: when they first come, how often, and some of them."""
    lines = [
        "## A slip noticed and repaired",
        "",
        "| seed | stage | first step | share of right completions |",
        "|---|---|---|---|",
    ]
    shown: list[str] = []
    for seed, stages in runs.items():
        for name, history in stages.items():
            right = (
                history.completions[history.completions["accuracy"] >= 1]
                if "accuracy" in history.completions
                else history.completions
            )
            found = right[[find_repair(text) is not None for text in right["completion"]]]
            first = int(found["step"].min()) if len(found) else "never"
            lines.append(f"| {seed} | {name} | {first} | {len(found) / max(1, len(right)):.4f} |")
            if len(found) and len(shown) < examples:
                row = found.sort_values("step").iloc[0]
                shown += [
                    f"{name}, seed {seed}, step {int(row['step'])}:  {row['prompt'].strip()}  {row['completion']}"
                ]
    return [*lines, "", *(["```text", *shown, "```", ""] if shown else [])]


def draw(runs: dict[int, dict[str, History]], path: Path):
    """Draws measures (rows) against the step, a column a stage of reinforcement learning, a line a seed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    stages = list(next(iter(runs.values())))
    figure, axes = plt.subplots(
        len(PANELS),
        len(stages),
        figsize=(2.6 * len(stages), 1.9 * len(PANELS)),
        sharey="row",
        sharex="col",
        squeeze=False,
        layout="constrained",
    )
    for column, stage in enumerate(stages):
        axes[0][column].set_title(stage)
        for row, (title, key) in enumerate(PANELS.items()):
            panel = axes[row][column]
            for number, (seed, histories) in enumerate(runs.items()):
                history = histories[stage]
                values = _against_step(history, key)
                if values is not None:
                    panel.plot(
                        values.index, pd.to_numeric(values), label=f"seed {seed}", color=f"C{number}", linewidth=1
                    )
            panel.grid(alpha=0.3)
            if column == 0:
                panel.set_ylabel(title, fontsize=9)
        axes[-1][column].set_xlabel("step")
    for row in axes:
        row[0].set_ylim(bottom=0)  # and of the others, which share it
    axes[0][0].legend(fontsize=7)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _against_step(history: History, key: str) -> pd.Series | None:
    if key == "cons@k":
        return consensus_by_step(history)
    if key in history.completions:
        return history.completions.groupby("step")[key].mean()
    return history.train.set_index("step").get(key)


def draw_checkpoints(table: pd.DataFrame, path: Path):
    """Draws what judges each benchmark for every checkpoint, and language mixing where languages are judged: a bar for the mean, a dot a seed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    measures = list(dict.fromkeys(table["measure"]))
    judged = [
        m.removesuffix("language_consistency") + "language mixing"
        for m in measures
        if m.endswith(": language_consistency")
    ]
    names = [m for m in measures if ": avg@" in m or m in judged]
    checkpoints = list(dict.fromkeys(table["checkpoint"]))
    figure, axes = plt.subplots(1, len(names), figsize=(3.2 * len(names), 3.6), squeeze=False, layout="constrained")
    for panel, name in zip(axes[0], names, strict=True):
        some = table[table["measure"] == name]
        means = some.groupby("checkpoint")["value"].mean().reindex(checkpoints)
        panel.barh(range(len(checkpoints)), means, color="C0", alpha=0.5)
        panel.plot(some["value"], [checkpoints.index(c) for c in some["checkpoint"]], ".", color="black", markersize=4)
        panel.set(title=name, yticks=range(len(checkpoints)), yticklabels=checkpoints)
        panel.invert_yaxis()
        panel.grid(alpha=0.3, axis="x")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def as_json(verdicts: dict[str, dict[int, ClaimResult]]) -> str:
    """Verdicts, for whoever reads them by program."""
    return json.dumps(
        {
            claim: {seed: _finite(vars(verdict)) for seed, verdict in found.items()}
            for claim, found in verdicts.items()
        },
        indent=1,
    )


def _finite(values: dict) -> dict:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values.items()
    }
