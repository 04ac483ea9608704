"""Equality of answers: the table in `equal.txt`, and properties that hold for all answers."""

import math
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from open_r1.grading import grade, shared_grader
from open_r1.grading.equality import equal_at_once
from open_r1.grading.notation import normalize
from open_r1.grading.numerals import parse_rational


TABLE = Path(__file__).parent / "equal.txt"
LINES = [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
DEADLINE = settings(deadline=None, max_examples=60)


@pytest.fixture(scope="module")
def verdicts() -> dict:
    """The verdicts on all cells of the table, graded as one batch."""
    cases = [(line.split(" ;; ")[0], cell) for line in LINES for cell in line.split(" ;; ")[1:]]
    answers = [re.split(r"\s+## ", cell.lstrip("?"))[0][1:] for _, cell in cases]
    boxes = [f"\\boxed{{{answer}}}" for answer in answers]
    grades, _ = shared_grader().grade_all(boxes, [gold for gold, _ in cases])
    return {case: grade.reward for case, grade in zip(cases, grades, strict=True)}


def test_there_are_enough_cases():
    cells = [cell for line in LINES for cell in line.split(" ;; ")[1:]]
    assert len(cells) >= 1900 and sum(cell.startswith("?") for cell in cells) <= 12


@pytest.mark.parametrize("line", LINES)
def test_table(line, verdicts):
    gold, *cells = line.split(" ;; ")
    for cell in cells:
        known_limit = cell.startswith("?")
        expected = cell.lstrip("?").startswith("+") is not known_limit
        assert verdicts[gold, cell] == float(expected), cell


numbers = st.fractions(min_value=-1000, max_value=1000, max_denominator=64)


def latex(value: Fraction) -> str:
    return f"{'-' if value < 0 else ''}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


@given(numbers, st.integers(2, 9))
@DEADLINE
def test_forms_of_one_number_are_equal(value, factor):
    assert parse_rational(normalize(latex(value))) == value
    assert grade(f"\\boxed{{\\frac{{{value.numerator * factor}}}{{{value.denominator * factor}}}}}", str(value)) == 1.0
    assert grade(f"<answer>{value.numerator}/{value.denominator}</answer>", latex(value)) == 1.0
    if value.denominator == 1:
        assert grade(f"The answer is {value.numerator:,}.", str(value)) == 1.0


@given(numbers, numbers)
@DEADLINE
def test_other_numbers_are_not_equal(value, other):
    assert grade(f"\\boxed{{{latex(other)}}}", latex(value)) == float(value == other)
    rounded = round(float(value), 2)
    assert grade(f"\\boxed{{{rounded}}}", latex(value)) == float(Fraction(str(rounded)) == value)


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=4, unique=True), st.randoms())
@DEADLINE
def test_order_matters_in_tuples_but_not_in_sets(values, random):
    shuffled = random.sample(values, len(values))
    box = ", ".join(map(str, shuffled))
    assert grade(f"\\boxed{{({box})}}", f"({', '.join(map(str, values))})") == float(shuffled == values)
    assert grade(f"\\boxed{{\\{{{box}\\}}}}", f"\\{{{', '.join(map(str, values))}\\}}") == 1.0
    assert grade(f"\\boxed{{\\{{{box}, 10\\}}}}", f"\\{{{', '.join(map(str, values))}\\}}") == 0.0


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(-9, 9))
@settings(deadline=None, max_examples=25)
def test_expanded_polynomials_are_equal_and_perturbed_ones_are_not(a, b, c):
    expanded = f"x^2{a + b:+d}x{a * b:+d}"
    assert grade(f"\\boxed{{(x{a:+d})(x{b:+d})}}", expanded) == 1.0
    assert grade(f"\\boxed{{(x{a:+d})(x{b:+d}){c:+d}}}", expanded) == float(c == 0)


@given(st.text(max_size=300), st.text(max_size=60))
@settings(deadline=None, max_examples=150)
def test_any_text_is_graded_without_an_error(completion, gold):
    assert grade(completion, gold) in (0.0, 1.0, None)
    assert equal_at_once(normalize(gold) or "5", normalize(completion)) in (True, False, None)


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=100)
def test_any_bytes_are_graded_without_an_error(data):
    text = data.decode("utf-8", "surrogateescape")
    assert grade(f"\\boxed{{{text}", "5") == 0.0 or "}" in text
    assert grade(f"<answer>{text}</answer>", "x^2+17") in (0.0, 1.0)


def test_values_that_differ_after_many_digits_are_not_equal():
    """Evaluation to a fixed number of digits would consider these equal."""
    assert grade("\\boxed{2^{1009}-1}", "2^{1009}") == 0.0
    assert grade("\\boxed{\\sqrt{2}+10^{-17}}", "\\sqrt{2}") == 0.0
    assert grade(f"\\boxed{{{math.pi!r}}}", "\\pi") == 0.0
