"""Training dynamics of the GRPO stages of a pipeline: curves, and mistakes that the model noticed and corrected (also
failed checks that were followed by one that holds).

The curves follow DeepSeek-R1 v2, figures 1 to 3, C.2 and B.6: accuracy, cons@k, length, language mixing, words of
reflection, entropy and groups with zero reward variance by training step, for each stage.
"""

from itertools import cycle
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from open_r1.reports.figures import make_panels, plot_series, save_figure, start_at_zero
from open_r1.reports.history import ACCURACY, LENGTH, History, consensus_by_step
from open_r1.reports.thinking import has_aha_moment
from open_r1.utils.markdown import markdown_table


CONSENSUS = "cons@k"
MEASURES = {  # label of a row of panels → column of the log or the completions, or `CONSENSUS`
    "accuracy": ACCURACY,
    "majority of a group\n(cons@k)": CONSENSUS,
    "length (tokens)": LENGTH,
    "language mixing\n(share)": "mixes",
    "words of reflection\n(share)": "reflects",
    "entropy (nats)": "entropy",
    "groups without\nsignal (share)": "frac_reward_zero_std",
}
OTHER_REWARDS = "other rewards"
LINE_STYLES = ("-", "--", ":", "-.")
Runs = dict[int, dict[str, History]]  # by seed and stage name


def read_dynamics(runs: Runs) -> pd.DataFrame:
    """Collects the measures of the training prompts by step.

    Returns:
        `DataFrame`: Columns `measure` (a key of `MEASURES`, or `OTHER_REWARDS`), `stage`, `seed`, `reward` (its name
        for `OTHER_REWARDS`, else empty), `step` and `value`.
    """
    tables = []

    def add(values: pd.Series, **columns) -> None:
        values = pd.to_numeric(values).dropna()
        table = pd.DataFrame({"step": values.index, "value": values.to_numpy()})
        tables.append(table.assign(**columns))

    for seed, histories in runs.items():
        for stage, history in histories.items():
            for label, key in MEASURES.items():
                values = _values_by_step(history, key)
                add(values, measure=label, stage=stage, seed=seed, reward="")
            for reward in history.reward_names():
                if reward == "accuracy":
                    continue
                values = _values_by_step(history, f"rewards/{reward}/mean")
                add(values, measure=OTHER_REWARDS, stage=stage, seed=seed, reward=reward)
    return pd.concat(tables, ignore_index=True)


def _values_by_step(history: History, key: str) -> pd.Series:
    """The values of a measure, indexed by step; empty if the run does not have it."""
    if key == CONSENSUS:
        return consensus_by_step(history)
    if key in history.completions:
        return history.completions.groupby("step")[key].mean()
    if key in history.train:
        return history.train[key]
    return pd.Series(dtype=float)


def draw_dynamics(dynamics: pd.DataFrame, title: str, path: Path) -> None:
    """Draws the measures by step, with one row per measure, one column per stage and one line per seed.

    Measures that no stage has are left out.
    """
    existing = set(dynamics["measure"])
    measures = [measure for measure in (*MEASURES, OTHER_REWARDS) if measure in existing]
    stages = list(dynamics["stage"].unique())
    figure, panels = make_panels(
        len(measures),
        len(stages),
        title,
        width=2.6,
        height=1.9,
        sharey="row",
        sharex="col",
    )
    colors = {}
    for number, seed in enumerate(dynamics["seed"].unique()):
        colors[seed] = f"C{number}"
    for row, measure in zip(panels, measures, strict=True):
        of_measure = dynamics[dynamics["measure"] == measure]
        row[0].set_ylabel(measure, fontsize=9)
        for panel, stage in zip(row, stages, strict=True):
            of_stage = of_measure[of_measure["stage"] == stage]
            _draw_lines(panel, of_stage, colors)
        start_at_zero(*row)
    for panel, stage in zip(panels[0], stages, strict=True):
        panel.set_title(stage)
    for panel in panels[-1]:
        panel.set_xlabel("step")
    figure.legend(*_legend_of_seeds(colors), loc="outside lower center", ncols=len(colors), fontsize=8)
    save_figure(figure, path)


def _draw_lines(panel: Axes, lines: pd.DataFrame, colors: dict[int, str]) -> None:
    """Draws one line per seed, or, for several rewards, one line per seed and reward, with a line style per reward."""
    if lines.empty:
        panel.text(
            0.5,
            0.5,
            "not a reward of this stage",
            transform=panel.transAxes,
            horizontalalignment="center",
            color="gray",
            fontsize=8,
        )
        return
    rewards = lines["reward"].unique()
    styles = dict(zip(rewards, cycle(LINE_STYLES), strict=False))
    labelled_seed = next(iter(colors))
    for (seed, reward), line in lines.groupby(["seed", "reward"], sort=False):
        label = reward if seed == labelled_seed else None
        plot_series(
            panel,
            line.set_index("step")["value"],
            label=label,
            color=colors[seed],
            linestyle=styles[reward],
            linewidth=1,
        )
    if any(rewards):
        panel.legend(fontsize=6)


def _legend_of_seeds(colors: dict[int, str]) -> tuple[list[Line2D], list[str]]:
    handles = [Line2D([], [], color=color) for color in colors.values()]
    labels = [f"seed {seed}" for seed in colors]
    return handles, labels


def repair_lines(runs: Runs, examples: int) -> list[str]:
    """Report section on right completions with a corrected mistake or failed check: first step, share, and examples.

    Args:
        runs (`dict[int, dict[str, History]]`): The runs by seed and stage.
        examples (`int`): Number of completions to show.

    Returns:
        `list[str]`: Markdown lines.
    """
    rows = []
    shown = []
    for seed, histories in runs.items():
        for stage, history in histories.items():
            right = history.completions
            if "accuracy" in right:
                right = right[right["accuracy"] >= 1]
            repairs = right[right["completion"].map(has_aha_moment).astype(bool)]
            repairs = repairs.sort_values("step")
            share = len(repairs) / max(1, len(right))
            first_step = "never"
            if len(repairs):
                first = repairs.iloc[0]
                first_step = str(first["step"])
                if len(shown) < examples:
                    prompt = first["prompt"].strip()
                    shown.append(f"{stage}, seed {seed}, step {first_step}:  {prompt}  {first['completion']}")
            rows.append([str(seed), stage, first_step, f"{share:.4f}"])
    lines = [
        "## Mistakes and failed checks that the model notices and corrects",
        "",
        markdown_table(["seed", "stage", "first step", "share of right completions"], rows),
        "",
    ]
    if shown:
        lines += ["```text", *shown, "```", ""]
    return lines
