"""Calls each reward once on a made batch, before the model is loaded and also in a dry run.

A reward that raises an exception, or does not return one number per completion, would otherwise be found out at the
first step, after the model has been loaded and completions have been sampled.
"""

import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, TrainerState

from open_r1.rewards import Composition, Reward
from open_r1.rewards.composition import log_nothing
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import CLOSE, OPEN


logger = logging.getLogger(__name__)

NOT_COLUMNS = ("prompt", "completion", "completion_ids")  # TRL passes all others to rewards
SLOW = 10  # seconds
# What a made completion says after its thought; rewards must be able to score any text.
ANSWERS = ("\n<answer>\n{answer}\n</answer>", "\nThe answer is \\boxed{{{answer}}}.", "\nI do not know.")


def probe_rewards(
    rewards: Composition,
    dataset: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    num_generations: int,
    dry_run: bool,
) -> None:
    """Calls each reward as the trainer will, on made completions of real rows. No random generator is advanced.

    The batch is one group of completions for the first row, or for the first row of each domain if a reward has one.
    In a dry run, rewards that load a model or start a sandbox are only asked whether they could start, and one that
    cannot reach its server is reported but accepted: the run may be on another machine.

    Args:
        rewards (`Composition`): The recipe's rewards, with the prefill of the prompts.
        dataset (`Dataset`): The prompts, with their columns.
        tokenizer (`PreTrainedTokenizerBase`): For the column `completion_ids`.
        num_generations (`int`): Number of completions per prompt.
        dry_run (`bool`): Whether the run stops before the training.

    Raises:
        RecipeError: If a reward raises an exception or does not return one number or `None` per completion.
    """
    if not dry_run:
        rewards.start()
    completions, columns = make_batch(rewards, dataset, tokenizer, num_generations)
    with unchanged_random_generators():
        for reward in rewards.rewards:
            needs_start = callable(getattr(reward.function, "start", None))
            if dry_run and needs_start:
                _check_start(reward)
            else:
                _probe(reward, rewards.prefill, completions, columns, dry_run)


def count_model_parameters(rewards: Composition, dry_run: bool) -> int:
    """Counts the parameters of reward models that every process keeps on its device.

    Args:
        rewards (`Composition`): The recipe's rewards.
        dry_run (`bool`): Whether it is fine if a model is not here.

    Raises:
        RecipeError: If a model does not exist.
    """
    total = 0
    for reward in rewards.rewards:
        count_parameters = getattr(reward.function, "count_parameters", None)
        if count_parameters is None:
            continue
        try:
            total += count_parameters()
        except RecipeError as error:
            if not dry_run:
                raise
            logger.warning("reward %r: the memory of its model is not known here: %s", reward.label, error)
    return total


def make_batch(
    rewards: Composition, dataset: Dataset, tokenizer: PreTrainedTokenizerBase, num_generations: int
) -> tuple[list, dict]:
    """Made completions, and everything else that TRL 1.16 passes to rewards (`GRPOTrainer._calculate_rewards`).

    Returns:
        `tuple[list, dict]`: Completions, as messages if the prompts are messages, and the keyword arguments.
    """
    rows = []
    for index in _choose_rows(rewards, dataset):
        rows += [dataset[index]] * num_generations
    texts = [_make_text(row, number, rewards.prefill) for number, row in enumerate(rows)]
    completions = texts
    if not isinstance(rows[0]["prompt"], str):
        completions = [[{"role": "assistant", "content": text}] for text in texts]
    columns = {name: [row[name] for row in rows] for name in rows[0] if name not in NOT_COLUMNS}
    from_trainer = {
        "prompts": [row["prompt"] for row in rows],
        "completion_ids": [tokenizer.encode(text, add_special_tokens=False) for text in texts],
        "trainer_state": TrainerState(),
        "log_extra": log_nothing,
        "log_metric": log_nothing,
    }
    return completions, columns | from_trainer


@contextmanager
def unchanged_random_generators() -> Iterator[None]:
    """Restores the states of the random generators of Python, numpy and torch afterwards."""
    python_state = random.getstate()
    numpy_state = np.random.get_state()
    torch_state = torch.get_rng_state()
    cuda_state = None
    if torch.cuda.is_initialized():
        cuda_state = torch.cuda.get_rng_state()  # of this process's GPU; asking the others would take their memory
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
        if cuda_state is not None:
            torch.cuda.set_rng_state(cuda_state)


def _choose_rows(rewards: Composition, dataset: Dataset) -> list[int]:
    """The first row; if a reward is for some domains only, the first row of each domain."""
    if not any(reward.spec.domain for reward in rewards.rewards):
        return [0]
    first_rows: dict[str, int] = {}
    for index, domain in enumerate(dataset["domain"]):
        first_rows.setdefault(domain, index)
    return list(first_rows.values())


def _make_text(row: dict, number: int, prefill: str) -> str:
    """A completion in one of the forms that models write, some with the gold answer."""
    thought = f"{OPEN}\nLet me think about this, step by step. It takes {number + 1} steps.\n{CLOSE}"
    answer = ANSWERS[number % len(ANSWERS)].format(answer=row.get("solution", number))
    return thought.removeprefix(prefill) + answer


def _probe(reward: Reward, prefill: str, completions: list, columns: dict, dry_run: bool) -> None:
    """Calls one reward."""
    started = time.monotonic()
    try:
        scores = reward.probe(completions, prefill, columns)
    except RecipeError as error:
        raise RecipeError(f"{error} It was called with made completions, before the training.") from error
    except (Exception, SystemExit) as error:  # a user's reward may raise anything
        if dry_run and _is_about_connection(error):
            logger.warning("reward %r cannot reach its server from here, and was not tried: %r", reward.label, error)
            return
        logger.error("reward %r failed for made completions", reward.label, exc_info=error)
        raise RecipeError(
            f"reward_funcs: {reward.label!r} raised {type(error).__name__}: {error}. It was called with made "
            "completions, before the training; the traceback is above. For a completion that it cannot judge, it "
            "should return None."
        ) from error
    seconds = time.monotonic() - started
    if seconds > SLOW:
        logger.warning("reward %r took %.0f s for %d made completions", reward.label, seconds, len(scores))
    if not reward.is_registered and scores.count(None) == len(scores):
        logger.warning("reward %r returned None or NaN for all of %d made completions", reward.label, len(scores))


def _check_start(reward: Reward) -> None:
    """Asks a reward whether it could start, without loading its model."""
    check = getattr(reward.function, "check", None)
    if check is None:
        logger.info("reward %r was not tried, since it has a method `start` but none called `check`", reward.label)
        return
    try:
        check()
    except Exception as error:  # whatever is missing here may be there where the run will be
        logger.warning("reward %r cannot start here: %s", reward.label, error)


def _is_about_connection(error: BaseException) -> bool:
    """Whether an exception was caused by a server that cannot be reached. HTTP clients wrap the original one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionError | TimeoutError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
