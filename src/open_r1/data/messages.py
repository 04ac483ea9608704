"""Reads conversations in the layouts that people store them in, and returns the one that TRL and chat templates take.

Read here are OpenAI's layout (`role`, `content`, `reasoning_content`, content in parts), ShareGPT's (`from`, `value`),
and either of them as JSON text. What cannot be read raises `InvalidRow` with the reason; callers add the row.
"""

import json
from typing import Any

from open_r1.utils.text import CLOSE, OPEN, join_thought


ROLES = ("system", "developer", "user", "assistant", "tool")
OTHER_NAMES_OF_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "function": "tool",
    "ipython": "tool",
    "observation": "tool",
    "function_response": "tool",
}
THOUGHT_KEYS = ("reasoning_content", "reasoning", "thinking")
TOOL_KEYS = ("tool_calls", "tool_call_id", "name")


class InvalidRow(ValueError):
    """A row that cannot be used. The message says why; whoever reads all rows adds which one it is."""


def read_messages(value: Any) -> list[dict]:
    """A conversation as messages whose `role` and `content` are text; a thought of its own is put into the content.

    Args:
        value (`Any`): The conversation, as a data set has it.

    Raises:
        InvalidRow: If it is not a conversation, naming the message and what is wrong with it.

    >>> read_messages([{"from": "human", "value": "2+2?"}])
    [{'role': 'user', 'content': '2+2?'}]
    >>> read_messages([{"role": "assistant", "reasoning_content": "2+2", "content": [{"type": "text", "text": "4"}]}])
    [{'role': 'assistant', 'content': '<think>2+2</think>4'}]
    """
    if isinstance(value, str):
        value = parse_conversation(value)
    if not isinstance(value, list):
        raise InvalidRow(f"found {_describe(value)}; expected a list of messages")
    if not value:
        raise InvalidRow("the conversation is empty")
    messages = []
    for number, message in enumerate(value, start=1):
        try:
            messages.append(_read_message(message))
        except InvalidRow as error:
            raise InvalidRow(f"message {number} of {len(value)}: {error}") from error
    return messages


def parse_conversation(text: str) -> list | str:
    """A conversation that is stored as JSON text; any other text as it is.

    >>> parse_conversation('[{"role": "user", "content": "2+2?"}]'), parse_conversation("[1, 2]")
    ([{'role': 'user', 'content': '2+2?'}], '[1, 2]')
    """
    if not text.lstrip().startswith("[") or not text.rstrip().endswith("]"):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if not value or not all(isinstance(message, dict) and _has_role(message) for message in value):
        return text
    return value


def _has_role(message: dict) -> bool:
    return "role" in message or "from" in message


def _read_message(message: Any) -> dict:
    if not isinstance(message, dict):
        raise InvalidRow(f"found {_describe(message)}; expected `role` and `content`")
    role = _first_of(message, "role", "from")
    if not isinstance(role, str):
        raise InvalidRow(f"found the keys {', '.join(message)}; expected `role` and `content`, or `from` and `value`")
    role = OTHER_NAMES_OF_ROLES.get(role, role)
    if role not in ROLES:
        raise InvalidRow(f"role: found {role!r}; expected one of {', '.join(ROLES)}")
    tools = {key: message[key] for key in TOOL_KEYS if message.get(key)}
    content = _first_of(message, "content", "value")
    if content is None and "tool_calls" in tools:
        content = ""
    content = _read_content(content)
    thought = _first_of(message, *THOUGHT_KEYS)
    if thought and role == "assistant" and OPEN not in content and CLOSE not in content:
        content = join_thought(thought, content)
    return {"role": role, "content": content, **tools}


def _read_content(content: Any) -> str:
    """The text of a message's content, which may be divided into parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise InvalidRow(f"content: found {_describe(content)}; expected text")
    texts = []
    for part in content:
        text = part.get("text") if isinstance(part, dict) else part
        if not isinstance(text, str):
            kind = part.get("type") if isinstance(part, dict) else _describe(part)
            raise InvalidRow(f"content: found a part of type {kind}; only text is supported")
        texts.append(text)
    return "".join(texts)


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
