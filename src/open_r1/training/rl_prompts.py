"""The prompts of reinforcement learning, checked against the recipe's rewards before the model is loaded."""

from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import GRPOConfig

from open_r1.configs import GRPOScriptArguments
from open_r1.data.load import hide_short_progress_bars, load_train_and_eval
from open_r1.data.mixture_schedule import in_order, load_sources
from open_r1.data.prompts import prompt_text, to_prompts
from open_r1.models.loading import check_round_trip
from open_r1.rewards import Composition, check_columns, check_domains, check_golds


SAMPLE = 1000  # golds looked at before training starts


def load_prompts(
    args: GRPOScriptArguments, training_args: GRPOConfig, tokenizer: PreTrainedTokenizerBase, rewards: Composition
) -> tuple[Dataset, Dataset | None]:
    """What is trained on, in the order of the steps if there are several sources, and what is evaluated on, if anything is.

    Raises:
        RecipeError: If a set is not there, or lacks what the rewards need.
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
        train_dataset = in_order(train_dataset, args.mixture, training_args)
    return train_dataset, eval_dataset


def _prepare(
    rows: Dataset, args: GRPOScriptArguments, tokenizer: PreTrainedTokenizerBase, rewards: Composition
) -> Dataset:
    """Rows as prompts; every column and gold that a reward needs is checked."""
    solved = any("solution" in reward.columns for reward in rewards.rewards)
    solved |= (
        any(reward.takes_solution for reward in rewards.rewards) and args.dataset_solution_column in rows.column_names
    )
    dataset = to_prompts(rows, args, tokenizer, solved)
    check_columns(rewards.rewards, dataset.column_names)
    if any(reward.spec.domain for reward in rewards.rewards):
        check_domains(rewards.rewards, dataset.unique("domain"))
    for reward in rewards.rewards:
        if reward.spec.name == "accuracy":
            check_golds(_golds(dataset, reward.spec.domain), args.max_unusable_golds)
    texts = [prompt_text(prompt, tokenizer) for prompt in dataset[:8]["prompt"]]
    check_round_trip(tokenizer, texts)
    # templates of distilled models open the thought in the prompt
    rewards.prefill = "<think>" if texts[0].rstrip().endswith("<think>") else ""
    return dataset


def _golds(dataset: Dataset, domains: list[str]) -> list:
    """Some of the golds that a reward compares with."""
    mine = dataset if not domains else dataset.filter(lambda domain: domain in domains, input_columns="domain")
    return mine[:SAMPLE]["solution"]
