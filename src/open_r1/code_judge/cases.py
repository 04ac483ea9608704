"""Parses the test cases of a row, which `layouts` has found in its columns.

    {"type": "stdin_stdout", "input": "1 2", "output": "3"}
    {"type": "function_call", "fn_name": "add", "input": [1, 2], "output": 3, "tolerance": 1e-6}

The type says how arguments that are text are read:

| type | arguments | expected result |
|---|---|---|
| `function_call` (open-r1) | JSON: `[1, 2]` is `add(1, 2)` | JSON |
| `call_based` (TACO, APPS, Eurus) | one JSON value per line: `1\\n2` is `add(1, 2)` | JSON |
| `functional` (LiveCodeBench) | one JSON value per line | JSON, as it is |

Except in LiveCodeBench, arguments and results may also be text of Python literals, such as `['a', True]`. TACO and
APPS wrap results in a list of their own: if all expected results of a row are lists with one item, a function may
return the list or the item.
"""

import ast
import json
import math
from dataclasses import dataclass, replace
from typing import Any

from open_r1.code_judge.languages import LANGUAGES, find_language
from open_r1.code_judge.layouts import InvalidTestCases, check_interaction, read_test_cases


STDIN_TYPES = ("stdin_stdout", "stdin", "stdio")
MAX_LITERAL = 10_000  # characters; Python's parser is slow on longer literals
CALL_TYPES = ("function_call", "call_based", "functional")


@dataclass(frozen=True)
class Case:
    """One test case.

    Args:
        input (`str`): Standard input of the program, or the arguments of the function as JSON.
        output (`str`): Expected standard output, or expected result as JSON. Never enters the program's sandbox.
        function (`str`, *optional*): Function to call. By default, the whole program is run.
        tolerance (`float`, *optional*): Largest accepted absolute or relative error of a number.
        alternatives (`tuple[str, ...]`, *optional*): Other results of the function that are right, as JSON.
    """

    input: str
    output: str
    function: str | None = None
    tolerance: float | None = None
    alternatives: tuple[str, ...] = ()


def parse_test_cases(columns: dict[str, Any]) -> tuple[str, list[Case]]:
    """Parses the language and the test cases of a row.

    Args:
        columns (`dict`): The columns of the row, of any of the layouts in `layouts`, and `language`.

    Raises:
        InvalidTestCases: If there are no test cases, or one of them is malformed.

    >>> parse_test_cases({"test_cases": '[{"input": "1 2", "output": "3"}]'})
    ('python', [Case(input='1 2', output='3', function=None, tolerance=None, alternatives=())])
    """
    entries, language = read_test_cases(columns)
    language = _parse_language(language)
    check_interaction(columns, entries)
    cases = [_parse_case(entry) for entry in entries]
    calls_functions = any(case.function for case in cases)
    if calls_functions and not LANGUAGES[language].calls:
        raise InvalidTestCases(f"functions cannot be called in {language}")
    if all(map(_is_wrapped, entries, cases)):
        cases = [replace(case, alternatives=(*case.alternatives, case.output.strip()[1:-1])) for case in cases]
    return language, cases


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
    output = _to_result(entry["output"])
    alternatives = ()
    if kind != "functional" and isinstance(entry["output"], str) and not _is_json(entry["output"]):
        literal = _literal_to_json(entry["output"])
        if literal is not None:
            alternatives = (literal,)
    return Case(
        input=_to_arguments(entry["input"], kind),
        output=output,
        function=function,
        tolerance=tolerance,
        alternatives=alternatives,
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


def _to_arguments(value: Any, kind: str) -> str:
    """Converts arguments to JSON: a list of positional arguments, or a mapping of keyword arguments.

    Args:
        value (`Any`): The arguments as values, or as text.
        kind (`str`): Type of the test case. `function_call` has all arguments in one JSON value, if they are text.
    """
    try:
        if isinstance(value, str):
            return _text_to_arguments(value, kind)
        if not isinstance(value, list | dict):
            value = [value]
        return json.dumps(value)
    except (ValueError, RecursionError, TypeError) as error:
        raise InvalidTestCases("the arguments of a function are not JSON") from error


def _text_to_arguments(text: str, kind: str) -> str:
    if kind == "function_call":
        whole = _text_to_json(text)
        if whole is not None:
            is_all_arguments = isinstance(_load(whole), list | dict)
            return whole if is_all_arguments else f"[{whole}]"
    arguments = []
    for line in text.split("\n"):
        if not line.strip():
            continue
        argument = line if kind == "functional" else _text_to_json(line)
        if argument is None or not _is_json(argument):
            raise ValueError(line)
        arguments.append(argument)
    return f"[{','.join(arguments)}]"


def _text_to_json(text: str) -> str | None:
    """JSON of text that is JSON or a Python literal; `None` if it is neither."""
    return text if _is_json(text) else _literal_to_json(text)


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


def _is_wrapped(entry: dict, case: Case) -> bool:
    """Whether an expected result may be in a list of its own."""
    kind = entry.get("type") or entry.get("testtype")
    if not case.function or kind == "functional":
        return False
    if isinstance(entry["output"], str) and kind == "call_based":  # JSON, as it is
        return False
    value = _load(case.output)
    return isinstance(value, list) and len(value) == 1


def _literal_to_json(text: str) -> str | None:
    """JSON of a Python literal, as `str` and `repr` write values; `None` if the text is none, such as `YES`.

    >>> _literal_to_json("['a', None]"), _literal_to_json("True"), _literal_to_json("YES"), _literal_to_json("1_000")
    ('["a", null]', 'true', None, None)
    """
    text = text.strip()
    if len(text) > MAX_LITERAL or not text.startswith(("[", "(", "{", "'", '"', "True", "False", "None")):
        return None
    try:
        return json.dumps(ast.literal_eval(text))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _is_json(text: str) -> bool:
    try:
        _load(text)
    except ValueError:
        return False
    return True


def _load(text: str) -> Any:
    """Loads JSON for a look at it. Integers stay text, since they may be too long to convert."""
    return json.loads(text, parse_int=str)
