"""Writes rows as the text that is trained on, and checks it: thoughts are kept, and the end of the answer is there.

TRL cuts off what is longer than `max_length`: the answer, and the end-of-sequence token, so that the model learns to
think without end. [`drop_overlong`] leaves such rows out.
"""

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
ADDED_TOKENS = 2  # at most, by the tokenizer itself: at the beginning and at the end


def check_training_text(dataset: Dataset, tokenizer: "PreTrainedTokenizerBase", args: "SFTConfig") -> None:
    """Checks all rows as TRL will write them.

    Args:
        dataset (`Dataset`): With the columns that TRL's SFTTrainer takes, see `to_training_rows`.
        tokenizer (`PreTrainedTokenizerBase`): With the chat template that will be used.
        args (`SFTConfig`): For `eos_token`.

    Raises:
        RecipeError: If a thought does not survive the template, or a turn does not end with the end-of-sequence token
            (the model would never learn to stop), with the row's number.
    """
    check_texts(dataset, _writer(tokenizer, args), tokenizer)


def measure_rows(dataset: Dataset, tokenizer: "PreTrainedTokenizerBase", args: "SFTConfig") -> list[int]:
    """Measures the first rows, in tokens. Takes the arguments of [`check_training_text`]."""
    return measure_texts(dataset, _writer(tokenizer, args), tokenizer)


def drop_overlong(dataset: Dataset, tokenizer: "PreTrainedTokenizerBase", args: "SFTConfig") -> Dataset:
    """Drops the rows that TRL would cut off, and logs how many.

    Rows of plain text (`text`) are kept, as for pre-training; how many will be cut off is logged. With a
    `packing_strategy` that splits rows, none is cut off.

    Args:
        dataset (`Dataset`): With the columns that TRL's SFTTrainer takes, see `to_training_rows`.
        tokenizer (`PreTrainedTokenizerBase`): With the chat template that will be used.
        args (`SFTConfig`): For `max_length`, `packing` and `dataset_num_proc`.

    Raises:
        RecipeError: If no row is short enough.
    """
    limit = args.max_length
    if not limit or (args.packing and args.packing_strategy != "bfd"):
        return dataset
    write = _writer(tokenizer, args)

    def fits(row: dict) -> bool:
        is_plain_text = "messages" not in row and not isinstance(row.get("prompt"), list)
        return fits_in(limit, write(row), tokenizer, add_special_tokens=is_plain_text)

    with args.main_process_first(desc="measuring rows"):  # the others read its result from the cache
        kept = dataset.filter(fits, num_proc=args.dataset_num_proc, desc="Measuring rows")
    dropped = len(dataset) - len(kept)
    if not dropped:
        return dataset
    found = f"{dropped:,} of {len(dataset):,} rows have more than max_length = {limit:,} tokens"
    if args.dataset_text_field in dataset.column_names:
        logger.warning("%s, and will be cut off", found)
        return dataset
    if not len(kept):
        raise RecipeError(f"max_length: all {found}; none is left to train on.")
    logger.warning("%s and were dropped: cut off, they would have neither their answers nor their ends", found)
    return kept


def fits_in(limit: int, text: str, tokenizer: "PreTrainedTokenizerBase", add_special_tokens: bool) -> bool:
    """Whether a text has at most so many tokens.

    Args:
        limit (`int`): Number of tokens.
        text (`str`): The text.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.
        add_special_tokens (`bool`): Whether the tokenizer adds special tokens, such as one for the beginning.
    """
    if len(text.encode()) + ADDED_TOKENS <= limit:  # a token has at least one byte
        return True
    return len(tokenizer(text, add_special_tokens=add_special_tokens)["input_ids"]) <= limit


def check_texts(dataset: Dataset, write: Callable[[dict], str], tokenizer: "PreTrainedTokenizerBase") -> None:
    """Checks that all rows can be written as text, and that the tokenizer does not change it.

    Args:
        dataset (`Dataset`): The rows.
        write (`Callable`): Returns the text of a row, or raises `InvalidRow`.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.

    Raises:
        RecipeError: If a row cannot be written, with its number, or if the tokenizer changes a text.
    """
    from open_r1.models.loading import check_round_trip

    check_rows(dataset, write, "dataset")
    check_round_trip(tokenizer, [write(row) for row in first_rows(dataset, ROUND_TRIPS)])


def measure_texts(dataset: Dataset, write: Callable[[dict], str], tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """Measures the first rows, in tokens. Takes the arguments of [`check_texts`]."""
    texts = [write(row) for row in first_rows(dataset, MEASURED_ROWS)]
    return [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]


def _writer(tokenizer: "PreTrainedTokenizerBase", args: "SFTConfig") -> Callable[[dict], str]:
    """The function that writes a row as TRL will.

    Raises:
        RecipeError: If the end-of-sequence token is not in the vocabulary.
    """
    end = args.eos_token or tokenizer.eos_token
    if not end or end not in tokenizer.get_vocab():
        raise RecipeError(f"eos_token: {end!r} is not in the tokenizer's vocabulary; name a token that is.")

    text_field = args.dataset_text_field

    # `datasets` caches results by what this function refers to. `args` would be of one process, and of one run.
    def write(row: dict) -> str:
        return _training_text(row, tokenizer, text_field, end)

    return write


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
