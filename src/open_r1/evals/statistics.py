"""avg@k, pass@k and cons@k of several samples a problem, each with an interval (DeepSeek-R1, §3; v2, D.1).

Two things are uncertain. *Which problems*: another benchmark of the kind would have others; a problem's samples belong together, so the
standard error is that of the mean over problems (Miller, arXiv 2411.00640, eq. 4). *Which samples*: on these very problems another run
would draw others; this is what counts when two models are compared on the same benchmark. `low` and `high` are about the first, `noise` is the
standard error from the second alone.
"""

import math
import random
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from math import comb


Z = 1.959964  # of a 95% interval


@dataclass
class Estimate:
    """A mean over problems.

    Args:
        value (`float`): The mean.
        low (`float`), high (`float`): 95% interval, the problems being a sample of what could be asked.
        noise (`float`): Standard error from the drawing of samples alone, these problems given.
        problems (`int`): Their number.
        samples (`int`): Samples a problem, the fewest of any.
    """

    value: float
    low: float
    high: float
    noise: float
    problems: int
    samples: int

    def to_dict(self) -> dict:
        return {key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(self).items()}

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def estimate(
    means: Sequence[float], variances: Sequence[float], samples: int, bounds: tuple[float, float] = (0.0, 1.0)
) -> Estimate:
    """The mean of the problems' means.

    Args:
        means (`Sequence[float]`): One a problem.
        variances (`Sequence[float]`): Of each of these means, from the drawing of samples.
        samples (`int`): Samples a problem.
        bounds (`tuple[float, float]`, *optional*): Where an interval is cut off.
    """
    count = len(means)
    value = sum(means) / count
    spread = math.sqrt(sum((mean - value) ** 2 for mean in means) / (count - 1) / count) if count > 1 else math.inf
    low, high = max(bounds[0], value - Z * spread), min(bounds[1], value + Z * spread)
    return Estimate(value, low, high, math.sqrt(sum(variances)) / count, count, samples)


def avg_at_k(scores: Sequence[Sequence[float]]) -> Estimate:
    """The mean score: with k samples of each problem avg@k, which the paper calls pass@1 (§3).

    Args:
        scores (`Sequence[Sequence[float]]`): Of each problem its samples' scores, such as 1 and 0.

    >>> str(avg_at_k([[1, 1], [0, 1], [0, 0], [1, 1]]))
    '0.625 [0.156, 1.000]'
    """
    _require(scores, 1)
    low, high = (limit([each, *(limit(some) for some in scores)]) for limit, each in ((min, 0.0), (max, 1.0)))
    unknown = 0.25 * (high - low) ** 2  # of a single value: the largest that there can be
    variances = [(_variance(some) if len(some) > 1 else unknown) / len(some) for some in scores]
    return estimate([sum(some) / len(some) for some in scores], variances, _fewest(scores), (low, high))


def pass_at_k(scores: Sequence[Sequence[float]], k: int) -> Estimate:
    """The chance that one of k samples is right, without bias: 1 - C(n-c, k) / C(n, k) (Chen et al., arXiv 2107.03374, eq. 1).

    The noise is that of the jackknife over a problem's samples; where k is all of them, that of k draws with the observed chance.

    >>> pass_at_k([[1, 0, 0, 0], [0, 0, 0, 0]], k=2).value
    0.25
    """
    _require(scores, k)
    rights = [(len(some), sum(score >= 1 for score in some)) for some in scores]
    means = [_passes(n, right, k) for n, right in rights]
    return estimate(means, [_pass_variance(n, right, k) for n, right in rights], _fewest(scores))


def cons_at_k(
    votes: Sequence[Sequence[tuple[Hashable | None, float]]], k: int, resamples: int = 200, seed: int = 0
) -> Estimate:
    """The share of problems whose most frequent answer among k samples is right (majority vote; v2, D.1).

    Samples without an answer do not vote; if several answers are as frequent, each counts for its share. With more than k samples it is the
    mean over random choices of k of them.

    Args:
        votes (`Sequence[Sequence[tuple]]`): Of each problem its samples' answers (equal ones are the same value) and scores.
        k (`int`): Samples that vote.
        resamples (`int`, *optional*, defaults to 200): Random choices a problem; for the noise they are drawn with replacement.
        seed (`int`, *optional*, defaults to 0): Of these.

    >>> cons_at_k([[("4", 1), ("4", 1), ("5", 0)], [("7", 0), (None, 0), (None, 0)]], k=3).value
    0.5
    """
    _require(votes, k)
    rng = random.Random(seed)
    means, variances = [], []
    for some in votes:
        drawn = [list(some)] if len(some) == k else [rng.sample(list(some), k) for _ in range(resamples)]
        means.append(sum(map(majority, drawn)) / len(drawn))
        variances.append(_variance([majority(rng.choices(list(some), k=k)) for _ in range(resamples)]))
    return estimate(means, variances, _fewest(votes))


def majority(votes: Sequence[tuple[Hashable | None, float]]) -> float:
    """Whether a problem's most frequent answer is right; of several that are as frequent, the share that is."""
    counts = Counter(answer for answer, _ in votes if answer is not None)
    if not counts:
        return 0.0
    most = max(counts.values())
    right = {answer for answer, score in votes if score >= 1}
    winners = [answer for answer, count in counts.items() if count == most]
    return sum(answer in right for answer in winners) / len(winners)


def _passes(n: int, right: int, k: int) -> float:
    return 1.0 if n - right < k else 1.0 - comb(n - right, k) / comb(n, k)


def _pass_variance(n: int, right: int, k: int) -> float:
    if k == n:
        miss = (1 - right / n) ** k
        return miss * (1 - miss)
    with_right = _passes(n - 1, right, k)  # a wrong one left out
    with_wrong = _passes(n - 1, right - 1, k) if right else with_right
    mean = (right * with_wrong + (n - right) * with_right) / n
    return (n - 1) / n * (right * (with_wrong - mean) ** 2 + (n - right) * (with_right - mean) ** 2)


def _variance(values: Sequence[float]) -> float:
    """Without bias; of a single value unknown, taken for the largest that a share can have."""
    if len(values) < 2:
        return 0.25
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _fewest(scores: Sequence[Sequence]) -> int:
    return min(map(len, scores))


def _require(scores: Sequence[Sequence], k: int):
    if not scores:
        raise ValueError("no problem has been judged")
    if k < 1 or _fewest(scores) < k:
        raise ValueError(
            f"k is {k}; expected 1 to {_fewest(scores)}, the samples that the problem with the fewest has"
        )
