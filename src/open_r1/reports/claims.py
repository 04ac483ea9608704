"""Checks whether the evaluations of a pipeline reproduce a paper's claims per seed: values, differences, ratios and
rank correlations.

Both checkpoints of a comparison are evaluated on the same problems. The 95% interval is therefore a paired percentile
bootstrap over problems: both sides use the same resampled problems.
"""

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from datasets import Dataset

from open_r1.configs import Benchmark, PaperClaim
from open_r1.evals.measures import completion_measures
from open_r1.pipelines.tasks import Task
from open_r1.reports.history import LENGTH, read_log
from open_r1.utils.errors import RecipeError, did_you_mean


RESAMPLES = 2000
INTERVAL = [2.5, 97.5]  # percentiles
PLATEAU = 0.95


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


def means_by_problem(task: Task, folder: Path, measure: str, key: str = "prompt_id") -> dict[str, float]:
    """The mean of a measure over the completions of each problem.

    Args:
        task (`Task`): The evaluation.
        folder (`Path`): The folder of the checkpoint's results.
        measure (`str`): `benchmark/measure`, such as `problems/accuracy`.
        key (`str`, *optional*, defaults to `"prompt_id"`):
            Column that identifies a problem; `prompt` for the same questions in several benchmarks.

    Raises:
        RecipeError: If the evaluation has no such benchmark or measure.
    """
    scored, values = _read_measure(task, folder, measure)
    return _means_by_problem(scored, values, key)


def _read_measure(task: Task, folder: Path, measure: str) -> tuple[Dataset, list[float | None]]:
    """The completions of a benchmark, and the value of a measure for each of them."""
    benchmark_name, _, column = measure.partition("/")
    benchmarks = {}
    for entry in task.keys["benchmarks"]:
        benchmark = Benchmark.parse(entry)
        for name in benchmark.result_names():
            benchmarks[name] = benchmark
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
    return scored, columns[column]


def _means_by_problem(scored: Dataset, column: list[float | None], key: str) -> dict[str, float]:
    values_by_problem: dict[str, list[float]] = defaultdict(list)
    problems = [json.dumps(problem) for problem in scored[key]]  # a prompt may consist of messages
    for problem, value in zip(problems, column, strict=True):
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
    if claim.rises is not None:
        return _check_rise(claim, find_rl_runs(tasks)[claim.of])
    evaluations = find_evaluations(tasks)
    if claim.rank_correlation_with is not None:
        return _check_rank_correlation(claim, *evaluations[claim.of])
    key = "prompt_id"
    if claim.versus_measure is not None:  # ids differ where completions begin with different texts
        key = "prompt"
    after_by_problem = means_by_problem(*evaluations[claim.of], claim.measure, key)
    if claim.versus is None:
        values = _values_of(sorted(after_by_problem), after_by_problem)
        return _check_difference(values, claim)

    before_measure = claim.versus_measure or claim.measure
    before_by_problem = means_by_problem(*evaluations[claim.versus], before_measure, key)
    shared = sorted(set(after_by_problem) & set(before_by_problem))
    if not shared:
        raise RecipeError(f"claims: {claim.claim!r}: {claim.of} and {claim.versus} have no problem in common.")
    after = _values_of(shared, after_by_problem)
    before = _values_of(shared, before_by_problem)
    if claim.is_about_ratio:
        result = _check_ratio(after, before, claim)
    else:
        result = _check_difference(after - before, claim)
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
    known = find_rl_runs(tasks) if claim.is_about_training else find_evaluations(tasks)
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
    if claim.rises is not None:
        return f"rank correlation of {claim.measure} with the step, {claim.of}, over at least {claim.rises} steps"
    if claim.rank_correlation_with is not None:
        return f"rank correlation of {claim.measure} with {claim.rank_correlation_with}, {claim.of}"
    if claim.versus is None:
        return f"{claim.measure}, {claim.of}"
    sign = "÷" if claim.is_about_ratio else "−"
    if claim.versus_measure is not None:
        return f"{claim.measure}, {claim.of} {sign} {claim.versus_measure}, {claim.versus}"
    return f"{claim.measure}, {claim.of} {sign} {claim.versus}"


def describe_criterion(claim: PaperClaim) -> str:
    """A short description of the condition for a claim to hold.

    >>> describe_criterion(PaperClaim(claim="better", of="zero", versus="base", measure="problems/accuracy"))
    '> 0'
    """
    if claim.throughout:
        return f"≥ {claim.least or 0.0:g} in each evaluation during training"
    if claim.least_ratio is not None:
        return f"≥ {claim.least_ratio:g}"
    if claim.most_ratio is not None:
        return f"≤ {claim.most_ratio:g}"
    if claim.most is not None:
        return f"≤ {claim.most:g}"
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
    if claim.is_about_ratio:
        kind = "ratio"
    return f"{verdict}: {change}, {kind} {value_and_interval}"


def _check_difference(differences: np.ndarray, claim: PaperClaim) -> ClaimResult:
    """Whether a mean is within the bound of a claim."""
    value = float(differences.mean())
    low, high = interval(resampled_means(differences))
    return _judge(claim, value, low, high)


def _judge(claim: PaperClaim, value: float, low: float, high: float) -> ClaimResult:
    """Whether a value is within the bound of a claim; without a bound, whether it is above 0."""

    def is_within(number: float) -> bool:
        if claim.most is not None:
            return number <= claim.most
        if claim.least is not None:
            return number >= claim.least
        return number > 0

    return ClaimResult(
        value=value,
        low=low,
        high=high,
        holds=is_within(value),
        sure=is_within(low) == is_within(high),
    )


def _check_ratio(after: np.ndarray, before: np.ndarray, claim: PaperClaim) -> ClaimResult:
    """Whether the ratio of two means is within the bound of a claim. It is if both are 0."""
    sign = 1.0
    bound = claim.most_ratio
    if claim.least_ratio is not None:
        sign = -1.0
        bound = claim.least_ratio
    after_mean = after.mean(keepdims=True)
    before_mean = before.mean(keepdims=True)
    ratio = _divide(after_mean, before_mean)
    resampled_ratios = _divide(resampled_means(after), resampled_means(before))
    low, high = interval(resampled_ratios)
    margins = sign * (bound * before - after)
    margin_low, margin_high = interval(resampled_means(margins))
    return ClaimResult(
        value=float(ratio[0]),
        low=low,
        high=high,
        holds=bool(margins.mean() >= 0),
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


def _check_rank_correlation(claim: PaperClaim, task: Task, folder: Path) -> ClaimResult:
    """Whether a measure goes with a column of the data set, over problems."""
    scored, values = _read_measure(task, folder, claim.measure)
    column = claim.rank_correlation_with
    if column not in scored.column_names:
        raise RecipeError(
            f"claims: {claim.claim!r}: the completions have no column {column!r}"
            f"{did_you_mean(column, scored.column_names)}"
        )
    if not all(isinstance(level, int | float) for level in scored[column]):
        raise RecipeError(
            f"claims: {claim.claim!r}: rank_correlation_with is {column!r}, which has {scored[column][0]!r}; expected "
            "a column of numbers."
        )
    means = _means_by_problem(scored, values, "prompt_id")
    levels = _means_by_problem(scored, scored[column], "prompt_id")
    problems = sorted(set(means) & set(levels))
    pairs = np.stack([_values_of(problems, means), _values_of(problems, levels)], axis=1)
    return _judge_rank_correlation(claim, pairs)


def _check_rise(claim: PaperClaim, task: Task) -> ClaimResult:
    """Whether a measure rises step by step until its plateau: 95% of its mean over the last quarter of the steps.

    The plateau is reached where the mean of three steps is that high, so that a single step cannot end the rise.
    """
    log = read_log(task.output_dir)
    column = LENGTH if claim.measure == "length" else claim.measure
    if column not in log or log[column].isna().all():
        raise RecipeError(f"claims: {claim.claim!r}: {task.output_dir} has logged no {column}.")
    values = log[log[column].notna()][column].reset_index(drop=True)
    plateau = PLATEAU * values.tail(max(1, len(values) // 4)).mean()
    smoothed = values.rolling(3, center=True, min_periods=1).mean()
    steps = int((smoothed >= plateau).argmax()) + 1
    rising = values.head(max(steps, claim.rises))
    pairs = np.stack([rising, np.arange(len(rising))], axis=1)
    result = _judge_rank_correlation(claim, pairs)
    if steps < claim.rises:
        result.holds = False
    return result


def _judge_rank_correlation(claim: PaperClaim, pairs: np.ndarray) -> ClaimResult:
    """Judges Spearman's rank correlation of two columns, with its 95% interval (bootstrap over rows)."""
    value = spearman(pairs)
    if math.isnan(value):
        raise RecipeError(f"claims: {claim.claim!r}: {describe_measure(claim)} is undefined: all values are the same.")
    generator = np.random.default_rng(0)
    indices = generator.integers(len(pairs), size=(RESAMPLES, len(pairs)))
    correlations = np.array([spearman(pairs[rows]) for rows in indices])
    low, high = interval(correlations[~np.isnan(correlations)])
    return _judge(claim, value, low, high)


def spearman(pairs: np.ndarray) -> float:
    """Spearman's rank correlation of the two columns of an array. Rows with missing values are left out.

    Returns:
        `float`: The correlation; NaN if a column is constant.

    >>> spearman(np.array([[1, 10], [2, 20], [3, 30]]))
    1.0
    """
    complete = pairs[~np.isnan(pairs.astype(float)).any(axis=1)]
    if len(complete) < 2:
        return math.nan
    ranks = pd.DataFrame(complete).rank().to_numpy()
    if (ranks == ranks[0]).all(axis=0).any():
        return math.nan
    return float(np.corrcoef(ranks, rowvar=False)[0, 1])


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
