"""Compares outputs token by token, and results by value. Numbers must be equal, unless there is a tolerance."""

import json
import re
from decimal import Decimal
from typing import Any


# Numbers as programs print them, also `.5`, `5.` and `+5`. Others, such as 007, are compared as text.
NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


def same_output(expected: str, output: str, tolerance: float | None = None) -> bool:
    """Whether an output equals the expected one: the same lines with the same tokens.

    The amount of white space between tokens, trailing white space, blank lines at both ends and CRLF do not matter.
    `1.0` equals `1`, `.5` equals `0.5`, and `+5` equals `5`.

    Args:
        expected (`str`): The expected output.
        output (`str`): The output of the program.
        tolerance (`float`, *optional*): Largest accepted absolute or relative error of a number.

    >>> same_output("1 2\\n3\\n", "1  2\\r\\n3"), same_output("1\\n2\\n3", "1")
    (True, False)
    >>> same_output("50000000000000001", "50000000000000000")
    False
    """
    expected_lines = _split_tokens(expected)
    output_lines = _split_tokens(output)
    if [len(line) for line in expected_lines] != [len(line) for line in output_lines]:
        return False
    for expected_line, output_line in zip(expected_lines, output_lines, strict=True):
        for expected_token, token in zip(expected_line, output_line, strict=True):
            if not _same_token(expected_token, token, tolerance):
                return False
    return True


def same_result(expected: str, result: str, tolerance: float | None = None) -> bool:
    """Whether the result of a function equals the expected one.

    Both are compared as JSON: a tuple equals a list, and `1.0` equals `1`, but `True` does not equal `1`.

    Args:
        expected (`str`): The expected result, as JSON.
        result (`str`): The result of the function, as JSON.
        tolerance (`float`, *optional*): Largest accepted absolute or relative error of a number.

    >>> same_result("[1, 2]", "[1.0, 2]"), same_result("1", "true"), same_result("[1, 2]", "[1]")
    (True, False, False)
    >>> same_result("0.3", "0.30001", tolerance=1e-3)
    True
    """
    try:
        return _same_value(_load(expected), _load(result), tolerance)
    except (ValueError, RecursionError):
        return False


def _split_tokens(text: str) -> list[list[str]]:
    return [line.split() for line in text.strip().splitlines()]


def _load(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=str)


def _same_value(expected: Any, value: Any, tolerance: float | None) -> bool:
    if isinstance(expected, Decimal) and isinstance(value, Decimal):
        return _same_number(expected, value, tolerance)
    if type(expected) is not type(value):
        return False
    if isinstance(expected, list):
        if len(expected) != len(value):
            return False
        return all(_same_value(a, b, tolerance) for a, b in zip(expected, value, strict=True))
    if isinstance(expected, dict):
        if expected.keys() != value.keys():
            return False
        return all(_same_value(expected[key], value[key], tolerance) for key in expected)
    return expected == value


def _same_token(expected: str, token: str, tolerance: float | None) -> bool:
    if expected == token:
        return True
    if not NUMBER.fullmatch(expected) or not NUMBER.fullmatch(token):
        return False
    return _same_number(Decimal(expected), Decimal(token), tolerance)


def _same_number(expected: Decimal, number: Decimal, tolerance: float | None) -> bool:
    if expected == number:
        return True
    if tolerance is None:
        return False
    try:
        scale = max(Decimal(1), abs(expected), abs(number))
        return abs(expected - number) <= Decimal(tolerance) * scale
    except ArithmeticError:  # a number with a million digits
        return False
