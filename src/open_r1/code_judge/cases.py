"""Parses the test cases of a row, which `layouts` has found in its columns.

    {"type": "stdin_stdout", "input": "1 2", "output": "3"}
    {"type": "function_call", "fn_name": "add", "input": [1, 2], "output": 3, "tolerance": 1e-6}

The type says how arguments that are text are read:

| type | arguments | expected result |
|---|---|---|
| `function_call` (open-r1) | JSON: `[1, 2]` is `add(1, 2)` | JSON |
| `call_based` (TACO, APPS, Eurus) | one JSON value per line: `1\\n2` is `add(1, 2)` | JSON |
| `functional` (LiveCodeBench) | one JSON value per line | JSON, as it is |

TACO and APPS wrap results in a list of their own. If all expected results of a row are lists with one item, a function
may return the list or the item; only LiveCodeBench's are never unwrapped.
"""

import json
import math
from dataclasses import dataclass, replace
from typing import Any

from open_r1.code_judge.languages import LANGUAGES, find_language
from open_r1.code_judge.layouts import InvalidTestCases, check_interaction, read_test_cases


STDIN_TYPES = ("stdin_stdout", "stdin", "stdio")
CALL_TYPES = ("function_call", "call_based", "functional")


@dataclass(frozen=True)
class Case:
    """One test case.

    Args:
        input (`str`): Standard input of the program, or the arguments of the function as JSON.
        output (`str`): Expected standard output, or expected result as JSON. Never enters the program's sandbox.
        function (`str`, *optional*): Function to call. By default, the whole program is run.
        tolerance (`float`, *optional*): Largest accepted absolute or relative error of a number.
        wrapped (`bool`, *optional*, defaults to `False`):
            Whether the expected result is a list with one item that the function may also return without the list.
    """

    input: str
    output: str
    function: str | None = None
    tolerance: float | None = None
    wrapped: bool = False


def parse_test_cases(columns: dict[str, Any]) -> tuple[str, list[Case]]:
    """Parses the language and the test cases of a row.

    Args:
        columns (`dict`): The columns of the row, of any of the layouts in `layouts`, and `language`.

    Raises:
        InvalidTestCases: If there are no test cases, or one of them is malformed.

    >>> parse_test_cases({"test_cases": '[{"input": "1 2", "output": "3"}]'})
    ('python', [Case(input='1 2', output='3', function=None, tolerance=None, wrapped=False)])
    """
    entries, language = read_test_cases(columns)
    language = _parse_language(language)
    check_interaction(columns)
    cases = [_parse_case(entry) for entry in entries]
    calls_functions = any(case.function for case in cases)
    if calls_functions and not LANGUAGES[language].calls:
        raise InvalidTestCases(f"functions cannot be called in {language}")
    if all(case.wrapped for case in cases):
        return language, cases
    return language, [replace(case, wrapped=False) if case.wrapped else case for case in cases]


def _parse_language(name: Any) -> str:
    language = None
    if name is None or isinstance(name, str):
        language = find_language(name)
    if language is None:
        raise InvalidTestCases(f"programs in {name!r} cannot be run; expected one of {', '.join(LANGUAGES)}")
    return language


def _parse_case(entry: dict) -> Case:
    function = entry.get("fn_name")
    kind = entry.get("type") or entry.get("testtype")
    if not kind:
        kind = "function_call" if function else "stdin_stdout"
    calls_function = str(kind) in CALL_TYPES
    # A function may return nothing, but a program without an expected output cannot be judged.
    has_output = "output" in entry if calls_function else entry.get("output") is not None
    if entry.get("input") is None or not has_output:
        raise InvalidTestCases(f"a test case needs input and output; found {str(entry)[:80]!r}")
    tolerance = _check_tolerance(entry.get("tolerance"))
    if str(kind) in STDIN_TYPES:
        return Case(
            input=_to_text(entry["input"]),
            output=_to_text(entry["output"]),
            tolerance=tolerance,
        )
    if not calls_function:
        raise InvalidTestCases(f"unknown type of test case {kind!r}")
    if not isinstance(function, str) or not function.isidentifier():
        raise InvalidTestCases(f"no function named {function!r} can be called")
    return Case(
        input=_to_arguments(entry["input"], one_per_line=kind != "function_call"),
        output=_to_result(entry["output"]),
        function=function,
        tolerance=tolerance,
        wrapped=_is_wrapped(entry["output"], kind),
    )


def _check_tolerance(tolerance: Any) -> float | None:
    if tolerance is None:
        return None
    is_number = isinstance(tolerance, int | float) and not isinstance(tolerance, bool)
    if not is_number or not 0 <= tolerance < math.inf:
        raise InvalidTestCases(f"tolerance is {tolerance!r}; expected a finite number of at least 0")
    return tolerance


def _to_text(value: Any) -> str:
    """Converts an input or output to text. A list becomes one line per entry, as in APPS and TACO."""
    if isinstance(value, list):
        text = "\n".join(map(str, value))
    else:
        text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidTestCases("input or output is not valid Unicode") from error
    return text


def _to_arguments(value: Any, one_per_line: bool) -> str:
    """Converts arguments to JSON: a list of positional arguments, or a mapping of keyword arguments.

    Args:
        value (`Any`): The arguments as values, or as text.
        one_per_line (`bool`): Whether text has one JSON value per line, rather than one for all arguments.
    """
    try:
        if isinstance(value, str):
            if not one_per_line and _is_json(value):
                is_all_arguments = isinstance(_load(value), list | dict)
                return value if is_all_arguments else f"[{value}]"
            lines = [line for line in value.split("\n") if line.strip()]
            for line in lines:
                _load(line)
            return f"[{','.join(lines)}]"
        if not isinstance(value, list | dict):
            value = [value]
        return json.dumps(value)
    except (ValueError, RecursionError, TypeError) as error:
        raise InvalidTestCases("the arguments of a function are not JSON") from error


def _to_result(value: Any) -> str:
    """Converts an expected result to JSON. Text that is not JSON is taken as the result itself."""
    try:
        if not isinstance(value, str):
            return json.dumps(value)
        return value if _is_json(value) else json.dumps(value)
    except RecursionError as error:
        raise InvalidTestCases("an expected result is nested too deeply") from error
    except (ValueError, TypeError):
        return json.dumps(str(value))


def _is_wrapped(value: Any, kind: str) -> bool:
    """Whether an expected result may be in a list of its own."""
    if isinstance(value, str) and kind == "function_call" and _is_json(value):
        value = _load(value)
    return kind != "functional" and isinstance(value, list) and len(value) == 1


def _is_json(text: str) -> bool:
    try:
        _load(text)
    except ValueError:
        return False
    return True


def _load(text: str) -> Any:
    """Loads JSON for a look at it. Integers stay text, since they may be too long to convert."""
    return json.loads(text, parse_int=str)
