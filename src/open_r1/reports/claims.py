"""Whether the evaluations of a pipeline show what a paper claims: values, differences and ratios with intervals, seed by seed.

Both sides of a comparison answered the same problems, so the interval is that of resampled problems, pair by pair (95%, percentile bootstrap).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import Dataset

from open_r1.configs import Benchmark, Claim, RecipeError, nearest
from open_r1.evals.results import columns_of
from open_r1.reports.run import read_log
from open_r1.stages import Task


RESAMPLES = 2000


@dataclass
class Verdict:
    """What was found for a claim with one seed.

    Args:
        value (`float`): The value, difference or ratio.
        low (`float`), high (`float`): Its interval; for `throughout` the least and largest of the evaluations.
        holds (`bool`): Whether the value is as claimed.
        sure (`bool`): Whether all of the interval says the same.
    """

    value: float
    low: float
    high: float
    holds: bool
    sure: bool

    def __str__(self) -> str:
        return f"{'yes' if self.holds else 'NO'}{'' if self.sure else ', within the noise'}: {self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def evaluations(tasks: list[Task]) -> dict[str, tuple[Task, Path]]:
    """Every evaluated checkpoint by name: the task and the folder with its `eval.json`, in the order of the recipe."""
    found = {}
    for task in tasks:
        if "benchmarks" in task.keys:
            models = task.keys.get("models") or [task.output_dir.name]
            folders = [task.output_dir / Path(model).name if task.keys.get("models") else task.output_dir for model in models]
            found |= {folder.name: (task, folder) for folder in folders}
    return found


def by_problem(task: Task, folder: Path, measure: str) -> dict[str, float]:
    """The mean of a measure over each problem's completions, of one evaluation.

    Raises:
        RecipeError: If it has no such benchmark or measure.
    """
    name, _, column = measure.partition("/")
    suite = {each.name: each for each in map(Benchmark.parse, task.keys["benchmarks"])}
    if name not in suite:
        raise RecipeError(f"claims: {task.name} has no benchmark {name!r}{nearest(name, suite)}")
    scored = Dataset.from_parquet(str(folder / f"{name}.parquet"))
    columns = columns_of(scored, suite[name])
    if column not in columns:
        raise RecipeError(f"claims: {name} has no measure {column!r}{nearest(column, columns)} It has {', '.join(columns)}.")
    sums: dict[str, list[float]] = {}
    for prompt, value in zip(scored["prompt_id"], columns[column], strict=True):
        if value is not None:
            sums.setdefault(prompt, []).append(value)
    return {prompt: sum(values) / len(values) for prompt, values in sums.items()}


def judge(claim: Claim, tasks: list[Task]) -> Verdict:
    """What the outputs of one seed say about a claim.

    Raises:
        RecipeError: If it names what the pipeline does not have.
    """
    evaluated = evaluations(tasks)
    runs = {task.output_dir.name: task for task in tasks if "reward_funcs" in task.keys and "num_generations" in task.keys}
    for name in (claim.of, claim.versus):
        known = runs if claim.throughout else evaluated
        if name is not None and name not in known:
            raise RecipeError(
                f"claims: {claim.claim!r}: the pipeline has no {name!r}{nearest(name, known)} It has {', '.join(known)}."
            )
    if claim.throughout:
        return _throughout(claim, runs[claim.of])
    mine = by_problem(*evaluated[claim.of], claim.measure)
    other = by_problem(*evaluated[claim.versus], claim.measure) if claim.versus else dict.fromkeys(mine, 0.0)
    shared = sorted(set(mine) & set(other))
    one, two = np.array([mine[prompt] for prompt in shared]), np.array([other[prompt] for prompt in shared])
    if claim.most_ratio is None:
        value, (low, high), limit, sign = (one - two).mean(), resampled_mean(one - two), claim.least, 1
    else:
        value, (low, high), limit, sign = one.mean() / two.mean(), resampled_ratio(one, two), claim.most_ratio, -1
    holds = [bool(sign * (each - limit) >= 0) for each in (value, low, high)]
    return Verdict(float(value), float(low), float(high), holds[0], holds[1] == holds[2])


def _drawn(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(count, size=(RESAMPLES, count))


def resampled_mean(values: Sequence[float]) -> tuple[float, float]:
    """The 95% interval of a mean over problems, from resampling them."""
    return tuple(np.percentile(np.asarray(values, dtype=float)[_drawn(len(values))].mean(axis=1), [2.5, 97.5]))


def resampled_ratio(one: np.ndarray, two: np.ndarray) -> tuple[float, float]:
    """The same of a ratio of means."""
    drawn = _drawn(len(one))
    with np.errstate(divide="ignore", invalid="ignore"):
        return tuple(np.nanpercentile(one[drawn].mean(axis=1) / two[drawn].mean(axis=1), [2.5, 97.5]))


def _throughout(claim: Claim, task: Task) -> Verdict:
    """The evaluations of a run while it trained."""
    column = f"eval_rewards/{claim.measure.partition('/')[2]}/mean"
    log = read_log(task.output_dir)
    if column not in log or not len(values := log[column].dropna()):
        raise RecipeError(f"claims: {claim.claim!r}: {task.output_dir} has no evaluations with {column}.")
    low, high = float(values.min()), float(values.max())
    return Verdict(low, low, high, low >= claim.least, True)
