"""Rows as builders work on them, and as they write them.

While a builder works, a row has `prompt` (text or messages), `completion` (text, `<think>thought</think>summary`),
`prompt_id`, and whatever columns came with it. The finished set has `messages` in place of prompt and completion,
since TRL would take a `prompt` for something else.
"""

import hashlib
import json
from typing import Any
from zlib import crc32

from datasets import Dataset, Features, Value
from pyarrow import compute

from open_r1.builders.filters import Duplicates
from open_r1.configs import BuilderArguments, SelectionArguments
from open_r1.data.conversations import conversation_type, is_conversation, read_answer
from open_r1.data.load import existing_columns, hide_short_progress_bars, load_split, rename_columns, require_column
from open_r1.data.prompts import read_question
from open_r1.data.rows import InvalidRow, convert_rows
from open_r1.data.training_text import as_text
from open_r1.models.chat_template import use_chat_template
from open_r1.utils.text import open_thought, prompt_messages


COLUMNS_TO_DROP = ("prompt", "completion", "finish_reason", "prompt_tokens", "seed")
STARTS_LIKE_MESSAGES = r'^\s*[\[{"]'  # the beginning of a list, an object or a text in JSON
SAME_COMPLETION = Duplicates("completion", within="prompt_id")  # the same completion of the same prompt


def load_completions(args: SelectionArguments) -> Dataset:
    """Loads the completions of this shard's prompts, in the form that builders work on.

    Returns:
        `Dataset`: `prompt`, `completion` as text, `prompt_id`, `solution` if there is one, and the other columns.

    Raises:
        RecipeError: If a column is missing.
    """
    rows = load_split(args.dataset, args.seed, dry_run=args.dry_run)
    hide_short_progress_bars(rows)
    require_column(rows, args.dataset_prompt_column, "dataset_prompt_column")
    require_column(rows, args.dataset_completion_column, "dataset_completion_column")
    rows = rename_columns(rows, args.dataset.columns)
    if args.thought_opened or not _is_normalized(rows):
        rows = _normalize(rows, args)
    if args.parts > 1:
        rows = _select_shard(rows, args.part, args.parts)
    return rows


def _is_normalized(rows: Dataset) -> bool:
    """Whether all columns are as builders need them, as `generate.py` writes them."""
    for column in ("completion", "prompt_id"):
        if column not in rows.column_names or rows.features[column] != Value("string"):
            return False
    if rows.data.column("prompt_id").null_count > 0:
        return False
    if compute.any(compute.match_substring_regex(rows.data.column("completion"), STARTS_LIKE_MESSAGES)).as_py():
        return False
    try:
        return all(read_prompt(prompt) == prompt for prompt in rows["prompt"])
    except InvalidRow:
        return False


def _normalize(rows: Dataset, args: SelectionArguments) -> Dataset:
    """Completions as text that starts with the thought, prompts as text or messages, and an id for each prompt."""
    types = {"completion": Value("string"), "prompt_id": Value("string"), "prompt": Value("string")}
    has_messages = is_conversation(rows[0]["prompt"])
    if has_messages:
        types["prompt"] = conversation_type(rows, "prompt")

    def normalize(row: dict) -> dict:
        completion = read_answer(row["completion"]) or ""
        if args.thought_opened:
            completion = open_thought(completion)
        prompt = read_prompt(row["prompt"])
        if has_messages:
            prompt = prompt_messages(prompt)
        elif isinstance(prompt, list):
            raise InvalidRow("prompt: some rows have text and others have messages; bring them into the same form")
        prompt_id = row.get("prompt_id")
        if prompt_id is None:
            text = json.dumps(prompt, sort_keys=True)
            prompt_id = hashlib.sha256(text.encode()).hexdigest()[:16]
        return {"completion": completion, "prompt": prompt, "prompt_id": str(prompt_id)}

    return convert_rows(
        rows,
        normalize,
        "dataset",
        features=Features(rows.features | types),
        num_proc=args.num_proc if len(rows) > 10_000 else None,
        description="Reading completions",
    )


def read_prompt(value: Any) -> str | list[dict]:
    """A prompt as text, or as messages that end before the assistant's answer.

    Blank text stays, since filters drop and report it.

    Args:
        value (`Any`): The prompt, as a data set has it.

    Raises:
        InvalidRow: If it is neither.
    """
    if isinstance(value, str) and not value.strip():
        return value
    try:
        return read_question(value)
    except InvalidRow as error:
        raise InvalidRow(f"prompt: {error}") from error


def _select_shard(rows: Dataset, part: int, parts: int) -> Dataset:
    """The completions of one shard's prompts; those of a prompt stay together."""
    in_shard = []
    for i, prompt_id in enumerate(rows["prompt_id"]):
        if crc32(prompt_id.encode()) % parts == part:
            in_shard.append(i)
    return rows.select(in_shard)


def to_messages(rows: Dataset, args: BuilderArguments) -> Dataset:
    """Gives each row `messages` in place of prompt and completion, and keeps the other columns.

    If the recipe names a model, its tokenizer counts the length of the messages in `tokens`.

    Raises:
        RecipeError: If the chat template of the recipe's model drops thoughts.
    """
    tokenizer = None
    if args.model_name_or_path:
        from trl import ModelConfig  # here, since it imports torch, which takes seconds

        from open_r1.models.loading import load_model_info

        tokenizer = load_model_info(ModelConfig(model_name_or_path=args.model_name_or_path), args.seed).tokenizer
        use_chat_template(tokenizer, args.chat_template_path)

    def write_messages(row: dict) -> dict:
        messages = plain_messages(row["prompt"])
        messages.append({"role": "assistant", "content": row["completion"].strip()})
        if tokenizer is None:
            return {"messages": messages}
        text = as_text(messages, tokenizer)
        return {"messages": messages, "tokens": len(tokenizer(text, add_special_tokens=False)["input_ids"])}

    to_drop = existing_columns(rows, COLUMNS_TO_DROP)
    num_proc = args.num_proc if len(rows) > 1000 else None
    return convert_rows(
        rows, write_messages, "messages", remove_columns=to_drop, num_proc=num_proc, description="Writing messages"
    )


def plain_messages(prompt: str | list[dict]) -> list[dict]:
    """A prompt as messages that have a role and a content, and nothing else.

    >>> plain_messages([{"role": "user", "content": "1+1?", "name": None}])
    [{'role': 'user', 'content': '1+1?'}]
    """
    return [{"role": message["role"], "content": message["content"]} for message in prompt_messages(prompt)]
