"""Rows of fine-tuning: which columns are trained on, and what is said of a row that cannot be."""

import json

import pytest
from datasets import Dataset, Features, LargeList, List, Value

from open_r1.configs import DatasetSpec, SFTScriptArguments
from open_r1.configs.training import DATASET_FORMATS
from open_r1.data.load import load_split
from open_r1.data.training_rows import FORMATS, to_training_rows
from open_r1.utils.errors import RecipeError


MESSAGES = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]
SHAREGPT = [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]


def answer(text):
    return {"role": "assistant", "content": text}


def read(rows, **options):
    args = SFTScriptArguments(dataset_name="rows", **options)
    if isinstance(rows, list):
        rows = Dataset.from_list(rows)
    return to_training_rows(rows, args, "text")[:]


@pytest.mark.parametrize(
    "row, options",
    [
        ({"messages": MESSAGES}, {}),
        ({"messages": SHAREGPT}, {}),
        ({"conversations": SHAREGPT}, {}),
        ({"conversations": MESSAGES}, {"dataset_format": "sharegpt"}),
        ({"dialogue": SHAREGPT}, {"dataset_messages_column": "dialogue"}),
        ({"instruction": "2+2?", "input": "", "output": "4"}, {}),
        ({"instruction": "2+2?", "input": " ", "output": "4"}, {}),
        ({"instruction": "2+2?", "input": None, "output": "4"}, {"dataset_format": "alpaca"}),
        ({"messages": MESSAGES, "prompt": "another question", "text": "another text"}, {}),
        ({"messages": MESSAGES, "image": None, "images": [], "completions": "x"}, {}),
    ],
)
def test_conversations(row, options):
    assert read([row], **options) == {"messages": [MESSAGES]}


def test_prompt_and_completion():
    assert read([{"prompt": "2+2=", "completion": "4", "text": "x"}]) == {"prompt": ["2+2="], "completion": ["4"]}
    conversational = {"prompt": [MESSAGES[:1]], "completion": [MESSAGES[1:]]}
    assert read([{"prompt": MESSAGES[:1], "completion": "4"}]) == conversational
    assert read([{"prompt": "2+2?", "completion": MESSAGES[1:]}]) == conversational
    assert read([{"prompt": MESSAGES[:1], "completion": MESSAGES[1:], "messages_count": 2}]) == conversational


def test_text_is_used_where_prompt_has_no_completion():
    assert read([{"prompt": "2+2=", "text": "2+2=4"}]) == {"text": ["2+2=4"]}


@pytest.mark.parametrize(
    "good, bad, says",
    [
        ({"messages": MESSAGES}, {"messages": None}, "found null; expected a list of messages"),
        ({"messages": MESSAGES}, {"messages": []}, "the conversation is empty"),
        (
            {"messages": MESSAGES},
            {"messages": MESSAGES[:1]},
            "ends with a message of the user; expected the assistant",
        ),
        ({"messages": MESSAGES}, {"messages": [{"role": "assistant", "content": None}]}, "content: found null"),
        ({"prompt": "2", "completion": "4"}, {"prompt": "2", "completion": None}, "completion: found null"),
        ({"prompt": "2", "completion": "4"}, {"prompt": None, "completion": "4"}, "prompt: found null"),
        ({"text": "2"}, {"text": None}, "text: found null; expected text"),
        ({"text": "2"}, {"text": ""}, "text: the text is empty"),
        ({"instruction": "2", "output": "4"}, {"instruction": "2", "output": None}, "output: found null"),
        ({"instruction": "2", "output": "4"}, {"instruction": "2", "output": " \n"}, "output: the text is empty"),
        ({"instruction": "2", "output": "4"}, {"instruction": "2", "output": "<think>2</think>"}, "no answer follows"),
        ({"prompt": "2", "completion": "4"}, {"prompt": "2", "completion": " "}, "completion: found an empty answer"),
        ({"prompt": "2", "completion": "4"}, {"prompt": "2", "completion": "<think>2+2"}, "never closed"),
        ({"prompt": "2", "completion": "4"}, {"prompt": "2", "completion": "<think>2</think> "}, "no answer follows"),
        ({"instruction": "2", "output": "4"}, {"instruction": "2", "output": "<think>2+2"}, "never closed"),
        ({"text": "2"}, {"text": " "}, "text: the text is empty"),
        ({"messages": MESSAGES}, {"messages": [MESSAGES[0], answer("\t")]}, "ends with an empty answer"),
        ({"messages": MESSAGES}, {"messages": [MESSAGES[0], answer("<think>2+2 is")]}, "thought that is never closed"),
        (
            {"messages": MESSAGES},
            {"messages": [MESSAGES[0], answer(""), *MESSAGES]},
            "message 2 of 4: the assistant says nothing",
        ),
        (
            {"messages": MESSAGES},
            {"messages": [{"role": "user", "content": " "}, MESSAGES[1]]},
            "message 1 of 2: the user says nothing",
        ),
        (
            {"messages": MESSAGES},
            {"messages": [MESSAGES[0], {**answer(""), "reasoning_content": "2+2"}]},
            "ends with a thought that no answer follows",
        ),
        (
            {"prompt": MESSAGES[:1], "completion": "4"},
            {"prompt": [{"role": "user", "content": ""}], "completion": "4"},
            "prompt: message 1 of 1: the user says nothing",
        ),
    ],
)
def test_every_row_is_read_and_named(good, bad, says):
    rows = [*[good] * 279, bad, *[good] * 20]
    with pytest.raises(RecipeError, match=f"dataset: row 280 of 300: .*{says}"):
        read(rows)


SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    "row",
    [
        {"messages": MESSAGES, "system": "Be brief."},
        {"conversations": SHAREGPT, "system": "Be brief."},
        {"conversations": SHAREGPT, "system_prompt": "Be brief.", "system": None},
        {"messages": [SYSTEM, *MESSAGES], "system": "Be brief."},
        {"messages": [SYSTEM, *MESSAGES], "system": ""},
        {"instruction": "2+2?", "output": "4", "system_prompt": "Be brief."},
    ],
)
def test_system_message_in_a_column_of_its_own(row):
    assert read([row]) == {"messages": [[SYSTEM, *MESSAGES]]}


def test_system_message_beside_prompt_and_completion():
    row = {"prompt": MESSAGES[:1], "completion": "4", "system": "Be brief."}
    assert read([row])["prompt"] == [[SYSTEM, *MESSAGES[:1]]]


def test_two_different_system_messages_are_refused():
    with pytest.raises(RecipeError, match="row 1 of 1: system: found .*Be long.* has the system message .*Be brief"):
        read([{"messages": [SYSTEM, *MESSAGES], "system": "Be long."}])
    with pytest.raises(RecipeError, match="row 1 of 1: system_prompt: found str 'Be long"):
        read([{"messages": MESSAGES, "system": "Be brief.", "system_prompt": "Be long."}])
    with pytest.raises(RecipeError, match="system: found int 3; expected text"):
        read([{"messages": MESSAGES, "system": 3}])


def test_column_of_conversations_that_does_not_exist():
    with pytest.raises(RecipeError) as raised:
        read([{"dialogue": MESSAGES, "text": "x"}], dataset_messages_column="dialog")
    assert str(raised.value) == (
        "dataset_messages_column: found 'dialog'; expected one of the columns dialogue, text. Did you mean 'dialogue'?"
    )


@pytest.mark.parametrize(
    "prompt, completion",
    [
        ('{"from": "Paris", "to": "Rome"}', "2 hours"),
        ('[{"role": "admin", "content": "x"}]', "JSON"),
        ("Write a message.", '{"role": "user", "content": "2+2?"}'),
        ("Write a message.", '[{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]'),
        ("Write a message.", '{"role": "assistant"}'),
    ],
)
def test_json_that_is_no_conversation_is_text(prompt, completion):
    assert read([{"prompt": prompt, "completion": completion}]) == {"prompt": [prompt], "completion": [completion]}


def test_completion_that_is_stored_as_json():
    row = {"prompt": json.dumps(MESSAGES[:1]), "completion": json.dumps(MESSAGES[1:])}
    assert read([row]) == {"prompt": [MESSAGES[:1]], "completion": [MESSAGES[1:]]}


@pytest.mark.parametrize("mark", [{"weight": 0}, {"weight": 0.0}, {"train": False}, {"loss": False}])
def test_answers_that_are_marked_as_not_trained_on_are_refused(mark):
    [[key, value]] = mark.items()
    turns = [MESSAGES[0], {**MESSAGES[1], **mark}, *MESSAGES]
    says = f"row 1 of 1: message 2 of 4: found {key}: {json.dumps(value)}, but TRL trains on all"
    for stored in (turns, json.dumps(turns)):
        with pytest.raises(RecipeError, match=says):
            read([{"messages": stored}])
    with pytest.raises(RecipeError, match="message 1 of 1: found"):
        read([{"prompt": "2+2?", "completion": [{**MESSAGES[1], **mark}]}])
    questions = [{**MESSAGES[0], **mark}, {**MESSAGES[1], key: 1}]
    assert read([{"messages": json.dumps(questions)}]) == {"messages": [MESSAGES]}


def test_tools_and_variables_of_the_template():
    row = {"messages": MESSAGES, "tools": "", "chat_template_kwargs": {"enable_thinking": False}}
    assert read([row]) == {
        "messages": [MESSAGES],
        "tools": [None],
        "chat_template_kwargs": [{"enable_thinking": False}],
    }
    for name in ("tools", "messages", "conversation", "tokenize", "chat_template"):
        with pytest.raises(RecipeError, match=f"chat_template_kwargs: found '{name}', which is no variable"):
            read([{"messages": MESSAGES, "chat_template_kwargs": json.dumps({name: "x"})}])


def test_pictures_are_not_trained_on(caplog):
    rows = [{"messages": MESSAGES, "image": None, "images": []}] * 2
    read(rows)
    assert not caplog.records
    read([*rows, {"messages": MESSAGES, "image": None, "images": ["cat.png"]}])
    [record] = caplog.records
    assert record.getMessage() == "the column images has pictures; only text is trained on"


def test_unknown_columns():
    with pytest.raises(RecipeError, match="found the columns question, answer; expected messages; conversations"):
        read([{"question": "2+2?", "answer": "4"}])
    with pytest.raises(RecipeError, match="dataset_format: found 'chat'; expected auto, messages, sharegpt"):
        read([{"messages": MESSAGES}], dataset_format="chat")


def test_recipes_can_name_every_format():
    assert list(DATASET_FORMATS) == list(FORMATS)


def test_columns_that_are_not_used_are_logged(caplog):
    caplog.set_level("INFO")
    read([{"instruction": "2+2?", "input": "", "output": "4", "id": 1, "text": "x"}])
    assert "training on the columns instruction, input, output; not used: id, text" in caplog.text


def test_tools_and_their_calls_are_kept():
    """Only where they are: chat templates look for `tool_calls`, and `datasets` would add it to all messages."""
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": {"x": 2}}}]}
    other_call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "now", "arguments": {}}}]}
    tools = [{"type": "function", "function": {"name": "add"}}]
    rows = [{"messages": MESSAGES, "tools": None}] * 1500
    rows += [
        {"messages": [MESSAGES[0], call], "tools": tools},
        {"messages": [MESSAGES[0], other_call], "tools": tools},
    ]
    result = read([{"messages": json.dumps(row["messages"]), "tools": json.dumps(row["tools"])} for row in rows])
    assert result["messages"][0] == MESSAGES
    assert result["messages"][-2:] == [[MESSAGES[0], call], [MESSAGES[0], other_call]]
    assert result["tools"][0] is None and result["tools"][-1] == tools


@pytest.mark.parametrize(
    "stored_as",
    [
        Value("string"),
        List({"from": Value("string"), "value": Value("string")}),
        List({"from": Value("large_string"), "value": Value("large_string")}),
        LargeList({"from": Value("large_string"), "value": Value("large_string")}),  # as Polars writes it
    ],
    ids=str,
)
def test_calls_in_a_role_of_their_own(stored_as):
    turns = [
        {"from": "human", "value": "When?"},
        {"from": "function_call", "value": '{"name": "now", "arguments": {"zone": null}}'},
        {"from": "observation", "value": "noon"},
        {"from": "gpt", "value": "At noon."},
    ]
    if stored_as == Value("string"):
        turns = json.dumps(turns)
    rows = Dataset.from_dict({"conversations": [turns]}, features=Features({"conversations": stored_as}))
    calls = [{"type": "function", "function": {"name": "now", "arguments": {"zone": None}}}]
    assert read(rows)["messages"] == [
        [
            {"role": "user", "content": "When?"},
            {"role": "assistant", "content": "", "tool_calls": calls},
            {"role": "tool", "content": "noon"},
            {"role": "assistant", "content": "At noon."},
        ]
    ]


def test_nulls_of_calls_in_a_file_are_kept(tmp_path):
    calls = [{"type": "function", "function": {"name": "add", "arguments": {"x": None, "y": 1}}}]
    call = {"role": "assistant", "content": "", "tool_calls": calls}
    rows = [{"messages": [MESSAGES[0], call]}, {"prompt": MESSAGES[:1], "completion": json.dumps([call])}]
    for number, row in enumerate(rows):
        path = tmp_path / f"{number}.jsonl"
        path.write_text(json.dumps(row) + "\n" + json.dumps(row))
        dataset = load_split(DatasetSpec(str(path)), seed=0)
        converted = to_training_rows(dataset, SFTScriptArguments(dataset_name=str(path)), "text")[0]
        messages = converted.get("messages") or converted["completion"]
        assert messages[-1] == call
