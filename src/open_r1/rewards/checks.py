"""Checks of a data set against the rewards of a recipe, before any model is loaded."""

import logging

from open_r1.grading.golds import gold_answer
from open_r1.rewards.composition import Reward
from open_r1.utils.errors import RecipeError, did_you_mean


logger = logging.getLogger(__name__)


def check_columns(rewards: list[Reward], columns: list[str]):
    """Stops before any training if a reward needs a column that the data set does not have.

    Raises:
        RecipeError: Naming reward, column and what there is.
    """
    for reward in rewards:
        if (any_of := getattr(reward.function, "needs_one_of", ())) and not set(any_of) & set(columns):
            raise RecipeError(
                f"reward {reward.label!r} needs one of the dataset columns {', '.join(any_of)}; found: {', '.join(columns)}."
            )
        for column in sorted(reward.columns - set(columns)):
            option = (
                f" (set `dataset_{column}_column` to the one that holds it)"
                if column in ("solution", "prompt")
                else ""
            )
            raise RecipeError(
                f"reward {reward.label!r} needs the dataset column {column!r}{option}; found: {', '.join(columns)}"
                f"{did_you_mean(column, columns)}"
            )


def check_domains(rewards: list[Reward], domains: list[str]):
    """Stops before any training if a reward is for rows that do not exist, or if rows have no reward.

    Raises:
        RecipeError: Naming the domain.
    """
    found = {str(domain) for domain in domains}
    for reward in rewards:
        for domain in set(reward.spec.domain) - found:
            raise RecipeError(
                f"reward_funcs: {reward.label!r} is for the domain {domain!r}, of which the data set has no rows; it has: "
                f"{', '.join(sorted(found))}{did_you_mean(domain, found)}"
            )
    if without := found - {domain for reward in rewards for domain in reward.spec.domain or found}:
        raise RecipeError(
            f"reward_funcs: rows of the domain {min(without)!r} have no reward; give them one or leave them out."
        )


def check_golds(golds: list, limit: float):
    """Stops before any training if too many of the golds say nothing: their rows would never train.

    Args:
        golds (`list`): Gold answers, a sample of at most a thousand is enough.
        limit (`float`): Largest share of unusable golds to accept, from 0 to 1.

    Raises:
        RecipeError: With the share and some of the golds.
    """
    bad = [gold for gold in golds if gold_answer(gold) is None]
    if len(bad) > limit * len(golds):
        raise RecipeError(
            f"reward 'accuracy' cannot parse {len(bad)} of {len(golds)} golds, such as {bad[:3]!r}; at most "
            f"{limit:.0%} may fail (max_unusable_golds). Is dataset_solution_column the column of final answers?"
        )
    if bad:
        logger.warning("%d of %d golds cannot be parsed, their rows do not train: %r", len(bad), len(golds), bad[:3])
