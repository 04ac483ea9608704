"""Rows of supervised fine-tuning, with only the columns that TRL is to train on.

Left to itself, TRL chooses a format by the names of all columns, and reads a conversation where a data set merely has
a column of that name. Here the format is chosen first, every row is read, and all other columns are dropped.
"""

import json
import logging
from typing import Any

import pyarrow as pa
from datasets import Dataset, Features, Json, List, Value
from pyarrow import compute

from open_r1.configs import SFTScriptArguments
from open_r1.data.conversations import (
    ROLES_OF_COMPLETIONS,
    SYSTEM_COLUMNS,
    add_system_message,
    conversation_type,
    has_own_nulls,
    is_conversation,
    read_messages,
    read_text_or_messages,
    refuse_untrained_answers,
)
from open_r1.data.load import existing_columns
from open_r1.data.messages import without_nulls
from open_r1.data.rows import InvalidRow, convert_rows
from open_r1.utils.errors import RecipeError, did_you_mean
from open_r1.utils.text import CLOSE, OPEN, prompt_messages, split_thought


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
# Arguments that TRL and transformers give to the chat template themselves.
RESERVED_VARIABLES = (
    "messages",
    "conversation",
    "tools",
    "tokenizer",
    "chat_template",
    "tokenize",
    "add_generation_prompt",
    "continue_final_message",
    "padding",
    "truncation",
    "max_length",
    "return_tensors",
    "return_dict",
    "return_assistant_tokens_mask",
    "tokenizer_kwargs",
)
IMAGE_COLUMNS = ("image", "images")


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
            converted = _read_prompt_and_completion(row, has_messages, dataset.features)
        elif format_name == "alpaca":
            converted = _read_alpaca(row)
        elif format_name == "text":
            converted = {text_field: _read_text(row[text_field], text_field)}
        else:
            converted = _read_conversation(row, columns[0], has_own_nulls(dataset.features[columns[0]]))
        for name in template_columns:
            converted[name] = _read_template_column(row[name], name, has_own_nulls(dataset.features[name]))
        return converted

    used = existing_columns(dataset, [*columns, *optional_columns, *template_columns])
    not_used = [name for name in dataset.column_names if name not in used]
    if not_used:
        logger.info("training on the columns %s; not used: %s", ", ".join(used), ", ".join(not_used))
    _warn_about_images(dataset)
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


def _warn_about_images(dataset: Dataset) -> None:
    """Says that pictures are not trained on, if there are any."""
    for name in existing_columns(dataset, IMAGE_COLUMNS):
        stored = dataset.data.column(name)
        if pa.types.is_list(stored.type):
            has_images = (compute.max(compute.list_value_length(stored)).as_py() or 0) > 0
        else:
            has_images = stored.null_count < len(stored)
        if has_images:
            logger.warning("the column %s has pictures; only text is trained on", name)


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


def _read_conversation(row: dict, column: str, keep_nulls: bool) -> dict:
    messages = read_messages(row[column], keep_nulls)
    refuse_untrained_answers(row[column])
    _require_answer(messages)
    _require_content(messages)
    messages = add_system_message(messages, row)
    return {"messages": messages}


def _require_answer(messages: list[dict]) -> None:
    """Stops if a conversation does not end with an answer of the assistant, which is what is learnt."""
    last = messages[-1]
    if last["role"] != "assistant":
        raise InvalidRow(f"the conversation ends with a message of the {last['role']}; expected the assistant")
    if "tool_calls" in last:
        return
    try:
        _require_complete(last["content"])
    except InvalidRow as error:
        raise InvalidRow(f"the conversation ends with {error}") from error


def _require_complete(answer: str) -> None:
    """Stops at an answer that is empty or ends within or right after its thought."""
    if not answer.strip():
        raise InvalidRow("an empty answer")
    after_thought = split_thought(answer).answer
    begins_with_thought = answer.lstrip().startswith(OPEN)
    if after_thought is None and begins_with_thought:
        raise InvalidRow(f"a thought that is never closed (no {CLOSE} after the last {OPEN})")
    if after_thought is not None and not after_thought.strip():
        raise InvalidRow("a thought that no answer follows")


def _require_content(messages: list[dict]) -> None:
    """Stops at a turn of the user or the assistant in which nothing is said."""
    for number, message in enumerate(messages, start=1):
        is_blank = not message["content"].strip() and "tool_calls" not in message
        if message["role"] in ("user", "assistant") and is_blank:
            raise InvalidRow(f"message {number} of {len(messages)}: the {message['role']} says nothing")


def _read_prompt_and_completion(row: dict, has_messages: bool, features: Features) -> dict:
    """Both as text, or both as messages if one of them is."""
    keep_nulls = has_own_nulls(features["prompt"])
    prompt = read_text_or_messages(row["prompt"], "prompt", keep_nulls=keep_nulls)
    keep_nulls = has_own_nulls(features["completion"])
    completion = read_text_or_messages(row["completion"], "completion", ROLES_OF_COMPLETIONS, keep_nulls)
    if isinstance(completion, str):
        try:
            _require_complete(completion)
        except InvalidRow as error:
            raise InvalidRow(f"completion: found {error}") from error
    row_has_messages = isinstance(prompt, list) or isinstance(completion, list)
    if row_has_messages != has_messages:
        raise InvalidRow("some rows have text and others have messages; bring all of them into the same form")
    if not has_messages:
        return {"prompt": prompt, "completion": completion}
    if isinstance(completion, str):
        completion = [{"role": "assistant", "content": completion}]
    else:
        refuse_untrained_answers(row["completion"])
    prompt = prompt_messages(prompt)
    for name, messages in (("prompt", prompt), ("completion", completion)):
        try:
            if name == "completion":
                _require_answer(messages)
            _require_content(messages)
        except InvalidRow as error:
            raise InvalidRow(f"{name}: {error}") from error
    return {"prompt": add_system_message(prompt, row), "completion": completion}


def _read_alpaca(row: dict) -> dict:
    """`instruction`, `input` and `output` (and a system message) as a conversation."""
    messages = [
        {"role": "user", "content": read_instruction(row)},
        {"role": "assistant", "content": _read_text(row["output"], "output")},
    ]
    _require_answer(messages)
    return {"messages": add_system_message(messages, row)}


def read_instruction(row: dict) -> str:
    """The request of a row of Alpaca's columns: `instruction`, and `input` if there is one.

    Raises:
        InvalidRow: If there is no instruction.

    >>> read_instruction({"instruction": "Add them.", "input": "2, 2"})
    'Add them.\\n\\n2, 2'
    """
    question = _read_text(row["instruction"], "instruction")
    addition = row.get("input")
    if isinstance(addition, str) and not addition.strip():
        addition = None
    if addition is not None:
        question += f"\n\n{_read_text(addition, 'input')}"
    return question


def _read_template_column(value: Any, name: str, keep_nulls: bool) -> Any:
    """A column for the chat template, which may be stored as JSON text: the tools, or further variables."""
    if isinstance(value, str) and not value.strip():
        value = None
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise InvalidRow(f"{name}: found text that is not JSON ({error})") from error
    if name == "tools":
        if value is not None and not isinstance(value, list):
            raise InvalidRow(f"tools: found {type(value).__name__}; expected a list of tools")
        return value if keep_nulls else without_nulls(value)
    if value is not None and not isinstance(value, dict):
        raise InvalidRow(f"{name}: found {type(value).__name__}; expected variables of the chat template by name")
    variables = value or {}
    if not keep_nulls:
        variables = without_nulls(variables)
    for variable in variables:
        if variable in RESERVED_VARIABLES:
            raise InvalidRow(f"{name}: found {variable!r}, which is no variable of a template; leave it out")
    return variables


def _read_text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        found = "null" if value is None else type(value).__name__
        raise InvalidRow(f"{name}: found {found}; expected text")
    if not value.strip():
        raise InvalidRow(f"{name}: the text is empty")
    return value
