"""Table and figure of a pipeline's evaluated checkpoints, like DeepSeek-R1 v2's Table 3 (Zero to R1)."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from open_r1.evals.results import read_evaluation
from open_r1.pipelines.tasks import Task
from open_r1.reports.claims import find_evaluations
from open_r1.reports.figures import make_panels, save_figure
from open_r1.utils.markdown import markdown_table


NEGLIGIBLE = 0.005  # smaller values would be shown as 0.00
LARGEST_SHARE = 2  # larger values are counts, such as tokens, and shown with one decimal


def read_evaluations(tasks_by_seed: dict[int, list[Task]]) -> pd.DataFrame:
    """Reads every measure of every evaluation.

    Returns:
        `DataFrame`: Columns `seed`, `checkpoint`, `measure` (`benchmark: measure`) and `value`.
    """
    rows = []
    for seed, tasks in tasks_by_seed.items():
        for checkpoint, (_, folder) in find_evaluations(tasks).items():
            evaluation = read_evaluation(str(folder))
            for benchmark, results in evaluation["benchmarks"].items():
                if "@" in benchmark:  # within a budget of tokens; see `token_budgets`
                    continue
                for name, estimate in results.items():
                    is_estimate = isinstance(estimate, dict)
                    if is_estimate and not name.startswith("pass@"):
                        measure = f"{benchmark}: {name}"
                        rows.append((seed, checkpoint, measure, estimate["value"]))
    return pd.DataFrame(rows, columns=["seed", "checkpoint", "measure", "value"])


def is_main_measure(measure: str) -> bool:
    """Whether a measure is the main one of its benchmark: accuracy or mean score."""
    return ": avg@" in measure


def checkpoint_table(evaluations: pd.DataFrame) -> str:
    """Markdown table with one row per measure and one column per checkpoint.

    >>> evaluations = pd.DataFrame({"checkpoint": ["base", "zero"], "value": [0.19, 0.95]})
    >>> print(checkpoint_table(evaluations.assign(seed=42, measure="problems: avg@4")))
    | | base | zero |
    |---|---|---|
    | problems: avg@4 | 0.19 | 0.95 |
    """
    checkpoints = list(evaluations["checkpoint"].unique())
    rows = []
    for measure, values in evaluations.groupby("measure", sort=False):
        highest = values["value"].max()
        if highest < NEGLIGIBLE and not is_main_measure(measure):
            continue
        digits = 1 if highest > LARGEST_SHARE else 2
        row = [measure]
        for checkpoint in checkpoints:
            of_checkpoint = values[values["checkpoint"] == checkpoint]
            row.append(_format_seeds(of_checkpoint["value"], digits))
        rows.append(row)
    return markdown_table(["", *checkpoints], rows)


def _format_seeds(values: pd.Series, digits: int) -> str:
    """The mean over seeds, with the range if there are several."""
    if values.empty:
        return "–"
    mean = f"{values.mean():.{digits}f}"
    if len(values) == 1:
        return mean
    lowest = f"{values.min():.{digits}f}"
    highest = f"{values.max():.{digits}f}"
    return f"{mean} ({lowest}–{highest})"


def draw_checkpoints(evaluations: pd.DataFrame, title: str, path: Path) -> None:
    """Draws the main measure of each benchmark, and language mixing if the benchmark has a language reward.

    Each checkpoint has a bar for the mean over seeds and, if there are several, a dot per seed.
    """
    all_measures = list(evaluations["measure"].unique())
    drawn = []
    for measure in all_measures:
        if is_main_measure(measure) or _is_judged_mixing(measure, all_measures):
            drawn.append(measure)
    if evaluations["seed"].nunique() > 1:
        title += "\n(bars: mean over seeds; dots: seeds)"
    figure, panels = make_panels(1, len(drawn), title, width=3.2, height=3.6)
    checkpoints = list(evaluations["checkpoint"].unique())
    for panel, measure in zip(panels[0], drawn, strict=True):
        values = evaluations[evaluations["measure"] == measure]
        _draw_bars(panel, values, checkpoints)
        benchmark, _, name = measure.partition(": ")
        if name == "language mixing":
            name = "share that mixes languages"
        panel.set(title=benchmark, xlabel=name)
    panels[0][0].set_ylabel("checkpoint")
    save_figure(figure, path)


def _draw_bars(panel: Axes, values: pd.DataFrame, checkpoints: list[str]) -> None:
    means = values.groupby("checkpoint")["value"].mean()
    means = means.reindex(checkpoints)
    panel.barh(checkpoints, means, color="C0", alpha=0.5)
    if values["seed"].nunique() > 1:
        panel.plot(
            values["value"],
            values["checkpoint"],
            marker=".",
            markersize=4,
            linestyle="none",
            color="black",
        )
    panel.invert_yaxis()


def _is_judged_mixing(measure: str, all_measures: list[str]) -> bool:
    """Whether a measure is the language mixing of a benchmark with a language consistency reward."""
    benchmark, _, name = measure.partition(": ")
    return name == "language mixing" and f"{benchmark}: language_consistency" in all_measures
