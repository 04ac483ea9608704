"""Whether the evaluations of a pipeline show what a paper claims: values, differences and ratios with intervals, seed by seed.

Both sides of a comparison answered the same problems, so the interval is that of resampled problems, pair by pair (95%, percentile bootstrap).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import Dataset

from open_r1.configs import Benchmark, PaperClaim
from open_r1.evals.results import columns_of
from open_r1.pipelines.tasks import Task
from open_r1.reports.run import read_log
from open_r1.utils.errors import RecipeError, did_you_mean


RESAMPLES = 2000


@dataclass
class ClaimResult:
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
            folders = [
                task.output_dir / Path(model).name if task.keys.get("models") else task.output_dir for model in models
            ]
            for folder in folders:
                _require_new(folder.name, found, "evaluations")
                found[folder.name] = (task, folder)
    return found


def trained_by_reward(tasks: list[Task]) -> dict[str, Task]:
    """Every stage of reinforcement learning by the last part of its `output_dir`."""
    found: dict[str, Task] = {}
    for task in tasks:
        if task.stage == "grpo":
            _require_new(task.output_dir.name, found, "runs of reinforcement learning")
            found[task.output_dir.name] = task
    return found


def _require_new(name: str, others: dict, kind: str):
    if name in others:
        raise RecipeError(
            f"stages: two {kind} write to folders called {name!r}; claims and reports could not tell them apart."
        )


def by_problem(task: Task, folder: Path, measure: str) -> dict[str, float]:
    """The mean of a measure over each problem's completions, of one evaluation.

    Raises:
        RecipeError: If it has no such benchmark or measure.
    """
    name, _, column = measure.partition("/")
    suite = {each.name: each for each in map(Benchmark.parse, task.keys["benchmarks"])}
    if name not in suite:
        raise RecipeError(f"claims: {task.name} has no benchmark {name!r}{did_you_mean(name, suite)}")
    scored = Dataset.from_parquet(str(folder / f"{name}.parquet"))
    columns = columns_of(scored, suite[name])
    if column not in columns:
        raise RecipeError(
            f"claims: {name} has no measure {column!r}{did_you_mean(column, columns)} It has {', '.join(columns)}."
        )
    sums: dict[str, list[float]] = {}
    for prompt, value in zip(scored["prompt_id"], columns[column], strict=True):
        if value is not None:
            sums.setdefault(prompt, []).append(value)
    return {prompt: sum(values) / len(values) for prompt, values in sums.items()}


def check_claim(claim: PaperClaim, tasks: list[Task]) -> ClaimResult:
    """What the outputs of one seed say about a claim.

    Raises:
        RecipeError: If it names what the pipeline does not have.
    """
    require_known(claim, tasks)
    if claim.throughout:
        return _throughout(claim, trained_by_reward(tasks)[claim.of])
    evaluated = evaluations(tasks)
    mine = by_problem(*evaluated[claim.of], claim.measure)
    other = by_problem(*evaluated[claim.versus], claim.measure) if claim.versus else dict.fromkeys(mine, 0.0)
    shared = sorted(set(mine) & set(other))
    if not shared:
        raise RecipeError(f"claims: {claim.claim!r}: {claim.of} and {claim.versus} have no problem in common.")
    one, two = np.array([mine[prompt] for prompt in shared]), np.array([other[prompt] for prompt in shared])
    if claim.most_ratio is not None:
        return _ratio(one, two, claim.most_ratio)
    value, limit = float((one - two).mean()), claim.least or 0.0
    low, high = interval(resampled(one - two))
    holds = [each > limit if claim.least is None else each >= limit for each in (value, low, high)]
    return ClaimResult(value, low, high, holds[0], holds[1] == holds[2])


def require_known(claim: PaperClaim, tasks: list[Task]):
    """Stops if a claim is about what the pipeline does not make.

    Raises:
        RecipeError: With what there is.
    """
    known = trained_by_reward(tasks) if claim.throughout else evaluations(tasks)
    for name in (claim.of, claim.versus):
        if name is not None and name not in known:
            raise RecipeError(
                f"claims: {claim.claim!r}: the pipeline has no {name!r}{did_you_mean(name, known)} It has {', '.join(known)}."
            )


def _ratio(one: np.ndarray, two: np.ndarray, most: float) -> ClaimResult:
    """Whether the one mean is at most that part of the other; so also if both are 0. A ratio to 0 is infinite."""

    def divided(numerator, denominator):
        return np.divide(numerator, denominator, out=np.where(numerator > 0, np.inf, 0.0), where=denominator > 0)

    margins = interval(resampled(most * two - one))
    low, high = interval(divided(resampled(one), resampled(two)))
    value = float(divided(one.mean(keepdims=True), two.mean(keepdims=True))[0])
    return ClaimResult(value, low, high, bool(most * two.mean() >= one.mean()), (margins[0] >= 0) == (margins[1] >= 0))


def resampled(values: np.ndarray) -> np.ndarray:
    """Means over problems that are drawn anew, the same ones for every measure."""
    return values[np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)


def interval(values: np.ndarray) -> tuple[float, float]:
    """The middle 95%; no interpolation, since a ratio may be infinite."""
    low, high = np.percentile(values, [2.5, 97.5], method="nearest")
    return float(low), float(high)


def _throughout(claim: PaperClaim, task: Task) -> ClaimResult:
    """The evaluations of a run while it trained."""
    column = f"eval_rewards/{claim.measure}/mean"
    log = read_log(task.output_dir)
    if column not in log or not len(values := log[column].dropna()):
        raise RecipeError(f"claims: {claim.claim!r}: {task.output_dir} has no evaluations with {column}.")
    low, high = float(values.min()), float(values.max())
    return ClaimResult(low, low, high, low >= (claim.least or 0.0), True)
