"""avg@k, pass@k and cons@k over several samples per problem, with intervals (DeepSeek-R1, §3; v2, D.1).

- avg@k is the mean score of k samples; the paper calls it pass@1.
- pass@k is the probability that at least one of k samples is right, with the unbiased estimator of Chen et al. (arXiv
  2107.03374).
- cons@k is the accuracy of the majority vote of k samples.

There are two sources of uncertainty:

- *The choice of problems*: a similar benchmark would have other problems. The samples of a problem are not
  independent, so this is the standard error of the mean over problems (Miller, arXiv 2411.00640, eq. 4). `low` and
  `high` are based on it.
- *The choice of samples*: another run on the same problems would draw other samples. This is what matters when two
  models are compared on the same benchmark. `noise` is the standard error from this source alone.

All scores are from 0 to 1.
"""

import math
import random
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from math import comb


Z = 1.959964  # half the width of a 95% interval, in standard errors
LARGEST_VARIANCE = 0.25  # of values from 0 to 1

Vote = tuple[Hashable | None, float]  # answer (`None` if there is none) and score of a sample


@dataclass
class Estimate:
    """A mean over problems, with its uncertainty.

    Args:
        value (`float`): The mean.
        low (`float`): Lower end of the 95% interval over the choice of problems.
        high (`float`): Upper end of that interval.
        noise (`float`): Standard error over the choice of samples, for these problems.
        problems (`int`): Number of problems.
        samples (`int`): Smallest number of samples of a problem.
    """

    value: float
    low: float
    high: float
    noise: float
    problems: int
    samples: int

    def to_dict(self) -> dict[str, float | int]:
        """The fields, rounded to six digits, for `eval.json`."""
        fields = asdict(self)
        for name, value in fields.items():
            if isinstance(value, float):
                fields[name] = round(value, 6)
        return fields

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def estimate(
    means: Sequence[float],
    variances: Sequence[float],
    samples: int,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Estimate:
    """Estimates the mean over problems from one mean per problem.

    Args:
        means (`Sequence[float]`): Mean of each problem.
        variances (`Sequence[float]`): Variance of each of these means over the choice of samples.
        samples (`int`): Number of samples per problem.
        bounds (`tuple[float, float]`, *optional*, defaults to `(0.0, 1.0)`): Smallest and largest possible value.

    Returns:
        `Estimate`: The estimate. Its interval is clipped to the bounds, and equal to them for a single problem.
    """
    count = len(means)
    value = sum(means) / count
    if count > 1:
        standard_error = math.sqrt(sample_variance(means) / count)
    else:
        standard_error = math.inf
    lowest, highest = bounds
    return Estimate(
        value=value,
        low=max(lowest, value - Z * standard_error),
        high=min(highest, value + Z * standard_error),
        noise=math.sqrt(sum(variances)) / count,
        problems=count,
        samples=samples,
    )


def avg_at_k(scores: Sequence[Sequence[float]]) -> Estimate:
    """The mean score over samples and problems: avg@k, if each problem has k samples.

    Args:
        scores (`Sequence[Sequence[float]]`): Scores of the samples of each problem, such as 1 and 0.

    Raises:
        ValueError: If there are no problems, or a problem has no samples.

    >>> str(avg_at_k([[1, 1], [0, 1], [0, 0], [1, 1]]))
    '0.625 [0.156, 1.000]'
    """
    _require_samples(scores, 1)
    lowest = min(0.0, *map(min, scores))
    highest = max(1.0, *map(max, scores))
    means = []
    variances = []
    for samples in scores:
        means.append(sum(samples) / len(samples))
        if len(samples) > 1:
            variance = sample_variance(samples)
        else:  # unknown; assume the largest possible variance
            variance = LARGEST_VARIANCE * (highest - lowest) ** 2
        variances.append(variance / len(samples))
    return estimate(means, variances, _fewest_samples(scores), (lowest, highest))


def pass_at_k(scores: Sequence[Sequence[float]], k: int) -> Estimate:
    """The probability that at least one of k samples is right: 1 - C(n-c, k) / C(n, k) if c of n samples are right.

    This is the unbiased estimator of Chen et al. (arXiv 2107.03374, eq. 1). The noise is a jackknife estimate over the
    samples of a problem. If k is the number of samples, it is that of k independent draws that are right with the
    observed frequency.

    Args:
        scores (`Sequence[Sequence[float]]`): Scores of the samples of each problem; those below 1 are wrong.
        k (`int`): Number of samples of which at least one must be right.

    Raises:
        ValueError: If there are no problems, or a problem has fewer than k samples.

    >>> pass_at_k([[1, 0, 0, 0], [0, 0, 0, 0]], k=2).value
    0.25
    """
    _require_samples(scores, k)
    means = []
    variances = []
    for samples in scores:
        right = sum(score >= 1 for score in samples)
        means.append(_pass_probability(len(samples), right, k))
        variances.append(_pass_variance(len(samples), right, k))
    return estimate(means, variances, _fewest_samples(scores))


def cons_at_k(
    votes: Sequence[Sequence[Vote]],
    k: int,
    resamples: int = 200,
    seed: int = 0,
) -> Estimate:
    """The share of problems whose most frequent answer among k samples is right (majority vote; v2, D.1).

    If a problem has more than k samples, the vote is averaged over random subsets of size k. The noise is a bootstrap
    estimate: the variance of the vote of k samples drawn with replacement.

    Args:
        votes (`Sequence[Sequence[tuple]]`):
            Answers and scores of the samples of each problem. Equal answers must be the same value.
        k (`int`): Number of samples per vote.
        resamples (`int`, *optional*, defaults to 200): Number of random subsets per problem.
        seed (`int`, *optional*, defaults to 0): Random seed.

    Raises:
        ValueError: If there are no problems, or a problem has fewer than k samples.

    >>> cons_at_k([[("4", 1), ("4", 1), ("5", 0)], [("7", 0), (None, 0), (None, 0)]], k=3).value
    0.5
    """
    _require_samples(votes, k)
    rng = random.Random(seed)
    means = []
    variances = []
    for samples in votes:
        samples = list(samples)
        if len(samples) == k:
            means.append(majority_vote(samples))
        else:
            outcomes = [majority_vote(rng.sample(samples, k)) for _ in range(resamples)]
            means.append(sum(outcomes) / resamples)
        bootstrap = [majority_vote(rng.choices(samples, k=k)) for _ in range(resamples)]
        variances.append(sample_variance(bootstrap))
    return estimate(means, variances, _fewest_samples(votes))


def majority_vote(votes: Sequence[Vote]) -> float:
    """Whether the most frequent answer to a problem is right: 1.0 or 0.0.

    Samples without an answer do not vote. If several answers are tied, returns the share of them that are right.

    Args:
        votes (`Sequence[tuple]`): Answers and scores of the samples of one problem.
    """
    counts: dict[Hashable, int] = {}
    right_answers = set()
    for answer, score in votes:
        if answer is not None:
            counts[answer] = counts.get(answer, 0) + 1
            if score >= 1:
                right_answers.add(answer)
    if not counts:
        return 0.0
    most = max(counts.values())
    winners = [answer for answer, count in counts.items() if count == most]
    return len(right_answers.intersection(winners)) / len(winners)


def _pass_probability(
    samples: int,
    right: int,
    k: int,
) -> float:
    """The probability that at least one of k samples, drawn without replacement, is right."""
    wrong = samples - right
    if wrong < k:
        return 1.0
    return 1.0 - comb(wrong, k) / comb(samples, k)


def _pass_variance(
    samples: int,
    right: int,
    k: int,
) -> float:
    """The variance of `_pass_probability` over the choice of samples."""
    if k == samples:
        all_wrong = (1 - right / samples) ** k
        return all_wrong * (1 - all_wrong)
    wrong = samples - right
    without_a_wrong_one = _pass_probability(samples - 1, right, k)
    without_a_right_one = without_a_wrong_one
    if right:
        without_a_right_one = _pass_probability(samples - 1, right - 1, k)
    mean = (right * without_a_right_one + wrong * without_a_wrong_one) / samples
    squares = right * (without_a_right_one - mean) ** 2
    squares += wrong * (without_a_wrong_one - mean) ** 2
    return (samples - 1) / samples * squares


def sample_variance(values: Sequence[float]) -> float:
    """The unbiased sample variance.

    Args:
        values (`Sequence[float]`): At least two values.
    """
    mean = sum(values) / len(values)
    squares = [(value - mean) ** 2 for value in values]
    return sum(squares) / (len(values) - 1)


def _fewest_samples(samples: Sequence[Sequence]) -> int:
    return min(map(len, samples))


def _require_samples(samples: Sequence[Sequence], k: int) -> None:
    if not samples:
        raise ValueError("no problem has been judged")
    fewest = _fewest_samples(samples)
    if not 1 <= k <= fewest:
        raise ValueError(f"k is {k}; expected 1 to {fewest}, the smallest number of samples of a problem")
