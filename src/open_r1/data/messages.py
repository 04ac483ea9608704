"""Reads a message in the layouts that people store it in, and returns the one that TRL and chat templates take.

Read here are OpenAI's layout (`role`, `content`, `reasoning_content`, content in parts) and ShareGPT's (`from`,
`value`), both with calls of tools. `conversations` reads lists of messages.
"""

import ast
import json
from typing import Any

from open_r1.data.rows import InvalidRow
from open_r1.utils.text import CLOSE, OPEN, join_thought, shorten


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
THOUGHT_KEYS = ("reasoning_content", "reasoning", "thinking")
# Values of `reasoning` that are settings of a request.
REASONING_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
TOOL_KEYS = {"tool_calls": list, "tool_call_id": str, "name": str}
KEYS_OF_CALLS = {*TOOL_KEYS, "function_call"}
# Of one of these, a message that is stored as text must have a value.
CONTENT_KEYS = ("content", "value", "tool_calls", "function_call")
MAX_SHOWN = 80  # characters of a value in an error message


def read_message(message: Any, keep_nulls: bool) -> dict:
    """A message whose `role` and `content` are text; a thought of its own is put into the content.

    Args:
        message (`Any`): The message, as a data set has it.
        keep_nulls (`bool`): Whether arguments of calls that are null are the calls' own.

    Raises:
        InvalidRow: If it is not a message that can be read.
    """
    if not isinstance(message, dict):
        raise InvalidRow(f"found {describe_value(message)}; expected `role` and `content`")
    role = _read_role(message)
    tools = _read_tools(message, role, keep_nulls)
    content, thought = _read_content(message, may_be_missing="tool_calls" in tools)
    has_thought = content.lstrip().startswith(OPEN) or CLOSE in content
    if thought and role == "assistant" and not has_thought:
        if not isinstance(thought, str):
            raise InvalidRow(f"the thought: found {describe_value(thought)}; expected text")
        content = join_thought(thought, content)
    return {"role": role, "content": content, **tools}


def is_message(value: Any) -> bool:
    """Whether a value looks like a message, whatever its role and content are."""
    return isinstance(value, dict) and ("role" in value or "from" in value)


def role_of(message: dict) -> str | None:
    """The role of a message under its usual name, if it is known; `None` if there is none."""
    role = _first_of(message, "role", "from")
    if not isinstance(role, str):
        return None
    if role.lower() in ROLES:
        return role.lower()
    return OTHER_NAMES_OF_ROLES.get(role.lower(), role)


def has_content(message: dict) -> bool:
    """Whether a message says something or calls a tool."""
    return _first_of(message, *CONTENT_KEYS) is not None


def calls_tools(message: Any) -> bool:
    """Whether a message as it is stored calls a tool, or has a key that only messages about tools have."""
    if not isinstance(message, dict):
        return False
    return _is_call(message) or any(message.get(key) for key in KEYS_OF_CALLS)


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


def parse_literal(text: str) -> Any:
    """A value from JSON or from a Python literal; `None` if the text is neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def describe_value(value: Any) -> str:
    """A value of the wrong type, for an error message."""
    if value is None:
        return "null"
    text = shorten(str(value), MAX_SHOWN)
    if isinstance(value, str):
        text = repr(text)
    return f"{type(value).__name__} {text}"


def _read_role(message: dict) -> str:
    role = role_of(message)
    if role is None:
        raise InvalidRow(f"found the keys {', '.join(message)}; expected `role` and `content`, or `from` and `value`")
    if role not in ROLES:
        raise InvalidRow(f"role: found {role!r}; expected one of {', '.join(ROLES)}")
    return role


def _read_content(message: dict, may_be_missing: bool) -> tuple[str, Any]:
    """The text of a message, and the thought that it has beside the text (`None` if there is none)."""
    if _is_call(message):
        return "", None
    content = _first_of(message, "content", "value")
    if content is None and may_be_missing:
        content = ""
    thought = _thought_of(message)
    if isinstance(content, list):
        content, thought_in_parts = _read_parts(content)
        thought = thought or thought_in_parts
    if not isinstance(content, str):
        raise InvalidRow(f"content: found {describe_value(content)}; expected text")
    return content, thought


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
        value = parse_literal(value.strip())
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not value:
        raise InvalidRow(f"found the call {describe_value(stored)}; expected JSON with `name` and `arguments`")
    calls = []
    for call in value:
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            raise InvalidRow(f"found the call {describe_value(call)}; expected `name` and `arguments`")
        arguments = call.get("arguments", {})
        if not isinstance(arguments, dict | str):
            raise InvalidRow(f"found the arguments {describe_value(arguments)} of a call; expected values by name")
        calls.append({"type": "function", "function": {"name": call["name"], "arguments": arguments}})
    return calls


def _read_tools(message: dict, role: str, keep_nulls: bool) -> dict:
    """What a message says of tools: the calls of an assistant, or which call a result answers."""
    tools = {}
    for key, expected in TOOL_KEYS.items():
        value = message.get(key)
        if not value:
            continue
        if not isinstance(value, expected):
            raise InvalidRow(f"{key}: found {describe_value(value)}; expected {expected.__name__}")
        tools[key] = value if keep_nulls else without_nulls(value)
    older_call = message.get("function_call")
    if _is_call(message):
        tools["tool_calls"] = _read_calls(_first_of(message, "content", "value"))
    elif role == "assistant" and older_call and "tool_calls" not in tools:
        tools["tool_calls"] = _read_calls(older_call if keep_nulls else without_nulls(older_call))
    return tools


def _read_parts(parts: list) -> tuple[str, str]:
    """The text and the thought of a content that is divided into parts."""
    texts = []
    thoughts = []
    for part in parts:
        if isinstance(part, str):
            part = {"type": "text", "text": part}
        if not isinstance(part, dict):
            raise InvalidRow(f"content: found the part {describe_value(part)}; expected text")
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
