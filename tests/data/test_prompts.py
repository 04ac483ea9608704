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


@pytest.mark.parametrize(
    ("question", "gold"),
    [
        ("solution", "answer"),
        ("solution", "prompt"),
        ("question", "prompt"),
        ("prompt", "solution"),
        ("completion", "messages"),
        ("answer", "question"),
    ],
)
def test_columns_can_have_any_names(question, gold):
    other = {"prompt": "x", "solution": "x", "answer": "x"}
    rows = Dataset.from_list([other | {question: "2+2?", gold: "4"}])
    args = GRPOScriptArguments(dataset_name="x", dataset_prompt_column=question, dataset_solution_column=gold)
    [row] = to_prompts(rows, args, tiny.tokenizer(), with_solution=True)
    assert row["prompt"] == [{"role": "user", "content": "2+2?"}] and row["solution"] == "4"


def test_a_system_column_that_is_not_used_is_named(caplog):
    rows = Dataset.from_list([{"question": "2+2?", "system": "Be brief."}])
    args = GRPOScriptArguments(dataset_name="x", dataset_prompt_column="question")
    to_prompts(rows, args, tiny.tokenizer(), with_solution=False)
    assert "the column 'system' is not part of the prompts" in caplog.text


def test_a_question_is_not_taken_for_a_gold_answer():
    rows = Dataset.from_list([{"solution": "2+2?"}])
    args = GRPOScriptArguments(dataset_name="x", dataset_prompt_column="solution")
    assert to_prompts(rows, args, tiny.tokenizer(), with_solution=False).column_names == ["prompt"]
    with pytest.raises(RecipeError, match="dataset_solution_column: dataset_prompt_column names .*'solution', too"):
        to_prompts(rows, args, tiny.tokenizer(), with_solution=True)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ level + 1 }}", "TypeError: unsupported operand"),
        ("{{ topic.name.first }}", "has no attribute 'name'"),
        ("{{ 1 // (level or 0) }}", "ZeroDivisionError"),
        ("{{ topic | round }}", "TypeError"),
    ],
)
@pytest.mark.parametrize("option", ["prompt_template", "user_template"])
def test_row_and_file_of_a_template_that_fails_are_named(tmp_path, option, template, says):
    path = tmp_path / "t.jinja"
    path.write_text("{{ prompt }}{% if level == None %}" + template + "{% endif %}")
    rows = [{"prompt": "2+2?", "topic": "sums", "level": level} for level in [1, 2, None]]
    with pytest.raises(RecipeError, match=f"row 3 of 3: {option}: .*t.jinja: .*{says}.*; columns: .*level"):
        read(rows, **{option: str(path)})


def read(rows, template=None, **kwargs):
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = template
    return to_prompts(Dataset.from_list(rows), GRPOScriptArguments(dataset_name="rows", **kwargs), tokenizer, False)


QUESTION = [{"role": "user", "content": "2+2?"}]
SYSTEM = {"role": "system", "content": "Be brief."}


def test_messages_of_a_single_question_fill_a_template_of_text(tmp_path):
    path = tmp_path / "q.jinja"
    path.write_text("Q: {{ prompt }}\nA:")
    assert read([{"prompt": QUESTION}], prompt_template=str(path))["prompt"][:] == ["Q: 2+2?\nA:"]
    with pytest.raises(RecipeError, match="row 1 of 1: prompt_template takes a single question, .*system, user"):
        read([{"prompt": [SYSTEM, *QUESTION]}], prompt_template=str(path))


def test_answer_at_the_end_of_a_prompt_is_left_out(caplog):
    rows = read([{"messages": [*QUESTION, {"role": "assistant", "content": "4"}]}], dataset_prompt_column="messages")
    assert rows["prompt"][:] == [QUESTION] and rows.column_names == ["prompt"]
    assert "the conversations end with an answer of the assistant; it is left out of the prompts" in caplog.text


def test_two_system_messages_are_refused():
    with pytest.raises(RecipeError, match="row 2 of 2: the row has a system message and the recipe a system_prompt"):
        read([{"prompt": QUESTION}, {"prompt": [SYSTEM, *QUESTION]}], system_prompt="Think.")


def test_chat_template_is_tried_on_every_prompt():
    template = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    rows = [*[{"prompt": QUESTION}] * 1500, {"prompt": [SYSTEM, *QUESTION]}]
    with pytest.raises(RecipeError, match="row 1501 of 1501: the chat template fails on .*no system role"):
        read(rows, template)


def test_chat_template_may_fail_in_any_way():
    template = "{{ 1 // (2 - messages | length) }}"
    with pytest.raises(RecipeError, match="row 2 of 2: the chat template fails on .*: ZeroDivisionError"):
        read([{"prompt": QUESTION}, {"prompt": [SYSTEM, *QUESTION]}], template)


@pytest.mark.parametrize("messages", [[SYSTEM], [SYSTEM, {"role": "assistant", "content": "4"}]])
def test_system_message_is_no_question(messages):
    with pytest.raises(RecipeError, match="row 2 of 2: the conversation has no question before"):
        read([{"prompt": QUESTION}, {"prompt": messages}])


@pytest.mark.parametrize("name", ["image", "images", "completions", "prompts", "completion_ids", "log_extra", "self"])
def test_columns_that_the_trainer_reads_by_name_are_dropped(name):
    assert read([{"prompt": "2+2?", name: None, "level": 1}]).column_names == ["prompt", "level"]
