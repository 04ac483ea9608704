"""Turning rows into prompts: templates, messages, mapped columns, and overlong prompts that are dropped."""

import pytest
from datasets import Dataset

from open_r1.configs import GRPOScriptArguments
from open_r1.data import tiny
from open_r1.data.prompts import to_prompts
from open_r1.utils.errors import RecipeError


ROWS = Dataset.from_list(
    [
        {"question": "1+1", "answer": "2", "solution": "long text", "topic": "a"},
        {"question": "(1+1)*5*5", "answer": "0", "solution": "", "topic": "b"},
    ]
)


def prompts(**kwargs):
    args = GRPOScriptArguments(
        dataset_name="x", dataset_prompt_column="question", dataset_solution_column="answer", **kwargs
    )
    return to_prompts(ROWS, args, tiny.tokenizer(), with_solution=True)


def test_messages_with_system_prompt_and_mapped_gold():
    row = prompts(system_prompt="Think.")[0]
    assert row["prompt"] == [{"role": "system", "content": "Think."}, {"role": "user", "content": "1+1"}]
    assert row["solution"] == "2" and row["topic"] == "a"


def test_r1_zero_template_equals_that_of_the_paper():
    """Table 1 of the paper."""
    assert prompts(prompt_template="recipes/prompts/r1_zero.jinja")[0]["prompt"] == (
        "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The "
        "assistant first thinks about the reasoning process in the mind and then provides the user with the answer. "
        "The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, "
        "respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>. User: 1+1. "
        "Assistant:"
    )


def test_template_can_use_any_column_and_names_undefined_variables(tmp_path):
    path = tmp_path / "t.jinja"
    path.write_text("{{ topic }}: {{ prompt }}=")
    assert prompts(prompt_template=str(path))["prompt"] == ["a: 1+1=", "b: (1+1)*5*5="]
    path.write_text("{{ subject }}")
    with pytest.raises(RecipeError, match="'subject' is undefined"):
        prompts(prompt_template=str(path))
    path.write_text("{% if %}")
    with pytest.raises(RecipeError, match="line 1"):
        prompts(prompt_template=str(path))


def test_overlong_prompts_are_dropped_and_counted(tmp_path, caplog):
    path = tmp_path / "t.jinja"
    path.write_text("{{ prompt }}")
    assert prompts(prompt_template=str(path), max_prompt_length=3)["question"] == ["1+1"]
    assert "dropped 1 of 2 prompts of more than 3 tokens" in caplog.text
    with pytest.raises(RecipeError, match="all 2 prompts have more than 2 tokens"):
        prompts(prompt_template=str(path), max_prompt_length=2)


def test_missing_column_names_its_option_and_a_suggestion():
    args = GRPOScriptArguments(dataset_name="x", dataset_prompt_column="questions")
    with pytest.raises(RecipeError, match="dataset_prompt_column.*'questions'.*Did you mean 'question'"):
        to_prompts(ROWS, args, tiny.tokenizer(), with_solution=False)
