"""What is measured of a benchmark's completions: one value per completion, and then an estimate per benchmark."""

import itertools
from collections import defaultdict

from datasets import Dataset

from open_r1.configs import Benchmark
from open_r1.evals.codeforces import estimate_rating
from open_r1.evals.reflection import has_reflection
from open_r1.evals.statistics import Estimate, Vote, avg_at_k, cons_at_k, majority_vote, pass_at_k
from open_r1.grading import shared_grader
from open_r1.grading.answers import extract_answer
from open_r1.grading.equality import equal_at_once
from open_r1.rewards.language import mixes_languages
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import text_of


PASS_KS = (2, 4, 8, 16, 32, 64, 128, 256)
RIGHT = "(right)"  # stands for all right answers in a vote


def completion_measures(scored: Dataset, benchmark: Benchmark) -> dict[str, list[float | None]]:
    """What is measured of each completion.

    Args:
        scored (`Dataset`):
            `completion`, `finish_reason`, `completion_tokens` and a column `rewards/<name>` per reward.
        benchmark (`Benchmark`): Names the rewards.

    Returns:
        `dict[str, list[float | None]]`:
            By name, one value per completion; `None` where a reward could not judge. The benchmark's rewards come
            first, in their order.
    """
    measures: dict[str, list[float | None]] = {}
    for reward in benchmark.rewards:
        measures[reward.label] = list(scored[f"rewards/{reward.label}"])
    measures |= {"cut off": [], "language mixing": [], "reflection": [], "tokens": []}
    columns = (scored["completion"], scored["finish_reason"], scored["completion_tokens"])
    for completion, finish_reason, tokens in zip(*columns, strict=True):
        text = text_of(completion) or ""
        is_cut_off = finish_reason == "length"
        measures["cut off"].append(float(is_cut_off))
        measures["language mixing"].append(float(mixes_languages(text)))
        measures["reflection"].append(float(has_reflection(text)))
        measures["tokens"].append(float(tokens))
    return measures


def summarize(scored: Dataset, benchmark: Benchmark) -> dict[str, dict | int]:
    """The estimates of a benchmark, as `eval.json` has them.

    Args:
        scored (`Dataset`): `prompt_id`, `solution`, and the columns that `completion_measures` needs.
        benchmark (`Benchmark`): Its first reward says what is right; a score below 1 is wrong.

    Returns:
        `dict[str, dict | int]`:
            `avg@k`; if scores are right or wrong, `pass@k` for several k and, if answers can be compared, `cons@k`;
            the mean of each other measure; with standings a `rating`. Each is an `Estimate` as a dictionary.
            `unjudged` is the number of completions that could not be judged, which are left out.

    Raises:
        RecipeError: If no completion could be judged.
    """
    measures = {}
    for name, values in completion_measures(scored, benchmark).items():
        measures[name] = group_by_problem(scored, values)
    correctness = benchmark.rewards[0].label
    scores = measures.pop(correctness)
    if not scores:
        raise RecipeError(f"benchmarks: {benchmark.name}: no completion could be judged by {correctness!r}.")
    k = max(map(len, scores))  # samples per problem; some of them may not have been judged
    estimates = {f"avg@{k}": avg_at_k(scores)}
    are_right_or_wrong = {0.0, 1.0}.issuperset(itertools.chain.from_iterable(scores))
    if k > 1 and are_right_or_wrong:
        estimates |= _estimate_passes(scores, k)
        if correctness == "accuracy":
            complete = [votes for votes in collect_votes(scored, correctness) if len(votes) == k]
            estimates[f"cons@{k}"] = cons_at_k(complete, k)
    for name, values in measures.items():
        if values:
            estimates[name] = avg_at_k(values)
    if benchmark.standings:
        estimates["rating"] = estimate_rating(scored, scored[f"rewards/{correctness}"], benchmark.standings)
    summary: dict[str, dict | int] = {}
    for name, value in estimates.items():
        summary[name] = value.to_dict()
    summary["unjudged"] = list(scored[f"rewards/{correctness}"]).count(None)
    return summary


def group_by_problem(scored: Dataset, values: list) -> list[list]:
    """The values of each problem's completions, in the order of the problems, without those that are `None`.

    Args:
        scored (`Dataset`): Its column `prompt_id` tells the problems apart.
        values (`list`): One value per completion.
    """
    problems: dict[str, list] = defaultdict(list)
    for prompt_id, value in zip(scored["prompt_id"], values, strict=True):
        if value is not None:
            problems[prompt_id].append(value)
    return list(problems.values())


def collect_votes(scored: Dataset, reward: str) -> list[list[Vote]]:
    """Answers and scores of each problem's completions; answers that the grader takes for equal are the same text.

    Args:
        scored (`Dataset`): `prompt_id`, `completion`, `solution` and `rewards/<reward>`.
        reward (`str`): The reward that says what is right.
    """
    texts = list(map(text_of, scored["completion"]))
    grades, _ = shared_grader().grade_all(texts, scored["solution"])
    votes: list[Vote | None] = []
    for grade, score in zip(grades, scored[f"rewards/{reward}"], strict=True):
        if score is None:
            votes.append(None)
        else:
            votes.append((grade.answer, score))
    return list(map(_merge_equal_answers, group_by_problem(scored, votes)))


def consensus(texts: list[str], scores: list[float]) -> float:
    """cons@k of one problem, of which k completions have been scored.

    Args:
        texts (`list[str]`): The completions.
        scores (`list[float]`): Their scores; those below 1 are wrong.

    >>> consensus(["<answer>4</answer>", "<answer>5</answer>", "<answer>5</answer>"], [1, 0, 0])
    0.0
    """
    votes: list[Vote] = []
    for text, score in zip(texts, scores, strict=True):
        answer = None
        if score >= 1:
            answer = RIGHT
        else:
            reading = extract_answer(text)
            if reading is not None:
                answer = reading.answer
        votes.append((answer, score))
    return majority_vote(_merge_equal_answers(votes))


def _estimate_passes(scores: list[list[float]], largest_k: int) -> dict[str, Estimate]:
    """pass@k for all k up to a largest one, each over the problems with enough judged samples."""
    estimates = {}
    for k in PASS_KS:
        if k <= largest_k:
            enough = [samples for samples in scores if len(samples) >= k]
            estimates[f"pass@{k}"] = pass_at_k(enough, k)
    return estimates


def _merge_equal_answers(votes: list[Vote]) -> list[Vote]:
    """Votes with the same text for all right answers, and the same text for wrong ones that are equal."""
    wrong_answers: list[str] = []
    merged: list[Vote] = []
    for answer, score in votes:
        if answer is not None and score >= 1:
            answer = RIGHT
        elif answer is not None:
            answer = _find_equal(answer, wrong_answers)
        merged.append((answer, score))
    return merged


def _find_equal(answer: str, seen: list[str]) -> str:
    """The first answer seen that equals this one. If there is none, the answer itself, which is added to those
    seen."""
    for other in seen:
        if other == answer or equal_at_once(other, answer):
            return other
    seen.append(answer)
    return answer
