"""Runs the checker of a row: a program that decides whether an output is right, for problems with several.

Its interface is that of `generated_checker` in open-r1/codeforces: a Python program, started as

    python checker.py input.txt correct_output.txt solution_output.txt

which prints 1 if the output is right and 0 if not. It runs in a sandbox of its own, after that of the tested program
is gone, with the same limits and without network. All that it can do is to print its verdict.
"""

import json

from open_r1.code_judge.process import Limits


CHECKER_LIMITS = Limits(seconds=15, output=2**16)
# Reads the three texts as JSON from standard input, so that providers only need to run programs.
DRIVER = """
import json, os, sys
texts = json.loads(sys.stdin.read())
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.chdir("/tmp")
names = ["input.txt", "correct_output.txt", "solution_output.txt"]
for name, text in zip(names, texts):
    with open(name, "w", encoding="utf-8", newline="") as file:
        file.write(text)
del texts
sys.argv = ["checker.py"] + names
namespace = {"__name__": "__main__", "__file__": "checker.py", "__builtins__": __builtins__}
exec(compile(%(checker)r, "checker.py", "exec"), namespace)
"""


def write_checker(checker: str) -> str:
    """Source of a program that runs a checker on the texts of [`checker_input`].

    Args:
        checker (`str`): Source of the checker.
    """
    return DRIVER % {"checker": checker}


def checker_input(given: str, expected: str, output: str) -> str:
    """Standard input of the program of [`write_checker`].

    Args:
        given (`str`): Standard input of the tested program.
        expected (`str`): An output that is right.
        output (`str`): The output of the tested program.
    """
    return json.dumps([given, expected, output])


def read_verdict(stdout: bytes) -> bool | None:
    """Whether a checker accepts an output; `None` if it does not say.

    >>> read_verdict(b"1\\n"), read_verdict(b"wrong order\\n0"), read_verdict(b"Traceback")
    (True, False, None)
    """
    words = stdout.decode("utf-8", "replace").split()
    if not words:
        return None
    try:
        score = float(words[-1])
    except ValueError:
        return None
    return score == 1
