"""Conversations in the layouts that people store them in, and rows that cannot be used."""

import json

import pytest

from open_r1.data.conversations import parse_conversation, read_answer, read_messages
from open_r1.data.rows import InvalidRow


USER = {"role": "user", "content": "2+2?"}
ASSISTANT = {"role": "assistant", "content": "4"}


@pytest.mark.parametrize(
    "value",
    [
        [USER, ASSISTANT],
        [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}],
        [{"role": "user", "content": "2+2?", "from": None, "value": None}, ASSISTANT],
        '[{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]',
        '[{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]',
        [{"role": "user", "content": [{"type": "text", "text": "2+"}, {"type": "text", "text": "2?"}]}, ASSISTANT],
        json.dumps(json.dumps([USER, ASSISTANT])),
        repr([USER, ASSISTANT]),
        {"role": ["user", "assistant"], "content": ["2+2?", "4"]},
        {"from": ["human", "gpt"], "value": ["2+2?", "4"]},
        json.dumps({"from": ["human", "gpt"], "value": ["2+2?", "4"]}),
        [{**USER, "role": "User"}, {**ASSISTANT, "role": "Assistant"}],
        [{**USER, "role": "prompter"}, {**ASSISTANT, "role": "ai"}],
        [{"from": "Human", "value": "2+2?"}, {"from": "GPT", "value": "4"}],
        [{**USER, "weight": 0}, {**ASSISTANT, "reasoning_content": None}],
    ],
)
def test_layouts_of_the_same_conversation(value):
    assert read_messages(value) == [USER, ASSISTANT]


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_thought_of_its_own_is_put_before_the_answer(key):
    assert read_messages([{**ASSISTANT, key: "2+2"}])[0]["content"] == "<think>2+2</think>4"
    written = {"role": "assistant", "content": "<think>2+2</think>4", key: "2+2"}
    assert read_messages([written])[0]["content"] == "<think>2+2</think>4"


def test_answer_that_mentions_a_tag_has_no_thought_yet():
    written = {"role": "assistant", "content": "Use the <think> tag.", "reasoning_content": "2+2"}
    assert read_messages([written])[0]["content"] == "<think>2+2</think>Use the <think> tag."
    for content in ("\n<think>2", "2+2</think>4"):
        written["content"] = content
        assert read_messages([written])[0]["content"] == content


def test_effort_of_reasoning_is_no_thought():
    assert read_messages([{**ASSISTANT, "reasoning": "High"}]) == [ASSISTANT]
    assert read_messages([{**ASSISTANT, "reasoning": "high up"}])[0]["content"] == "<think>high up</think>4"


def test_thought_in_reasoning_details():
    details = [{"type": "reasoning.text", "text": "2"}, {"type": "reasoning.encrypted", "data": "x"}]
    details.append({"type": "reasoning.text", "text": "+2", "signature": None})
    assert read_messages([{**ASSISTANT, "reasoning_details": details}])[0]["content"] == "<think>2+2</think>4"
    assert read_messages([{**ASSISTANT, "reasoning_details": details[1:2]}]) == [ASSISTANT]
    assert read_messages([{**ASSISTANT, "reasoning_details": None}]) == [ASSISTANT]


def test_thought_in_a_part_of_its_own():
    parts = [{"type": "thinking", "thinking": "2+2"}, {"type": "text", "text": "4"}]
    assert read_messages([{**ASSISTANT, "content": parts}])[0]["content"] == "<think>2+2</think>4"


def test_single_message_is_a_conversation():
    assert read_messages(USER) == read_messages(json.dumps(USER)) == [USER]


def test_calls_of_tools_are_kept():
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "add", "arguments": {}}}]}
    result = {"role": "tool", "content": "4", "name": "add"}
    assert read_messages([call, result]) == [{**call, "content": ""}, result]


CALL = {"name": "add", "arguments": {"x": 2, "y": None}}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": None, "function_call": CALL},
        {"from": "function_call", "value": json.dumps(CALL)},
        {"role": "tool_call", "content": json.dumps([CALL])},
    ],
)
def test_older_layouts_of_calls(message):
    calls = [{"type": "function", "function": CALL}]
    result = {"role": "tool_response", "content": "2"}
    for stored in ([message, result], json.dumps([message, result])):
        assert read_messages(stored, keep_nulls=True) == [
            {"role": "assistant", "content": "", "tool_calls": calls},
            {"role": "tool", "content": "2"},
        ]


def test_nulls_of_a_call():
    """`datasets` fills up what it does not store as JSON."""
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": CALL}]}
    filled = [{"function": {"name": "add", "arguments": {"x": 2}}}]
    assert read_messages([call])[0]["tool_calls"] == filled
    assert read_messages(json.dumps([call])) == read_messages([call], keep_nulls=True) == [call]


@pytest.mark.parametrize(
    "value, says",
    [
        (None, "found null; expected a list of messages"),
        ([], "the conversation is empty"),
        ("4", "found str '4'; expected a list of messages"),
        (4, "found int 4"),
        ([USER, None], "message 2 of 2: found null"),
        (["2+2?"], "message 1 of 1: found str"),
        ([{"role": "assistant", "content": "4", "reasoning": {"a": 1}}], "the thought: found dict"),
        ([{"role": "user", "content": [5]}], "content: found the part int 5; expected text"),
        ([{"text": "2+2?"}], "message 1 of 1: found the keys text; expected `role` and `content`"),
        ([{"role": "user", "content": None}], "message 1 of 1: content: found null; expected text"),
        ([{"role": "user"}], "content: found null"),
        ([{"role": "alien", "content": "4"}], "role: found 'alien'; expected one of system"),
        ([{"role": "function_call", "content": "add 2"}], "found the call str 'add 2'; expected JSON with `name`"),
        (
            [{"role": "function_call", "content": '{"x": 2}'}],
            "found the call dict .*; expected `name` and `arguments`",
        ),
        ([{"role": "tool_call", "content": '{"name": "a", "arguments": 2}'}], "found the arguments int 2 of a call"),
        ({"role": ["user"], "content": ["4", "5"]}, "found the keys role, content"),
        ([{"role": 1, "content": "4"}], "found the keys role, content"),
        ([{"role": "user", "content": [{"type": "image"}]}], "found a part of type image; only text is supported"),
        ([{"role": "user", "content": 4}], "content: found int 4"),
    ],
)
def test_what_is_wrong_with_a_row(value, says):
    with pytest.raises(InvalidRow, match=says):
        read_messages(value)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "[1, 2]",
            "[",
            "[]",
            "[0,1]",
            '["a"]',
            '[{"a": 1}]',
            "a]",
            '{"a": "role"}',
            '"role"',
            "[role]",
            "{'from': x}",
        ),
        '{"from": "Paris", "to": "Rome"}',
        '{"from": "Paris", "value": "Rome"}',
        '[{"role": "alien", "content": "4"}]',
        '[{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": null}]',
    ],
)
def test_other_texts_in_brackets_are_not_conversations(text):
    assert parse_conversation(text) == text


def test_what_is_written_to_a_data_set_is_one_answer():
    assert read_answer(None) is None
    assert read_answer("4") == read_answer([ASSISTANT]) == read_answer(json.dumps([ASSISTANT])) == "4"
    assert read_answer(json.dumps([USER, ASSISTANT])) == json.dumps([USER, ASSISTANT])
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": {}}}]}
    for turns, roles in [
        ([ASSISTANT, USER, ASSISTANT], "assistant, user, assistant"),
        ([USER, ASSISTANT], "user, assistant"),
        ([call, {"role": "tool", "content": "4"}, ASSISTANT], "assistant, tool, assistant"),
    ]:
        with pytest.raises(InvalidRow, match=rf"a completion of several turns \({roles}\); expected one answer"):
            read_answer(turns)
    with pytest.raises(InvalidRow, match="calls a tool"):
        read_answer([call])
