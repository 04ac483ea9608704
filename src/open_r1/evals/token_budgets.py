"""Test-time compute: what a model's completions are worth within a budget of tokens.

A thought that is longer than the budget is cut, and the model has to answer at once (`forced_answer`), as with the
budget forcing of s1 (arXiv 2501.19393). Without a forced answer, a completion that is longer than the budget counts as
cut off, as if the budget had been the limit.
"""

import copy
from pathlib import Path

from datasets import Dataset
from rich.console import Console
from transformers import PreTrainedTokenizerBase
from trl import ModelConfig

from open_r1.configs import Benchmark, DatasetSpec, GenerateArguments
from open_r1.configs.benchmarks import budget_name
from open_r1.data.load import existing_columns, load_split
from open_r1.generation.completion_store import COMPLETION_COLUMNS
from open_r1.generation.driver import LazyBackend, complete_prompts
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import CLOSE, split_thought


# Columns of the cut completions: which of the whole ones each comes from, and the text that the model goes on from.
NUMBER = "completion_number"
PREFIX = "cut_completion"


def answer_within_budget(
    completions: Dataset,
    args: GenerateArguments,
    model_args: ModelConfig,
    tokenizer: PreTrainedTokenizerBase | None,
    benchmark: Benchmark,
    budget: int,
    console: Console,
    backend: LazyBackend,
) -> Dataset:
    """A benchmark's completions within a budget of tokens.

    Args:
        completions (`Dataset`): The completions without a budget.
        args (`GenerateArguments`): How the benchmark's completions were generated, and the folder that holds them.
        model_args (`ModelConfig`): The model.
        tokenizer (`PreTrainedTokenizerBase`, *optional*): Its tokenizer; needed to force answers.
        benchmark (`Benchmark`): The benchmark.
        budget (`int`): Number of tokens: of the thought, if answers are forced, otherwise of the whole completion.
        console (`Console`): Shows what happens.
        backend (`LazyBackend`): Generates the forced answers.

    Returns:
        `Dataset`: The rows of the completions; those that are longer than the budget are changed.

    Raises:
        RecipeError: If forced answers are missing.
    """
    if benchmark.forced_answer is None:
        _require_token_counts(completions, benchmark)
        return completions.map(_cut_off, fn_kwargs={"budget": budget})

    forced_answer_tokens = len(_tokenize(benchmark.forced_answer, tokenizer))
    prefixes = {}
    for number, text in enumerate(completions["completion"]):
        cut = cut_thought(text, budget, tokenizer)
        if cut is not None:
            prefixes[number] = cut + benchmark.forced_answer
    if not prefixes:
        return completions
    rows = completions.select(list(prefixes))
    others = ("completion", *COMPLETION_COLUMNS, PREFIX, NUMBER)
    rows = rows.remove_columns(existing_columns(rows, others))
    rows = rows.add_column(PREFIX, list(prefixes.values()))
    rows = rows.add_column(NUMBER, list(prefixes))

    name = budget_name(benchmark.name, budget)
    forced_args = copy.copy(args)
    forced_args.output_dir = str(Path(args.output_dir).with_name(name))
    forced_args.dataset_prefix_column = PREFIX
    forced_args.num_generations = 1
    forced_args.max_completion_length = benchmark.forced_answer_length
    try:
        failed = complete_prompts(rows, forced_args, model_args, tokenizer, console, backend)
    except RecipeError as error:
        raise RecipeError(
            f"{name}: {error} If the completions of {benchmark.name} have changed, remove "
            f"{forced_args.output_dir}: its answers are then generated again."
        ) from error
    if failed:
        raise RecipeError(f"{name}: {failed:,} completions are missing; run the same command again to generate them.")
    answers = {}
    for row in load_split(DatasetSpec(forced_args.output_dir), args.seed):
        row["completion_tokens"] += budget + forced_answer_tokens
        answers[row[NUMBER]] = row
    return completions.map(_replace, with_indices=True, fn_kwargs={"answers": answers})


def cut_thought(completion: str, budget: int, tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The beginning of a thought that is longer than a budget; `None` if the thought is within it.

    Args:
        completion (`str`): A completion. Its thought ends at the last `</think>`; without one, all of it is thought.
        budget (`int`): Number of tokens.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.
    """
    thought, closed, _ = completion.rpartition(CLOSE)
    if not closed or split_thought(completion).answer is None:  # the thought goes on until the end
        thought = completion
    tokens = _tokenize(thought, tokenizer)
    if len(tokens) <= budget:
        return None
    text = tokenizer.decode(tokens[:budget], clean_up_tokenization_spaces=False)
    return text.rstrip("\ufffd")  # half a character, if a token ends within one


def _tokenize(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def _replace(row: dict, number: int, answers: dict[int, dict]) -> dict:
    """The completion with its forced answer, if it has one."""
    answer = answers.get(number)
    if answer is None:
        return {}
    return {column: answer[column] for column in ("completion", "finish_reason", "completion_tokens")}


def _cut_off(row: dict, budget: int) -> dict:
    """The completion, which counts as cut off, and without an answer, if it is longer than the budget."""
    if row["completion_tokens"] <= budget:
        return {}
    return {"completion": "", "finish_reason": "length", "completion_tokens": budget}


def _require_token_counts(completions: Dataset, benchmark: Benchmark) -> None:
    """Stops if the servers have not said how long the completions are."""
    if not any(completions["completion_tokens"]):
        raise RecipeError(
            f"token_budgets: the servers have reported no token counts (`usage`) for {benchmark.name}; expected them, "
            "since completions are compared with the budget. Use another server, or leave token_budgets out."
        )
