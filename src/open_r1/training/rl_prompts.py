"""The prompts of reinforcement learning, checked against the recipe's rewards before the model is loaded."""

from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import GRPOConfig

from open_r1.configs import GRPOScriptArguments
from open_r1.data.load import hide_short_progress_bars, load_train_and_eval
from open_r1.data.mixture_schedule import load_sources, order_rows_by_step
from open_r1.data.prompts import prompt_text, to_prompts
from open_r1.models.loading import check_round_trip
from open_r1.rewards import Composition, check_columns, check_domains, check_golds, check_samples
from open_r1.utils.text import OPEN


def load_prompts(
    args: GRPOScriptArguments, training_args: GRPOConfig, tokenizer: PreTrainedTokenizerBase, rewards: Composition
) -> tuple[Dataset, Dataset | None]:
    """Loads the training and the evaluation set, as prompts with the columns that the rewards need.

    Args:
        args (`GRPOScriptArguments`): The data set or the sources, and how their rows become prompts.
        training_args (`GRPOConfig`): Seed, batch sizes, and whether the run evaluates.
        tokenizer (`PreTrainedTokenizerBase`): With the chat template that will be used.
        rewards (`Composition`): The recipe's rewards; their `prefill` is set to what the prompts end with.

    Returns:
        `tuple[Dataset, Dataset | None]`:
            Training prompts, in the order of the steps if there are several sources, and prompts to evaluate on;
            `None` if the run does not evaluate.

    Raises:
        RecipeError: If a data set is missing, or lacks what the rewards need.
    """
    if args.sources:
        train_rows, eval_rows = load_sources(args, training_args)
    else:
        train_rows, eval_rows = load_train_and_eval(args.dataset, args, training_args)
    hide_short_progress_bars(train_rows)

    train_dataset = _prepare(train_rows, args, tokenizer, rewards)
    eval_dataset = None
    if eval_rows is not None:
        eval_dataset = _prepare(eval_rows, args, tokenizer, rewards)
    if args.sources:
        train_dataset = order_rows_by_step(train_dataset, args.mixture, training_args)
    return train_dataset, eval_dataset


def _prepare(
    rows: Dataset, args: GRPOScriptArguments, tokenizer: PreTrainedTokenizerBase, rewards: Composition
) -> Dataset:
    """Turns rows into prompts, and checks the columns and gold answers that the rewards need."""
    is_question = args.dataset_solution_column == args.dataset_prompt_column
    has_solution = args.dataset_solution_column in rows.column_names and not is_question
    is_required = any("solution" in reward.columns for reward in rewards.rewards)
    is_used = has_solution and any(reward.takes_solution for reward in rewards.rewards)
    dataset = to_prompts(rows, args, tokenizer, with_solution=is_required or is_used)

    check_columns(rewards.rewards, dataset.column_names)
    if any(reward.spec.domain for reward in rewards.rewards):
        check_domains(rewards.rewards, dataset)
    for reward in rewards.rewards:
        if reward.spec.name == "accuracy":
            check_golds(reward, dataset, args.max_unusable_golds)
    check_samples(rewards.rewards, dataset, args.max_unusable_golds)

    texts = [prompt_text(prompt, tokenizer) for prompt in dataset[:8]["prompt"]]
    check_round_trip(tokenizer, texts)
    opens_thought = texts[0].rstrip().endswith(OPEN)  # as templates of distilled models do
    rewards.prefill = OPEN if opens_thought else ""
    return dataset
