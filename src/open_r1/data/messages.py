"""Reads conversations in the layouts that people store them in, and returns the one that TRL and chat templates take.

Read here are OpenAI's layout (`role`, `content`, `reasoning_content`, content in parts), ShareGPT's (`from`, `value`),
and either of them as JSON text. What cannot be read raises `InvalidRow` with the reason.
"""

import ast
import json
from collections.abc import Sequence
from typing import Any

from datasets import Dataset, Json, List, Value
from pyarrow import compute

from open_r1.data.rows import InvalidRow
from open_r1.utils.text import CLOSE, OPEN, join_thought, text_of


ROLES = ("system", "developer", "user", "assistant", "tool")
OTHER_NAMES_OF_ROLES = {
    "human": "user",
    "prompter": "user",
    "ai": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "function": "tool",
    "ipython": "tool",
    "observation": "tool",
    "function_response": "tool",
    "tool_response": "tool",
    "function_call": "assistant",
    "tool_call": "assistant",
}
# Roles of messages whose content is a call of a tool.
ROLES_OF_CALLS = ("function_call", "tool_call")
ROLES_OF_COMPLETIONS = ("assistant", "tool")
# Of one of these, a message that is stored as text must have a value.
CONTENT_KEYS = ("content", "value", "tool_calls", "function_call")
# Columns of system messages beside conversations.
SYSTEM_COLUMNS = ("system", "system_prompt")
THOUGHT_KEYS = ("reasoning_content", "reasoning", "thinking")
# Values of `reasoning` that are settings of a request.
REASONING_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
# Marks of answers that are not trained on: OpenAI's, and Axolotl's.
LOSS_KEYS = ("weight", "train", "loss")
TOOL_KEYS = {"tool_calls": list, "tool_call_id": str, "name": str}
KEYS_OF_CALLS = {*TOOL_KEYS, "function_call"}


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
            messages.append(_read_message(message, keep_nulls))
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
    if _is_message(value):
        value = _split_columns(value)
    if not isinstance(value, list):
        raise InvalidRow(f"found {_describe(value)}; expected a list of messages")
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
        if _role_of(message) != "assistant":
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
            raise InvalidRow(f"{column}: found {_describe(text)}; expected text")
        if not text.strip():
            continue
        existing = [message["content"] for message in messages if message["role"] in ("system", "developer")]
        if not existing:
            messages = [{"role": "system", "content": text}, *messages]
        elif existing[0].strip() != text.strip():
            raise InvalidRow(
                f"{column}: found {_describe(text)}, but the conversation has the system message "
                f"{_describe(existing[0])}; remove one of them"
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
    if not isinstance(value, list) and not _is_message(value):
        raise InvalidRow(f"{column}: found {_describe(value)}; expected text or a list of messages")
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
    return isinstance(value, list) or _is_message(value)


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
    if isinstance(stored, List) and isinstance(stored.feature, dict) and not _may_have_calls(dataset, column):
        return texts
    for value in dataset[column]:
        try:
            messages = list_messages(value)
        except InvalidRow:
            continue  # is reported with the row's number when all rows are read
        if any(_calls_tools(message) for message in messages):
            return List(Json())
    return texts


def _may_have_calls(dataset: Dataset, column: str) -> bool:
    """Whether messages with the same keys have one that calls tools need, or the role of a call."""
    keys = dataset.features[column].feature
    if not KEYS_OF_CALLS.isdisjoint(keys):
        return True
    messages = compute.list_flatten(dataset.data.column(column))
    for key in ("role", "from"):
        if keys.get(key) != Value("string"):
            continue
        roles = compute.unique(compute.struct_field(messages, key)).to_pylist()
        if any(role is not None and role.lower() in ROLES_OF_CALLS for role in roles):
            return True
    return False


def _calls_tools(message: Any) -> bool:
    if not isinstance(message, dict):
        return False
    return _is_call(message) or any(message.get(key) for key in KEYS_OF_CALLS)


def has_own_nulls(feature: Any) -> bool:
    """Whether nulls in a column's values are theirs: `datasets` fills up messages of one type, but not JSON.

    >>> has_own_nulls(List(Json())), has_own_nulls(List({"role": Value("string")}))
    (True, False)
    """
    if isinstance(feature, List):
        return has_own_nulls(feature.feature)
    return feature in (Json(), Value("string"))


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
        has_content = _first_of(message, *CONTENT_KEYS) is not None
        if _role_of(message) not in roles or not has_content:
            return text
    return messages


def _parse_messages(text: str) -> list[dict] | None:
    """Messages that are stored as text; `None` if the text is anything else."""
    if not text.lstrip().startswith(("[", "{", '"')) or ("role" not in text and "from" not in text):
        return None
    value = _parse_literal(text.strip())
    if isinstance(value, str) and value != text:  # JSON text in JSON text
        return _parse_messages(value)
    if isinstance(value, dict):
        value = _split_columns(value)
    if not isinstance(value, list) or not value:
        return None
    if not all(_is_message(message) for message in value):
        return None
    return value


def _parse_literal(text: str) -> Any:
    """A value from JSON or from a Python literal; `None` if the text is neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and ("role" in value or "from" in value)


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


def _read_message(message: Any, keep_nulls: bool) -> dict:
    if not isinstance(message, dict):
        raise InvalidRow(f"found {_describe(message)}; expected `role` and `content`")
    role = _role_of(message)
    if role is None:
        raise InvalidRow(f"found the keys {', '.join(message)}; expected `role` and `content`, or `from` and `value`")
    if role not in ROLES:
        raise InvalidRow(f"role: found {role!r}; expected one of {', '.join(ROLES)}")
    tools = _read_tool_keys(message, keep_nulls)
    content = _first_of(message, "content", "value")
    if _is_call(message):
        tools["tool_calls"] = _read_calls(content)
        content = ""
    elif role == "assistant" and message.get("function_call") and "tool_calls" not in tools:
        call = message["function_call"]
        tools["tool_calls"] = _read_calls(call if keep_nulls else without_nulls(call))
    if content is None and "tool_calls" in tools:
        content = ""
    thought = _thought_of(message)
    if isinstance(content, list):
        content, thought_in_parts = _read_parts(content)
        thought = thought or thought_in_parts
    if not isinstance(content, str):
        raise InvalidRow(f"content: found {_describe(content)}; expected text")
    has_thought = content.lstrip().startswith(OPEN) or CLOSE in content
    if thought and role == "assistant" and not has_thought:
        if not isinstance(thought, str):
            raise InvalidRow(f"the thought: found {_describe(thought)}; expected text")
        content = join_thought(thought, content)
    return {"role": role, "content": content, **tools}


def _thought_of(message: dict) -> Any:
    """The thought that a message has beside its content; `None` if there is none."""
    thought = _first_of(message, *THOUGHT_KEYS)
    if isinstance(thought, str) and thought.strip().lower() in REASONING_EFFORTS:
        thought = None
    if thought is not None:
        return thought
    details = message.get("reasoning_details")  # OpenRouter's
    if not isinstance(details, list):
        return None
    texts = []
    for detail in details:
        if isinstance(detail, dict) and isinstance(detail.get("text"), str):
            texts.append(detail["text"])
    return "".join(texts)


def _role_of(message: dict) -> str | None:
    """The role of a message under its usual name, if it is known; `None` if there is none."""
    role = _first_of(message, "role", "from")
    if not isinstance(role, str):
        return None
    if role.lower() in ROLES:
        return role.lower()
    return OTHER_NAMES_OF_ROLES.get(role.lower(), role)


def _is_call(message: dict) -> bool:
    role = _first_of(message, "role", "from")
    return isinstance(role, str) and role.lower() in ROLES_OF_CALLS


def _read_calls(value: Any) -> list[dict]:
    """The calls of tools in a message of older layouts: one or several of a `name` and `arguments`, or JSON of them.

    >>> _read_calls('{"name": "add", "arguments": {"x": 2}}')
    [{'type': 'function', 'function': {'name': 'add', 'arguments': {'x': 2}}}]
    """
    stored = value
    if isinstance(value, str):
        value = _parse_literal(value.strip())
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not value:
        raise InvalidRow(f"found the call {_describe(stored)}; expected JSON with `name` and `arguments`")
    calls = []
    for call in value:
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            raise InvalidRow(f"found the call {_describe(call)}; expected `name` and `arguments`")
        arguments = call.get("arguments", {})
        if not isinstance(arguments, dict | str):
            raise InvalidRow(f"found the arguments {_describe(arguments)} of a call; expected values by name")
        calls.append({"type": "function", "function": {"name": call["name"], "arguments": arguments}})
    return calls


def _read_tool_keys(message: dict, keep_nulls: bool) -> dict:
    """What a message says of tools: the calls of an assistant, or which call a result answers."""
    tools = {}
    for key, expected in TOOL_KEYS.items():
        value = message.get(key)
        if not value:
            continue
        if not isinstance(value, expected):
            raise InvalidRow(f"{key}: found {_describe(value)}; expected {expected.__name__}")
        tools[key] = value if keep_nulls else without_nulls(value)
    return tools


def without_nulls(value: Any) -> Any:
    """A nested value without the keys that are null, with which data sets fill up what only some rows have.

    >>> without_nulls([{"name": "add", "arguments": {"x": 1, "y": None}}])
    [{'name': 'add', 'arguments': {'x': 1}}]
    """
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


def _read_parts(parts: list) -> tuple[str, str]:
    """The text and the thought of a content that is divided into parts."""
    texts = []
    thoughts = []
    for part in parts:
        if isinstance(part, str):
            part = {"type": "text", "text": part}
        if not isinstance(part, dict):
            raise InvalidRow(f"content: found the part {_describe(part)}; expected text")
        text = part.get("text")
        thought = _first_of(part, *THOUGHT_KEYS)
        if isinstance(text, str):
            texts.append(text)
        elif isinstance(thought, str):
            thoughts.append(thought)
        else:
            raise InvalidRow(f"content: found a part of type {part.get('type')}; only text is supported")
    return "".join(texts), "".join(thoughts)


def _first_of(message: dict, *keys: str) -> Any:
    """The first value that is not null: data sets fill in the keys that some rows lack."""
    for key in keys:
        if message.get(key) is not None:
            return message[key]
    return None


def _describe(value: Any) -> str:
    """A value of the wrong type, for an error message."""
    if value is None:
        return "null"
    text = str(value)
    if len(text) > 80:
        text = f"{text[:80]}…"
    return f"{type(value).__name__} {text!r}" if isinstance(value, str) else f"{type(value).__name__} {text}"
