"""Checks what a reward function returned, and converts it to one score per completion."""

import math
from collections.abc import Iterable, Mapping, Set
from decimal import Decimal
from numbers import Real
from typing import Any

from open_r1.utils.errors import RecipeError
from open_r1.utils.text import shorten


Scores = list[float | None]  # one score per completion; `None` where it cannot be judged

EXPECTED = "expected a list with one number per completion, or None for one that cannot be judged"
LARGEST = 1e18  # the square of a larger score is infinite in float32, and advantages divide by a standard deviation
MAX_SHOWN = 80  # characters of a value in an error message


def to_scores(returned: Any, count: int) -> Scores:
    """Converts the return value of a reward function.

    Numbers of numpy and torch count as numbers, booleans as 0 and 1; NaN and infinity as `None`.

    Args:
        returned (`Any`): The return value, normally a list.
        count (`int`): Number of completions.

    Raises:
        RecipeError: If it is not one number or `None` per completion. The caller adds the name of the reward.

    >>> to_scores([1, True, None, float("nan")], 4)
    [1.0, 1.0, None, None]
    """
    values = _to_list(returned)
    if len(values) != count:
        raise RecipeError(
            f"returned {len(values)} {_plural('value', len(values))} for {count} completions; {EXPECTED}"
        )
    scores = []
    for index, value in enumerate(values):
        try:
            scores.append(_to_score(value))
        except TypeError as error:
            raise RecipeError(
                f"returned {_describe(value)} for completion {index + 1} of {count}; {EXPECTED}"
            ) from error
        if scores[-1] is not None and abs(scores[-1]) > LARGEST:
            raise RecipeError(
                f"returned {_describe(value)} for completion {index + 1} of {count}; a score of more than {LARGEST:g} "
                "overflows in the trainer's float32; return smaller ones, or None for one that cannot be judged"
            )
    return scores


def _to_list(returned: Any) -> list:
    """The values of a list, a tuple, an array, a generator …, in order."""
    is_unordered = isinstance(returned, str | bytes | Mapping | Set)
    is_single = getattr(returned, "shape", None) == ()  # an array or tensor of one number, which cannot be iterated
    if is_unordered or is_single or not isinstance(returned, Iterable):
        raise RecipeError(f"returned {_describe(returned)}; {EXPECTED}")
    return list(returned)


def _to_score(value: Any) -> float | None:
    """One score as a float.

    Raises:
        TypeError: If the value is not a number.
    """
    if value is None:
        return None
    if hasattr(value, "shape") and hasattr(value, "item"):  # of numpy or torch
        if math.prod(value.shape) != 1:
            raise TypeError
        value = value.item()  # which may be text or a complex number
    if not isinstance(value, Real | Decimal):
        raise TypeError
    try:
        score = float(value)
    except (OverflowError, ValueError):  # 10**400, or a signalling NaN of `decimal`
        return None
    return score if math.isfinite(score) else None


def _describe(value: Any) -> str:
    """The value and its type, for an error message."""
    if value is None:
        return "None"
    return f"{shorten(repr(value), MAX_SHOWN)} ({type(value).__name__})"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
