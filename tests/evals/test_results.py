"""Tables that compare evaluations with published scores, and the entries of `benchmarks`."""

import pytest

from open_r1.configs import BENCHMARKS, Benchmark, EvaluationArguments
from open_r1.evals.results import comparison_table, published_scores
from open_r1.utils.errors import RecipeError


def evaluation(name, value, noise=0.01):
    estimate = {"value": value, "low": value - 0.1, "high": value + 0.1, "noise": noise, "problems": 30, "samples": 64}
    return {"name": name, "benchmarks": {"aime24": {"avg@64": estimate, "cons@64": estimate, "pass@4": estimate}}}


def test_comparison_with_the_paper_shows_the_difference_and_its_interval():
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


def test_several_evaluations_side_by_side():
    text = comparison_table(
        [evaluation("one", 0.3), evaluation("two", 0.4)], ["DeepSeek-R1", "OpenAI-o1-1217", "GPT-4o-0513"]
    )
    assert "| benchmark | measure | one | two | DeepSeek-R1 | OpenAI-o1-1217 | GPT-4o-0513 |" in text
    assert "| 0.300 [0.200, 0.400] | 0.400 [0.300, 0.500] | 0.798 | 0.792 | 0.093 |" in text
    with pytest.raises(RecipeError, match="Did you mean 'DeepSeek-R1'"):
        comparison_table([evaluation("one", 0.3)], ["DeepSeek R1"])


def test_published_scores_are_of_known_benchmarks():
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
def test_errors_name_the_wrong_benchmark(entry, message):
    with pytest.raises(RecipeError, match=message):
        Benchmark.parse(entry)


def test_fields_of_a_known_benchmark_can_be_changed():
    benchmark = Benchmark.parse({"name": "aime24", "num_generations": 4})
    assert benchmark.num_generations == 4 and benchmark.dataset_name == BENCHMARKS["aime24"]["dataset_name"]


def test_an_evaluation_needs_benchmarks_or_folders():
    with pytest.raises(RecipeError, match="benchmarks: missing"):
        EvaluationArguments(output_dir="out")
    with pytest.raises(RecipeError, match="no eval.json in 'nowhere'"):
        EvaluationArguments(compare=["nowhere"])
