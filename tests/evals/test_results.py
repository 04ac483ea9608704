"""From scored completions to statistics and tables; votes as the grader sees answers."""

import pytest
from datasets import Dataset

from open_r1.configs import BENCHMARKS, Benchmark, EvaluationArguments
from open_r1.evals.measures import collect_votes, summarize
from open_r1.evals.results import comparison_table, published_scores
from open_r1.rewards import Composition
from open_r1.rewards.dataset_scores import score_dataset
from open_r1.utils.errors import RecipeError


def scored(problems, reward_funcs=("accuracy",)):
    """Completions of problems, given as (gold, texts), as `evaluation.py` grades them."""
    rows = [
        {
            "prompt_id": str(i), "prompt": f"problem {i}", "solution": gold, "completion": text, "finish_reason": "stop",
            "completion_tokens": len(text),
        }
        for i, (gold, texts) in enumerate(problems)
        for text in texts
    ]  # fmt: skip
    benchmark = Benchmark.parse({"name": "mine", "dataset_name": "mine.jsonl", "reward_funcs": list(reward_funcs)})
    rewards = Composition(benchmark.rewards)
    return score_dataset(Dataset.from_list(rows), rewards, progress=False), benchmark


def boxed(*answers):
    return [f"<think>so</think>\\boxed{{{answer}}}" for answer in answers]


def test_measures_of_a_benchmark():
    rows, benchmark = scored(
        [("1/2", boxed("0.5", "\\frac12", "3", "4")), ("7", boxed("8", "8.0", "7", "9"))], ["accuracy", "format"]
    )
    found = summarize(rows, benchmark)
    assert found["avg@4"]["value"] == 3 / 8 and found["pass@4"]["value"] == 1.0
    assert found["cons@4"]["value"] == 0.5, "0.5 and 1/2 are one vote, 8 and 8.0 too"
    assert found["format"]["value"] == 0.0 and found["unjudged"] == 0 and found["tokens"]["value"] > 20


def test_equal_answers_are_one_vote():
    rows, _ = scored([("7", boxed("8", "8.0", "\\frac{16}{2}", "7", "9"))])
    [votes] = collect_votes(rows, "accuracy")
    answers = [answer for answer, _ in votes]
    assert answers[0] == answers[1] == answers[2] and len(set(answers)) == 3


def test_what_cannot_be_judged_is_counted_and_left_out():
    rows, benchmark = scored([("see figure", boxed("1", "2")), ("7", boxed("7", "8"))])
    found = summarize(rows, benchmark)
    assert found["unjudged"] == 2 and found["avg@2"]["value"] == 0.5 and found["avg@2"]["problems"] == 1


def test_a_problem_that_is_judged_in_part_does_not_change_the_others():
    rows, benchmark = scored([("7", boxed("7", "8", "7")), ("4", boxed("4", "4", "5"))])
    some = [None, None, *list(rows["rewards/accuracy"])[2:]]
    rows = rows.remove_columns("rewards/accuracy").add_column("rewards/accuracy", some)
    found = summarize(rows, benchmark)
    assert found["avg@3"]["value"] == pytest.approx((1 + 2 / 3) / 2) and found["unjudged"] == 2
    assert found["cons@3"]["problems"] == 1 and found["pass@2"]["problems"] == 1


def evaluation(name, value, noise=0.01):
    estimate = {"value": value, "low": value - 0.1, "high": value + 0.1, "noise": noise, "problems": 30, "samples": 64}
    return {"name": name, "benchmarks": {"aime24": {"avg@64": estimate, "cons@64": estimate, "pass@4": estimate}}}


def test_beside_the_paper_with_the_difference_and_its_interval():
    text = comparison_table([evaluation("mine", 0.30)], ["DeepSeek-R1-Distill-Qwen-1.5B"])
    assert "| aime24 | avg@64 | 0.300 [0.200, 0.400] | 0.289 | +0.011 ± 0.028 |" in text
    assert "| aime24 | cons@64 | 0.300 [0.200, 0.400] | 0.527 | -0.227 ± 0.028 |" in text


def test_a_rating_is_not_a_share():
    ours = evaluation("mine", 0.30)
    rating = {"value": 1000.0, "low": 900.0, "high": 1100.0, "noise": 20.0, "problems": 10, "samples": 16}
    ours["benchmarks"] = {"codeforces": {"avg@16": ours["benchmarks"]["aime24"]["avg@64"], "rating": rating}}
    lines = comparison_table([ours], ["DeepSeek-R1-Distill-Qwen-1.5B"]).splitlines()
    assert lines[2:] == [
        "| codeforces | avg@16 | 0.300 [0.200, 0.400] | – | – |",
        "| codeforces | rating | 1000.0 [900.0, 1100.0] | 954 | +46.0 ± 55.4 |",
    ]


def test_several_side_by_side():
    text = comparison_table(
        [evaluation("one", 0.3), evaluation("two", 0.4)], ["DeepSeek-R1", "OpenAI-o1-1217", "GPT-4o-0513"]
    )
    assert "| benchmark | measure | one | two | DeepSeek-R1 | OpenAI-o1-1217 | GPT-4o-0513 |" in text
    assert "| 0.300 [0.200, 0.400] | 0.400 [0.300, 0.500] | 0.798 | 0.792 | 0.093 |" in text
    with pytest.raises(RecipeError, match="Did you mean 'DeepSeek-R1'"):
        comparison_table([evaluation("one", 0.3)], ["DeepSeek R1"])


def test_the_papers_figures_are_of_known_benchmarks():
    known = {*BENCHMARKS, "aime24_cons", "codeforces_rating"}
    assert all(set(figures) <= known for figures in published_scores().values()) and len(published_scores()) >= 18


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("aime2024", "found 'aime2024'; expected one of aime24"),
        ({"name": "mine"}, "or a mapping with a dataset_name"),
        ({"name": "aime24", "num_generations": 0}, "num_generations of 'aime24' is 0"),
        ({"name": "aime24", "samples": 4}, "unknown key 'samples'"),
        ({"name": "aime24", "reward_funcs": ["accuracy", "accuracy"]}, "each named once"),
    ],
)
def test_wrong_benchmarks_are_named(entry, message):
    with pytest.raises(RecipeError, match=message):
        Benchmark.parse(entry)


def test_a_known_one_may_be_changed():
    found = Benchmark.parse({"name": "aime24", "num_generations": 4})
    assert found.num_generations == 4 and found.dataset_name == BENCHMARKS["aime24"]["dataset_name"]


def test_an_evaluation_needs_something_to_do():
    with pytest.raises(RecipeError, match="benchmarks: missing"):
        EvaluationArguments(output_dir="out")
    with pytest.raises(RecipeError, match="no eval.json in 'nowhere'"):
        EvaluationArguments(compare=["nowhere"])
