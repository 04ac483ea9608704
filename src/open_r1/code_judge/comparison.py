"""Is an output the expected one? Token by token over the whole output; numbers exactly, unless the test allows a tolerance."""

import json
import re
from decimal import Decimal
from typing import Any


NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,4})?")  # not 007: that is a text


def same_output(expected: str, output: str, tolerance: float | None = None) -> bool:
    """Whether a program printed what it should: the same lines of the same tokens.

    White space at line ends, around the whole and between tokens is forgiven, and CRLF. `1.0` is `1`.

    Args:
        expected (`str`): The expected output.
        output (`str`): What the program printed.
        tolerance (`float`, *optional*): Largest absolute or relative error of a number.

    >>> same_output("1 2\\n3\\n", "1  2\\r\\n3"), same_output("1\\n2\\n3", "1"), same_output("50000000000000001", "50000000000000000")
    (True, False, False)
    """
    lines, others = ([line.split() for line in text.strip().splitlines()] for text in (expected, output))
    if [len(line) for line in lines] != [len(line) for line in others]:
        return False
    return all(
        _same_token(a, b, tolerance)
        for line, other in zip(lines, others, strict=True)
        for a, b in zip(line, other, strict=True)
    )


def same_result(expected: str, result: str, tolerance: float | None = None) -> bool:
    """Whether a function returned what it should, both as JSON. A tuple is a list, `1.0` is `1`, `True` is not.

    >>> same_result("[1, 2]", "[1.0, 2]"), same_result("1", "true"), same_result("[1, 2]", "[1]"), same_result("0.3", "0.30001", 1e-3)
    (True, False, False, True)
    """
    try:
        return _same_value(_load(expected), _load(result), tolerance)
    except (ValueError, RecursionError):
        return False


def _load(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=str)


def _same_value(expected: Any, value: Any, tolerance: float | None) -> bool:
    if isinstance(expected, Decimal) and isinstance(value, Decimal):
        return expected == value or _close(expected, value, tolerance)
    if type(expected) is not type(value):
        return False
    if isinstance(expected, list):
        return len(expected) == len(value) and all(
            _same_value(a, b, tolerance) for a, b in zip(expected, value, strict=True)
        )
    if isinstance(expected, dict):
        return expected.keys() == value.keys() and all(
            _same_value(expected[key], value[key], tolerance) for key in expected
        )
    return expected == value


def _same_token(expected: str, token: str, tolerance: float | None) -> bool:
    if expected == token:
        return True
    if not (NUMBER.fullmatch(expected) and NUMBER.fullmatch(token)):
        return False
    a, b = Decimal(expected), Decimal(token)
    return a == b or _close(a, b, tolerance)


def _close(a: Decimal, b: Decimal, tolerance: float | None) -> bool:
    try:
        return tolerance is not None and abs(a - b) <= Decimal(tolerance) * max(Decimal(1), abs(a), abs(b))
    except ArithmeticError:  # a number of a million digits
        return False
