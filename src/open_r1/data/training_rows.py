"""Rows of supervised fine-tuning, with only the columns that TRL is to train on.

Left to itself, TRL chooses a format by the names of all columns, and reads a conversation where a data set merely has
a column of that name. Here the format is chosen first, every row is read, and all other columns are dropped.
"""

import logging
from collections.abc import Callable
from typing import Any

from datasets import Dataset

from open_r1.configs import SFTScriptArguments
from open_r1.data.messages import InvalidRow, parse_conversation, read_messages
from open_r1.utils.errors import RecipeError
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
KEPT = "tools"  # a column that chat templates take beside the messages


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
    readers: dict[str, Callable[[dict], dict]] = {
        "messages": lambda row: _read_conversation(row[columns[0]]),
        "sharegpt": lambda row: _read_conversation(row[columns[0]]),
        "prompt_completion": _read_prompt_and_completion,
        "alpaca": _read_alpaca,
        "text": lambda row: {text_field: _read_text(row[text_field], text_field)},
    }
    read = readers[format_name]

    def convert(row: dict, index: int) -> dict:
        try:
            return read(row)
        except InvalidRow as error:
            raise RecipeError(f"dataset: row {index + 1} of {len(dataset)}: {error}.") from error

    dropped = [name for name in dataset.column_names if name not in (*columns, KEPT)]
    if dropped:
        logger.info("training on the columns %s; not used: %s", ", ".join(columns), ", ".join(dropped))
    to_remove = [name for name in dataset.column_names if name != KEPT]
    return dataset.map(convert, with_indices=True, remove_columns=to_remove, desc="Reading rows")


def _find_format(dataset: Dataset, args: SFTScriptArguments, text_field: str) -> str:
    """The format that the recipe names, or else the first one whose columns the data set has."""
    names = [args.dataset_format]
    if args.dataset_format == "auto":
        names = list(FORMATS)
    for name in names:
        if set(_columns_of(name, args, text_field)) <= set(dataset.column_names):
            return name
    expected = "; ".join(" and ".join(_columns_of(name, args, text_field)) for name in names)
    raise RecipeError(
        f"dataset: found the columns {', '.join(dataset.column_names)}; expected {expected}. Conversations in another "
        "column are named by dataset_messages_column."
    )


def _columns_of(format_name: str, args: SFTScriptArguments, text_field: str) -> tuple[str, ...]:
    if format_name == "text":
        return (text_field,)
    if format_name in ("messages", "sharegpt") and args.dataset_messages_column:
        return (args.dataset_messages_column,)
    return FORMATS[format_name]


def _read_conversation(value: Any) -> dict:
    messages = read_messages(value)
    if messages[-1]["role"] != "assistant":
        raise InvalidRow(f"the conversation ends with a message of the {messages[-1]['role']}; expected the assistant")
    return {"messages": messages}


def _read_prompt_and_completion(row: dict) -> dict:
    """Both as text, or both as messages if one of them is."""
    prompt = _read_part(row["prompt"], "prompt")
    completion = _read_part(row["completion"], "completion")
    if isinstance(prompt, str) and isinstance(completion, str):
        return {"prompt": prompt, "completion": completion}
    if isinstance(completion, str):
        completion = [{"role": "assistant", "content": completion}]
    if completion[-1]["role"] != "assistant":
        raise InvalidRow(f"completion: ends with a message of the {completion[-1]['role']}; expected the assistant")
    return {"prompt": prompt_messages(prompt), "completion": completion}


def _read_part(value: Any, name: str) -> str | list[dict]:
    if isinstance(value, str):
        value = parse_conversation(value)
    if isinstance(value, str):
        return value
    try:
        return read_messages(value)
    except InvalidRow as error:
        raise InvalidRow(f"{name}: {error}") from error


def _read_alpaca(row: dict) -> dict:
    """`instruction`, `input` and `output` (and `system`) as a conversation."""
    question = _read_text(row["instruction"], "instruction")
    if row.get("input"):
        question += f"\n\n{_read_text(row['input'], 'input')}"
    messages = []
    if row.get("system"):
        messages.append({"role": "system", "content": _read_text(row["system"], "system")})
    messages.append({"role": "user", "content": question})
    messages.append({"role": "assistant", "content": _read_text(row["output"], "output")})
    return {"messages": messages}


def _read_text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        found = "null" if value is None else type(value).__name__
        raise InvalidRow(f"{name}: found {found}; expected text")
    if not value:
        raise InvalidRow(f"{name}: the text is empty")
    return value
