"""Checks that a data set fits the rewards of a recipe, before any model is loaded."""

import logging
import random
import time
from typing import TYPE_CHECKING, Any

from open_r1.grading.golds import gold_answer
from open_r1.rewards.composition import Reward
from open_r1.utils.errors import RecipeError, did_you_mean


if TYPE_CHECKING:  # takes a second to import, which `from open_r1.rewards import grade` does without
    from datasets import Dataset

logger = logging.getLogger(__name__)

CHECKED_GOLDS = 1000  # how many of a data set's gold answers to check, from the first
CHECKED_SAMPLES = 1000  # how many rows of a data set to check with rewards that can, drawn from all rows
CHECK_SECONDS = 30.0  # test cases may be large; rows that were not checked by then are left out


def check_columns(rewards: list[Reward], columns: list[str]) -> None:
    """Checks that the data set has all columns that the rewards need.

    Args:
        rewards (`list[Reward]`): Rewards of the recipe.
        columns (`list[str]`): Columns of the data set, under the names that the rewards use.

    Raises:
        RecipeError: If a column is missing.
    """
    found = ", ".join(columns)
    for reward in rewards:
        alternatives = getattr(reward.function, "needs_one_of", ())
        if alternatives and set(alternatives).isdisjoint(columns):
            raise RecipeError(
                f"reward {reward.label!r} needs one of the dataset columns {', '.join(alternatives)}; found: {found}."
            )
        for column in sorted(reward.columns - set(columns)):
            remedy = ""
            if column in ("solution", "prompt"):
                remedy = f" (set `dataset_{column}_column` to the one that holds it)"
            raise RecipeError(
                f"reward {reward.label!r} needs the dataset column {column!r}{remedy}; found: {found}"
                f"{did_you_mean(column, columns)}"
            )


def check_domains(rewards: list[Reward], domains: list[str]) -> None:
    """Checks that the data set has rows for each domain of a reward, and a reward for each of its domains.

    Args:
        rewards (`list[Reward]`): Rewards of the recipe.
        domains (`list[str]`): The `domain` column of the data set.

    Raises:
        RecipeError: If a domain has no rows or no reward.
    """
    existing = {str(domain) for domain in domains}
    rewarded = set()
    for reward in rewards:
        rewarded.update(reward.spec.domain or existing)
        for domain in set(reward.spec.domain) - existing:
            raise RecipeError(
                f"reward_funcs: {reward.label!r} is for the domain {domain!r}, but the data set has no such rows; it "
                f"has: {', '.join(sorted(existing))}{did_you_mean(domain, existing)}"
            )
    unrewarded = existing - rewarded
    if unrewarded:
        raise RecipeError(
            f"reward_funcs: rows of the domain {min(unrewarded)!r} have no reward; give them one or leave them out."
        )


def check_golds(golds: list, limit: float) -> None:
    """Checks that enough gold answers can be parsed. Rows whose gold cannot be parsed are never trained on.

    Args:
        golds (`list`): Gold answers; the first `CHECKED_GOLDS` are enough.
        limit (`float`): Largest acceptable share of unusable gold answers, from 0 to 1.

    Raises:
        RecipeError: If more gold answers are unusable.
    """
    unusable = [gold for gold in golds if gold_answer(gold) is None]
    if len(unusable) > limit * len(golds):
        raise RecipeError(
            f"reward 'accuracy' cannot parse {len(unusable)} of {len(golds)} golds, such as {unusable[:3]!r}; at most "
            f"{limit:.0%} may fail (max_unusable_golds). Is dataset_solution_column the column of final answers?"
        )
    if unusable:
        logger.warning(
            "%d of %d golds cannot be parsed, their rows do not train: %r", len(unusable), len(golds), unusable[:3]
        )


def check_samples(rewards: list[Reward], dataset: "Dataset", limit: float) -> None:
    """Checks that enough rows can be judged by the rewards that have columns of their own, such as test cases.

    A reward takes part if it has a method `check_sample(row: dict) -> str | None`, which returns why the completions
    of a row cannot be judged, or if it is one of ours that compares gold answers, except `accuracy`, for which there
    is `check_golds`. Rows that cannot be judged are never trained on.

    Args:
        rewards (`list[Reward]`): Rewards of the recipe.
        dataset (`Dataset`): The data set, with the columns under the names that the rewards use.
        limit (`float`): Largest acceptable share of unusable rows, from 0 to 1.

    Raises:
        RecipeError: If more rows are unusable.
    """
    for reward in rewards:
        if not callable(getattr(reward.function, "check_sample", None)) and not _compares_golds(reward):
            continue
        if reward.spec.name == "accuracy":
            continue
        unusable = []
        checked = 0
        started = time.monotonic()
        for number in _draw_rows(dataset, reward):
            if time.monotonic() - started > CHECK_SECONDS:
                break
            checked += 1
            reason = unusable_reason(reward, dataset[number])
            if reason is not None:
                unusable.append((number, reason))
        if not unusable:
            continue
        number, reason = min(unusable)
        found = (
            f"reward {reward.label!r} cannot judge {len(unusable):,} of {checked:,} rows, such as row {number + 1:,}"
        )
        if len(unusable) > limit * checked:
            raise RecipeError(
                f"{found}: {reason}. At most {limit:.0%} may be unusable (in training: max_unusable_golds). If the "
                "reward is for some rows only, give it a `domain`."
            )
        logger.warning("%s: %s. These rows do not count.", found, reason)


def unusable_reason(reward: Reward, row: dict[str, Any]) -> str | None:
    """Why a reward can judge no completion of a row; `None` if it can, or if it cannot tell.

    Args:
        reward (`Reward`): A reward that applies to the row.
        row (`dict`): The columns of the row.
    """
    if _compares_golds(reward) and gold_answer(row.get("solution")) is None:
        return f"its gold answer {str(row.get('solution'))[:80]!r} cannot be parsed"
    check_sample = getattr(reward.function, "check_sample", None)
    if not callable(check_sample):
        return None
    try:
        return check_sample(row)
    except Exception as error:  # a user's reward may raise anything
        return f"check_sample failed: {error!r}"


def _compares_golds(reward: Reward) -> bool:
    return reward.is_registered and "solution" in reward.columns


def _draw_rows(dataset: "Dataset", reward: Reward) -> list[int]:
    """The numbers of rows to check, in random order, so that the first ones represent all rows."""
    numbers = range(len(dataset))
    if reward.spec.domain:
        domains = list(dataset["domain"])
        numbers = [number for number in numbers if domains[number] in reward.spec.domain]
    return random.Random(0).sample(numbers, min(CHECKED_SAMPLES, len(numbers)))
