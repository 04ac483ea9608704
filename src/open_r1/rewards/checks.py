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

CHECKED_GOLDS = 1000  # how many of a data set's gold answers to check, drawn from all rows
CHECKED_SAMPLES = 1000  # how many rows of a data set to check with rewards that can, drawn from all rows
SHOWN_GOLDS = 3  # of those that cannot be parsed
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


def check_domains(rewards: list[Reward], dataset: "Dataset") -> None:
    """Checks that the data set has rows for each domain of a reward, and a reward for each of its rows.

    Args:
        rewards (`list[Reward]`): Rewards of the recipe.
        dataset (`Dataset`): Rows with a column `domain`.

    Raises:
        RecipeError: If a domain has no rows or no reward, or if one is not text.
    """
    from open_r1.data.rows import describe_row  # takes a second to import

    first_rows: dict[str | None, str] = {}  # of each domain
    for index, domain in enumerate(dataset["domain"]):
        if domain is not None and not isinstance(domain, str):
            raise RecipeError(
                f"reward_funcs: some are for a domain, but the column 'domain' has a {type(domain).__name__} in "
                f"{describe_row(dataset, index)}: {str(domain)[:80]}; expected text such as 'math'."
            )
        if domain not in first_rows:
            first_rows[domain] = describe_row(dataset, index)
    existing = first_rows.keys() - {None}
    rewarded = set()
    for reward in rewards:
        rewarded.update(reward.spec.domain or first_rows)
        for domain in set(reward.spec.domain) - existing:
            found = ", ".join(sorted(existing)) or "none"
            raise RecipeError(
                f"reward_funcs: {reward.label!r} is for the domain {domain!r}, but the data set has no such rows; it "
                f"has: {found}{did_you_mean(domain, existing)}"
            )
    for domain, row in first_rows.items():
        if domain not in rewarded:
            rows = f"rows of the domain {domain!r}"
            if domain is None:
                rows = "rows without a domain"
            raise RecipeError(f"reward_funcs: {rows} ({row}) have no reward; give them one or leave them out.")


def check_golds(reward: Reward, dataset: "Dataset", limit: float) -> None:
    """Checks that enough gold answers can be parsed. Rows whose gold cannot be parsed are never trained on.

    Args:
        reward (`Reward`): The reward that compares them, perhaps for some domains only.
        dataset (`Dataset`): Rows with gold answers in the column `solution`.
        limit (`float`): Largest acceptable share of unusable gold answers, from 0 to 1.

    Raises:
        RecipeError: If more gold answers are unusable.
    """
    from open_r1.data.rows import describe_row  # takes a second to import

    rows = sorted(_draw_rows(dataset, reward, CHECKED_GOLDS))
    golds = dataset.select_columns("solution").select(rows)["solution"]
    unusable = []
    for row, gold in zip(rows, golds, strict=True):
        if gold_answer(gold) is None:
            unusable.append((row, gold))
    if not unusable:
        return
    shown = [f"{gold!r} ({describe_row(dataset, row)})" for row, gold in unusable[:SHOWN_GOLDS]]
    examples = ", ".join(shown)
    if len(unusable) > limit * len(rows):
        raise RecipeError(
            f"reward {reward.label!r} cannot parse {len(unusable)} of {len(rows)} golds, such as {examples}; at most "
            f"{limit:.0%} may fail (max_unusable_golds). Is dataset_solution_column the column of final answers?"
        )
    logger.warning("%d of %d golds cannot be parsed, their rows do not train: %s", len(unusable), len(rows), examples)


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
    from open_r1.data.rows import describe_row  # takes a second to import

    for reward in rewards:
        if not _checks_samples(reward):
            continue
        unusable = []
        checked = 0
        started = time.monotonic()
        for number in _draw_rows(dataset, reward, CHECKED_SAMPLES):
            if time.monotonic() - started > CHECK_SECONDS:
                break
            checked += 1
            reason = unusable_reason(reward, dataset[number])
            if reason is not None:
                unusable.append((number, reason))
        if not unusable:
            continue
        number, reason = min(unusable)
        example = describe_row(dataset, number)
        found = f"reward {reward.label!r} cannot judge {len(unusable):,} of {checked:,} rows, such as {example}"
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


def _checks_samples(reward: Reward) -> bool:
    if reward.spec.name == "accuracy":
        return False
    return callable(getattr(reward.function, "check_sample", None)) or _compares_golds(reward)


def _compares_golds(reward: Reward) -> bool:
    return reward.is_registered and "solution" in reward.columns


def _draw_rows(dataset: "Dataset", reward: Reward, count: int) -> list[int]:
    """The numbers of rows to check, in random order, so that the first ones represent all rows."""
    numbers = range(len(dataset))
    if reward.spec.domain:
        domains = list(dataset["domain"])
        numbers = [number for number in numbers if domains[number] in reward.spec.domain]
    return random.Random(0).sample(numbers, min(count, len(numbers)))
