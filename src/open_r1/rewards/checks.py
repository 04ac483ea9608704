"""Checks of a data set against the rewards of a recipe, before any model is loaded."""

import logging

from open_r1.grading.golds import gold_answer
from open_r1.rewards.composition import Reward
from open_r1.utils.errors import RecipeError, did_you_mean


logger = logging.getLogger(__name__)

CHECKED_GOLDS = 1000  # of a data set, the first ones


def check_columns(rewards: list[Reward], columns: list[str]) -> None:
    """Stops if a reward needs a column that the data set does not have.

    Args:
        rewards (`list[Reward]`): Rewards of the recipe.
        columns (`list[str]`): Columns of the data set, under the names that rewards know.

    Raises:
        RecipeError: Naming the reward, the column and the columns that there are.
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
    """Stops if a reward is for rows that do not exist, or if there are rows without a reward.

    Args:
        rewards (`list[Reward]`): Rewards of the recipe.
        domains (`list[str]`): The column `domain` of the data set.

    Raises:
        RecipeError: Naming the domain.
    """
    existing = {str(domain) for domain in domains}
    rewarded = set()
    for reward in rewards:
        rewarded.update(reward.spec.domain or existing)
        for domain in set(reward.spec.domain) - existing:
            raise RecipeError(
                f"reward_funcs: {reward.label!r} is for the domain {domain!r}, of which the data set has no rows; it "
                f"has: {', '.join(sorted(existing))}{did_you_mean(domain, existing)}"
            )
    unrewarded = existing - rewarded
    if unrewarded:
        raise RecipeError(
            f"reward_funcs: rows of the domain {min(unrewarded)!r} have no reward; give them one or leave them out."
        )


def check_golds(golds: list, limit: float) -> None:
    """Stops if too many gold answers cannot be parsed: their rows would never train.

    Args:
        golds (`list`): Gold answers; the first `CHECKED_GOLDS` are enough.
        limit (`float`): Largest share of unusable gold answers to accept, from 0 to 1.

    Raises:
        RecipeError: With the share, and some of the gold answers.
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
