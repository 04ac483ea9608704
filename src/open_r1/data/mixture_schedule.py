"""The prompts of reinforcement learning: checked against the rewards, and of several sets in the order of the steps.

Sets are mixed by weight, and some take part from a certain step on (DeepSeek-R1, §2.3.4; v2, §3.2.2: general prompts and preference
rewards in the last 400 of 1,700 steps only, since more of them is exploited). The rows of a whole run are then put in the order in
which the trainer takes them, so the mixture of every step is known beforehand, is the same on every process, and is continued where it
was when a run is resumed.
"""

import random
from collections.abc import Iterator

from datasets import Dataset, concatenate_datasets
from trl import GRPOConfig

from open_r1.configs import GRPOScriptArguments, PromptSource
from open_r1.data.load import load_train_and_eval, rename_column, require_column
from open_r1.utils.errors import RecipeError


SOURCE = "source"  # column: number of the set that a row is of


def load_sources(args: GRPOScriptArguments, training_args: GRPOConfig) -> tuple[Dataset, Dataset | None]:
    """Loads what a run trains on and what it evaluates on, from all sources of its recipe.

    Args:
        args (`GRPOScriptArguments`): The recipe; `max_eval_samples` and `eval_split_size` count for each source.
        training_args (`GRPOConfig`): The seed, and whether the run evaluates.

    Returns:
        `tuple[Dataset, Dataset | None]`:
            Training and evaluation rows, prompt and solution under the recipe's names for them, with `domain` and the number
            of their `source`; `None` if the run does not evaluate.

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
    try:
        train_dataset = concatenate_datasets(train_parts)
        eval_dataset = None
        if eval_parts:
            eval_dataset = concatenate_datasets(eval_parts)
    except ValueError as error:
        raise RecipeError(f"sources: their columns do not fit together: {error}") from error
    return train_dataset, eval_dataset


def _prepare_source(rows: Dataset, number: int, source: PromptSource, args: GRPOScriptArguments) -> Dataset:
    """The rows of one source, their columns under the recipe's names, with the source's domain and number."""
    for name, column in source.dataset.columns.items():
        rows = rename_column(
            rows, column, args.columns[name], f"sources: {source.dataset_name}: dataset_{name}_column"
        )
    require_column(rows, args.dataset_prompt_column, f"sources: {source.dataset_name}: dataset_prompt_column")
    if source.domain:
        if "domain" in rows.column_names:
            rows = rows.remove_columns("domain")
        rows = rows.add_column("domain", [source.domain] * len(rows))
    return rows.add_column(SOURCE, [number] * len(rows))


def in_order(rows: Dataset, mixture: list[PromptSource], args: GRPOConfig) -> Dataset:
    """The rows of a whole run, in the order of its steps; the trainer must not shuffle them, and is told so.

    Args:
        rows (`Dataset`): Prepared rows with the number of their `source`.
        mixture (`list[PromptSource]`): The sources' weights and steps.
        args (`GRPOConfig`): The run's geometry; `shuffle_dataset` is set to false.

    Raises:
        RecipeError: If the number of steps is unknown, or if there is a step without prompts.
    """
    if args.max_steps <= 0:
        raise RecipeError(
            "max_steps: missing. With `sources` the prompts are laid out step by step, so say how many steps there are."
        )
    args.shuffle_dataset = False
    of_source: list[list[int]] = [[] for _ in mixture]
    for i, number in enumerate(rows[SOURCE]):
        of_source[number].append(i)
    if not all(of_source):
        raise RecipeError(f"sources: {mixture[of_source.index([])].dataset_name} has no prompt that is short enough.")
    per_round = args.generation_batch_size // args.num_generations
    steps, rest = divmod(
        args.steps_per_generation * args.num_iterations, args.gradient_accumulation_steps
    )  # of a round
    if rest or not steps:
        raise RecipeError(
            f"sources: a round of generation must be a whole number of steps; steps_per_generation × num_iterations is "
            f"{args.steps_per_generation * args.num_iterations}, gradient_accumulation_steps {args.gradient_accumulation_steps}."
        )
    order = list(draws(of_source, mixture, args.max_steps, steps, per_round, args.seed))
    return rows.select(order).remove_columns(SOURCE)


def draws(
    rows: list[list[int]], mixture: list[PromptSource], max_steps: int, steps: int, per_round: int, seed: int
) -> Iterator[int]:
    """Prompts, round of generation by round; every row of a source once before any comes again.

    Args:
        rows (`list[list[int]]`): The rows of each source.
        mixture (`list[PromptSource]`): Their weights and steps.
        max_steps (`int`): Optimizer steps of the run.
        steps (`int`): Optimizer steps of a round.
        per_round (`int`): Prompts of a round.
        seed (`int`): Seed of their order.

    >>> both = [PromptSource("a"), PromptSource("b", from_step=2)]
    >>> [row < 9 for row in draws([list(range(9)), list(range(9, 18))], both, max_steps=3, steps=1, per_round=4, seed=0)]
    [True, True, True, True, True, True, True, True, True, False, False, True]
    """
    rng = random.Random(seed)
    left: list[list[int]] = [[] for _ in rows]
    owed = [0.0] * len(rows)
    for step in range(0, max_steps, steps):
        taking = [i for i, source in enumerate(mixture) if source.takes_part(step)]
        if not taking:
            raise RecipeError(f"sources: none takes part in step {step}.")
        whole, drawn = sum(mixture[i].weight for i in taking), []
        for _ in range(per_round):
            for i in taking:
                owed[i] += mixture[i].weight / whole
            source = max(taking, key=lambda i: owed[i])  # whoever is owed most, so that small weights have their turn
            owed[source] -= 1
            if not left[source]:
                left[source] = rng.sample(rows[source], len(rows[source]))
            drawn.append(left[source].pop())
        yield from rng.sample(drawn, len(drawn))
