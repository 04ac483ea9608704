"""Reads the columns of a row into test cases of one form, whichever data set they come from.

[`read_test_cases`] returns mappings with the keys of open-r1's test cases: `input`, `output`, `type`, `fn_name` and
`tolerance`. `cases` then parses them. A row uses the first of these columns that has test cases:

| columns | layout |
|---|---|
| `verification_info` | open-r1's: `{"language": "python", "test_cases": [{"input": "1 2", "output": "3"}]}` |
| `test_cases`, `tests` | only the list, or one of the other layouts |
| `public_test_cases`, `private_test_cases`, `metadata` | LiveCodeBench's: JSON, plain or compressed; `func_name` |
| `input_output` | TACO's and APPS': `{"inputs": ["1 2"], "outputs": ["3"], "fn_name": …}` |
| `public_tests`, `private_tests`, `generated_tests` | CodeContests': `{"input": ["1 2"], "output": ["3"]}` |
| `official_tests` | open-r1/codeforces' list, with `generated_checker` |
| `ground_truth`, or `reward_model` with `ground_truth` | Eurus' and verl's: TACO's layout as JSON text |

Every column may be a value or JSON text, also text that was encoded twice, and a list of mappings may be a mapping of
lists, as `datasets` stores it.
"""

import base64
import io
import json
import pickle
import zlib
from typing import Any, NamedTuple


MAX_UNPACKED = 512 * 2**20  # bytes; size limit for compressed test cases after decompression
MAX_ENCODINGS = 3  # how many times a column may be encoded as JSON text

# The columns of each layout, in order: a row uses the first layout that has test cases.
LAYOUTS = (
    ("verification_info",),
    ("test_cases",),
    ("public_test_cases", "private_test_cases"),
    ("input_output",),
    ("public_tests", "private_tests", "generated_tests"),
    ("official_tests",),
    ("tests",),
    ("ground_truth",),
    ("reward_model",),
)
TEST_COLUMNS = tuple(column for layout in LAYOUTS for column in layout)
# Columns that say how to judge a row that has test cases.
OTHER_COLUMNS = (
    "metadata",
    "language",
    "generated_checker",
    "checker",
    "input_mode",
    "interaction_format",
    "input_file",
    "entry_point",
)
LIVECODEBENCH = ("public_test_cases", "private_test_cases")
# Rewards for the language of thoughts read the column `language`, too.
NATURAL_LANGUAGES = set("en zh fr es de pt it ru ar hi ja ko english chinese french spanish german".split())
NATURAL_LANGUAGES |= set("portuguese italian russian arabic hindi japanese korean".split())
# Fields of a test case besides its input and output.
FIELDS = ("type", "testtype", "fn_name", "metadata", "tolerance")


class InvalidTestCases(ValueError):
    """The test cases of a row are missing, or cannot be read or run. The message says why."""


class RawTestCases(NamedTuple):
    """Test cases as found in a row.

    Args:
        entries (`list[dict]`): Test cases with the keys of open-r1's.
        language (`Any`): Name of the programming language; `None` if the row has none.
    """

    entries: list[dict]
    language: Any


def read_test_cases(columns: dict[str, Any]) -> RawTestCases:
    """Finds the test cases of a row.

    Args:
        columns (`dict`): The columns of the row, of any of the layouts in the module docstring.

    Raises:
        InvalidTestCases: If the row has no test cases, or they have none of the layouts.

    >>> read_test_cases({"input_output": '{"inputs": ["1 2"], "outputs": ["3"]}'}).entries
    [{'input': '1 2', 'output': '3'}]
    """
    for layout in LAYOUTS:
        entries = []
        language = None
        for column in layout:
            found = _read_column(columns.get(column), column, columns)
            entries += found.entries
            language = language or found.language
        if entries:
            return RawTestCases(entries, language or _programming_language(columns.get("language")))
    raise InvalidTestCases("no test cases")


def _programming_language(name: Any) -> Any:
    """The column `language`, unless it names the language that the model is to think in."""
    code = str(name).strip().lower().partition("-")[0]
    if code in NATURAL_LANGUAGES:
        return None
    return name


def read_checker(columns: dict[str, Any]) -> str | None:
    """The program that decides whether an output is right, from `generated_checker`; `None` if the row has none.

    Raises:
        InvalidTestCases: If it is not text, or if the row has a checker in C++ instead, as those of CodeContests+.
    """
    checker = _unless_blank(columns.get("generated_checker"))
    if checker is None:
        info = parse_json(columns.get("verification_info"), "verification_info")
        if isinstance(info, dict):
            checker = _unless_blank(info.get("generated_checker"))
    if checker is None and columns.get("checker"):
        raise InvalidTestCases(
            f"its outputs need a testlib checker, which cannot be run (checker: {str(columns['checker'])[:40]!r})"
        )
    if checker is not None and not isinstance(checker, str):
        raise InvalidTestCases(f"generated_checker is a {type(checker).__name__}; expected a Python program as text")
    return checker


def _unless_blank(value: Any) -> Any:
    is_blank = isinstance(value, str) and not value.strip()
    if is_blank or not value:
        return None
    return value


def check_interaction(columns: dict[str, Any], entries: list[dict]) -> None:
    """Checks that the programs of a row read standard input and write standard output, unless functions are called.

    Args:
        columns (`dict`): The columns of the row.
        entries (`list[dict]`): Its test cases, from [`read_test_cases`].

    Raises:
        InvalidTestCases: If they use files, or talk to a judge, or if a function is called that only `entry_point`
            names, as in LeetCodeDataset: `Solution().add` with the arguments `a = 1, b = 2`.
    """
    if columns.get("entry_point") and not all(_says_how_to_run(entry) for entry in entries):
        raise InvalidTestCases(
            f"its test cases are calls of the entry_point {columns['entry_point']!r}, which are not supported; give "
            "each one fn_name and a list of arguments"
        )
    mode = columns.get("input_mode")
    if mode is not None and mode != "stdio":
        raise InvalidTestCases(f"its programs have input_mode {mode!r}; only 'stdio' can be judged")
    if columns.get("public_tests") is not None and columns.get("input_file"):
        raise InvalidTestCases(f"its programs read the file {columns['input_file']!r} instead of standard input")
    if columns.get("interaction_format"):
        raise InvalidTestCases("its programs talk to an interactive judge (interaction_format)")


def _says_how_to_run(entry: dict) -> bool:
    return bool(entry.get("fn_name") or entry.get("type") or entry.get("testtype"))


def parse_json(value: Any, column: str) -> Any:
    """Parses a column that is JSON text, also if it was encoded several times; `None` if it is blank.

    Other values are returned unchanged.

    Raises:
        InvalidTestCases: If text is not JSON.

    >>> parse_json('"[1]"', "tests"), parse_json(" ", "tests"), parse_json([1], "tests")
    ([1], None, [1])
    """
    for _ in range(MAX_ENCODINGS):
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise InvalidTestCases(f"{column} is not JSON: {value[:80]!r}{_likely_cause(value, error)}") from error
    return value


def _likely_cause(text: str, error: Exception) -> str:
    if "integer string conversion" in str(error):
        return " (it has an integer of more than 4,300 digits; write that as text)"
    if text.lstrip().startswith(("{'", "[{'", "['")):
        return " (it looks like Python's `str`; write it with `json.dumps`)"
    return ""


def _read_column(value: Any, column: str, columns: dict[str, Any]) -> RawTestCases:
    """The test cases in one column, if any."""
    if column == "private_test_cases":
        value = _unpack(value)
    value = parse_json(value, column)
    if column == "reward_model" and isinstance(value, dict):
        column = "reward_model.ground_truth"
        value = parse_json(value.get("ground_truth"), column)
    language = None
    defaults = {}
    if isinstance(value, dict):
        language = value.get("language")
        if value.get("fn_name") is not None and not isinstance(value["fn_name"], list):
            defaults["fn_name"] = value["fn_name"]
        if value.get("test_cases") is not None:
            value = parse_json(value["test_cases"], column)
        elif column == "verification_info" and not _has_lists(value):
            value = None
    if column in LIVECODEBENCH:
        function = _livecodebench_function(columns)
        if function:
            defaults = {"fn_name": function, "type": "functional"}

    entries = []
    for entry in _to_list(value, column):
        entry = _fill_in(_parse_entry(entry, column), defaults)
        if entry.get("testtype") == "functional":
            entry["type"] = "functional"
        entries.append(entry)
    return RawTestCases(entries, language)


def _has_lists(value: dict) -> bool:
    return value.get("inputs") is not None or value.get("input") is not None


def _to_list(value: Any, column: str) -> list:
    """The list of test cases, from a list or from a mapping of lists."""
    if value is None:
        return []
    if isinstance(value, dict):
        if value.get("inputs") is not None or value.get("outputs") is not None:
            entries = _transpose(value, "inputs", "outputs", column)
            for entry in entries:
                if value.get("fn_name") and not entry.get("type"):
                    entry["type"] = "call_based"
            return entries
        if value.get("input") is not None or value.get("output") is not None:
            return _transpose(value, "input", "output", column)
    if not isinstance(value, list):
        raise InvalidTestCases(
            f"{column} is {str(value)[:80]!r}; expected a list of test cases, or a mapping with lists of inputs and "
            "outputs"
        )
    return value


def _transpose(value: dict, inputs: str, outputs: str, column: str) -> list[dict]:
    """Turns a mapping of lists into a list of mappings."""
    given = parse_json(value.get(inputs), column)
    expected = parse_json(value.get(outputs), column)
    if not isinstance(given, list) or not isinstance(expected, list):
        raise InvalidTestCases(f"{column}: {inputs} and {outputs} are not both lists")
    if len(given) != len(expected):
        raise InvalidTestCases(f"{column} has {len(given)} {inputs}, but {len(expected)} {outputs}")
    entries = []
    for index, (one_input, one_output) in enumerate(zip(given, expected, strict=True)):
        entry = {"input": one_input, "output": one_output}
        for field in FIELDS:
            values = value.get(field)
            if isinstance(values, list) and len(values) == len(given):
                values = values[index]
            if values is not None:
                entry[field] = values
        entries.append(entry)
    return entries


def _parse_entry(entry: Any, column: str) -> dict:
    """A test case as a mapping of its own."""
    if isinstance(entry, str) and entry.lstrip().startswith("{"):
        entry = parse_json(entry, column)
    if isinstance(entry, str):
        raise InvalidTestCases(f"{column} has the text {entry[:80]!r}; expected test cases with input and output")
    if not isinstance(entry, dict):
        raise InvalidTestCases(f"a test case needs input and output; found {str(entry)[:80]!r}")
    return dict(entry)


def _fill_in(entry: dict, defaults: dict) -> dict:
    """Sets the fields that a test case shares with the others of its row."""
    function = _function_of(entry.get("metadata"))
    if function:
        defaults = {**defaults, "fn_name": function}
    for field, value in defaults.items():
        if not entry.get(field):
            entry[field] = value
    return entry


def _livecodebench_function(columns: dict[str, Any]) -> Any:
    return _function_of(columns.get("metadata"))


def _function_of(metadata: Any) -> Any:
    """The function that LiveCodeBench's metadata name."""
    metadata = parse_json(metadata, "metadata")
    if isinstance(metadata, dict):
        return metadata.get("func_name")
    return None


class _PlainUnpickler(pickle.Unpickler):
    """Unpickles plain values only. Pickles that need a class are rejected, since loading them could run code."""

    def find_class(self, module: str, name: str) -> None:
        raise InvalidTestCases(f"private_test_cases contain a pickled {module}.{name}")


def _unpack(value: Any) -> Any:
    """Unpacks LiveCodeBench's private test cases: JSON, either plain or pickled, compressed and base64-encoded."""
    if not isinstance(value, str) or value.lstrip()[:1] in ("", "[", "{", '"'):
        return value
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(value, validate=True), MAX_UNPACKED)
        if inflate.unconsumed_tail:
            raise InvalidTestCases(f"private_test_cases unpack to more than {MAX_UNPACKED >> 20} MiB")
        return _PlainUnpickler(io.BytesIO(data)).load()
    except InvalidTestCases:
        raise
    except Exception as error:  # an unpickler may raise anything
        raise InvalidTestCases(f"private_test_cases cannot be unpacked: {error}") from error
