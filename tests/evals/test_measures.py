"""From scored completions to the measures of a benchmark; equal answers count as one vote."""

import pytest
from datasets import Dataset

from open_r1.configs import Benchmark
from open_r1.evals.measures import collect_votes, summarize
from open_r1.rewards import Composition
from open_r1.rewards.dataset_scores import score_dataset


def scored(problems, reward_funcs=("accuracy",)):
    """Grades the completions of problems, each given as (gold, texts), like `evaluation.py`."""
    rows = []
    for number, (gold, texts) in enumerate(problems):
        for text in texts:
            row = {"prompt_id": str(number), "prompt": f"problem {number}", "solution": gold, "completion": text}
            rows.append(row | {"finish_reason": "stop", "completion_tokens": len(text)})
    benchmark = Benchmark.parse({"name": "mine", "dataset_name": "mine.jsonl", "reward_funcs": list(reward_funcs)})
    rewards = Composition(benchmark.rewards)
    return score_dataset(Dataset.from_list(rows), rewards, progress=False), benchmark


def boxed(*answers):
    return [f"<think>so</think>\\boxed{{{answer}}}" for answer in answers]


def test_measures_of_a_benchmark():
    rows, benchmark = scored(
        [("1/2", boxed("0.5", "\\frac12", "3", "4")), ("7", boxed("8", "8.0", "7", "9"))], ["accuracy", "format"]
    )
    summary = summarize(rows, benchmark)
    assert summary["avg@4"]["value"] == 3 / 8 and summary["pass@4"]["value"] == 1.0
    assert summary["cons@4"]["value"] == 0.5, "0.5 and 1/2 count as the same vote, and so do 8 and 8.0"
    assert summary["format"]["value"] == 0.0 and summary["unjudged"] == 0 and summary["tokens"]["value"] > 20


def test_equal_answers_are_one_vote():
    rows, _ = scored([("7", boxed("8", "8.0", "\\frac{16}{2}", "7", "9"))])
    [votes] = collect_votes(rows, "accuracy")
    answers = [answer for answer, _ in votes]
    assert answers[0] == answers[1] == answers[2] and len(set(answers)) == 3


def test_unjudged_completions_are_counted_and_left_out():
    rows, benchmark = scored([("see figure", boxed("1", "2")), ("7", boxed("7", "8"))])
    summary = summarize(rows, benchmark)
    assert summary["unjudged"] == 2 and summary["avg@2"]["value"] == 0.5 and summary["avg@2"]["problems"] == 1


def test_a_problem_with_unjudged_samples_does_not_change_the_others():
    rows, benchmark = scored([("7", boxed("7", "8", "7")), ("4", boxed("4", "4", "5"))])
    scores = [None, None, *list(rows["rewards/accuracy"])[2:]]
    rows = rows.remove_columns("rewards/accuracy").add_column("rewards/accuracy", scores)
    summary = summarize(rows, benchmark)
    assert summary["avg@3"]["value"] == pytest.approx((1 + 2 / 3) / 2) and summary["unjudged"] == 2
    assert summary["cons@3"]["problems"] == 1 and summary["pass@2"]["problems"] == 1
