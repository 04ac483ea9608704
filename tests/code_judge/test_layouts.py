"""The layouts in which data sets keep test cases, and the reasons why rows cannot be judged."""

import json

import pytest

from open_r1.code_judge.cases import Case, InvalidTestCases, parse_test_cases
from open_r1.code_judge.layouts import LAYOUTS, read_checker


def twice(value) -> str:
    return json.dumps(json.dumps(value))


LISTS = {"inputs": ["1 2\n", "5 6\n"], "outputs": ["3\n", "11\n"]}
SINGULAR = {"input": ["1 2\n", "5 6\n"], "output": ["3\n", "11\n"]}
ENTRIES = [{"input": "1 2\n", "output": "3\n"}, {"input": "5 6\n", "output": "11\n"}]
NO_TESTS = {"input": [], "output": []}
PROGRAMS = {
    "open-r1": {"verification_info": {"language": "python", "test_cases": ENTRIES}},
    "open-r1, JSON": {"verification_info": json.dumps({"language": "python", "test_cases": ENTRIES})},
    "open-r1, lists as datasets stores them": {
        "verification_info": {
            "language": "python",
            "test_cases": {**SINGULAR, "type": ["stdin_stdout"] * 2, "fn_name": [None, None]},
        }
    },
    "open-r1, with TACO's test cases": {"verification_info": {"language": "python", **LISTS}},
    "list": {"test_cases": ENTRIES},
    "list of JSON": {"test_cases": list(map(json.dumps, ENTRIES))},
    "JSON twice": {"test_cases": twice(ENTRIES)},
    "LiveCodeBench": {"public_test_cases": json.dumps(ENTRIES[:1]), "private_test_cases": json.dumps(ENTRIES[1:])},
    "LiveCodeBench, JSON twice": {"public_test_cases": "[]", "private_test_cases": twice(ENTRIES)},
    "TACO": {"input_output": LISTS},
    "TACO, JSON": {"input_output": json.dumps(LISTS)},
    "TACO, JSON twice": {"input_output": twice(LISTS)},
    "TACO, lists in JSON": {"input_output": {key: json.dumps(value) for key, value in LISTS.items()}},
    "TACO, null function": {"input_output": {**LISTS, "fn_name": None}},
    "TACO as test_cases": {"test_cases": LISTS},
    "TACO as test_cases, JSON": {"test_cases": json.dumps(LISTS)},
    "singular names": {"test_cases": json.dumps(SINGULAR)},
    "Eurus": {"ground_truth": json.dumps(LISTS)},
    "Eurus, verl": {"reward_model": {"style": "rule", "ground_truth": json.dumps(LISTS)}},
    "Eurus, SYNTHETIC-1": {"ground_truth": json.dumps({"language": "python", "test_cases": ENTRIES})},
    "CodeContests": {
        "public_tests": {"input": ["1 2\n"], "output": ["3\n"]},
        "private_tests": {"input": ["5 6\n"], "output": ["11\n"]},
        "generated_tests": NO_TESTS,
        "solutions": {"language": [2, 3], "solution": ["a", "b"]},
    },
    "CodeContests, only generated": {"public_tests": NO_TESTS, "private_tests": NO_TESTS, "generated_tests": SINGULAR},
    "open-r1/codeforces": {"official_tests": ENTRIES, "input_mode": "stdio", "interaction_format": None},
    "DeepCoder": {"tests": json.dumps([{**entry, "testtype": "stdin_stdout"} for entry in ENTRIES])},
    "stated to be programs": {
        "test_cases": [{**entry, "type": "stdin_stdout"} for entry in ENTRIES],
        "entry_point": "main",
    },
    "no entry point": {"test_cases": ENTRIES, "entry_point": None, "checker": ""},
    "gold answers of another domain": {"test_cases": ENTRIES, "ground_truth": "72", "tests": "def test(): pass"},
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    assert parse_test_cases(PROGRAMS[name]) == ("python", [Case("1 2\n", "3\n"), Case("5 6\n", "11\n")])


def test_every_layout_has_a_test():
    columns = set().union(*PROGRAMS.values())
    assert all(set(layout) <= columns for layout in LAYOUTS)


def call(**fields) -> dict:
    return {"test_cases": [{"type": "function_call", "fn_name": "add", **fields}]}


def functional(given: str, expected: str) -> dict:
    cases = [{"input": given, "output": expected, "testtype": "functional"}]
    return {"public_test_cases": json.dumps(cases), "metadata": '{"func_name": "add"}'}


CALLS = {  # the case, by the layout
    "values": (call(input=[1, 2], output=3), Case("[1, 2]", "3", "add")),
    "text": (call(input="[1, 2]", output="3"), Case("[1, 2]", "3", "add")),
    "text of one list": (call(input="[[1, 2]]", output="3"), Case("[[1, 2]]", "3", "add")),
    "text of one number": (call(input="1", output="3"), Case("[1]", "3", "add")),
    "text of names": (call(input='{"a": 1}', output="3"), Case('{"a": 1}', "3", "add")),
    "text, one per line": (call(input="1\n2", output="3"), Case("[1,2]", "3", "add")),
    "null": (call(input=[1], output=None), Case("[1]", "null", "add")),
    "wrapped": (call(input=[1, 2], output=[3]), Case("[1, 2]", "[3]", "add", alternatives=("3",))),
    "wrapped text": (call(input="[1, 2]", output="[3]"), Case("[1, 2]", "[3]", "add", alternatives=("3",))),
    "two items": (call(input=[1, 2], output=[3, 4]), Case("[1, 2]", "[3, 4]", "add")),
    "Python's text": (
        call(input="['a', True]", output="['b', None]"),
        Case('["a", true]', json.dumps("['b', None]"), "add", alternatives=('["b", null]',)),
    ),
    "Python's text of one": (
        call(input="(1, 2)", output="True"),
        Case("[1, 2]", '"True"', "add", alternatives=("true",)),
    ),
    "Python's text, one per line": (call(input="'a'\n2", output="YES"), Case('["a",2]', '"YES"', "add")),
    "LiveCodeBench": (functional("1\n2", "3"), Case("[1,2]", "3", "add")),
    "LiveCodeBench, one list": (functional("[1, 2]", "[3]"), Case("[[1, 2]]", "[3]", "add")),
    "LiveCodeBench, text": (functional('"a"', "True"), Case('["a"]', '"True"', "add")),
    "LiveCodeBench, line separator": (functional('"a\u2028b"', "3"), Case('["a\u2028b"]', "3", "add")),
    "TACO": (
        {"input_output": json.dumps({"fn_name": "add", "inputs": [[1, 2]], "outputs": [[3]]})},
        Case("[1, 2]", "[3]", "add", alternatives=("3",)),
    ),
    "TACO, not wrapped": (
        {"input_output": json.dumps({"fn_name": "add", "inputs": [[1, 2]], "outputs": [3]})},
        Case("[1, 2]", "3", "add"),
    ),
    "Eurus": (
        {"ground_truth": json.dumps({"fn_name": "add", "inputs": ["1\n2"], "outputs": ["3"]})},
        Case("[1,2]", "3", "add"),
    ),
    "DeepCoder": (
        {
            "tests": json.dumps(
                [{"input": "1\n2", "output": "3", "testtype": "functional", "metadata": {"func_name": "add"}}]
            )
        },
        Case("[1,2]", "3", "add"),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_function_calls(name):
    columns, case = CALLS[name]
    assert parse_test_cases(columns) == ("python", [case])


def test_results_are_not_unwrapped_if_one_has_no_list_of_its_own():
    _, cases = parse_test_cases({"input_output": {"fn_name": "f", "inputs": [[1], [2]], "outputs": [[3], [4, 5]]}})
    assert not any(case.alternatives for case in cases)
    _, cases = parse_test_cases({"input_output": {"fn_name": "f", "inputs": [[1], [2]], "outputs": [[3], [[4, 5]]]}})
    assert [case.alternatives for case in cases] == [("3",), ("[4, 5]",)]


PYTHON = [
    "Python 3",
    "python3",
    "PYTHON3",
    "py",
    "Python 3.11.2",
    "PyPy 3-64",
    "Python (3.8.6)",
    "python-3",
    " Python ",
]
CPP = ["C++", "cpp", "GNU C++17", "C++17 (GCC 7-32)", "GNU G++17 7.3.0", "GNU C++20 (64)", "g++"]
OTHERS = [
    "Python 2",
    "python2.7",
    "PyPy 2",
    "Python (2.7)",
    "javascript",
    "Java",
    "C",
    "C#",
    "cython",
    "cobol",
    "Python3x",
]


@pytest.mark.parametrize(("language", "names"), [("python", PYTHON), ("cpp", CPP)])
def test_names_of_languages(language, names):
    for name in names:
        assert parse_test_cases({"test_cases": ENTRIES, "language": name})[0] == language


@pytest.mark.parametrize("name", ["en", "zh-CN", "German", None])
def test_language_of_the_thought_is_no_programming_language(name):
    assert parse_test_cases({"test_cases": ENTRIES, "language": name})[0] == "python"


@pytest.mark.parametrize("name", OTHERS)
def test_languages_that_cannot_be_run_are_named(name):
    with pytest.raises(InvalidTestCases, match="cannot be run; expected one of python, cpp") as error:
        parse_test_cases({"verification_info": {"language": name, "test_cases": ENTRIES}})
    assert repr(name) in str(error.value)


REASONS = [
    ({"prompt": "1+1"}, "no test cases"),
    ({"test_cases": ["assert add(1, 2) == 3"]}, "'assert add"),
    ({"test_cases": "assert add(1, 2) == 3"}, "not JSON"),
    ({"test_cases": "{'inputs': ['1'], 'outputs': ['2']}"}, "json.dumps"),
    ({"input_output": {"inputs": ["1", "2"], "outputs": ["1"]}}, "2 inputs, but 1 outputs"),
    ({"input_output": {"inputs": ["1"]}}, "not both lists"),
    ({"input_output": {"inputs": "1", "outputs": "1"}}, "not both lists"),
    ({"input_output": {"inputs": [None], "outputs": ["1"]}}, "needs input and output"),
    ({"input_output": json.dumps({"fn_name": "f", "inputs": [[1]], "outputs": [1]}), "language": "C++"}, "in cpp"),
    ({"test_cases": '[{"input": ' + "1" * 5000 + ', "output": "1"}]'}, "4,300 digits"),
    ({"ground_truth": "72"}, "ground_truth is '72'"),
    ({"reward_model": {"style": "rule", "ground_truth": "x = 1"}}, "reward_model.ground_truth is not JSON"),
    ({"official_tests": ENTRIES, "input_mode": "file"}, "input_mode 'file'"),
    ({"official_tests": ENTRIES, "interaction_format": "Ask."}, "interactive"),
    ({"public_tests": SINGULAR, "input_file": "in.txt"}, "file 'in.txt'"),
    (call(input="__import__('os').getcwd()", output="3"), "not JSON"),
    (call(input="1 2", output="3"), "not JSON"),
    (
        {
            "input_output": [{"input": "nums = [1,2], target = 3", "output": "[0, 1]"}],
            "entry_point": "Solution().twoSum",
        },
        r"calls of the entry_point 'Solution\(\).twoSum'",
    ),
    ({"public_tests": NO_TESTS, "private_tests": NO_TESTS, "generated_tests": NO_TESTS}, "no test cases"),
]


@pytest.mark.parametrize(("columns", "reason"), REASONS)
def test_reasons(columns, reason):
    with pytest.raises(InvalidTestCases, match=reason):
        parse_test_cases(columns)


def test_checkers():
    assert read_checker({"generated_checker": "print(1)"}) == "print(1)"
    for blank in (None, "", " \n"):
        assert read_checker({"generated_checker": blank}) is None
    info = {"test_cases": [{"input": "1", "output": "2"}], "generated_checker": "print(1)"}
    assert read_checker({"verification_info": info}) == "print(1)"
    assert read_checker({"verification_info": json.dumps(info)}) == "print(1)"
    assert read_checker({"verification_info": json.dumps(info), "generated_checker": " "}) == "print(1)"
    with pytest.raises(InvalidTestCases, match="generated_checker"):
        read_checker({"generated_checker": True})


def test_checkers_of_testlib_cannot_be_run():
    """CodeContests+ has them beside test cases that one output does not decide."""
    row = {"test_cases": ENTRIES, "checker": '#include "testlib.h"\nint main() {}'}
    with pytest.raises(InvalidTestCases, match="testlib checker"):
        read_checker(row)
    assert read_checker({**row, "generated_checker": "print(1)"}) == "print(1)"
    for empty in (None, "", False):
        assert read_checker({**row, "checker": empty}) is None
