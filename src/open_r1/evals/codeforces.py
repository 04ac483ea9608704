"""A Codeforces rating from contests: the rating that a participant with the model's rank would have (DeepSeek-R1, §3;
v2, D.1).

The paper takes the problems of ten Div. 2 contests and judges programs by tests. The expected rank of a rating is
Codeforces' own: one more than the expected number of participants who do better, each with the probability `1 / (1 +
10 ** ((rating - other) / 400))`.

The paper does not say how it counts points. Here, a sample of a contest gets the points of the problems that it
solves, without penalties for time. Standings are not part of any public data set that we know of: bring your own.
"""

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset

from open_r1.evals.statistics import Estimate, estimate, sample_variance
from open_r1.utils.errors import RecipeError


LOWEST_RATING = 0
HIGHEST_RATING = 4000
EXPECTED_LINE = '{"contest_id": 2000, "standings": [[rating, points], ...]}'

Standings = list[list[float]]  # rating and points of each participant of a contest


def expected_rank(rating: float, others: Sequence[float]) -> float:
    """The rank that a participant of a rating would have on average.

    Args:
        rating (`float`): The participant's rating.
        others (`Sequence[float]`): The ratings of the other participants.

    >>> expected_rank(1500, [1500, 1500])
    2.0
    """
    rank = 1.0
    for other in others:
        rank += 1 / (1 + 10 ** ((rating - other) / 400))
    return rank


def rating_of_rank(rank: float, others: Sequence[float]) -> float:
    """The whole rating, from 0 to 4,000, that has a rank as its expected one.

    Args:
        rank (`float`): The rank.
        others (`Sequence[float]`): The ratings of the other participants.
    """
    ratings = range(LOWEST_RATING, HIGHEST_RATING)
    # the expected rank falls as the rating rises, and bisection needs a key that rises
    return float(bisect_left(ratings, -rank, key=lambda rating: -expected_rank(rating, others)))


def rank_of_points(points: float, standings: Standings) -> float:
    """The rank that a number of points earns: the mean rank of all who have that number, and 1.5 at best.

    Args:
        points (`float`): The points.
        standings (`list[list[float]]`): Rating and points of each participant.

    >>> rank_of_points(5, [[1500, 9], [1400, 5], [1300, 5]]), rank_of_points(10, [[1500, 9]])
    (3.0, 1.5)
    """
    better = 0
    equal = 0
    for _, other in standings:
        if other > points:
            better += 1
        elif other == points:
            equal += 1
    return max(1.5, 1 + better + equal / 2)


def read_standings(problems: Dataset, path: str) -> dict[str, Standings]:
    """Reads the standings of all contests that problems are of.

    Args:
        problems (`Dataset`): Problems with the columns `contest_id` and `points`.
        path (`str`): A JSONL file with a line per contest: `contest_id`, and `standings`, a list of [rating, points].

    Returns:
        `dict[str, list[list[float]]]`: By contest, rating and points of each participant.

    Raises:
        RecipeError: If a column is missing, a line is malformed, or a contest has no standings.
    """
    for column in ("contest_id", "points"):
        if column not in problems.column_names:
            found = ", ".join(problems.column_names)
            raise RecipeError(f"standings: the benchmark has no column {column!r}; found: {found}.")
    if None in problems["points"]:
        raise RecipeError("standings: a problem has no `points`.")
    standings = {}
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            participants = [[float(rating), float(points)] for rating, points in row["standings"]]
            standings[str(row["contest_id"])] = participants
        except (ValueError, KeyError, TypeError) as error:
            raise RecipeError(f"standings: {path}, line {number}: expected {EXPECTED_LINE} ({error!r}).") from error
    for contest in problems.unique("contest_id"):
        if not standings.get(str(contest)):
            raise RecipeError(f"standings: {path} has no contest {contest!r}.")
    return standings


def estimate_rating(
    scored: Dataset,
    solved: list[float | None],
    standings: str,
) -> Estimate:
    """The mean rating over contests and samples, with an interval over contests.

    Samples with as many points as other participants share their mean rank. One that is ahead of all has the rank 1.5,
    since no rating has the expected rank 1.

    Args:
        scored (`Dataset`): `sample`, `contest_id` and `points` of each completion.
        solved (`list[float | None]`): Whether each completion passes all tests (1) or not.
        standings (`str`): The file that `read_standings` reads.

    Raises:
        RecipeError: If a column, or the standings of a contest, are missing.
    """
    all_standings = read_standings(scored, standings)
    points = _sum_points(scored, solved)
    means = []
    variances = []
    for contest, points_by_sample in points.items():
        ratings = _rate_samples(list(points_by_sample.values()), all_standings[contest])
        means.append(sum(ratings) / len(ratings))
        if len(ratings) > 1:
            variances.append(sample_variance(ratings) / len(ratings))
        else:
            variances.append(0.0)
    samples = min(map(len, points.values()))
    return estimate(means, variances, samples, bounds=(LOWEST_RATING, HIGHEST_RATING))


def _sum_points(scored: Dataset, solved: list[float | None]) -> dict[str, dict[int, float]]:
    """The points of the problems that each sample of a contest solves, by contest and sample."""
    points: dict[str, dict[int, float]] = {}
    columns = (scored["contest_id"], scored["sample"], scored["points"], solved)
    for contest, sample, worth, score in zip(*columns, strict=True):
        of_contest = points.setdefault(str(contest), defaultdict(float))
        if score == 1.0:
            of_contest[sample] += worth
        else:
            of_contest[sample] += 0.0  # a sample that solves nothing has its rank, too
    return points


def _rate_samples(points: list[float], standings: Standings) -> list[float]:
    """The rating that each sample of a contest would have, from its points."""
    others = [rating for rating, _ in standings]
    ratings = []
    for total in points:
        rank = rank_of_points(total, standings)
        ratings.append(rating_of_rank(rank, others))
    return ratings
