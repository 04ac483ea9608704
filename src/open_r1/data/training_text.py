"""Writes rows as the text that is trained on, and checks it: thoughts are kept, and the end of the answer is there."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from datasets import Dataset

from open_r1.data.load import first_rows
from open_r1.data.rows import InvalidRow, check_rows
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import split_thought


if TYPE_CHECKING:  # these import torch, which builders do without
    from transformers import PreTrainedTokenizerBase
    from trl import SFTConfig


logger = logging.getLogger(__name__)

MEASURED_ROWS = 256
ROUND_TRIPS = 8  # texts with which the tokenizer is checked


def check_training_text(dataset: Dataset, tokenizer: "PreTrainedTokenizerBase", args: "SFTConfig") -> list[int]:
    """Checks all rows as TRL will write them, and measures the first ones.

    Args:
        dataset (`Dataset`): With the columns that TRL's SFTTrainer takes, see `to_training_rows`.
        tokenizer (`PreTrainedTokenizerBase`): With the chat template that will be used.
        args (`SFTConfig`): For `max_length` and `eos_token`.

    Returns:
        `list[int]`: The lengths of the first rows in tokens.

    Raises:
        RecipeError: If a thought does not survive the template, or a turn does not end with the end-of-sequence token
            (the model would never learn to stop), with the row's number.
    """
    end = args.eos_token or tokenizer.eos_token
    if not end or end not in tokenizer.get_vocab():
        raise RecipeError(f"eos_token: {end!r} is not in the tokenizer's vocabulary; name a token that is.")

    def write(row: dict) -> str:
        return _training_text(row, tokenizer, args.dataset_text_field, end)

    lengths = check_and_measure(dataset, write, tokenizer)
    if args.max_length:
        overlong = [length for length in lengths if length > args.max_length]
        if overlong:
            logger.warning(
                "%d of %d rows have more than max_length = %d tokens: TRL truncates their answers and their ends",
                len(overlong),
                len(lengths),
                args.max_length,
            )
    return lengths


def check_and_measure(
    dataset: Dataset, write: Callable[[dict], str], tokenizer: "PreTrainedTokenizerBase"
) -> list[int]:
    """Checks that all rows can be written as text and that the tokenizer does not change it; measures the first ones.

    Args:
        dataset (`Dataset`): The rows.
        write (`Callable`): Returns the text of a row, or raises `InvalidRow`.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.

    Returns:
        `list[int]`: The lengths of the first rows in tokens.

    Raises:
        RecipeError: If a row cannot be written, with its number, or if the tokenizer changes a text.
    """
    from open_r1.models.loading import check_round_trip

    check_rows(dataset, write, "dataset")
    texts = [write(row) for row in first_rows(dataset, MEASURED_ROWS)]
    check_round_trip(tokenizer, texts[:ROUND_TRIPS])
    return [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]


def _training_text(row: dict, tokenizer: "PreTrainedTokenizerBase", text_field: str, end: str) -> str:
    """A row as the text that is trained on, end-of-sequence token included.

    Raises:
        InvalidRow: If the chat template does not write it as it should.
    """
    if text_field in row:
        return row[text_field] + end
    if "messages" in row:
        messages = row["messages"]
    elif isinstance(row["prompt"], str):
        return row["prompt"] + row["completion"] + end
    else:
        messages = row["prompt"] + row["completion"]
    template_variables = row.get("chat_template_kwargs") or {}
    text = as_text(messages, tokenizer, tools=row.get("tools"), **template_variables)
    if not text.rstrip().endswith(end):
        raise InvalidRow(
            f"the conversation ends with {text[-20:]!r}, not with the end-of-sequence token {end!r}, so the model "
            "would never learn to stop. Set `eos_token` to the token that ends an assistant's turn"
        )
    return text


def as_text(messages: list[dict], tokenizer: "PreTrainedTokenizerBase", **variables: Any) -> str:
    """A conversation as the tokenizer's chat template writes it.

    Args:
        messages (`list[dict]`): The conversation.
        tokenizer (`PreTrainedTokenizerBase`): With the chat template.
        **variables: Further variables of the template, such as `tools`.

    Raises:
        RecipeError: If there is no template.
        InvalidRow: If the template fails, or if it drops the thought of the last turn.
    """
    if not tokenizer.chat_template:
        raise RecipeError(
            "chat_template_path: the tokenizer has no chat template; name one, see recipes/chat_templates."
        )
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, **variables)
    except Exception as error:  # a template is a program, which can fail in any way
        raise InvalidRow(f"chat_template_path: the chat template fails: {type(error).__name__}: {error}") from error
    last_turn = split_thought(messages[-1]["content"])
    has_closed_thought = last_turn.thought is not None and last_turn.answer is not None
    if has_closed_thought and last_turn.thought.strip() not in text:
        raise InvalidRow(
            "chat_template_path: the chat template drops the thought (`<think>…</think>`) from what is trained on. "
            "Name a template that keeps it, see recipes/chat_templates"
        )
    return text
