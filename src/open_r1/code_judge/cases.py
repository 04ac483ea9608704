"""Parses the test cases of a row, in the formats that data sets use:

- open-r1's `verification_info`, as a mapping or JSON:
  `{"language": "python", "test_cases": [{"type": "stdin_stdout", "input": "1 2", "output": "3"}]}`;
  a test case may also call a function: `{"type": "function_call", "fn_name": "add", "input": [1, 2], "output": 3}`;
- just the list of test cases, as `test_cases`;
- LiveCodeBench's `public_test_cases`, `private_test_cases` (JSON, compressed or plain) and `metadata` (for
  `func_name`).

A test case may have a `tolerance`, the largest accepted absolute or relative error of a number.
"""

import base64
import io
import json
import math
import pickle
import zlib
from dataclasses import dataclass
from typing import Any

from open_r1.code_judge.languages import LANGUAGES, find_language


MAX_UNPACKED = 512 * 2**20  # bytes; size limit for compressed test cases after decompression
STDIN_TYPES = ("stdin_stdout", "stdin", "stdio")
CALL_TYPES = ("function_call", "functional", "call_based")


class InvalidTestCases(ValueError):
    """The test cases of a row are missing or malformed."""


@dataclass(frozen=True)
class Case:
    """One test case.

    Args:
        input (`str`): Standard input of the program, or the arguments of the function as JSON.
        output (`str`): Expected standard output, or expected result as JSON. Never enters the sandbox.
        function (`str`, *optional*): Function to call. By default, the whole program is run.
        tolerance (`float`, *optional*): Largest accepted absolute or relative error of a number.
    """

    input: str
    output: str
    function: str | None = None
    tolerance: float | None = None


def parse_test_cases(columns: dict[str, Any]) -> tuple[str, list[Case]]:
    """Parses the language and the test cases of a row.

    Args:
        columns (`dict`): The columns of the row: those named in the module docstring, and `language`.

    Raises:
        InvalidTestCases: If there are no test cases, or one of them is malformed.

    >>> parse_test_cases({"test_cases": '[{"input": "1 2", "output": "3"}]'})
    ('python', [Case(input='1 2', output='3', function=None, tolerance=None)])
    """
    info = _parse_json(columns.get("verification_info"), "verification_info") or {}
    if not isinstance(info, dict):
        raise InvalidTestCases(f"verification_info is a {type(info).__name__}; expected a mapping")
    language = _parse_language(info.get("language") or columns.get("language"))

    entries = _parse_list(info, "test_cases") or _parse_list(columns, "test_cases")
    public = _parse_list(columns, "public_test_cases")
    private = _check_list(_unpack(columns.get("private_test_cases")))
    function = info.get("fn_name")
    if public or private:
        function = function or _livecodebench_function(columns)

    cases = [_parse_case(entry, function) for entry in [*entries, *public, *private]]
    if not cases:
        raise InvalidTestCases("no test cases")
    calls_functions = any(case.function for case in cases)
    if calls_functions and not LANGUAGES[language].calls:
        raise InvalidTestCases(f"functions cannot be called in {language}")
    return language, cases


def _livecodebench_function(columns: dict[str, Any]) -> Any:
    metadata = _parse_json(columns.get("metadata"), "metadata")
    if isinstance(metadata, dict):
        return metadata.get("func_name")
    return None


def _parse_language(name: Any) -> str:
    language = None
    if name is None or isinstance(name, str):
        language = find_language(name)
    if language is None:
        raise InvalidTestCases(f"unknown language {name!r}; expected one of {', '.join(LANGUAGES)}")
    return language


def _parse_list(columns: dict[str, Any], name: str) -> list:
    return _check_list(_parse_json(columns.get(name), name))


def _check_list(entries: Any) -> list:
    entries = entries or []
    if not isinstance(entries, list):
        raise InvalidTestCases(f"test cases are a {type(entries).__name__}; expected a list")
    return entries


def _parse_case(entry: Any, default_function: str | None) -> Case:
    given = entry.get("input") if isinstance(entry, dict) else None
    expected = entry.get("output") if isinstance(entry, dict) else None
    if given is None or expected is None:
        raise InvalidTestCases(f"a test case needs input and output; found {str(entry)[:80]!r}")
    function = entry.get("fn_name") or default_function
    kind = entry.get("type") or entry.get("testtype")
    if not kind:
        kind = "function_call" if function else "stdin_stdout"
    tolerance = _check_tolerance(entry.get("tolerance"))
    if str(kind) in STDIN_TYPES:
        return Case(
            input=_to_text(given),
            output=_to_text(expected),
            tolerance=tolerance,
        )
    if str(kind) not in CALL_TYPES:
        raise InvalidTestCases(f"unknown type of test case {kind!r}")
    if not isinstance(function, str) or not function.isidentifier():
        raise InvalidTestCases(f"no function named {function!r} can be called")
    return Case(
        input=_to_arguments(given),
        output=_to_result(expected),
        function=function,
        tolerance=tolerance,
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


def _to_arguments(value: Any) -> str:
    """Converts arguments to JSON, from Python values or from text with one JSON value per line (LiveCodeBench)."""
    try:
        if isinstance(value, str):
            lines = [line for line in value.splitlines() if line.strip()]
            for line in lines:
                json.loads(line, parse_int=str)  # integers stay text, since they may be too long to convert
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
        json.loads(value, parse_int=str)
        return value
    except RecursionError as error:
        raise InvalidTestCases("an expected result is nested too deeply") from error
    except (ValueError, TypeError):
        return json.dumps(str(value))


def _parse_json(value: Any, column: str) -> Any:
    """Parses a column that is JSON text; `None` if it is blank. Other values are returned unchanged."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise InvalidTestCases(f"{column} is not JSON: {value[:80]!r}") from error


class _PlainUnpickler(pickle.Unpickler):
    """Unpickles plain values only. Pickles that need a class are rejected, since loading them could run code."""

    def find_class(self, module: str, name: str) -> None:
        raise InvalidTestCases(f"private_test_cases contain a pickled {module}.{name}")


def _unpack(value: Any) -> Any:
    """Parses LiveCodeBench's private test cases: JSON, either plain or pickled, compressed and base64-encoded."""
    if not isinstance(value, str) or value.lstrip()[:1] in ("", "[", "{"):
        return _parse_json(value, "private_test_cases")
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(value, validate=True), MAX_UNPACKED)
        if inflate.unconsumed_tail:
            raise InvalidTestCases(f"private_test_cases unpack to more than {MAX_UNPACKED >> 20} MiB")
        return _parse_json(_PlainUnpickler(io.BytesIO(data)).load(), "private_test_cases")
    except InvalidTestCases:
        raise
    except Exception as error:  # an unpickler may raise anything
        raise InvalidTestCases(f"private_test_cases cannot be unpacked: {error}") from error
