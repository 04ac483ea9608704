"""Estimating a Codeforces rating from ranks in contests."""

import json
import random

import pytest
from datasets import Dataset

from open_r1.evals.codeforces import estimate_rating, expected_rank, rank_of_points, rating_of_rank, read_standings
from open_r1.utils.errors import RecipeError


def test_rating_of_rank_is_the_inverse_of_expected_rank():
    rng = random.Random(0)
    others = [rng.gauss(1400, 300) for _ in range(500)]
    for true in (800, 1400, 2000, 2700):
        assert rating_of_rank(expected_rank(true, others), others) == pytest.approx(true, abs=1)
    assert rating_of_rank(1, others) == 4000, "the first place has no upper bound"
    assert rating_of_rank(len(others) + 1, others) == 0


def contests(tmp_path, strength):
    """Ten contests with 300 participants, and the results of a model with the given strength."""
    rng, rows, standings = random.Random(1), [], []
    for contest in range(10):
        hardness = [rng.uniform(800, 2400) for _ in range(6)]
        people = []
        for _ in range(300):
            level = rng.gauss(1400, 350)
            people.append([level, sum(500.0 for h in hardness if rng.random() < 1 / (1 + 10 ** ((h - level) / 400)))])
        standings.append({"contest_id": contest, "standings": people})
        for number, h in enumerate(hardness):
            for sample in range(8):
                solved = rng.random() < 1 / (1 + 10 ** ((h - strength) / 400))
                row = {"prompt_id": f"{contest}-{number}", "sample": sample, "contest_id": contest}
                rows.append(row | {"points": 500.0, "solved": float(solved)})
    path = tmp_path / "standings.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in standings))
    return Dataset.from_list(rows), str(path)


def test_stronger_models_have_higher_ratings(tmp_path):
    estimates = []
    for strength in (1000, 1500, 2000):
        rows, path = contests(tmp_path, strength)
        estimates.append(estimate_rating(rows, rows["solved"], path))
    values = [estimate.value for estimate in estimates]
    assert values == sorted(values) and values[2] - values[0] > 500
    assert estimates[1].low < estimates[1].value < estimates[1].high
    assert estimates[1].problems == 10 and estimates[1].samples == 8


def test_errors_name_what_is_missing(tmp_path):
    rows, path = contests(tmp_path, 1500)
    with pytest.raises(RecipeError, match="no column 'points'"):
        estimate_rating(rows.remove_columns("points"), rows["solved"], path)
    (tmp_path / "standings.jsonl").write_text('{"contest_id": 0, "standings": []}\n')
    with pytest.raises(RecipeError, match="has no contest 0"):
        estimate_rating(rows, rows["solved"], path)
    for line in ('{"contest": 0}', '{"contest_id": 0, "standings": [[1500, null]]}', "[]", "{"):
        (tmp_path / "standings.jsonl").write_text(line)
        with pytest.raises(RecipeError, match="line 1: expected"):
            read_standings(rows, path)


def test_first_place_does_not_give_the_maximum_rating():
    """Ahead of ten participants rated 1,500, the rating is the one with half a participant expected ahead."""
    others = [1500.0] * 10
    best = rating_of_rank(rank_of_points(9.0, [[1500.0, 1.0]] * 10), others)
    assert 1900 < best < 2100
    tied = [rating_of_rank(rank_of_points(float(points), [[1500.0, 5.0]] * 10), others) for points in (1, 5, 9)]
    assert tied[0] < tied[1] < tied[2] and abs(tied[1] - 1500) < 2
