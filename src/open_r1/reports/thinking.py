"""How thinking changes over a GRPO run: length, reflection, attempts and checks (DeepSeek-R1 v2, §2.2.4 and C.2).

The paper shows that R1-Zero thinks longer and reflects more as training goes on. This section of the run's report also
asks whether that pays (accuracy with and without reflection, on the same prompts), whether harder prompts get longer
thoughts, and whether the checks that a thought claims to have made do hold.
"""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from open_r1.evals.reflection import (
    CHINESE_WORDS,
    WORDS,
    count_attempts,
    find_repair,
    has_false_check,
    repairs_failed_check,
)
from open_r1.reports.claims import interval, resampled_means, spearman
from open_r1.reports.figures import make_panels, plot_series, save_figure, start_at_zero
from open_r1.reports.history import History
from open_r1.utils.markdown import markdown_table


FILE = "thinking.png"
EDGE_STEPS = 3  # number of logged steps at each end of the run that the table averages over
MEASURES = {  # column of `measure_thinking` → label, and number of decimals
    "characters": ("length (characters)", 1),
    "characters of right": ("length of right completions", 1),
    "characters of wrong": ("length of wrong completions", 1),
    "reflects": ("completions with words of reflection (share)", 3),
    "attempts": ("attempts", 2),
    "false check": ("completions that claim that a false equation holds (share)", 3),
}


def measure_thinking(history: History) -> pd.DataFrame:
    """Measures the thinking in each logged completion.

    Returns:
        `DataFrame`:
            The columns of `History.completions`, and `characters`, `attempts`, `false check`, `repairs` (a mistake or
            a failed check is corrected), `difficulty` (share of the group that is wrong), and, where the run has the
            accuracy reward, `characters of right` and `characters of wrong` (missing for the others).
    """
    completions = history.completions.copy()
    texts = completions["completion"]
    completions["characters"] = texts.str.len()
    completions["attempts"] = texts.map(count_attempts)
    completions["false check"] = texts.map(has_false_check)
    completions["repairs"] = texts.map(has_aha_moment)
    if "accuracy" in completions:
        is_right = completions["accuracy"] >= 1
        is_judged = completions["accuracy"].notna()
        completions["right"] = is_right.where(is_judged)
        completions["characters of right"] = completions["characters"].where(is_judged & is_right)
        completions["characters of wrong"] = completions["characters"].where(is_judged & ~is_right)
        groups = completions.groupby(["step", "prompt"])["accuracy"]
        completions["difficulty"] = 1 - groups.transform("mean")
    return completions


def has_aha_moment(text: str) -> bool:
    """Whether a completion notices a mistake or a failed check, and corrects it."""
    return find_repair(text) is not None or repairs_failed_check(text)


def thinking_lines(measured: pd.DataFrame, report_dir: Path) -> list[str]:
    """Draws `thinking.png`, and returns the section of the report about thinking.

    Args:
        measured (`DataFrame`): Return value of `measure_thinking`.
        report_dir (`Path`): Folder of the report.

    Returns:
        `list[str]`: Markdown lines.
    """
    _draw(measured, report_dir / FILE)
    first, last = _edges(measured)
    rows = []
    for column, (label, digits) in MEASURES.items():
        if column in measured:
            before = _format(first[column].mean(), digits)
            after = _format(last[column].mean(), digits)
            rows.append([label, before, after])
    notes = []
    if "difficulty" in measured:
        before = _format(_length_by_difficulty(first), 2)
        after = _format(_length_by_difficulty(last), 2)
        rows.append(["rank correlation of length with difficulty", before, after])
        notes.append("The difficulty of a prompt is the share of its completions that are wrong, in the same step.")
    edge = _edge_steps(measured)
    return [
        "## Thinking",
        "",
        f"![thinking]({FILE})",
        "",
        markdown_table(["", f"first {edge} logged steps", f"last {edge}"], rows),
        "",
        *notes,
        "A false equation is one of numbers alone that does not hold in ordinary arithmetic.",
        "",
        *_reflection_lines(measured),
        *_aha_lines(measured),
    ]


def summarize_thinking(measured: pd.DataFrame) -> str:
    """One line for the terminal on reflection before and after training.

    Args:
        measured (`DataFrame`): Return value of `measure_thinking`.
    """
    first, last = _edges(measured)
    parts = []
    for column, label in {"reflects": "with reflection", "false check": "with a false check"}.items():
        parts.append(f"{label} {first[column].mean():.2f} → {last[column].mean():.2f}")
    attempts = f"{first['attempts'].mean():.1f} → {last['attempts'].mean():.1f} attempts"
    edge = _edge_steps(measured)
    return f"completions {', '.join(parts)}; {attempts} (training prompts, first and last {edge} logged steps)"


def paired_accuracy(measured: pd.DataFrame) -> tuple[pd.DataFrame, float, float]:
    """Accuracy of completions with and without reflection in the same groups.

    Args:
        measured (`DataFrame`): Return value of `measure_thinking`.

    Returns:
        `tuple[DataFrame, float, float]`:
            The accuracies of each group that has both kinds, in the columns `with` and `without`, and the ends of the
            95% interval of their mean difference (bootstrap over groups).
    """
    judged = measured[measured["right"].notna()]
    accuracy = judged.astype({"right": float}).pivot_table(
        index=["step", "prompt"], columns="reflects", values="right", aggfunc="mean"
    )
    accuracy = accuracy.reindex(columns=[True, False]).dropna()
    accuracy.columns = ["with", "without"]
    if accuracy.empty:
        return accuracy, float("nan"), float("nan")
    differences = accuracy["with"] - accuracy["without"]
    low, high = interval(resampled_means(differences.to_numpy()))
    return accuracy, low, high


def _reflection_lines(measured: pd.DataFrame) -> list[str]:
    if "right" not in measured:
        return []
    accuracy, low, high = paired_accuracy(measured)
    if accuracy.empty:
        return ["No group has completions with and without words of reflection.", ""]
    means = accuracy.mean()
    difference = means["with"] - means["without"]
    return [
        f"In the {len(accuracy):,} groups that have both, the accuracy of completions with words of reflection is "
        f"{means['with']:.3f}, of those without {means['without']:.3f}: a difference of {difference:+.3f} "
        f"[{low:+.3f}, {high:+.3f}]. A completion may have none because it was right at once, so this is no effect of",
        "the words themselves.",
        "",
    ]


def _aha_lines(measured: pd.DataFrame) -> list[str]:
    """The first completion in which a mistake or a failed check is corrected; a right one, if the run has accuracy."""
    kind = "completion"
    is_found = measured["repairs"]
    if "right" in measured:
        kind = "right completion"
        is_found = is_found & measured["right"].eq(True)  # missing values are not right
    found = measured[is_found]
    if found.empty:
        return [f"No {kind} notices a mistake or a failed check, and corrects it.", ""]
    first = found.sort_values("step", kind="stable").iloc[0]
    shares = measured.groupby("step")["repairs"].mean()
    return [
        f"The first {kind} that notices a mistake or a failed check, and corrects it, is from step {first['step']}.",
        f"The share of completions that do so goes from {shares.iloc[0]:.3f} to {shares.iloc[-1]:.3f}.",
        "",
        "```text",
        first["prompt"].strip(),
        "",
        first["completion"],
        "```",
        "",
    ]


def _edge_steps(measured: pd.DataFrame) -> int:
    """The number of steps at each end of the run that the table averages over."""
    return min(EDGE_STEPS, measured["step"].nunique())


def _edges(measured: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The completions of the first and of the last logged steps."""
    steps = sorted(measured["step"].unique())
    first = measured[measured["step"].isin(steps[:EDGE_STEPS])]
    last = measured[measured["step"].isin(steps[-EDGE_STEPS:])]
    return first, last


def _length_by_difficulty(completions: pd.DataFrame) -> float:
    """Spearman's rank correlation over groups, of the mean length with the difficulty."""
    groups = completions.groupby(["step", "prompt"])[["characters", "difficulty"]].mean()
    return spearman(groups.to_numpy())


def _format(value: float, digits: int) -> str:
    if pd.isna(value):
        return "–"
    return f"{value:.{digits}f}"


def _draw(measured: pd.DataFrame, path: Path) -> None:
    """Draws the measures by step, leaving out those that need the accuracy reward if the run has none."""
    drawers = [_draw_length, _draw_words, _draw_attempts, _draw_checks]
    if "difficulty" in measured:
        drawers += [_draw_difficulty, _draw_paired_accuracy]
    columns = len(drawers) // 2
    figure, grid = make_panels(2, columns, "Thinking, on training prompts")
    for panel, draw_panel in zip(grid.flatten(), drawers, strict=True):
        draw_panel(panel, measured)
        panel.set_xlabel("step")
        if panel.lines:
            panel.legend(fontsize=7)
        start_at_zero(panel)
    save_figure(figure, path)


def _draw_length(panel: Axes, measured: pd.DataFrame) -> None:
    panel.set(title="length", ylabel="characters per completion")
    columns = {"characters": ("all", "black")}
    if "difficulty" in measured:
        columns |= {"characters of right": ("right", "tab:green"), "characters of wrong": ("wrong", "tab:red")}
    by_step = measured.groupby("step")
    for column, (label, color) in columns.items():
        plot_series(panel, by_step[column].mean(), label=label, color=color)


def _draw_words(panel: Axes, measured: pd.DataFrame) -> None:
    panel.set(title="words of reflection", ylabel="per completion")
    patterns = {word: rf"(?i)\b{word}\b" for word in WORDS}
    for word, pinyin in CHINESE_WORDS.items():
        patterns[pinyin] = word
    for label, pattern in patterns.items():
        counts = measured["completion"].str.count(pattern)
        if counts.any():
            plot_series(panel, counts.groupby(measured["step"]).mean(), label=label)


def _draw_attempts(panel: Axes, measured: pd.DataFrame) -> None:
    panel.set(title="attempts", ylabel="per completion")
    plot_series(panel, measured.groupby("step")["attempts"].mean(), label="mean", color="tab:blue")


def _draw_checks(panel: Axes, measured: pd.DataFrame) -> None:
    panel.set(title="checks", ylabel="share of completions")
    by_step = measured.groupby("step")
    plot_series(panel, by_step["repairs"].mean(), label="a mistake or failed check is corrected", color="tab:green")
    plot_series(panel, by_step["false check"].mean(), label="a claimed check does not hold", color="tab:red")


def _draw_difficulty(panel: Axes, measured: pd.DataFrame) -> None:
    panel.set(title="length by difficulty", ylabel="characters per completion")
    labels = ["less than 1/3 wrong", "1/3 to 2/3 wrong", "more than 2/3 wrong"]
    levels = pd.cut(measured["difficulty"], [-0.01, 1 / 3, 2 / 3, 1.0], labels=labels)
    for level, of_level in measured.groupby(levels, observed=True):
        plot_series(panel, of_level.groupby("step")["characters"].mean(), label=level)


def _draw_paired_accuracy(panel: Axes, measured: pd.DataFrame) -> None:
    panel.set(title="accuracy in the same groups", ylabel="share of completions that are right")
    accuracy, _, _ = paired_accuracy(measured)
    by_step = accuracy.groupby("step").mean()
    plot_series(panel, by_step["with"], label="with words of reflection", color="tab:green")
    plot_series(panel, by_step["without"], label="without", color="tab:gray")
