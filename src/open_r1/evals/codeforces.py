"""Estimates a Codeforces rating: the rating of a participant who would have the model's rank in past contests
(DeepSeek-R1, §3; v2, D.1).

The paper uses the problems of ten Div. 2 contests and judges programs by test cases. The expected rank of a rating is
defined as on Codeforces: 1 plus the expected number of participants who do better, each of them with the probability
`1 / (1 + 10 ** ((rating - other) / 400))`.

The paper does not say how points are counted. Here, a sample gets the points of the problems that it solves in a
contest, without time penalties. We do not know of a public data set with standings, so you need to provide your own.
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
    """The average rank of a participant with a given rating.

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
    """The integer rating, from 0 to 4,000, whose expected rank is the given one.

    Args:
        rank (`float`): The rank.
        others (`Sequence[float]`): The ratings of the other participants.
    """
    ratings = range(LOWEST_RATING, HIGHEST_RATING)
    # negated, since the expected rank decreases with the rating and bisection needs an increasing key
    return float(bisect_left(ratings, -rank, key=lambda rating: -expected_rank(rating, others)))


def rank_of_points(points: float, standings: Standings) -> float:
    """The rank of a participant with a given number of points. Ties share their mean rank; the best rank is 1.5.

    Args:
        points (`float`): Points of the participant.
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
    """Reads the standings of the contests that the problems are from.

    Args:
        problems (`Dataset`): Problems with the columns `contest_id` and `points`.
        path (`str`):
            A JSONL file with one line per contest: `contest_id`, and `standings`, a list of [rating, points].

    Returns:
        `dict[str, list[list[float]]]`: Rating and points of each participant, by contest.

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

    A sample with the same number of points as other participants shares their mean rank. A sample ahead of all
    participants has rank 1.5, since no rating has an expected rank of 1.

    Args:
        scored (`Dataset`): Completions with the columns `sample`, `contest_id` and `points`.
        solved (`list[float | None]`): For each completion, 1 if it passes all tests.
        standings (`str`): Path of the standings; see `read_standings`.

    Raises:
        RecipeError: If a column or the standings of a contest are missing.
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
    """The total points of the problems that a sample solves, by contest and sample."""
    points: dict[str, dict[int, float]] = {}
    columns = (scored["contest_id"], scored["sample"], scored["points"], solved)
    for contest, sample, problem_points, score in zip(*columns, strict=True):
        of_contest = points.setdefault(str(contest), defaultdict(float))
        if score == 1.0:
            of_contest[sample] += problem_points
        else:
            of_contest[sample] += 0.0  # so that a sample without solved problems is ranked, too
    return points


def _rate_samples(points: list[float], standings: Standings) -> list[float]:
    """The rating of each sample of a contest, from its points."""
    others = [rating for rating, _ in standings]
    ratings = []
    for total in points:
        rank = rank_of_points(total, standings)
        ratings.append(rating_of_rank(rank, others))
    return ratings
