"""From rows to prompts: columns mapped, template or system prompt applied, overlong prompts dropped."""

import logging
from pathlib import Path

import jinja2
from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import GRPOConfig

from open_r1.configs import PromptArguments
from open_r1.data.load import rename_column, require_column
from open_r1.utils.errors import RecipeError


logger = logging.getLogger(__name__)


def to_prompts(dataset: Dataset, args: PromptArguments, tokenizer: PreTrainedTokenizerBase, solved: bool) -> Dataset:
    """Gives each row a `prompt` (text or messages) and, if a reward wants it, a `solution`; keeps the other columns.

    Args:
        dataset (`Dataset`): Rows with the recipe's prompt column, and its solution column if `solved`.
        args (`PromptArguments`): Column names, template or system prompt, `max_prompt_length` in tokens.
        tokenizer (`PreTrainedTokenizerBase`): Counts the tokens.
        solved (`bool`): Whether a reward needs the gold answers.

    Raises:
        RecipeError: If a column is missing or if no prompt is short enough.
    """
    require_column(dataset, args.dataset_prompt_column, "dataset_prompt_column")
    if solved:
        require_column(dataset, args.dataset_solution_column, "dataset_solution_column")
    option = "user_template" if args.user_template else "prompt_template"
    path = args.user_template or args.prompt_template
    template = read_template(path, option) if path else None

    def row_to_prompt(row: dict) -> dict:
        question = row[args.dataset_prompt_column]
        if not question or not isinstance(question, str | list):
            raise RecipeError(f"dataset_prompt_column: found the question {question!r}; expected text or messages.")
        if template:
            try:
                question = template.render({**row, "prompt": question})
            except jinja2.TemplateError as error:
                raise RecipeError(f"{option}: {path}: {error}; columns: {', '.join(row)}.") from error
        if args.prompt_template:
            return {"prompt": question}
        turns = [{"role": "user", "content": question}] if isinstance(question, str) else question
        system = [{"role": "system", "content": args.system_prompt}] if args.system_prompt else []
        return {"prompt": system + turns}

    if solved:
        dataset = rename_column(dataset, args.dataset_solution_column, "solution", "dataset_solution_column")
    # TRL takes a `messages` or `completion` column for the conversation itself (trl.data_utils.is_conversational).
    drop = [name for name in ("messages", "completion") if name in dataset.column_names]
    dataset = dataset.map(row_to_prompt, remove_columns=drop, desc="Writing prompts")
    return drop_overlong(dataset, tokenizer, args.max_prompt_length) if args.max_prompt_length else dataset


def drop_overlong(dataset: Dataset, tokenizer: PreTrainedTokenizerBase, limit: int) -> Dataset:
    """Drops the prompts of more than `limit` tokens, which TRL would neither cut nor refuse, and says how many."""
    kept = dataset.filter(lambda row: prompt_length(row["prompt"], tokenizer) <= limit, desc="Measuring prompts")
    dropped = len(dataset) - len(kept)
    if not len(kept):
        raise RecipeError(f"max_prompt_length: all {len(dataset)} prompts have more than {limit} tokens.")
    if dropped:
        logger.warning("dropped %d of %d prompts of more than %d tokens", dropped, len(dataset), limit)
    return kept


def require_full_batch(dataset: Dataset, args: GRPOConfig):
    """Stops if there are not enough prompts for one generation batch: TRL would train on nothing, without a word."""
    wanted = args.generation_batch_size // args.num_generations
    if len(dataset) < wanted:
        raise RecipeError(
            f"dataset_name: {len(dataset)} prompts; one generation batch wants {wanted} (generation_batch_size / num_generations)."
        )


def prompt_text(prompt: str | list[dict], tokenizer: PreTrainedTokenizerBase) -> str:
    """What the model is given for a prompt, as TRL writes it."""
    if isinstance(prompt, str):
        return prompt
    if not tokenizer.chat_template:
        raise RecipeError(
            "the tokenizer has no chat template; name a `prompt_template` (for a base model) or a `chat_template_path`."
        )
    try:
        return tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
    except jinja2.TemplateError as error:
        raise RecipeError(f"the chat template fails on {str(prompt)[:200]}: {error}") from error


def prompt_length(prompt: str | list[dict], tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens of a prompt."""
    return len(tokenizer(prompt_text(prompt, tokenizer), add_special_tokens=isinstance(prompt, str))["input_ids"])


def read_template(path: str, option: str) -> jinja2.Template:
    """A Jinja file as a strict template: a row without a variable that it names is an error.

    The file's last newline is not part of the prompt.
    """
    try:
        return jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True).from_string(
            Path(path).read_text()
        )
    except jinja2.TemplateSyntaxError as error:
        raise RecipeError(f"{option}: {path}, line {error.lineno}: {error.message}") from error
