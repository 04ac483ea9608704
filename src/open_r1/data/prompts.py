"""Turns rows into prompts: renames columns, applies a template or a system prompt, drops prompts that are too long."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from datasets import Dataset, Features, Value

from open_r1.configs import PromptArguments
from open_r1.data.conversations import SYSTEM_COLUMNS, conversation_type, read_text_or_messages
from open_r1.data.load import existing_columns, rename_columns, require_column
from open_r1.data.rows import InvalidRow, check_rows, convert_rows
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import require_file
from open_r1.utils.text import prompt_messages


if TYPE_CHECKING:  # these import torch, which builders do without
    from transformers import PreTrainedTokenizerBase
    from trl import GRPOConfig

logger = logging.getLogger(__name__)

SAMPLE = 1000  # rows
ROLES_OF_QUESTIONS = ("user", "tool")
# TRL gives these columns a meaning: a conversation (trl.data_utils.is_conversational), pictures, or the arguments with
# which it calls rewards.
COLUMNS_OF_THE_TRAINER = (
    "messages",
    "completion",
    "chosen",
    "rejected",
    "image",
    "images",
    "prompts",
    "completions",
    "completion_ids",
    "trainer_state",
    "log_extra",
    "log_metric",
    "environments",
    "self",
)


def to_prompts(
    dataset: Dataset, args: PromptArguments, tokenizer: "PreTrainedTokenizerBase | None", with_solution: bool
) -> Dataset:
    """Gives each row a `prompt` (text or messages) and, if a reward needs it, a `solution`; keeps the other columns.

    Args:
        dataset (`Dataset`): Rows with the recipe's prompt column, and its solution column if `with_solution`.
        args (`PromptArguments`): Column names, template or system prompt, `max_prompt_length` in tokens.
        tokenizer (`PreTrainedTokenizerBase`, *optional*):
            Writes all prompts, to see that its chat template does not fail; needed for `max_prompt_length`.
        with_solution (`bool`): Whether a reward needs the gold answers.

    Raises:
        RecipeError: If a column is missing, if a row cannot be used, or if no prompt is short enough.
    """
    column = args.dataset_prompt_column
    require_column(dataset, column, "dataset_prompt_column")
    columns = {}
    if with_solution:
        columns["solution"] = args.dataset_solution_column
        if args.dataset_solution_column == column:
            raise RecipeError(
                f"dataset_solution_column: dataset_prompt_column names the column {column!r}, too; name the one that "
                "holds the gold answers."
            )
    if column == "solution":  # which rewards would take for gold answers
        columns["prompt"] = column
        column = "prompt"
    dataset = rename_columns(dataset, columns)
    template = None
    if args.user_template:
        template = read_template(args.user_template, "user_template")
    elif args.prompt_template:
        template = read_template(args.prompt_template, "prompt_template")

    def write_prompt(row: dict) -> dict:
        return {"prompt": _write_prompt(row, column, args, template)}

    _warn_about_answers(dataset, column)
    if template is None:  # which could use the column
        for name in existing_columns(dataset, SYSTEM_COLUMNS):
            logger.warning(
                "the column %r is not part of the prompts: put it into the messages, or use a template", name
            )
    types = dataset.features | {"prompt": Value("string")}
    if not args.prompt_template:
        types["prompt"] = conversation_type(dataset, column)
    to_drop = existing_columns(dataset, COLUMNS_OF_THE_TRAINER)
    dataset = convert_rows(
        dataset,
        write_prompt,
        "dataset_prompt_column",
        remove_columns=to_drop,
        features=Features({name: feature for name, feature in types.items() if name not in to_drop}),
        description="Writing prompts",
    )
    if not args.prompt_template and tokenizer is not None and tokenizer.chat_template:
        check_rows(dataset, lambda row: prompt_text(row["prompt"], tokenizer), "chat_template_path")
    if args.max_prompt_length:
        dataset = drop_overlong(dataset, tokenizer, args.max_prompt_length)
    return dataset


def _write_prompt(row: dict, column: str, args: PromptArguments, template: jinja2.Template | None) -> str | list[dict]:
    """The prompt of a row, as text for base models and as messages for others.

    Raises:
        InvalidRow: If the row has no question, or one that does not fit the recipe.
    """
    question = read_question(row[column])
    if args.prompt_template:
        return _render(template, row, only_message(question, "prompt_template"), args)
    messages = prompt_messages(question)
    if template is not None:
        content = _render(template, row, messages[-1]["content"], args)
        messages = [*messages[:-1], {**messages[-1], "content": content}]
    if args.system_prompt:
        if messages[0]["role"] == "system":
            raise InvalidRow("the row has a system message and the recipe a system_prompt; remove one of them")
        messages = [{"role": "system", "content": args.system_prompt}, *messages]
    return messages


def read_question(value: Any) -> str | list[dict]:
    """What a row asks, as text or as messages that end before the assistant's answer.

    Raises:
        InvalidRow: If it asks nothing.

    >>> read_question([{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}])
    [{'role': 'user', 'content': '2+2?'}]
    """
    messages = read_text_or_messages(value, "the question")
    if isinstance(messages, str):
        if not messages.strip():
            raise InvalidRow("the question is empty")
        return messages
    while messages and messages[-1]["role"] == "assistant":
        messages.pop()
    asks_something = any(message["role"] in ROLES_OF_QUESTIONS for message in messages)
    if not asks_something or not messages[-1]["content"].strip():
        raise InvalidRow("the conversation has no question before the assistant's answer")
    return messages


def check_questions(dataset: Dataset, column: str, key: str) -> None:
    """Checks that all rows have a question, before they are mixed with those of other data sets.

    Args:
        dataset (`Dataset`): The rows.
        column (`str`): Column of the questions.
        key (`str`): The recipe's key that chooses it, for the error message.

    Raises:
        RecipeError: If a row has none, with its number.
    """

    check_rows(dataset.select_columns(column), lambda row: read_question(row[column]), key)


def only_message(question: str | list[dict], option: str) -> str:
    """The text of a question for a template of plain text, which has no room for a conversation.

    Args:
        question (`str` or `list[dict]`): The question.
        option (`str`): The recipe's key that names the template, for the error message.

    Raises:
        InvalidRow: If the question is a conversation of several messages.
    """
    if isinstance(question, str):
        return question
    if len(question) > 1:
        roles = ", ".join(message["role"] for message in question)
        raise InvalidRow(
            f"{option} takes a single question, but the prompt is a conversation ({roles}); use a chat template"
        )
    return question[0]["content"]


def _warn_about_answers(dataset: Dataset, column: str) -> None:
    """Says in how many rows an answer of the assistant at the end of the prompt is left out."""
    count = 0
    for value in dataset[column]:
        try:
            question = read_text_or_messages(value, column)
        except InvalidRow:
            return  # is reported with the row's number when all rows are read
        if isinstance(question, list) and question[-1]["role"] == "assistant":
            count += 1
    if count:
        logger.warning(
            "%s: in %d of %d rows, the conversations end with an answer of the assistant; it is left out of the "
            "prompts",
            column,
            count,
            len(dataset),
        )


def _render(template: jinja2.Template, row: dict, question: str, args: PromptArguments) -> str:
    """The template, filled in with a row's columns and its question as `prompt`.

    Raises:
        InvalidRow: If it fails, such as for a variable that is undefined, with the template's file.
    """
    try:
        return template.render({**row, "prompt": question})
    except Exception as error:  # a user's template may raise anything, such as for `level + 1` without a level
        source = f"prompt_template: {args.prompt_template}"
        if args.user_template:
            source = f"user_template: {args.user_template}"
        reason = str(error)
        if not isinstance(error, jinja2.TemplateError):
            reason = f"{type(error).__name__}: {error}"
        raise InvalidRow(f"{source}: {reason}; columns: {', '.join(row)}") from error


def drop_overlong(dataset: Dataset, tokenizer: "PreTrainedTokenizerBase", limit: int) -> Dataset:
    """Drops the prompts of more than `limit` tokens, which TRL would neither truncate nor refuse, and logs how many.

    Raises:
        RecipeError: If no prompt is short enough.
    """
    kept = dataset.filter(lambda row: prompt_length(row["prompt"], tokenizer) <= limit, desc="Measuring prompts")
    dropped = len(dataset) - len(kept)
    if not len(kept):
        raise RecipeError(f"max_prompt_length: all {len(dataset)} prompts have more than {limit} tokens.")
    if dropped:
        logger.warning("dropped %d of %d prompts of more than %d tokens", dropped, len(dataset), limit)
    return kept


def require_full_batch(dataset: Dataset, args: "GRPOConfig") -> None:
    """Stops if there are too few prompts for one generation batch: TRL would train on nothing and say nothing.

    Raises:
        RecipeError: If so.
    """
    needed = args.generation_batch_size // args.num_generations
    if len(dataset) < needed:
        raise RecipeError(
            f"dataset_name: {len(dataset)} prompts; one generation batch needs {needed} "
            "(generation_batch_size / num_generations)."
        )


def prompt_text(prompt: str | list[dict], tokenizer: "PreTrainedTokenizerBase") -> str:
    """What the model is given for a prompt, as TRL writes it.

    Raises:
        RecipeError: If the prompt has messages and there is no chat template for them.
        InvalidRow: If the template fails.
    """
    if isinstance(prompt, str):
        return prompt
    if not tokenizer.chat_template:
        raise RecipeError(
            "the tokenizer has no chat template; name a `prompt_template` (for base models) or a `chat_template_path`."
        )
    try:
        return tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
    except Exception as error:  # a template is a program, which can fail in any way
        reason = f"{type(error).__name__}: {error}"
        raise InvalidRow(f"the chat template fails on {str(prompt)[:200]}: {reason}") from error


def prompt_length(prompt: str | list[dict], tokenizer: "PreTrainedTokenizerBase") -> int:
    """Number of tokens of a prompt."""
    text = prompt_text(prompt, tokenizer)
    is_plain_text = isinstance(prompt, str)  # a chat template writes the special tokens itself
    return len(tokenizer(text, add_special_tokens=is_plain_text)["input_ids"])


def longest_prompt(dataset: Dataset, tokenizer: "PreTrainedTokenizerBase", sample: int = SAMPLE) -> int:
    """Tokens of the longest prompt among the first `sample` rows."""
    return max(prompt_length(prompt, tokenizer) for prompt in dataset[:sample]["prompt"])


def read_template(path: str, option: str) -> jinja2.Template:
    """Reads a Jinja file as a strict template: a variable that a row does not have is an error.

    The file's last newline is not part of the prompt.

    Args:
        path (`str`): The file.
        option (`str`): The recipe's key that names it, for the error message.

    Raises:
        RecipeError: If there is no such file, or if its syntax is wrong, with the line.
    """
    require_file(option, path)
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True)
    try:
        return environment.from_string(Path(path).read_text())
    except jinja2.TemplateSyntaxError as error:
        raise RecipeError(f"{option}: {path}, line {error.lineno}: {error.message}") from error
