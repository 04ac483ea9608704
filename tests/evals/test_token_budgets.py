"""Completions within a budget of tokens: whole, cut with a forced answer, or cut off."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from datasets import Dataset

from open_r1.configs import Benchmark
from open_r1.data import tiny
from open_r1.evals.token_budgets import cut_thought
from open_r1.utils.errors import RecipeError


PROBLEMS = {"name": "problems", "dataset_name": "open_r1.data.tiny:problems", "dataset_params": {"size": 4}}
PROBLEMS |= {"dataset_solution_column": "solution", "num_generations": 2}


@pytest.fixture
def evaluate(script, checkpoint, tmp_path):
    """Evaluates an untrained model, whose completions go on until their limit of 24 tokens."""
    keys = yaml.safe_load(Path("recipes/tiny/eval/config_heldout.yaml").read_text()) | {"max_completion_length": 24}
    del keys["models"]

    def evaluate(*argv, **fields):
        keys["benchmarks"] = [PROBLEMS | fields]
        recipe = tmp_path / "config_mine.yaml"
        recipe.write_text(
            yaml.safe_dump(keys | {"model_name_or_path": checkpoint, "output_dir": str(tmp_path / "eval")})
        )
        return script("evaluation", "--config", recipe, *argv)

    return evaluate


def completions(folder: Path, name: str) -> Dataset:
    return Dataset.from_parquet(str(folder / f"{name}.parquet"))


def test_a_thought_is_cut_only_if_it_is_longer_than_the_budget():
    tokenizer = tiny.tokenizer()
    completion = "<think>2+2=4=4?✓ yes</think><answer>2</answer>"  # the thought has 14 tokens, its tag included
    assert cut_thought(completion, 14, tokenizer) is None
    assert cut_thought(completion, 5, tokenizer) == "<think>2+2="
    assert cut_thought("<answer>2</answer>", 3, tokenizer) is None
    assert cut_thought("<think>2</think>so 3+3=6</think>6", 5, tokenizer) == "<think>2</think>so", (
        "ends at the last tag"
    )


def test_answers_are_forced_where_the_thought_is_too_long(evaluate, tmp_path):
    forced = {"forced_answer": "</think><answer>", "forced_answer_length": 3}
    outcome = evaluate(token_budgets=[5, 23], **forced)
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "eval"
    whole = completions(folder, "problems")
    cut = completions(folder, "problems@5")
    assert whole["prompt_id"] == cut["prompt_id"] and whole["sample"] == cut["sample"]
    tokenizer = tiny.tokenizer()
    forced_answers = 0
    for before, after in zip(whole, cut, strict=True):
        beginning = cut_thought(before["completion"], 5, tokenizer)
        if beginning is None:
            assert after == before
        else:
            assert after["completion"].startswith(beginning + "</think><answer>")
            assert 5 + 2 <= after["completion_tokens"] <= 5 + 2 + 3, "thought, forced tags, answer"
            forced_answers += 1
    assert forced_answers > 4
    measures = json.loads((folder / "eval.json").read_text())["benchmarks"]
    assert list(measures) == ["problems", "problems@5", "problems@23"]
    assert "| problems@5 | avg@2 |" in outcome.out

    files = sorted((folder / "problems@5").glob("*.jsonl"))
    before = [path.stat().st_mtime_ns for path in files if "completions" in path.name]
    assert evaluate(token_budgets=[5, 23], **forced).code == 0
    assert [path.stat().st_mtime_ns for path in files if "completions" in path.name] == before, (
        "nothing is generated again"
    )


def test_without_a_forced_answer_a_long_completion_counts_as_cut_off(evaluate, tmp_path):
    assert evaluate(token_budgets=[5, 23]).code == 0
    folder = tmp_path / "eval"
    whole = completions(folder, "problems")
    cut = completions(folder, "problems@5")
    for before, after in zip(whole, cut, strict=True):
        if before["completion_tokens"] <= 5:
            assert after == before
        else:
            assert (after["completion"], after["finish_reason"], after["completion_tokens"]) == ("", "length", 5)
    assert cut["finish_reason"].count("length") > 4


def test_other_thoughts_are_not_answered_by_the_answers_of_the_old_ones(evaluate, tmp_path):
    assert evaluate(token_budgets=[5], forced_answer="</think><answer>").code == 0
    outcome = evaluate(token_budgets=[5], forced_answer="</think>so <answer>")
    assert outcome.code == 1 and "problems@5: output_dir" in outcome.err and "prompts_digest was" in outcome.err
    folder = tmp_path / "eval/problems@5"
    assert f"remove {folder}: its answers are then generated again" in outcome.err
    shutil.rmtree(folder)
    assert evaluate(token_budgets=[5], forced_answer="</think>so <answer>").code == 0


@pytest.fixture
def thoughts(tmp_path) -> dict:
    """The fields of a benchmark that gives the beginnings of two thoughts on the same problem."""
    rows = [{"problem": "1+1", "solution": "2", "prefix": f"<think>1+1={value}"} for value in (2, 3)]
    Dataset.from_list(rows).to_parquet(tmp_path / "thoughts.parquet")
    fields = {"dataset_name": str(tmp_path / "thoughts.parquet"), "dataset_split": "train", "dataset_params": None}
    return fields | {"dataset_prefix_column": "prefix"}


def test_completions_begin_with_the_prefix(evaluate, thoughts, tmp_path):
    outcome = evaluate(**thoughts)
    assert outcome.code == 0, outcome.err
    rows = completions(tmp_path / "eval", "problems")
    assert len(rows) == 4 and len(set(rows["prompt_id"])) == 2
    for row in rows:
        assert row["completion"].startswith(row["prefix"]) and len(row["completion"]) > len(row["prefix"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"token_budgets": [0]}, "token_budgets of 'problems' has 0"),
        ({"token_budgets": ["8"]}, "token_budgets of 'problems' has '8'"),
        ({"token_budgets": [8, 8]}, "a number twice"),
        ({"token_budgets": [True]}, "token_budgets of 'problems' has True"),
        ({"token_budgets": [8], "forced_answer_length": 0}, "forced_answer_length of 'problems' is 0"),
        ({"forced_answer": "</think>"}, "has a forced_answer, but no token_budgets"),
        ({"token_budgets": [8], "dataset_prefix_column": "prefix"}, "use two benchmarks"),
        ({"name": "a@8"}, "found the name 'a@8'"),
    ],
)
def test_wrong_fields_are_errors(fields, message):
    with pytest.raises(RecipeError, match=message):
        Benchmark.parse(PROBLEMS | fields)


def test_servers_cannot_force_answers_or_continue_messages(evaluate, thoughts):
    server = ["--backend", "server", "--base_urls", "http://localhost:1/v1"]
    outcome = evaluate(*server, token_budgets=[8], forced_answer="</think>")
    assert outcome.code == 1 and "benchmarks: problems: forced_answer: with `backend: server`" in outcome.err
    outcome = evaluate(*server, **thoughts)
    assert outcome.code == 1 and "dataset_prefix_column: found 'prefix' with `backend: server`" in outcome.err


def test_a_budget_must_be_smaller_than_the_limit(evaluate):
    outcome = evaluate(token_budgets=[24])
    assert outcome.code == 1 and "expected numbers below max_completion_length, which is 24" in outcome.err


@pytest.mark.parametrize(
    ("column", "message"),
    [("prefxi", "the data set has no column 'prefxi'"), ("completion", "that prompts cannot have beside them")],
)
def test_wrong_prefix_columns_are_errors(evaluate, tmp_path, column, message):
    rows = [{"problem": "1+1", "solution": "2", "completion": "<think>1"}]
    Dataset.from_list(rows).to_parquet(tmp_path / "rows.parquet")
    data = {"dataset_name": str(tmp_path / "rows.parquet"), "dataset_split": "train", "dataset_params": None}
    outcome = evaluate(**data, dataset_prefix_column=column)
    assert outcome.code == 1 and "dataset_prefix_column: " in outcome.err and message in outcome.err
