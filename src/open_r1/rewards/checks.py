"""Checks that a data set fits the rewards of a recipe, before any model is loaded."""

import logging

from open_r1.grading.golds import gold_answer
from open_r1.rewards.composition import Reward
from open_r1.utils.errors import RecipeError, did_you_mean


logger = logging.getLogger(__name__)

CHECKED_GOLDS = 1000  # how many of a data set's gold answers to check, from the first


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
