"""Test cases in the formats of all supported data sets, and invalid ones."""

import base64
import json
import pickle
import zlib

import pytest

from open_r1.code_judge.cases import Case, InvalidTestCases, parse_test_cases


ADD = [Case("1 2", "3"), Case("5 6", "11")]
CASES = [{"type": "stdin_stdout", "input": "1 2", "output": "3"}, {"input": "5 6", "output": "11", "fn_name": None}]
CALLS = [{"type": "function_call", "fn_name": "add", "input": [1, 2], "output": 3}]


def packed(cases: list) -> str:
    """Packs test cases like the private tests of LiveCodeBench."""
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(cases)))).decode()


LCB = [{"input": "1 2", "output": "3", "testtype": "stdin"}, {"input": "5 6", "output": "11", "testtype": "stdin"}]

SAME = [
    {"verification_info": {"language": "python", "test_cases": CASES}},
    {"verification_info": json.dumps({"language": "python", "test_cases": CASES})},
    {"verification_info": {"language": "Python3", "test_cases": json.dumps(CASES)}},
    {"verification_info": {"test_cases": CASES}},
    {"test_cases": CASES},
    {"test_cases": json.dumps(CASES)},
    {"test_cases": CASES, "language": "py"},
    {"test_cases": [{"input": ["1 2"], "output": ["3"]}, {"input": "5 6", "output": 11}]},  # APPS, TACO
    {"public_test_cases": json.dumps(LCB[:1]), "private_test_cases": packed(LCB[1:]), "metadata": "{}"},
    {"public_test_cases": json.dumps(LCB[:1]), "private_test_cases": json.dumps(LCB[1:])},
    {"public_test_cases": LCB, "private_test_cases": ""},
]


@pytest.mark.parametrize("columns", SAME)
def test_programs(columns):
    assert parse_test_cases(columns) == ("python", ADD)


@pytest.mark.parametrize(
    ("columns", "test"),
    [
        ({"test_cases": CALLS}, Case("[1, 2]", "3", "add")),
        ({"test_cases": [{**CALLS[0], "input": {"a": 1}}]}, Case('{"a": 1}', "3", "add")),
        ({"test_cases": [{**CALLS[0], "tolerance": 1e-6}]}, Case("[1, 2]", "3", "add", 1e-6)),
        (
            {
                "public_test_cases": json.dumps([{"input": "[1, 2]\n5", "output": "[5]", "testtype": "functional"}]),
                "metadata": json.dumps({"func_name": "add"}),
            },
            Case("[[1, 2],5]", "[5]", "add"),
        ),
        (
            {"verification_info": {"fn_name": "add", "test_cases": [{"input": [1, 2], "output": 3}]}},
            Case("[1, 2]", "3", "add"),
        ),
        ({"test_cases": [{**CALLS[0], "input": "1" * 5000, "output": "1"}]}, Case(f"[{'1' * 5000}]", "1", "add")),
        ({"test_cases": [{**CALLS[0], "output": "YES"}]}, Case("[1, 2]", '"YES"', "add")),
        ({"test_cases": [{**CALLS[0], "output": '"YES"'}]}, Case("[1, 2]", '"YES"', "add")),
    ],
)
def test_functions(columns, test):
    assert parse_test_cases(columns) == ("python", [test])


BROKEN = [
    {},
    {"verification_info": None},
    {"verification_info": "{"},
    {"verification_info": []},
    {"verification_info": {"language": "python", "test_cases": []}},
    {"verification_info": {"language": "cobol", "test_cases": CASES}},
    {"verification_info": {"language": 3, "test_cases": CASES}},
    {"verification_info": {"language": "cpp", "test_cases": CALLS}},
    {"test_cases": "[" * 100_000},
    {"test_cases": {"input": "1", "output": "1"}},
    {"test_cases": [None]},
    {"test_cases": [{"input": "1"}]},
    {"test_cases": [{"input": "1", "output": None}]},
    {"test_cases": [{**CASES[0], "type": "oracle"}]},
    {"test_cases": [{**CASES[0], "tolerance": "small"}]},
    {"test_cases": [{**CASES[0], "tolerance": -1}]},
    {"test_cases": [{**CALLS[0], "fn_name": "os.system('x')"}]},
    {"test_cases": [{**CALLS[0], "fn_name": None}]},
    {"test_cases": [{**CALLS[0], "input": "not json"}]},
    {"test_cases": '[{"input": "\\ud800", "output": "1"}]'},
    {"test_cases": [{**CALLS[0], "input": [10**5000]}]},
    {"private_test_cases": base64.b64encode(zlib.compress(b"\x80\x04]\x94(K\x01e.\x00")).decode()},
    {"private_test_cases": base64.b64encode(zlib.compress(b"\x80\x04Nb.")).decode()},
    {"private_test_cases": "no base64!"},
    {"private_test_cases": base64.b64encode(b"no zlib").decode()},
    {"private_test_cases": base64.b64encode(zlib.compress(b"no pickle")).decode()},
]


@pytest.mark.parametrize("columns", BROKEN)
def test_invalid_test_cases_are_refused(columns):
    with pytest.raises(InvalidTestCases, match="."):
        parse_test_cases(columns)


def test_unpacking_does_not_execute_pickled_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    trap = base64.b64encode(zlib.compress(pickle.dumps(Trap()))).decode()
    with pytest.raises(InvalidTestCases, match="pickled"):
        parse_test_cases({"private_test_cases": trap})
    assert not (tmp_path / "made").exists()
