"""Detects reflection in a thought: words such as "wait", and mistakes that the model notices and corrects (the paper's
"aha moment")."""

import re
from fractions import Fraction


# The paper's list (v2, C.2), and the Chinese words of the miniature.
REFLECTION_WORDS = re.compile(
    r"\b(wait|mistake|however|but|retry|error|verify|wrong|evaluate|check)\b|等等|重新|检查", re.IGNORECASE
)
EQUATION = re.compile(r"([\d(][\d+*/(). -]*?)\s*=\s*(-?\d+(?:\.\d+)?(?:/\d+)?)")
TIMES = re.compile(r"\s*(?:\\times|\\cdot|×)\s*")
THOUSANDS_SEPARATOR = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
WINDOW = 200  # maximum number of characters between an equation and the word of reflection


def has_reflection(text: str) -> bool:
    """Whether a text has a word of reflection.

    >>> has_reflection("3*7=2 wait 3*7=1"), has_reflection("3*7=1")
    (True, False)
    """
    return REFLECTION_WORDS.search(text) is not None


def find_repair(text: str) -> tuple[str, str, str] | None:
    """Finds the first mistake that is noticed and corrected, the simplest form of the paper's "aha moment".

    A repair is an equation, then a word of reflection, then an equation with the same left side and another value.

    Args:
        text (`str`): A thought or a whole completion.

    Returns:
        `tuple[str, str, str]`: Left side, wrong result and corrected result; `None` if there is no repair.

    >>> find_repair("3*7=2 wait 3*7=1 so 1+5=6")
    ('3*7', '2', '1')
    >>> find_repair(r"$3 \\times 7 = 22$. Wait, $3\\cdot7=21$.")
    ('3*7', '22', '21')
    >>> find_repair("3*7=1 wait 3*7=1") is None
    True
    """
    plain = TIMES.sub("*", text).replace("$", "")
    plain = THOUSANDS_SEPARATOR.sub("", plain)
    for word in REFLECTION_WORDS.finditer(plain):
        start = max(0, word.start() - WINDOW)
        before = EQUATION.findall(plain[start : word.start()])
        after = EQUATION.search(plain, word.end(), word.end() + WINDOW)
        if not before or after is None:
            continue
        left_before, result_before = before[-1]
        left_after, result_after = after.groups()
        left = _without_spaces(left_after)
        if left != _without_spaces(left_before):
            continue
        if _value(result_before) != _value(result_after):
            return left, result_before, result_after
    return None


def _value(result: str) -> Fraction | str:
    """The value of a number or fraction; its text if the denominator is zero."""
    numerator, _, denominator = result.partition("/")
    if not denominator:
        return Fraction(numerator)
    if int(denominator) == 0:
        return result
    return Fraction(numerator) / int(denominator)


def _without_spaces(text: str) -> str:
    return re.sub(r"\s", "", text)
