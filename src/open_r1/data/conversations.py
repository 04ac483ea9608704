"""Checks supervised data before training: TRL can read it, the template keeps thoughts, and the end is trained on."""

import logging
from typing import TYPE_CHECKING

import jinja2
from datasets import Dataset

from open_r1.utils.errors import RecipeError
from open_r1.utils.text import split_thought


if TYPE_CHECKING:  # these import torch, which builders do without
    from transformers import PreTrainedTokenizerBase
    from trl import SFTConfig


logger = logging.getLogger(__name__)

CHECKED_ROWS = 256


def check_conversations(dataset: Dataset, tokenizer: "PreTrainedTokenizerBase", args: "SFTConfig") -> list[int]:
    """Checks the first rows as TRL will write them.

    Args:
        dataset (`Dataset`): With the columns that TRL's SFTTrainer takes.
        tokenizer (`PreTrainedTokenizerBase`): With the chat template that will be used.
        args (`SFTConfig`): For `max_length` and `eos_token`.

    Returns:
        `list[int]`: Their lengths in tokens.

    Raises:
        RecipeError: If columns are missing, a thought does not survive the template, or a turn does not end with the
            end-of-sequence token (the model would never learn to stop).
    """
    rows = dataset.select(range(min(CHECKED_ROWS, len(dataset))))
    texts = [_training_text(row, tokenizer, args) for row in rows]
    from open_r1.models.loading import check_round_trip

    check_round_trip(tokenizer, texts[:8])
    lengths = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
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


def _training_text(row: dict, tokenizer: "PreTrainedTokenizerBase", args: "SFTConfig") -> str:
    """A row as the text that is trained on, end-of-sequence token included."""
    end = args.eos_token or tokenizer.eos_token
    if not end or end not in tokenizer.get_vocab():
        raise RecipeError(f"eos_token: {end!r} is not in the tokenizer's vocabulary; name a token that is.")
    from trl.data_utils import is_conversational

    if is_conversational(row):
        return _conversation_text(row, tokenizer, end)
    if "completion" in row and "prompt" in row:
        return row["prompt"] + row["completion"] + end
    if isinstance(row.get(args.dataset_text_field), str):
        return row[args.dataset_text_field] + end
    raise RecipeError(
        f"dataset: found the columns {', '.join(row)}; SFT takes `messages`; `prompt` and `completion`; or `text`."
    )


def _conversation_text(row: dict, tokenizer: "PreTrainedTokenizerBase", end: str) -> str:
    """A conversation as text, after a check that its last turn ends with the end-of-sequence token."""
    if "messages" in row:
        messages = row["messages"]
    else:
        messages = row["prompt"] + row["completion"]
    text = as_text(messages, tokenizer)
    if not text.rstrip().endswith(end):
        raise RecipeError(
            f"eos_token: a conversation ends with {text[-20:]!r}, not with the end-of-sequence token {end!r}, so the "
            "model would never learn to stop. Set `eos_token` to the token that ends an assistant's turn."
        )
    return text


def as_text(messages: list[dict], tokenizer: "PreTrainedTokenizerBase") -> str:
    """A conversation as the tokenizer's chat template writes it.

    Raises:
        RecipeError: If there is no template, if it fails, or if it drops the thought of the last turn.
    """
    if not tokenizer.chat_template:
        raise RecipeError(
            "chat_template_path: the tokenizer has no chat template; name one, see recipes/chat_templates."
        )
    if not messages or not all(isinstance(message.get("content"), str) for message in messages):
        raise RecipeError(
            f"dataset: found the conversation {str(messages)[:200]}; expected messages with text as content."
        )
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False)
    except jinja2.TemplateError as error:
        raise RecipeError(f"chat_template_path: the chat template fails on the first rows: {error}") from error
    last_turn = split_thought(messages[-1]["content"])
    has_closed_thought = last_turn.thought is not None and last_turn.answer is not None
    if has_closed_thought and last_turn.thought.strip() not in text:
        raise RecipeError(
            "chat_template_path: the chat template drops the thought (`<think>…</think>`) from what is trained on. "
            "Name a template that keeps it, see recipes/chat_templates."
        )
    return text
