"""Test-time compute: accuracy of checkpoints against a budget of tokens, and against the number of samples.

The paper's R1-Zero solves more the longer it thinks (DeepSeek-R1 v2, §2.2.4), and more with a majority vote over its
samples than on average (Figure 1).
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from datasets import Dataset

from open_r1.configs import Benchmark
from open_r1.configs.benchmarks import budget_name
from open_r1.evals.measures import collect_votes
from open_r1.evals.statistics import cons_at_k
from open_r1.pipelines.tasks import Task
from open_r1.reports.claims import find_evaluations, means_by_problem
from open_r1.reports.figures import make_panels, save_figure
from open_r1.utils.markdown import markdown_table


FILE = "test_time_compute.png"
SHOWN = ("base", "zero", "r1", "distill")  # checkpoints that the figure shows, if there are too many for all
MAX_SHOWN = 5
RESAMPLES = 50  # votes per problem; the mean over all problems needs no more


def token_budget_lines(tasks_by_seed: dict[int, list[Task]], report_dir: Path) -> list[str]:
    """Report section on test-time compute, with a figure and a table; empty if no benchmark has budgets.

    Args:
        tasks_by_seed (`dict[int, list[Task]]`): The stages of each seed.
        report_dir (`Path`): Folder of the report.
    """
    budgets = read_budgets(tasks_by_seed)
    if budgets.empty:
        return []
    _draw(budgets, read_votes(tasks_by_seed), report_dir / FILE)
    return [
        "## Test-time compute",
        "",
        "Accuracy within a budget of tokens, and of the majority vote of k samples (cons@k). Means over the seeds.",
        "",
        f"![test-time compute]({FILE})",
        "",
        budget_tables(budgets),
        "",
    ]


def read_budgets(tasks_by_seed: dict[int, list[Task]]) -> pd.DataFrame:
    """Reads the accuracy of all checkpoints within each budget of tokens.

    Returns:
        `DataFrame`: Columns `seed`, `checkpoint`, `benchmark`, `x` (the budget) and `value`.
    """
    rows = []
    for seed, checkpoint, task, folder, benchmark in _benchmarks_with_budgets(tasks_by_seed):
        correctness = benchmark.rewards[0].label
        for budget in benchmark.token_budgets:
            measure = f"{budget_name(benchmark.name, budget)}/{correctness}"
            means = means_by_problem(task, folder, measure)
            rows.append((seed, checkpoint, benchmark.name, budget, sum(means.values()) / len(means)))
    return pd.DataFrame(rows, columns=["seed", "checkpoint", "benchmark", "x", "value"])


def read_votes(tasks_by_seed: dict[int, list[Task]]) -> pd.DataFrame:
    """Reads cons@k of all checkpoints on benchmarks with budgets, for k from 1 to the number of samples.

    Returns:
        `DataFrame`: Columns `seed`, `checkpoint`, `benchmark`, `x` (k) and `value`.
    """
    rows = []
    for seed, checkpoint, _, folder, benchmark in _benchmarks_with_budgets(tasks_by_seed):
        correctness = benchmark.rewards[0].label
        if correctness != "accuracy":
            continue
        scored = Dataset.from_parquet(str(folder / f"{benchmark.name}.parquet"))
        votes = collect_votes(scored, correctness)
        most = max(map(len, votes))
        complete = [of_problem for of_problem in votes if len(of_problem) == most]
        for k in range(1, most + 1):
            estimate = cons_at_k(complete, k, resamples=RESAMPLES)
            rows.append((seed, checkpoint, benchmark.name, k, estimate.value))
    return pd.DataFrame(rows, columns=["seed", "checkpoint", "benchmark", "x", "value"])


def budget_tables(budgets: pd.DataFrame) -> str:
    """One Markdown table per benchmark, with one row per checkpoint and one column per budget.

    >>> budgets = pd.DataFrame({"checkpoint": ["zero", "zero"], "x": [8, 96], "value": [0.25, 0.9]})
    >>> print(budget_tables(budgets.assign(seed=42, benchmark="problems")))
    | problems | 8 tokens | 96 tokens |
    |---|---|---|
    | zero | 0.25 | 0.90 |
    """
    tables = []
    for benchmark, of_benchmark in budgets.groupby("benchmark", sort=False):
        means = of_benchmark.pivot_table(index="checkpoint", columns="x", values="value", sort=False)
        means = means[sorted(means.columns)]
        header = [benchmark, *(f"{budget} tokens" for budget in means.columns)]
        rows = []
        for checkpoint, values in means.iterrows():
            cells = ["–" if pd.isna(value) else f"{value:.2f}" for value in values]
            rows.append([checkpoint, *cells])
        tables.append(markdown_table(header, rows))
    return "\n\n".join(tables)


def _benchmarks_with_budgets(
    tasks_by_seed: dict[int, list[Task]],
) -> Iterator[tuple[int, str, Task, Path, Benchmark]]:
    """Seed, checkpoint, evaluation task, folder and benchmark of every evaluation within budgets of tokens."""
    for seed, tasks in tasks_by_seed.items():
        for checkpoint, (task, folder) in find_evaluations(tasks).items():
            for entry in task.keys["benchmarks"]:
                benchmark = Benchmark.parse(entry)
                if benchmark.token_budgets:
                    yield seed, checkpoint, task, folder, benchmark


def _draw(budgets: pd.DataFrame, votes: pd.DataFrame, path: Path) -> None:
    """Draws accuracy against the budget and against the number of samples, one row per benchmark."""
    benchmarks = list(budgets["benchmark"].unique())
    shown = list(budgets["checkpoint"].unique())
    if len(shown) > MAX_SHOWN:
        shown = [name for name in shown if name in SHOWN] or shown[:MAX_SHOWN]
    figure, panels = make_panels(len(benchmarks), 2, "Test-time compute", width=4.5, height=3.2, sharey="row")
    for (left, right), benchmark in zip(panels, benchmarks, strict=True):
        left.set(title=benchmark, xlabel="budget (tokens)", ylabel="accuracy", ylim=(0, 1.03))
        right.set(title=benchmark, xlabel="samples in a majority vote")
        right.xaxis.get_major_locator().set_params(integer=True)
        for number, checkpoint in enumerate(shown):
            for panel, table in ((left, budgets), (right, votes)):
                is_line = (table["checkpoint"] == checkpoint) & (table["benchmark"] == benchmark)
                line = table[is_line].groupby("x")["value"].mean()
                panel.plot(line.index, line, marker="o", markersize=4, color=f"C{number}", label=checkpoint)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=max(1, len(labels)))
    save_figure(figure, path)
