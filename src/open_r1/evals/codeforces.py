"""A Codeforces rating from contests, as the paper has it: problems of ten Div. 2 contests, judged by tests, and the rating that a
participant with that rank would have (DeepSeek-R1, §3; v2, D.1).

The expected rank of a rating is Codeforces' own: one more than the expected number of participants who do better, each with the chance
`1 / (1 + 10 ** ((rating - other) / 400))`. The paper does not say how it counts points; here a sample of a contest has the sum of the points of the
problems that it solved, without penalties for time. Standings are not part of any public set that we know of: bring your own.
"""

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset

from open_r1.configs import RecipeError
from open_r1.evals.statistics import Estimate, estimate


LOWEST, HIGHEST = 0, 4000  # ratings


def expected_rank(rating: float, others: Sequence[float]) -> float:
    """The rank that a participant of a rating would have on average.

    >>> expected_rank(1500, [1500, 1500])
    2.0
    """
    return 1 + sum(1 / (1 + 10 ** ((rating - other) / 400)) for other in others)


def rating_at(rank: float, others: Sequence[float]) -> float:
    """The rating of which a rank is the expected one, from 0 to 4,000."""
    return float(bisect_left(range(LOWEST, HIGHEST), -rank, key=lambda rating: -expected_rank(rating, others)))


def rating(scored: Dataset, solved: list[float | None], standings: str) -> Estimate:
    """The mean rating over contests and samples; the interval is over contests.

    Args:
        scored (`Dataset`): `prompt_id`, `sample`, `contest_id` and `points` of each completion.
        solved (`list[float]`): Whether it passes all tests (1) or not.
        standings (`str`): A JSONL file: `contest_id`, and `standings`, a list of [rating, points] of each participant.

    Raises:
        RecipeError: If a column, or the standings of a contest, are missing.
    """
    for column in ("contest_id", "points", "sample"):
        if column not in scored.column_names:
            raise RecipeError(f"standings: the benchmark has no column {column!r}; found: {', '.join(scored.column_names)}.")
    rows = [json.loads(line) for line in Path(standings).read_text().splitlines() if line.strip()]
    participants = {str(row["contest_id"]): row["standings"] for row in rows}
    points: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    columns = (scored["contest_id"], scored["sample"], scored["points"], solved)
    for contest, sample, worth, right in zip(*columns, strict=True):
        if str(contest) not in participants:
            raise RecipeError(f"standings: {standings} has no contest {contest!r}.")
        points[str(contest)][sample] += worth * (right == 1.0)
    means, variances = [], []
    for contest, samples in points.items():
        others = [other for other, _ in participants[contest]]
        ratings = [
            rating_at(1 + sum(theirs > mine for _, theirs in participants[contest]), others) for mine in samples.values()
        ]
        mean = sum(ratings) / len(ratings)
        means.append(mean)
        variances.append(sum((each - mean) ** 2 for each in ratings) / max(1, len(ratings) - 1) / len(ratings))
    return estimate(means, variances, min(map(len, points.values())), bounds=(LOWEST, HIGHEST))
