"""Rows of supervised fine-tuning, with only the columns that TRL is to train on.

Left to itself, TRL chooses a format by the names of all columns, and reads a conversation where a data set merely has
a column of that name. Here the format is chosen first, every row is read, and all other columns are dropped.
"""

import json
import logging
from typing import Any

from datasets import Dataset, Features, Json, List, Value

from open_r1.configs import SFTScriptArguments
from open_r1.data.load import existing_columns
from open_r1.data.messages import (
    ROLES_OF_COMPLETIONS,
    SYSTEM_COLUMNS,
    add_system_message,
    conversation_type,
    is_conversation,
    read_messages,
    read_text_or_messages,
    without_nulls,
)
from open_r1.data.rows import InvalidRow, convert_rows
from open_r1.utils.errors import RecipeError, did_you_mean
from open_r1.utils.text import prompt_messages


logger = logging.getLogger(__name__)

# The columns by which a format is recognised, in the order in which formats are tried.
FORMATS = {
    "messages": ("messages",),
    "sharegpt": ("conversations",),
    "prompt_completion": ("prompt", "completion"),
    "alpaca": ("instruction", "output"),
    "text": ("text",),
}
# Columns that TRL gives to the chat template, beside the messages.
TEMPLATE_COLUMNS = ("tools", "chat_template_kwargs")


def to_training_rows(dataset: Dataset, args: SFTScriptArguments, text_field: str) -> Dataset:
    """Brings rows into one of TRL's formats: `messages`, `prompt` and `completion`, or text.

    Args:
        dataset (`Dataset`): Rows in one of `FORMATS`.
        args (`SFTScriptArguments`): `dataset_format` and `dataset_messages_column`.
        text_field (`str`): TRL's `dataset_text_field`.

    Raises:
        RecipeError: If the columns are of none of the formats, or a row cannot be trained on, with its number.
    """
    format_name = _find_format(dataset, args, text_field)
    columns = _columns_of(format_name, args, text_field)
    types = _types_of(format_name, columns, dataset)
    has_messages = any(isinstance(feature, List) for feature in types.values())
    optional_columns = []
    template_columns = []
    if has_messages:
        optional_columns += SYSTEM_COLUMNS
        template_columns = existing_columns(dataset, TEMPLATE_COLUMNS)
    if format_name == "alpaca":
        optional_columns.append("input")
    types |= dict.fromkeys(template_columns, Json())

    def convert(row: dict) -> dict:
        if format_name == "prompt_completion":
            converted = _read_prompt_and_completion(row, has_messages)
        elif format_name == "alpaca":
            converted = _read_alpaca(row)
        elif format_name == "text":
            converted = {text_field: _read_text(row[text_field], text_field)}
        else:
            converted = _read_conversation(row, columns[0])
        for name in template_columns:
            converted[name] = _read_template_column(row[name], name)
        return converted

    used = existing_columns(dataset, [*columns, *optional_columns, *template_columns])
    not_used = [name for name in dataset.column_names if name not in used]
    if not_used:
        logger.info("training on the columns %s; not used: %s", ", ".join(used), ", ".join(not_used))
    return convert_rows(
        dataset,
        convert,
        "dataset",
        remove_columns=dataset.column_names,
        features=Features(types),
        description="Reading rows",
    )


def _find_format(dataset: Dataset, args: SFTScriptArguments, text_field: str) -> str:
    """The format that the recipe names, or else the first one whose columns the data set has."""
    existing = dataset.column_names
    named = args.dataset_messages_column
    if named and named not in existing:
        raise RecipeError(
            f"dataset_messages_column: found {named!r}; expected one of the columns {', '.join(existing)}"
            f"{did_you_mean(named, existing)}"
        )
    names = [args.dataset_format]
    if args.dataset_format == "auto":
        names = list(FORMATS)
    for name in names:
        if set(_columns_of(name, args, text_field)) <= set(existing):
            return name
    expected = "; ".join(" and ".join(_columns_of(name, args, text_field)) for name in names)
    raise RecipeError(
        f"dataset: found the columns {', '.join(existing)}; expected {expected}. Conversations in another "
        "column are named by dataset_messages_column."
    )


def _columns_of(format_name: str, args: SFTScriptArguments, text_field: str) -> tuple[str, ...]:
    if format_name == "text":
        return (text_field,)
    if format_name in ("messages", "sharegpt") and args.dataset_messages_column:
        return (args.dataset_messages_column,)
    return FORMATS[format_name]


def _types_of(format_name: str, columns: tuple[str, ...], dataset: Dataset) -> dict[str, Any]:
    """The types of the columns that a format is brought into."""
    if format_name == "text":
        return {columns[0]: Value("string")}
    if format_name == "alpaca":
        return {"messages": List({"role": Value("string"), "content": Value("string")})}
    if format_name in ("messages", "sharegpt"):
        return {"messages": conversation_type(dataset, columns[0])}
    first_row = dataset[0]
    prompt_is_conversation = is_conversation(first_row["prompt"])
    if prompt_is_conversation or is_conversation(first_row["completion"], ROLES_OF_COMPLETIONS):
        return {name: conversation_type(dataset, name) for name in columns}
    return dict.fromkeys(columns, Value("string"))


def _read_conversation(row: dict, column: str) -> dict:
    messages = add_system_message(read_messages(row[column]), row)
    _require_answer(messages)
    return {"messages": messages}


def _require_answer(messages: list[dict]) -> None:
    """Stops if a conversation does not end with an answer of the assistant, which is what is learnt."""
    last = messages[-1]
    if last["role"] != "assistant":
        raise InvalidRow(f"the conversation ends with a message of the {last['role']}; expected the assistant")
    if not last["content"].strip() and "tool_calls" not in last:
        raise InvalidRow("the conversation ends with an empty answer")


def _read_prompt_and_completion(row: dict, has_messages: bool) -> dict:
    """Both as text, or both as messages if one of them is."""
    prompt = read_text_or_messages(row["prompt"], "prompt")
    completion = read_text_or_messages(row["completion"], "completion", ROLES_OF_COMPLETIONS)
    if not completion:
        raise InvalidRow("completion: the text is empty")
    row_has_messages = isinstance(prompt, list) or isinstance(completion, list)
    if row_has_messages != has_messages:
        raise InvalidRow("some rows have text and others have messages; bring all of them into the same form")
    if not has_messages:
        return {"prompt": prompt, "completion": completion}
    if isinstance(completion, str):
        completion = [{"role": "assistant", "content": completion}]
    try:
        _require_answer(completion)
    except InvalidRow as error:
        raise InvalidRow(f"completion: {error}") from error
    return {"prompt": add_system_message(prompt_messages(prompt), row), "completion": completion}


def _read_alpaca(row: dict) -> dict:
    """`instruction`, `input` and `output` (and a system message) as a conversation."""
    question = _read_text(row["instruction"], "instruction")
    if row.get("input"):
        question += f"\n\n{_read_text(row['input'], 'input')}"
    messages = []
    messages.append({"role": "user", "content": question})
    messages.append({"role": "assistant", "content": _read_text(row["output"], "output")})
    return {"messages": add_system_message(messages, row)}


def _read_template_column(value: Any, name: str) -> Any:
    """A column for the chat template, which may be stored as JSON text: the tools, or further variables."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise InvalidRow(f"{name}: found text that is not JSON ({error})") from error
    if name == "tools":
        if value is not None and not isinstance(value, list):
            raise InvalidRow(f"tools: found {type(value).__name__}; expected a list of tools")
        return without_nulls(value)
    if value is not None and not isinstance(value, dict):
        raise InvalidRow(f"{name}: found {type(value).__name__}; expected variables of the chat template by name")
    return without_nulls(value or {})


def _read_text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        found = "null" if value is None else type(value).__name__
        raise InvalidRow(f"{name}: found {found}; expected text")
    if not value:
        raise InvalidRow(f"{name}: the text is empty")
    return value
