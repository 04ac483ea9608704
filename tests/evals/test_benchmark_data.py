"""Benchmarks whose rows are built by functions, tested on local copies with the original columns."""

import json

import pytest
from datasets import Dataset

from open_r1.builders.recipe_filters import load_problems
from open_r1.configs import BENCHMARKS, Benchmark, RewardSpec
from open_r1.data.load import load_split
from open_r1.evals.benchmark_data import codeforces, gpqa_diamond, livecodebench
from open_r1.rewards import Composition
from open_r1.rewards.dataset_scores import score_dataset
from open_r1.utils.imports import import_object, is_function


@pytest.fixture
def copy(tmp_path):
    """Writes rows as a configuration of a data set folder."""

    def write(rows: list[dict], config: str, split: str = "test") -> str:
        Dataset.from_list(rows).to_parquet(tmp_path / "rows.parquet")
        (tmp_path / "README.md").write_text(
            f"---\nconfigs:\n- config_name: {config}\n  data_files:\n  - split: {split}\n    path: rows.parquet\n---\n"
        )
        return str(tmp_path)

    return write


def test_choices_are_shuffled_and_the_answer_is_the_correct_letter(copy):
    rows = [
        {"Question": f" q{i} ", "Correct Answer": f"right{i}"}
        | {f"Incorrect Answer {n}": f"wrong{i}{n}" for n in (1, 2, 3)}
        for i in range(40)
    ]
    rows = gpqa_diamond("train", seed=3, dataset_name=copy(rows, "gpqa_diamond", "train"))
    assert all(row["choices"]["ABCD".index(row["answer"])] == f"right{i}" for i, row in enumerate(rows))
    assert set(rows["answer"]) == set("ABCD") and rows["question"][5] == "q5"


def test_livecodebench_selects_problems_by_date(copy):
    rows = [
        {"question_content": day, "contest_date": f"{day}T00:00:00", "difficulty": "easy"}
        for day in ("2024-07-31", "2024-08-01", "2025-01-31", "2025-02-01")
    ]
    name = copy(rows, "release_v6")
    params = BENCHMARKS["livecodebench"]["dataset_params"]
    assert livecodebench("test", 0, dataset_name=name, **params)["question_content"] == ["2024-08-01", "2025-01-31"]
    assert len(livecodebench("test", 0, dataset_name=name)) == 4, "without dates all problems, as for decontamination"


def codeforces_row(**changed) -> dict:
    row = {"title": "A. Sum", "description": "Add.", "input_format": "a, b", "output_format": "the sum", "note": None}
    row |= {"examples": [{"input": "1 2", "output": "3"}], "official_tests": [{"input": "2 3", "output": "5"}]}
    row |= {
        "official_tests_complete": True,
        "input_mode": "stdio",
        "generated_checker": None,
        "interaction_format": None,
    }
    return row | {"contest_id": "2000", "rating": 800, "time_limit": 1.0, "memory_limit": 256.0} | changed


def test_codeforces_keeps_only_problems_that_can_be_judged_by_output(copy):
    excluded = {
        "official_tests_complete": False,
        "input_mode": "file",
        "generated_checker": "x",
        "interaction_format": "x",
    }
    rows = [codeforces_row(), *(codeforces_row(**{name: value}) for name, value in excluded.items())]
    [problem] = codeforces("test", 0, dataset_name=copy(rows, "default"))
    assert problem["level"] == 800 and json.loads(problem["test_cases"]) == [{"input": "2 3", "output": "5"}]
    for words in ("A. Sum", "Input\n\na, b", "Example 1\n\n```input\n1 2", "Time limit: 1 s"):
        assert words in problem["question_content"]
    program = "```python\nprint(sum(map(int, input().split())))\n```"
    judged = score_dataset(
        Dataset.from_list([problem | {"prompt": "", "completion": program}]),
        Composition([RewardSpec.parse({"name": "code", "isolation": "none"})]),
        progress=False,
    )
    assert judged["rewards/code"] == [1.0]


def test_functions_accept_the_parameters_of_the_table():
    for name, keys in BENCHMARKS.items():
        benchmark = Benchmark.parse(name)
        if is_function(benchmark.dataset_name):
            names = import_object(benchmark.dataset_name).__code__.co_varnames
            assert set(keys.get("dataset_params", {})) <= set(names)


def test_decontamination_reads_the_same_table(copy, monkeypatch):
    rows = [{"problem": "What is it?", "answer": "4"}]
    monkeypatch.setitem(BENCHMARKS, "aime24", BENCHMARKS["aime24"] | {"dataset_name": copy(rows, "default", "train")})
    assert load_problems(["aime24"]).find("What is it?")
    benchmark = Benchmark.parse("aime24")
    assert load_split(benchmark.dataset, seed=0)["answer"] == ["4"]
