"""Checks whether the evaluations of a pipeline reproduce a paper's claims (values, differences and ratios) per seed.

Both checkpoints of a comparison are evaluated on the same problems. The 95% interval is therefore a paired percentile
bootstrap over problems: both sides use the same resampled problems.
"""

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from datasets import Dataset

from open_r1.configs import Benchmark, PaperClaim
from open_r1.evals.measures import completion_measures
from open_r1.pipelines.tasks import Task
from open_r1.reports.history import read_log
from open_r1.utils.errors import RecipeError, did_you_mean


RESAMPLES = 2000
INTERVAL = [2.5, 97.5]  # percentiles


@dataclass
class ClaimResult:
    """Whether a claim holds for one seed.

    Args:
        value (`float`): The value, difference or ratio that the claim is about.
        low (`float`), high (`float`):
            Its 95% interval; for `throughout`, the lowest and highest value of the evaluations.
        holds (`bool`): Whether the value satisfies the claim.
        sure (`bool`): Whether both ends of the interval agree on that.
        before (`float`, *optional*), after (`float`, *optional*): The two means of a comparison.
    """

    value: float
    low: float
    high: float
    holds: bool
    sure: bool
    before: float | None = field(default=None, compare=False)
    after: float | None = field(default=None, compare=False)

    def to_dict(self) -> dict:
        """The result for JSON. An infinite ratio (to 0) becomes `None`."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        for name, number in numbers.items():
            if not math.isfinite(number):
                numbers[name] = None
        return numbers | {"holds": self.holds, "sure": self.sure}


Results = dict[str, dict[int, ClaimResult]]  # by text of the claim, and seed


def claims_to_json(results: Results) -> str:
    """The results of all claims as JSON."""
    claims = {}
    for claim, result_by_seed in results.items():
        claims[claim] = {seed: result.to_dict() for seed, result in result_by_seed.items()}
    return json.dumps(claims, indent=1)


def find_evaluations(tasks: list[Task]) -> dict[str, tuple[Task, Path]]:
    """Evaluation task and folder of `eval.json` for each evaluated checkpoint, by name, in the order of the recipe."""
    evaluations: dict[str, tuple[Task, Path]] = {}
    for task in tasks:
        if "benchmarks" not in task.keys:
            continue
        folders = [task.output_dir]
        if task.keys.get("models"):
            folders = [task.output_dir / Path(model).name for model in task.keys["models"]]
        for folder in folders:
            _require_new_name(folder.name, evaluations, "evaluations")
            evaluations[folder.name] = (task, folder)
    return evaluations


def find_rl_runs(tasks: list[Task]) -> dict[str, Task]:
    """The GRPO stages, by the last part of their `output_dir`."""
    runs: dict[str, Task] = {}
    for task in tasks:
        if task.stage == "grpo":
            _require_new_name(task.output_dir.name, runs, "runs of reinforcement learning")
            runs[task.output_dir.name] = task
    return runs


def _require_new_name(name: str, others: dict, kind: str) -> None:
    if name in others:
        raise RecipeError(
            f"stages: two {kind} write to folders called {name!r}; claims and reports could not tell them apart."
        )


def means_by_problem(task: Task, folder: Path, measure: str) -> dict[str, float]:
    """The mean of a measure over the completions of each problem.

    Args:
        task (`Task`): The evaluation.
        folder (`Path`): The folder of the checkpoint's results.
        measure (`str`): `benchmark/measure`, such as `problems/accuracy`.

    Raises:
        RecipeError: If the evaluation has no such benchmark or measure.
    """
    benchmark_name, _, column = measure.partition("/")
    benchmarks = {}
    for entry in task.keys["benchmarks"]:
        benchmark = Benchmark.parse(entry)
        benchmarks[benchmark.name] = benchmark
    if benchmark_name not in benchmarks:
        suggestion = did_you_mean(benchmark_name, benchmarks)
        raise RecipeError(f"claims: {task.name} has no benchmark {benchmark_name!r}{suggestion}")

    scored = Dataset.from_parquet(str(folder / f"{benchmark_name}.parquet"))
    columns = completion_measures(scored, benchmarks[benchmark_name])
    if column not in columns:
        suggestion = did_you_mean(column, columns)
        raise RecipeError(
            f"claims: {benchmark_name} has no measure {column!r}{suggestion} It has {', '.join(columns)}."
        )

    values_by_problem: dict[str, list[float]] = defaultdict(list)
    for problem, value in zip(scored["prompt_id"], columns[column], strict=True):
        if value is not None:
            values_by_problem[problem].append(value)
    means = {}
    for problem, values in values_by_problem.items():
        means[problem] = sum(values) / len(values)
    return means


def check_claim(claim: PaperClaim, tasks: list[Task]) -> ClaimResult:
    """Checks a claim against the outputs of one seed.

    Raises:
        RecipeError: If the claim names a checkpoint, benchmark or measure that the pipeline does not have.
    """
    require_known(claim, tasks)
    if claim.throughout:
        return _check_throughout(claim, find_rl_runs(tasks)[claim.of])
    evaluations = find_evaluations(tasks)
    after_by_problem = means_by_problem(*evaluations[claim.of], claim.measure)
    if claim.versus is None:
        values = _values_of(sorted(after_by_problem), after_by_problem)
        return _check_difference(values, claim.least)

    before_by_problem = means_by_problem(*evaluations[claim.versus], claim.measure)
    shared = sorted(set(after_by_problem) & set(before_by_problem))
    if not shared:
        raise RecipeError(f"claims: {claim.claim!r}: {claim.of} and {claim.versus} have no problem in common.")
    after = _values_of(shared, after_by_problem)
    before = _values_of(shared, before_by_problem)
    if claim.most_ratio is not None:
        result = _check_ratio(after, before, claim.most_ratio)
    else:
        result = _check_difference(after - before, claim.least)
    result.before = float(before.mean())
    result.after = float(after.mean())
    return result


def _values_of(problems: list[str], value_by_problem: dict[str, float]) -> np.ndarray:
    return np.array([value_by_problem[problem] for problem in problems])


def require_known(claim: PaperClaim, tasks: list[Task]) -> None:
    """Checks that the pipeline has the checkpoints that a claim is about.

    Raises:
        RecipeError: If it does not.
    """
    known = find_rl_runs(tasks) if claim.throughout else find_evaluations(tasks)
    for name in (claim.of, claim.versus):
        if name is not None and name not in known:
            suggestion = did_you_mean(name, known)
            raise RecipeError(
                f"claims: {claim.claim!r}: the pipeline has no {name!r}{suggestion} It has {', '.join(known)}."
            )


def describe_measure(claim: PaperClaim) -> str:
    """A short description of the quantity that a claim is about.

    >>> describe_measure(PaperClaim(claim="better", of="zero", versus="base", measure="problems/accuracy"))
    'problems/accuracy, zero − base'
    """
    if claim.versus is None:
        return f"{claim.measure}, {claim.of}"
    if claim.most_ratio is not None:
        return f"{claim.measure}, {claim.of} ÷ {claim.versus}"
    return f"{claim.measure}, {claim.of} − {claim.versus}"


def describe_criterion(claim: PaperClaim) -> str:
    """A short description of the condition for a claim to hold.

    >>> describe_criterion(PaperClaim(claim="better", of="zero", versus="base", measure="problems/accuracy"))
    '> 0'
    """
    if claim.throughout:
        return f"≥ {claim.least or 0.0:g} in each evaluation during training"
    if claim.most_ratio is not None:
        return f"≤ {claim.most_ratio:g}"
    if claim.least is None:
        return "> 0"
    return f"≥ {claim.least:g}"


def describe_result(claim: PaperClaim, result: ClaimResult) -> str:
    """A short description of whether a claim holds, with the numbers.

    >>> claim = PaperClaim(claim="better", of="zero", versus="base", measure="problems/accuracy", least=0.4)
    >>> describe_result(claim, ClaimResult(0.7, 0.65, 0.75, True, True, before=0.2, after=0.9))
    'yes: 0.200 → 0.900, difference 0.700 [0.650, 0.750]'
    """
    verdict = "NO"
    if result.holds:
        verdict = "yes"
    if not result.sure:
        verdict += ", within the noise"
    low = f"{result.low:.3f}"
    high = f"{result.high:.3f}"
    if claim.throughout:
        return f"{verdict}: {low} to {high}"
    value_and_interval = f"{result.value:.3f} [{low}, {high}]"
    if result.before is None:
        return f"{verdict}: {value_and_interval}"
    change = f"{result.before:.3f} → {result.after:.3f}"
    kind = "difference"
    if claim.most_ratio is not None:
        kind = "ratio"
    return f"{verdict}: {change}, {kind} {value_and_interval}"


def _check_difference(differences: np.ndarray, least: float | None) -> ClaimResult:
    """Whether a mean is at least `least`; if that is `None`, whether it is above 0."""

    def is_enough(number: float) -> bool:
        if least is None:
            return number > 0
        return number >= least

    value = float(differences.mean())
    low, high = interval(resampled_means(differences))
    return ClaimResult(
        value=value,
        low=low,
        high=high,
        holds=is_enough(value),
        sure=is_enough(low) == is_enough(high),
    )


def _check_ratio(after: np.ndarray, before: np.ndarray, most_ratio: float) -> ClaimResult:
    """Whether the ratio of two means is at most `most_ratio`. It is if both are 0."""
    after_mean = after.mean(keepdims=True)
    before_mean = before.mean(keepdims=True)
    ratio = _divide(after_mean, before_mean)
    resampled_ratios = _divide(resampled_means(after), resampled_means(before))
    low, high = interval(resampled_ratios)
    margins = most_ratio * before - after
    margin_low, margin_high = interval(resampled_means(margins))
    return ClaimResult(
        value=float(ratio[0]),
        low=low,
        high=high,
        holds=bool(most_ratio * before_mean >= after_mean),
        sure=(margin_low >= 0) == (margin_high >= 0),
    )


def _divide(numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
    """Divides elementwise, with 0 / 0 = 0 and x / 0 = infinity for positive x."""
    by_zero = np.where(numerators > 0, np.inf, 0.0)
    is_defined = denominators > 0
    return np.divide(numerators, denominators, out=by_zero, where=is_defined)


def resampled_means(values: np.ndarray) -> np.ndarray:
    """Bootstrap means over problems. The seed is fixed, so arrays of the same length use the same problems."""
    generator = np.random.default_rng(0)
    indices = generator.integers(len(values), size=(RESAMPLES, len(values)))
    return values[indices].mean(axis=1)


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95% percentile interval of values, without interpolation, since ratios may be infinite."""
    low, high = np.percentile(values, INTERVAL, method="nearest")
    return float(low), float(high)


def _check_throughout(claim: PaperClaim, task: Task) -> ClaimResult:
    """Whether a reward was high enough in every evaluation during a training run."""
    column = f"eval_rewards/{claim.measure}/mean"
    log = read_log(task.output_dir)
    if column not in log or log[column].isna().all():
        raise RecipeError(f"claims: {claim.claim!r}: {task.output_dir} has no evaluations with {column}.")
    low = float(log[column].min())
    high = float(log[column].max())
    least = claim.least or 0.0
    return ClaimResult(
        value=low,
        low=low,
        high=high,
        holds=low >= least,
        sure=True,
    )
