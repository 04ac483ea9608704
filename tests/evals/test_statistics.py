"""avg@k, pass@k and cons@k compared with brute force, and the coverage of their intervals."""

import itertools
import math
import random

import pytest

from open_r1.evals.statistics import avg_at_k, cons_at_k, pass_at_k


def random_scores(seed, problems, samples):
    rng = random.Random(seed)
    return [
        [float(rng.random() < chance) for _ in range(samples)] for chance in (rng.random() for _ in range(problems))
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 2, 3, 5, 7])
def test_pass_at_k_is_the_mean_over_all_subsets(seed, k):
    scores = random_scores(seed, problems=6, samples=7)
    brute = [sum(max(subset) for subset in itertools.combinations(samples, k)) / math.comb(7, k) for samples in scores]
    assert pass_at_k(scores, k).value == pytest.approx(sum(brute) / len(brute), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_avg_at_k_and_its_interval(seed):
    scores = random_scores(seed, problems=40, samples=4)
    means = [sum(samples) / 4 for samples in scores]
    mean = sum(means) / 40
    error = math.sqrt(sum((value - mean) ** 2 for value in means) / 39 / 40)
    estimate = avg_at_k(scores)
    assert estimate.value == pytest.approx(mean)
    assert estimate.high == pytest.approx(min(1, mean + 1.959964 * error))
    assert pass_at_k(scores, 1).value == pytest.approx(mean)


def vote(answers):
    """The score of the majority answer, computed naively from pairs (answer, score)."""
    given = [answer for answer, _ in answers if answer is not None]
    if not given:
        return 0.0
    largest = max(given.count(answer) for answer in given)
    winners = {answer for answer in given if given.count(answer) == largest}
    return sum(dict(answers)[answer] for answer in winners) / len(winners)


def random_votes(seed, problems, samples):
    rng = random.Random(seed)
    options = [("a", 1.0), ("b", 0.0), ("c", 0.0), (None, 0.0)]
    return [[rng.choice(options) for _ in range(samples)] for _ in range(problems)]


@pytest.mark.parametrize("seed", range(5))
def test_cons_at_k_of_all_samples_is_the_majority(seed):
    votes = random_votes(seed, problems=20, samples=6)
    assert cons_at_k(votes, 6).value == pytest.approx(sum(map(vote, votes)) / 20)


@pytest.mark.parametrize("seed", range(3))
def test_cons_at_k_of_fewer_samples_is_the_mean_over_subsets(seed):
    votes = random_votes(seed, problems=10, samples=7)
    brute = [sum(vote(subset) for subset in itertools.combinations(samples, 3)) / math.comb(7, 3) for samples in votes]
    assert cons_at_k(votes, 3, resamples=4000).value == pytest.approx(sum(brute) / 10, abs=0.01)


def test_ties_and_samples_without_an_answer():
    assert cons_at_k([[("4", 1.0), ("5", 0.0)]], 2).value == 0.5
    assert cons_at_k([[(None, 0.0), (None, 0.0)]], 2).value == 0.0
    assert cons_at_k([[(None, 0.0), ("4", 1.0), (None, 0.0)]], 3).value == 1.0, "samples without an answer do not vote"


@pytest.mark.parametrize(
    ("measure", "truth"),
    [
        (lambda scores, votes: avg_at_k(scores), lambda p: p),
        (lambda scores, votes: pass_at_k(scores, 4), lambda p: 1 - (1 - p) ** 4),
        (lambda scores, votes: cons_at_k(votes, 8, resamples=50), None),
    ],
    ids=["avg", "pass", "cons"],
)
def test_intervals_cover_the_mean_over_all_problems(measure, truth):
    """About 95% of the intervals of 300 benchmarks contain the mean over all problems.

    The noise is as large as the spread of repeated evaluations of the same problems.
    """
    rng = random.Random(1)
    inside = 0
    chances = [rng.betavariate(1, 1) for _ in range(60)]
    repeated = [measure(*sample_scores_and_votes(chances, rng)) for _ in range(60)]
    center = sum(estimate.value for estimate in repeated) / 60
    spread = math.sqrt(sum((estimate.value - center) ** 2 for estimate in repeated) / 59)
    noise = sum(estimate.noise for estimate in repeated) / 60
    assert 0.7 < noise / spread < 1.5
    if truth is None:
        return
    grid = [(i + 0.5) / 1000 for i in range(1000)]
    everything = sum(map(truth, grid)) / 1000
    for _ in range(300):
        estimate = measure(*sample_scores_and_votes([rng.random() for _ in range(60)], rng))
        inside += estimate.low <= everything <= estimate.high
    assert 0.90 < inside / 300 < 0.99


def sample_scores_and_votes(chances, rng, count=8):
    scores = [[float(rng.random() < chance) for _ in range(count)] for chance in chances]
    return scores, [[("right" if score else "wrong", score) for score in samples] for samples in scores]


@pytest.mark.parametrize(("scores", "k"), [([], 1), ([[1.0]], 2), ([[1.0, 0.0], [1.0]], 2), ([[1.0]], 0)])
def test_k_must_be_between_one_and_the_number_of_samples(scores, k):
    with pytest.raises(ValueError, match="no problem|expected 1 to"):
        pass_at_k(scores, k)


def test_scores_outside_0_to_1():
    assert avg_at_k([[2.0, 3.0], [4.0, 5.0]]).high > 1 and avg_at_k([[-1.0], [-0.5]]).low < 0
