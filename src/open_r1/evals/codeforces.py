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

from open_r1.evals.statistics import Estimate, estimate
from open_r1.utils.errors import RecipeError


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


def rank_of(points: float, standings: list[list[float]]) -> float:
    """The rank of somebody with so many points: in the middle of those who have as many, 1.5 at best.

    >>> rank_of(5, [[1500, 9], [1400, 5], [1300, 5]]), rank_of(10, [[1500, 9]])
    (3.0, 1.5)
    """
    better, same = (sum(of(theirs) for _, theirs in standings) for of in (lambda p: p > points, lambda p: p == points))
    return max(1.5, 1 + better + same / 2)


def require_contests(rows: Dataset, standings: str) -> dict[str, list[list[float]]]:
    """The standings of every contest that problems are of, [rating, points] of each participant.

    Raises:
        RecipeError: If a column, or the standings of a contest, are missing or no standings.
    """
    for column in ("contest_id", "points"):
        if column not in rows.column_names:
            raise RecipeError(
                f"standings: the benchmark has no column {column!r}; found: {', '.join(rows.column_names)}."
            )
    if None in rows["points"]:
        raise RecipeError("standings: a problem has no `points`.")
    participants = {}
    for number, line in enumerate(Path(standings).read_text().splitlines(), 1):
        try:
            if line.strip():
                row = json.loads(line)
                participants[str(row["contest_id"])] = [
                    [float(rating), float(points)] for rating, points in row["standings"]
                ]
        except (ValueError, KeyError, TypeError) as error:
            expected = '{"contest_id": 2000, "standings": [[rating, points], ...]}'
            raise RecipeError(f"standings: {standings}, line {number}: expected {expected} ({error!r}).") from error
    for contest in rows.unique("contest_id"):
        if not participants.get(str(contest)):
            raise RecipeError(f"standings: {standings} has no contest {contest!r}.")
    return participants


def rating(scored: Dataset, solved: list[float | None], standings: str) -> Estimate:
    """The mean rating over contests and samples; the interval is over contests. Samples with as many points as others share their mean rank;
    one that is ahead of all has the rank 1.5, since no rating has the expected rank 1.

    Args:
        scored (`Dataset`): `prompt_id`, `sample`, `contest_id` and `points` of each completion.
        solved (`list[float]`): Whether it passes all tests (1) or not.
        standings (`str`): A JSONL file: `contest_id`, and `standings`, a list of [rating, points] of each participant.

    Raises:
        RecipeError: If a column, or the standings of a contest, are missing.
    """
    participants = require_contests(scored, standings)
    points: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    columns = (scored["contest_id"], scored["sample"], scored["points"], solved)
    for contest, sample, worth, right in zip(*columns, strict=True):
        points[str(contest)][sample] += worth * (right == 1.0)
    means, variances = [], []
    for contest, samples in points.items():
        others = [other for other, _ in participants[contest]]
        ratings = [rating_at(rank_of(mine, participants[contest]), others) for mine in samples.values()]
        mean = sum(ratings) / len(ratings)
        means.append(mean)
        variances.append(sum((each - mean) ** 2 for each in ratings) / max(1, len(ratings) - 1) / len(ratings))
    return estimate(means, variances, min(map(len, points.values())), bounds=(LOWEST, HIGHEST))
