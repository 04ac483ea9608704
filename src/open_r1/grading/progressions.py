"""Lists with dots, such as `1, 2, …, n`."""

from fractions import Fraction
from itertools import pairwise

from open_r1.grading.numerals import parse_rational


DOTS = "..."
LONGEST = 200  # terms that are spelled out


def spell_out(terms: list[str]) -> list[str]:
    """Lists all terms of an arithmetic progression of numbers. Other lists are returned unchanged.

    >>> spell_out(["0", "2", "...", "8"]), spell_out(["1", "2", "...", "n"])
    (['0', '2', '4', '6', '8'], ['1', '2', '...', 'n'])
    """
    if terms.count(DOTS) != 1:
        return terms
    dots = terms.index(DOTS)
    first = _numbers(terms[:dots])
    last = _numbers(terms[dots + 1 :])
    if not first or not last or not _is_arithmetic(first):
        return terms
    distance = first[1] - first[0]
    steps = (last[-1] - first[0]) / distance if distance else Fraction(0)
    if steps.denominator != 1 or not len(first) < steps < LONGEST:
        return terms
    numbers = [first[0] + step * distance for step in range(int(steps) + 1)]
    if numbers[-len(last) :] != last:
        return terms
    return [str(number) for number in numbers]


def continues(shorter: list[str], longer: list[str]) -> bool:
    """Whether the first terms of a progression determine further ones: two if it is arithmetic, three if geometric.

    >>> continues(["1", "2"], ["1", "2", "3"]), continues(["1", "2"], ["1", "2", "4"])
    (True, False)
    """
    numbers = _numbers(longer)
    if not numbers:
        return False
    if _is_arithmetic(numbers):
        return len(shorter) >= 2
    return _is_geometric(numbers) and len(shorter) >= 3


def _numbers(terms: list[str]) -> list[Fraction] | None:
    """The values of terms; `None` if one of them is no plain number."""
    numbers = [parse_rational(term) for term in terms]
    return None if None in numbers else numbers


def _is_arithmetic(numbers: list[Fraction]) -> bool:
    """Whether numbers have the same distance from one to the next."""
    return len({second - first for first, second in pairwise(numbers)}) == 1


def _is_geometric(numbers: list[Fraction]) -> bool:
    """Whether numbers have the same ratio from one to the next."""
    if 0 in numbers:
        return False
    return len({second / first for first, second in pairwise(numbers)}) == 1
