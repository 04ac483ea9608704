"""The measures of an evaluation: one value per completion, aggregated to estimates per benchmark."""

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
RIGHT = "(right)"  # replaces all right answers in a vote


def completion_measures(scored: Dataset, benchmark: Benchmark) -> dict[str, list[float | None]]:
    """Computes the measures of each completion.

    Args:
        scored (`Dataset`):
            Columns `completion`, `finish_reason`, `completion_tokens` and one column `rewards/<name>` per reward.
        benchmark (`Benchmark`): The benchmark, which defines the rewards.

    Returns:
        `dict[str, list[float | None]]`:
            The values of each measure, one per completion; `None` where a reward could not judge. The benchmark's
            rewards come first, in their order.
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
    """Computes the estimates of a benchmark that are written to `eval.json`.

    Args:
        scored (`Dataset`): Columns `prompt_id`, `solution`, and those that `completion_measures` needs.
        benchmark (`Benchmark`): The benchmark. Its first reward decides what is right; scores below 1 are wrong.

    Returns:
        `dict[str, dict | int]`:
            `avg@k`; if there are several samples and all scores are 0 or 1, also `pass@k` for several k and, for
            `accuracy`, `cons@k`; the mean of each other measure; and a `rating` if the benchmark has standings. Each
            of them is an `Estimate` as a dictionary. `unjudged` is the number of completions that could not be judged,
            which are excluded.

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
    """Groups one value per completion by problem, dropping `None`.

    Args:
        scored (`Dataset`): Completions with the column `prompt_id`, which identifies the problem.
        values (`list`): One value per completion.
    """
    problems: dict[str, list] = defaultdict(list)
    for prompt_id, value in zip(scored["prompt_id"], values, strict=True):
        if value is not None:
            problems[prompt_id].append(value)
    return list(problems.values())


def collect_votes(scored: Dataset, reward: str) -> list[list[Vote]]:
    """Collects the answers and scores of each problem's completions. Equal answers get the same text.

    Args:
        scored (`Dataset`): Columns `prompt_id`, `completion`, `solution` and `rewards/<reward>`.
        reward (`str`): Name of the reward that decides what is right.
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
    """cons@k of a single problem with k scored completions.

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
            extracted = extract_answer(text)
            if extracted is not None:
                answer = extracted.answer
        votes.append((answer, score))
    return majority_vote(_merge_equal_answers(votes))


def _estimate_passes(scores: list[list[float]], largest_k: int) -> dict[str, Estimate]:
    """pass@k for all k up to `largest_k`, each over the problems with at least k judged samples."""
    estimates = {}
    for k in PASS_KS:
        if k <= largest_k:
            enough = [samples for samples in scores if len(samples) >= k]
            estimates[f"pass@{k}"] = pass_at_k(enough, k)
    return estimates


def _merge_equal_answers(votes: list[Vote]) -> list[Vote]:
    """Gives all right answers the same text, and each group of equal wrong answers the same text."""
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
    """Returns the first of the seen answers that equals this one. If there is none, adds and returns the answer."""
    for other in seen:
        if other == answer or equal_at_once(other, answer):
            return other
    seen.append(answer)
    return answer
