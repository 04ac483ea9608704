"""One page on all stages and seeds of a pipeline: a table like the paper's, what it claims and whether it shows, curves, and "aha" moments.

The table is that of DeepSeek-R1 v2, Table 3 (Zero, Dev1, Dev2, Dev3, R1), with students beside; the curves those of figures 1 to 3, C.2 and
B.6: accuracy, cons@k, length, language mixing, words of reflection, entropy and groups without a signal against the step, stage after stage.
"""

import json
from pathlib import Path

import pandas as pd
from rich.console import Console

from open_r1.configs import PipelineArguments, RecipeError
from open_r1.evals.dynamics import repaired
from open_r1.evals.results import read
from open_r1.reports.claims import Verdict, evaluations, judge
from open_r1.reports.run import History, consensus_by_step, read_run
from open_r1.stages import Task, tasks_of
from open_r1.utils.files import write_whole


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
    seeds = {seed: tasks_of(args, seed) for seed in args.seeds}
    for tasks in seeds.values():
        for task in tasks:
            if not task.state().get("finished"):
                raise RecipeError(
                    f"pipeline: {task.name} (seed {task.seed}) is not done; run python -m open_r1.pipeline --config {args.recipe}"
                )
    if dry_run:
        console.print(f"{len(args.steps)} stages, {len(seeds)} seeds, {len(args.claimed)} claims → {report_dir}", markup=False)
        return
    report_dir.mkdir(parents=True, exist_ok=True)
    runs = {
        seed: {task.output_dir.name: read_run(task.output_dir) for task in tasks if _is_rl(task)}
        for seed, tasks in seeds.items()
    }
    draw(runs, report_dir / "dynamics.png")
    verdicts = {claim.claim: {seed: judge(claim, tasks) for seed, tasks in seeds.items()} for claim in args.claimed}
    draw_checkpoints(seeds, report_dir / "checkpoints.png")
    lines = [
        f"# {args.recipe}",
        "",
        f"{len(args.steps)} stages with the seeds {', '.join(map(str, seeds))}. Mean over the seeds, and in brackets the least and the most of any.",
        "",
        stage_table(seeds),
        "",
        "![checkpoints](checkpoints.png)",
        "",
        "## What the paper found, and what this shows",
        "",
        "Value or difference with its 95% interval over resampled problems, the same for both sides. *NO* means that it does not show here.",
        "",
        claim_table(verdicts),
        "",
        "## Stage after stage",
        "",
        "A line a seed, training prompts. Groups without signal are those whose completions all have the same reward.",
        "",
        "![dynamics](dynamics.png)",
        "",
        *aha_lines(runs, examples),
        "## Minutes",
        "",
        minutes_table(seeds),
        "",
    ]
    write_whole(report_dir / "report.md", "\n".join(lines))
    write_whole(report_dir / "claims.json", as_json(verdicts))
    for claim, found in verdicts.items():
        held = sum(verdict.holds for verdict in found.values())
        console.print(
            f"{held} of {len(found)} seeds: {claim}  ({', '.join(f'{verdict.value:.3f}' for verdict in found.values())})",
            markup=False,
        )
    console.print(f"Report: {report_dir / 'report.md'}", markup=False)


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


def stage_table(seeds: dict[int, list[Task]]) -> str:
    """Measures against checkpoints, in Markdown."""
    table = measured(seeds)
    cells = table.groupby(["measure", "checkpoint"], sort=False)["value"].agg(["mean", "min", "max"])
    checkpoints = list(dict.fromkeys(table["checkpoint"]))
    lines = ["| | " + " | ".join(checkpoints) + " |", "|---" * (len(checkpoints) + 1) + "|"]
    for measure in dict.fromkeys(table["measure"]):
        if cells.loc[measure]["max"].max() < 0.005:  # nothing but 0.00
            continue
        digits = 1 if cells.loc[measure]["max"].max() > 2 else 2
        row = [cells.loc[measure, checkpoint] if (measure, checkpoint) in cells.index else None for checkpoint in checkpoints]
        told = ["–" if c is None else f"{c['mean']:.{digits}f} ({c['min']:.{digits}f}–{c['max']:.{digits}f})" for c in row]
        lines.append(f"| {measure} | " + " | ".join(told) + " |")
    return "\n".join(lines)


def claim_table(verdicts: dict[str, dict[int, Verdict]]) -> str:
    """Claims against seeds, in Markdown."""
    seeds = list(next(iter(verdicts.values()))) if verdicts else []
    lines = ["| | " + " | ".join(f"seed {seed}" for seed in seeds) + " |", "|---" * (len(seeds) + 1) + "|"]
    lines += [f"| {claim} | " + " | ".join(str(found[seed]) for seed in seeds) + " |" for claim, found in verdicts.items()]
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
            found = right[[repaired(text) is not None for text in right["completion"]]]
            first = int(found["step"].min()) if len(found) else "never"
            lines.append(f"| {seed} | {name} | {first} | {len(found) / max(1, len(right)):.4f} |")
            if len(found) and len(shown) < examples:
                row = found.sort_values("step").iloc[0]
                shown += [f"{name}, seed {seed}, step {int(row['step'])}:  {row['prompt'].strip()}  {row['completion']}"]
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
                    panel.plot(values.index, pd.to_numeric(values), label=f"seed {seed}", color=f"C{number}", linewidth=1)
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


def draw_checkpoints(seeds: dict[int, list[Task]], path: Path):
    """Draws what judges each benchmark for every checkpoint, and language mixing where languages are judged: a bar for the mean, a dot a seed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    table = measured(seeds)
    measures = list(dict.fromkeys(table["measure"]))
    judged = [
        m.removesuffix("language_consistency") + "language mixing" for m in measures if m.endswith(": language_consistency")
    ]
    names = [m for m in measures if ": avg@" in m or m in judged]
    names = [name for name in names if table[table["measure"] == name]["value"].max() > 0]
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


def as_json(verdicts: dict[str, dict[int, Verdict]]) -> str:
    """Verdicts, for whoever reads them by program."""
    return json.dumps(
        {claim: {seed: vars(verdict) for seed, verdict in found.items()} for claim, found in verdicts.items()}, indent=1
    )
