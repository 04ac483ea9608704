"""The test cases of a row, in the formats that data sets use.

- open-r1's `verification_info`: `{"language": "python", "test_cases": [{"type": "stdin_stdout", "input": "1 2", "output": "3"},
  {"type": "function_call", "fn_name": "add", "input": [1, 2], "output": 3}]}`, a mapping or its JSON;
- such a list by itself, as `test_cases`;
- LiveCodeBench's `public_test_cases`, `private_test_cases` (JSON, packed or plain) and `metadata` (for `func_name`).

A test may hold a `tolerance`, the largest absolute or relative error of a number.
"""

import base64
import io
import json
import math
import pickle
import zlib
from dataclasses import dataclass
from typing import Any

from open_r1.code_judge.languages import LANGUAGES, language_of


MOST = 512 * 2**20  # bytes of packed test cases, unpacked


class BrokenTests(ValueError):
    """Test cases that nothing can be judged by."""


@dataclass(frozen=True)
class Case:
    """One test.

    Args:
        input (`str`): What the program reads, or the arguments of the function, a list as JSON.
        output (`str`): What it should print, or return, as JSON. Stays in this process.
        function (`str`, *optional*): The function to call; without one, the whole program is run.
        tolerance (`float`, *optional*): Largest absolute or relative error of a number.
    """

    input: str
    output: str
    function: str | None = None
    tolerance: float | None = None


def cases_of(columns: dict[str, Any]) -> tuple[str, list[Case]]:
    """Language and tests of a row.

    Args:
        columns (`dict`): Those of the row's columns that the module names, and `language`.

    Raises:
        BrokenTests: If there are none, or one of them is no test.

    >>> cases_of({"test_cases": '[{"input": "1 2", "output": "3"}]'})
    ('python', [Case(input='1 2', output='3', function=None, tolerance=None)])
    """
    info = _loaded(columns.get("verification_info"), "verification_info") or {}
    if not isinstance(info, dict):
        raise BrokenTests(f"verification_info is a {type(info).__name__}, not a mapping")
    given = info.get("language") or columns.get("language")
    language = language_of(given) if given is None or isinstance(given, str) else None
    if language is None:
        raise BrokenTests(f"language {given!r} is none of {', '.join(LANGUAGES)}")
    entries = _loaded(info.get("test_cases"), "test_cases") or _loaded(columns.get("test_cases"), "test_cases") or []
    public = _loaded(columns.get("public_test_cases"), "public_test_cases") or []
    hidden = _unpacked(columns.get("private_test_cases")) or []
    metadata = _loaded(columns.get("metadata"), "metadata") if public or hidden else {}
    name = metadata.get("func_name") if isinstance(metadata, dict) else None
    entries = [*_listed(entries), *_listed(public), *_listed(hidden)]
    tests = [_test(entry, info.get("fn_name") or name) for entry in entries]
    if not tests:
        raise BrokenTests("no test cases")
    if not LANGUAGES[language].calls and any(test.function for test in tests):
        raise BrokenTests(f"functions cannot be called in {language}")
    return language, tests


def _listed(entries: Any) -> list:
    if not isinstance(entries, list):
        raise BrokenTests(f"test cases are a {type(entries).__name__}, not a list")
    return entries


def _test(entry: Any, function: str | None) -> Case:
    if not isinstance(entry, dict) or entry.get("input") is None or entry.get("output") is None:
        raise BrokenTests(f"a test case needs input and output; found {str(entry)[:80]!r}")
    function = entry.get("fn_name") or function
    kind = str(entry.get("type") or entry.get("testtype") or ("function_call" if function else "stdin_stdout"))
    tolerance = entry.get("tolerance")
    if tolerance is not None:
        if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < math.inf:
            raise BrokenTests(f"tolerance {tolerance!r} is no number of at least 0")
    if kind in ("stdin_stdout", "stdin", "stdio"):
        return Case(_text(entry["input"]), _text(entry["output"]), None, tolerance)
    if kind not in ("function_call", "functional", "call_based"):
        raise BrokenTests(f"unknown type of test case {kind!r}")
    if not isinstance(function, str) or not function.isidentifier():
        raise BrokenTests(f"no function named {function!r} can be called")
    return Case(_arguments(entry["input"]), _result(entry["output"]), function, tolerance)


def _text(value: Any) -> str:
    """Input or output as text; a list is one line an entry, as APPS and TACO keep it."""
    text = "\n".join(map(str, value)) if isinstance(value, list) else str(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BrokenTests("input or output is no Unicode") from error
    return text


def _arguments(value: Any) -> str:
    """Arguments as a JSON list: given so, or each on a line of its own, as JSON (LiveCodeBench)."""
    try:
        if isinstance(value, str):
            lines = [line for line in value.splitlines() if line.strip()]
            for line in lines:
                json.loads(line, parse_int=str)  # of any size
            return f"[{','.join(lines)}]"
        return json.dumps(value if isinstance(value, list | dict) else [value])
    except (ValueError, RecursionError, TypeError) as error:
        raise BrokenTests("the arguments of a function are not JSON") from error


def _result(value: Any) -> str:
    """An expected result as JSON; text that is no JSON is itself the result."""
    try:
        if not isinstance(value, str):
            return json.dumps(value)
        json.loads(value, parse_int=str)
        return value
    except RecursionError as error:
        raise BrokenTests("an expected result is nested too deep") from error
    except (ValueError, TypeError):
        return json.dumps(str(value))


def _loaded(value: Any, column: str) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise BrokenTests(f"{column} is not JSON: {value[:80]!r}") from error


class _PlainUnpickler(pickle.Unpickler):
    """Reads a pickled text; whatever needs a class is refused, since loading that would run code."""

    def find_class(self, module: str, name: str):
        raise BrokenTests(f"private_test_cases hold a pickled {module}.{name}")


def _unpacked(value: Any) -> Any:
    """LiveCodeBench's private tests: JSON, or its pickled text, compressed, in base64."""
    if not isinstance(value, str) or value.lstrip()[:1] in ("", "[", "{"):
        return _loaded(value, "private_test_cases")
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(value, validate=True), MOST)
        if inflate.unconsumed_tail:
            raise BrokenTests(f"private_test_cases unpack to more than {MOST >> 20} MiB")
        return _loaded(_PlainUnpickler(io.BytesIO(data)).load(), "private_test_cases")
    except BrokenTests:
        raise
    except Exception as error:  # an unpickler may raise anything
        raise BrokenTests(f"private_test_cases cannot be unpacked: {error}") from error
