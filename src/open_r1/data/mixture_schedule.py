"""Prompts from several data sets for reinforcement learning, in the order in which the trainer takes them.

Sources are mixed by weight, and some take part only from a certain step on (DeepSeek-R1, §2.3.4; v2, §3.2.2: general
prompts and preference rewards in the last 400 of 1,700 steps only, since the policy exploits them if it has more). The
rows of a whole run are laid out beforehand, so the mixture of every step is known, is the same on every process, and
continues where it was when a run is resumed.
"""

import logging
import random
from collections.abc import Iterator

from datasets import Dataset, Features, Json, LargeList, List, Value, concatenate_datasets
from datasets.features.features import FeatureType
from trl import GRPOConfig

from open_r1.configs import GRPOScriptArguments, PromptSource, steps_of_a_round
from open_r1.data.load import GOLD_TYPES, load_train_and_eval, rename_columns, require_column, require_exact_golds
from open_r1.data.prompts import check_questions
from open_r1.data.text_files import to_json
from open_r1.utils.errors import RecipeError


logger = logging.getLogger(__name__)

NOTHING = Value("null")  # the type of a column without values
SOURCE = "number of the source"  # column that says which source a row is from; data sets have none of this name


def load_sources(args: GRPOScriptArguments, training_args: GRPOConfig) -> tuple[Dataset, Dataset | None]:
    """Loads what a run trains on and what it evaluates on, from all sources of its recipe.

    Args:
        args (`GRPOScriptArguments`): The recipe; `max_eval_samples` and `eval_split_size` count for each source.
        training_args (`GRPOConfig`): The seed, and whether the run evaluates.

    Returns:
        `tuple[Dataset, Dataset | None]`:
            Training and evaluation rows, prompt and solution under the recipe's names for them, with `domain` and the
            number of their source; `None` if the run does not evaluate.

    Raises:
        RecipeError: If a source is missing or lacks a column, or if the columns of two sources do not fit together.
    """
    train_parts = []
    eval_parts = []
    for number, source in enumerate(args.mixture):
        train_rows, eval_rows = load_train_and_eval(source.dataset, args, training_args)
        train_parts.append(_prepare_source(train_rows, number, source, args))
        if eval_rows is not None:
            eval_parts.append(_prepare_source(eval_rows, number, source, args))
    train_dataset = _concatenate(train_parts, args)
    eval_dataset = None
    if eval_parts:
        eval_dataset = _concatenate(eval_parts, args)
    return train_dataset, eval_dataset


def _concatenate(parts: list[Dataset], args: GRPOScriptArguments) -> Dataset:
    """The rows of all sources. Columns of several types, such as numbers in one and text in another, become JSON.

    Args:
        parts (`list[Dataset]`): The rows of each source.
        args (`GRPOScriptArguments`): Names the sources.

    Raises:
        RecipeError: If a column of several types has values that JSON lacks, such as pictures, or if gold answers are
            not exact.
    """
    columns = {column for part in parts for column in part.column_names}
    for column in sorted(columns):
        types = {}  # by number of the source
        for number, part in enumerate(parts):
            if part.features.get(column, NOTHING) != NOTHING:
                types[number] = part.features[column]
        if types:
            parts = [_without_empty_column(part, column) for part in parts]
        if all(feature == other for feature in types.values() for other in types.values()):
            continue
        names = {number: args.mixture[number].dataset_name for number in types}
        found = ", ".join(f"{types[number]} in {names[number]}" for number in types)
        if not all(_fits_json(feature) for feature in types.values()):
            raise RecipeError(
                f"sources: the column {column!r} has several types, which cannot be mixed: {found}. Rename or remove "
                "it in one of the data sets."
            )
        logger.info("sources: the column %r has several types, all of which are kept: %s", column, found)
        for number in types:
            if column == args.dataset_solution_column:
                require_exact_golds(parts[number], column, f"sources: {names[number]}: dataset_solution_column")
            parts[number] = _store_as_json(parts[number], column)
    return concatenate_datasets(parts)


def _without_empty_column(rows: Dataset, column: str) -> Dataset:
    """Rows without a column of nulls only, which `datasets` cannot join with all types; joined, they get it back."""
    if rows.features.get(column) == NOTHING:
        return rows.remove_columns(column)
    return rows


def _fits_json(feature: FeatureType) -> bool:
    """Whether values of a type are the same when they are read from JSON, unlike pictures and points in time."""
    if isinstance(feature, dict):
        return all(_fits_json(field) for field in feature.values())
    if isinstance(feature, List | LargeList):
        return _fits_json(feature.feature)
    if isinstance(feature, Value):
        return feature.dtype.rstrip("0123456789") in GOLD_TYPES
    return isinstance(feature, Json)


def _store_as_json(rows: Dataset, column: str) -> Dataset:
    """Stores the values of a column as JSON, which may be of several types."""
    temporary = f"{column} as JSON"

    def copy_value(row: dict) -> dict:
        value = row[column]
        if value is not None:
            value = to_json(value)  # `datasets` would take the text "007" for JSON already, and read it as 7
        return {temporary: value}

    features = Features({**rows.features, temporary: Json()})
    rows = rows.map(copy_value, features=features, desc=f"Reading {column}")
    return rows.remove_columns(column).rename_column(temporary, column)


def _prepare_source(rows: Dataset, number: int, source: PromptSource, args: GRPOScriptArguments) -> Dataset:
    """The rows of one source, their columns under the recipe's names, with the source's domain and number."""
    where = f"sources: {source.dataset_name}: "
    rows = rename_columns(rows, source.dataset.columns, names=args.columns, where=where)
    key = f"{where}dataset_prompt_column"
    require_column(rows, args.dataset_prompt_column, key)
    check_questions(rows, args.dataset_prompt_column, key)
    if source.domain:
        if "domain" in rows.column_names:
            rows = rows.remove_columns("domain")
        rows = rows.add_column("domain", [source.domain] * len(rows))
    return rows.add_column(SOURCE, [number] * len(rows))


def order_rows_by_step(rows: Dataset, mixture: list[PromptSource], args: GRPOConfig) -> Dataset:
    """Lays out the rows of a whole run in the order of its steps, and tells the trainer not to shuffle them.

    Args:
        rows (`Dataset`): Prompts with the number of their source.
        mixture (`list[PromptSource]`): The sources' weights and steps.
        args (`GRPOConfig`): Number of steps, batch sizes and seed; `shuffle_dataset` is set to `False`.

    Raises:
        RecipeError: If the number of steps is unknown, or if there is a step without prompts.
    """
    if args.max_steps <= 0:
        raise RecipeError(
            "max_steps: missing. With `sources` the prompts are laid out step by step; set the number of steps."
        )
    _check_round(args)
    args.shuffle_dataset = False
    rows_by_source: list[list[int]] = [[] for _ in mixture]
    for i, number in enumerate(rows[SOURCE]):
        rows_by_source[number].append(i)
    for source, rows_of_source in zip(mixture, rows_by_source, strict=True):
        if not rows_of_source:
            raise RecipeError(f"sources: {source.dataset_name} has no prompt that is short enough.")

    order = schedule_rows(
        rows_by_source,
        mixture,
        max_steps=args.max_steps,
        steps_per_round=steps_of_a_round(args),
        prompts_per_round=args.generation_batch_size // args.num_generations,
        seed=args.seed,
    )
    return rows.select(list(order)).remove_columns(SOURCE)


def _check_round(args: GRPOConfig) -> None:
    """Stops if a round of generation is not a whole number of optimizer steps."""
    batches = args.steps_per_generation * args.num_iterations
    if batches % args.gradient_accumulation_steps != 0:
        raise RecipeError(
            "sources: a round of generation must be a whole number of steps; steps_per_generation × num_iterations is "
            f"{batches}, gradient_accumulation_steps {args.gradient_accumulation_steps}."
        )


def schedule_rows(
    rows_by_source: list[list[int]],
    mixture: list[PromptSource],
    max_steps: int,
    steps_per_round: int,
    prompts_per_round: int,
    seed: int,
) -> Iterator[int]:
    """Chooses the prompts of each round of generation; every row of a source comes once before any comes again.

    Args:
        rows_by_source (`list[list[int]]`): The rows of each source.
        mixture (`list[PromptSource]`): The sources' weights and steps.
        max_steps (`int`): Optimizer steps of the run.
        steps_per_round (`int`): Optimizer steps per round of generation.
        prompts_per_round (`int`): Prompts per round of generation.
        seed (`int`): Seed of their order.

    Yields:
        `int`: The rows of one round after another.

    >>> mixture = [PromptSource("a"), PromptSource("b", from_step=2)]
    >>> rows_by_source = [[0, 1, 2, 3, 4, 5, 6, 7, 8], [10, 11, 12, 13, 14, 15, 16, 17, 18]]
    >>> rows = schedule_rows(rows_by_source, mixture, max_steps=3, steps_per_round=1, prompts_per_round=4, seed=0)
    >>> ["a" if row < 10 else "b" for row in rows]
    ['a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'b', 'b', 'a']
    """
    rng = random.Random(seed)
    unused: list[list[int]] = [[] for _ in rows_by_source]
    credits = [0.0] * len(rows_by_source)  # prompts that each source is owed, so that small weights have their turn
    for step in range(0, max_steps, steps_per_round):
        active = [i for i, source in enumerate(mixture) if source.takes_part(step)]
        if not active:
            raise RecipeError(f"sources: none takes part in step {step}.")
        total_weight = sum(mixture[i].weight for i in active)
        prompts = []
        for _ in range(prompts_per_round):
            for i in active:
                credits[i] += mixture[i].weight / total_weight
            source = max(active, key=lambda i: credits[i])
            credits[source] -= 1
            if not unused[source]:
                unused[source] = rng.sample(rows_by_source[source], len(rows_by_source[source]))
            prompts.append(unused[source].pop())
        yield from rng.sample(prompts, len(prompts))
