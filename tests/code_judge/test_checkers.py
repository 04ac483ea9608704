"""Checkers of rows: programs that decide whether one of several outputs is right."""

import asyncio

import pytest

from open_r1.rewards.code import Code


SPLIT = """
import sys
given, expected, output = [open(path).read() for path in sys.argv[1:]]
assert expected == "1 4"
a, b = map(int, output.split())
print(int(a + b == int(given) and a > 0 and b > 0))
"""
# Checkers that must not be able to do what they try. They print 1 if they can.
HOSTILE = {
    "network": (
        "import socket\ntry:\n    socket.create_connection(('127.0.0.1', 80), 1); print(1)\nexcept OSError: print(0)"
    ),
    "host": "import os\nprint(int(any(map(os.path.exists, ['/root', '/home', '/etc/passwd', '/var']))))",
    "descriptors": (
        "import os\n"
        "written = 0\n"
        "for descriptor in range(3, 256):\n"
        "    try: written += os.write(descriptor, b'1/1')\n"
        "    except OSError: pass\n"
        "print(int(written > 0))"
    ),
    "environment": "import os\nprint(int(any('TOKEN' in name for name in os.environ)))",
    "other processes": "import os\nprint(int(sum(name.isdigit() for name in os.listdir('/proc')) > 5))",
    "the tested program": "import os\nprint(int(set(os.listdir('/tmp')) > {'input.txt', 'main.py', 'secret'}))",
}


@pytest.fixture
def check(judge):
    """Scores the program `print(output)` of a row that has a checker."""

    def check(program: str, checker: str, **columns) -> tuple[float | None, str]:
        code = Code(timeout=5)
        code.start()
        code.judge.provider = judge
        remarks = {}
        completions = [f"<think>…</think>\n```python\n{program}\n```"]
        tests = [[{"input": "5", "output": "1 4"}]]
        columns = {"official_tests": tests, "generated_checker": [checker]} | columns
        rewards = asyncio.run(code(completions, log_extra=remarks.__setitem__, **columns))
        return rewards[0], remarks["code"][0]

    return check


@pytest.mark.parametrize(
    ("program", "reward"),
    [
        ("print(2, 3)", 1.0),
        ("print('1 4')", 1.0),
        ("print(5, 0)", 0.0),
        ("print(1)", 0.0),
        ("print('two three')", 0.0),
        ("pass", 0.0),
        ("print(2, 3)\nraise SystemExit(1)", 0.0),
        ("open('/tmp/solution_output.txt', 'w').write('2 3')\nprint(5, 0)", 0.0),
        ("open('/tmp/checker.py', 'w').write('print(1)')\nprint(5, 0)", 0.0),
        (
            "import os, time\n"
            "print(5, 0, flush=True)\n"
            "if os.fork() == 0:\n"
            "    os.setsid()\n"
            "    while True: open('/tmp/solution_output.txt', 'w').write('2 3')",
            0.0,
        ),
    ],
)
def test_several_right_outputs(check, program, reward):
    assert check(program, SPLIT)[0] == reward


@pytest.mark.parametrize(
    ("checker", "reward"),
    [
        ("print(1)", 1.0),
        ("print('1.0')", 1.0),
        ("print('the order does not matter')\nprint(1)", 1.0),
        ("def main():\n    print(1)\nif __name__ == '__main__':\n    main()", 1.0),
        ("import sys\nprint(int(sys.stdin.read() == '' and len(sys.argv) == 4))", 1.0),
        ("print(0)", 0.0),
        ("print(0.5)", 0.0),
        ("print(100)", 0.0),
    ],
)
def test_verdicts_of_checkers(check, checker, reward):
    assert check("print(2, 3)", checker)[0] == reward


@pytest.mark.parametrize(
    "checker", ["def (", "pass", "print('OK')", "print(1)\nraise SystemExit(1)", "import nothing"]
)
def test_a_checker_that_fails_leaves_the_row_unjudged(check, checker):
    reward, remark = check("print(2, 3)", checker)
    assert reward is None
    assert remark == "broken tests: generated_checker fails, even on the expected output"
    assert check("print('1 4')", checker)[0] == 1.0  # needs no checker


@pytest.mark.parametrize("name", HOSTILE)
def test_checkers_are_isolated(check, name):
    assert check("open('/tmp/secret', 'w').write('x')\nprint(2, 3)", HOSTILE[name])[0] == 0.0


def test_the_program_never_sees_the_expected_output_or_the_checker(check):
    program = (
        "import glob\n"
        "texts = [open(path).read() for path in glob.glob('/tmp/*') + glob.glob('/box/*') if 'main.py' not in path]\n"
        "print(*([2, 3] if any('1 4' in text or 'expected' in text for text in texts) else [5, 0]))"
    )
    assert check(program, SPLIT)[0] == 0.0
