"""Reads conversations in the layouts that people store them in; `messages` reads each of their messages.

A conversation is a list of messages, one that is stored by keys (as `datasets` once did), or either of them as JSON
text. What cannot be read raises `InvalidRow` with the reason.
"""

import json
from collections.abc import Sequence
from typing import Any

from datasets import Dataset, Json, LargeList, List, Value
from pyarrow import compute

from open_r1.data.messages import (
    KEYS_OF_CALLS,
    ROLES,
    ROLES_OF_CALLS,
    calls_tools,
    describe_value,
    has_content,
    is_message,
    parse_literal,
    read_message,
    role_of,
)
from open_r1.data.rows import InvalidRow
from open_r1.utils.text import text_of


ROLES_OF_COMPLETIONS = ("assistant", "tool")
# Columns of system messages beside conversations.
SYSTEM_COLUMNS = ("system", "system_prompt")
# Marks of answers that are not trained on: OpenAI's, and Axolotl's.
LOSS_KEYS = ("weight", "train", "loss")
# Types of text; files that Polars has written have the second one.
TEXT_TYPES = (Value("string"), Value("large_string"), Value("string_view"))


def read_messages(value: Any, keep_nulls: bool = False) -> list[dict]:
    """A conversation as messages whose `role` and `content` are text; a thought of its own is put into the content.

    Args:
        value (`Any`): The conversation, as a data set has it.
        keep_nulls (`bool`, *optional*, defaults to `False`):
            Whether arguments of calls that are null are the calls' own, see `has_own_nulls`. In JSON text they are.

    Raises:
        InvalidRow: If it is not a conversation, naming the message and what is wrong with it.

    >>> read_messages([{"from": "human", "value": "2+2?"}])
    [{'role': 'user', 'content': '2+2?'}]
    >>> read_messages([{"role": "assistant", "reasoning_content": "2+2", "content": [{"type": "text", "text": "4"}]}])
    [{'role': 'assistant', 'content': '<think>2+2</think>4'}]
    """
    stored = list_messages(value)
    keep_nulls = keep_nulls or isinstance(value, str)
    messages = []
    for number, message in enumerate(stored, start=1):
        try:
            messages.append(read_message(message, keep_nulls))
        except InvalidRow as error:
            raise InvalidRow(f"message {number} of {len(stored)}: {error}") from error
    return messages


def list_messages(value: Any) -> list:
    """The messages of a conversation as they are stored, in any layout.

    Raises:
        InvalidRow: If it is not a conversation.
    """
    if isinstance(value, str):
        value = _parse_messages(value) or value
    if is_message(value):
        value = _split_columns(value)
    if not isinstance(value, list):
        raise InvalidRow(f"found {describe_value(value)}; expected a list of messages")
    if not value:
        raise InvalidRow("the conversation is empty")
    return value


def refuse_untrained_answers(value: Any) -> None:
    """Stops at an answer that a data set marks as not to be trained on: trainers do not know the marks.

    Args:
        value (`Any`): A conversation that `read_messages` has read before.

    Raises:
        InvalidRow: If there is one, with its number.
    """
    messages = list_messages(value)
    for number, message in enumerate(messages, start=1):
        if role_of(message) != "assistant":
            continue
        for key in LOSS_KEYS:
            mark = message.get(key)
            if mark is not None and not mark:
                raise InvalidRow(
                    f"message {number} of {len(messages)}: found {key}: {json.dumps(mark)}, but TRL trains on all of "
                    "a conversation, or with assistant_only_loss on all answers; leave such turns out"
                )


def add_system_message(messages: list[dict], row: dict) -> list[dict]:
    """A conversation with the system message that some data sets have in a column of its own.

    Args:
        messages (`list[dict]`): The conversation.
        row (`dict`): Its row, perhaps with a column of `SYSTEM_COLUMNS`.

    Raises:
        InvalidRow: If the conversation has another system message already.

    >>> add_system_message([{"role": "user", "content": "2+2?"}], {"system": "Be brief."})
    [{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': '2+2?'}]
    """
    for column in SYSTEM_COLUMNS:
        text = row.get(column)
        if text is None:
            continue
        if not isinstance(text, str):
            raise InvalidRow(f"{column}: found {describe_value(text)}; expected text")
        if not text.strip():
            continue
        existing = [message["content"] for message in messages if message["role"] in ("system", "developer")]
        if not existing:
            messages = [{"role": "system", "content": text}, *messages]
        elif existing[0].strip() != text.strip():
            raise InvalidRow(
                f"{column}: found {describe_value(text)}, but the conversation has the system message "
                f"{describe_value(existing[0])}; remove one of them"
            )
    return messages


def read_text_or_messages(
    value: Any, column: str, roles: Sequence[str] = ROLES, keep_nulls: bool = False
) -> str | list[dict]:
    """A value that may be text or a conversation, such as a prompt; a conversation stored as JSON text is parsed.

    Args:
        value (`Any`): The value.
        column (`str`): Its column, for the error message.
        roles (`Sequence[str]`, *optional*):
            The roles of a conversation that is stored as text. Text with other roles is no conversation.
        keep_nulls (`bool`, *optional*, defaults to `False`): See `read_messages`.

    Raises:
        InvalidRow: If it is neither.
    """
    if isinstance(value, str):
        keep_nulls = True
        value = parse_conversation(value, roles)
    if isinstance(value, str):
        return value
    if not isinstance(value, list) and not is_message(value):
        raise InvalidRow(f"{column}: found {describe_value(value)}; expected text or a list of messages")
    try:
        return read_messages(value, keep_nulls)
    except InvalidRow as error:
        raise InvalidRow(f"{column}: {error}") from error


def is_conversation(value: Any, roles: Sequence[str] = ROLES) -> bool:
    """Whether a value is a list of messages, or one of some roles that is stored as JSON text.

    >>> is_conversation('[{"role": "user", "content": "2+2?"}]'), is_conversation("2+2?")
    (True, False)
    """
    if isinstance(value, str):
        value = parse_conversation(value, roles)
    return isinstance(value, list) or is_message(value)


def read_completion(value: Any) -> str | None:
    """The text of a completion, which may be stored as messages; `None` stays `None`.

    Raises:
        InvalidRow: If it is anything else, such as a list of several completions.

    >>> read_completion([{"role": "assistant", "content": "4", "reasoning_content": "2+2"}])
    '<think>2+2</think>4'
    """
    if value is None:
        return None
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        raise InvalidRow(f"found a list of {len(value)} texts; expected one completion per row")
    completion = read_text_or_messages(value, "the completion", ROLES_OF_COMPLETIONS)
    if isinstance(completion, str):
        return completion
    if all(message["role"] != "assistant" for message in completion):
        raise InvalidRow("found a conversation without a message of the assistant")
    return text_of(completion)


def read_answer(value: Any) -> str | None:
    """The text of a completion that is to be written to a data set, which must be one answer; `None` stays `None`.

    Raises:
        InvalidRow: If it is anything else. The text of several turns would be one answer that nobody gave.

    >>> read_answer([{"role": "assistant", "content": "4"}])
    '4'
    """
    text = read_completion(value)
    if text is None:
        return None
    messages = read_text_or_messages(value, "the completion", ROLES_OF_COMPLETIONS)
    if isinstance(messages, str):
        return text
    if len(messages) > 1:
        roles = ", ".join(message["role"] for message in messages)
        raise InvalidRow(f"found a completion of several turns ({roles}); expected one answer of the assistant")
    if "tool_calls" in messages[0]:
        raise InvalidRow("found a completion that calls a tool; expected one answer of the assistant")
    return text


def conversation_type(dataset: Dataset, column: str) -> List:
    """How conversations of a column are stored once they are read.

    Their messages have two texts each. If some call tools, messages are stored as JSON, which does not add the keys of
    one message to all others: chat templates look for `tool_calls`.
    """
    texts = List({"role": Value("string"), "content": Value("string")})
    stored = dataset.features[column]
    has_same_keys = isinstance(stored, List | LargeList) and isinstance(stored.feature, dict)
    if has_same_keys and not _may_have_calls(dataset, column):
        return texts
    for value in dataset[column]:
        try:
            messages = list_messages(value)
        except InvalidRow:
            continue  # is reported with the row's number when all rows are read
        if any(calls_tools(message) for message in messages):
            return List(Json())
    return texts


def _may_have_calls(dataset: Dataset, column: str) -> bool:
    """Whether messages with the same keys have one that calls tools need, or the role of a call."""
    keys = dataset.features[column].feature
    if not KEYS_OF_CALLS.isdisjoint(keys):
        return True
    messages = compute.list_flatten(dataset.data.column(column))
    for key in ("role", "from"):
        if keys.get(key) not in TEXT_TYPES:
            continue
        roles = compute.unique(compute.struct_field(messages, key)).to_pylist()
        if any(role is not None and role.lower() in ROLES_OF_CALLS for role in roles):
            return True
    return False


def has_own_nulls(feature: Any) -> bool:
    """Whether nulls in a column's values are theirs: `datasets` fills up messages of one type, but not JSON.

    >>> has_own_nulls(List(Json())), has_own_nulls(List({"role": Value("string")}))
    (True, False)
    """
    if isinstance(feature, List | LargeList):
        return has_own_nulls(feature.feature)
    return feature == Json() or feature in TEXT_TYPES


def parse_conversation(text: str, roles: Sequence[str] = ROLES) -> list | str:
    """A conversation that is stored as text, in JSON or as Python prints it; any other text as it is.

    Text is only a conversation if each message has one of the roles, and a content.

    >>> parse_conversation('[{"role": "user", "content": "2+2?"}]'), parse_conversation("[1, 2]")
    ([{'role': 'user', 'content': '2+2?'}], '[1, 2]')
    >>> parse_conversation('{"from": "Paris", "to": "Rome"}')
    '{"from": "Paris", "to": "Rome"}'
    """
    messages = _parse_messages(text)
    if messages is None:
        return text
    for message in messages:
        if role_of(message) not in roles or not has_content(message):
            return text
    return messages


def _parse_messages(text: str) -> list[dict] | None:
    """Messages that are stored as text; `None` if the text is anything else."""
    if not text.lstrip().startswith(("[", "{", '"')) or ("role" not in text and "from" not in text):
        return None
    value = parse_literal(text.strip())
    if isinstance(value, str) and value != text:  # JSON text in JSON text
        return _parse_messages(value)
    if isinstance(value, dict):
        value = _split_columns(value)
    if not isinstance(value, list) or not value:
        return None
    if not all(is_message(message) for message in value):
        return None
    return value


def _split_columns(value: dict) -> list[dict]:
    """The messages of a conversation that is stored by keys, as `datasets` once did; a single message otherwise.

    >>> _split_columns({"from": ["human", "gpt"], "value": ["2+2?", "4"]})
    [{'from': 'human', 'value': '2+2?'}, {'from': 'gpt', 'value': '4'}]
    """
    lengths = {len(items) if isinstance(items, list) else None for items in value.values()}
    if lengths == {None} or len(lengths) > 1:
        return [value]
    messages = []
    for items in zip(*value.values(), strict=True):
        messages.append(dict(zip(value, items, strict=True)))
    return messages
