"""Runs programs on test cases in a sandbox and judges their output. README.md describes the design and threat model.

>>> from open_r1.code_judge import ProgramJudge, Submission, extract_program, parse_test_cases
>>> language, cases = parse_test_cases({"test_cases": [{"input": "1 2", "output": "3"}]})
>>> program = extract_program("```python\\nprint(sum(map(int, input().split())))\\n```", language)
>>> submission = Submission(program, language, tuple(cases))

`ProgramJudge().judge(submission)` then returns `ProgramVerdict(passed=1, total=1, failure='')`.
"""

from open_r1.code_judge.cases import Case, parse_test_cases
from open_r1.code_judge.extraction import extract_program
from open_r1.code_judge.isolation import INSTALL_HELP, Bubblewrap, Unisolated
from open_r1.code_judge.judge import ProgramJudge, ProgramVerdict, Submission
from open_r1.code_judge.languages import LANGUAGES, find_language
from open_r1.code_judge.layouts import InvalidTestCases, read_checker
from open_r1.code_judge.process import Limits, Outage, Outcome
from open_r1.code_judge.providers import ColdSandboxes, Provider
from open_r1.code_judge.warm import WarmSandboxes


__all__ = [
    "INSTALL_HELP",
    "LANGUAGES",
    "Bubblewrap",
    "Case",
    "ColdSandboxes",
    "InvalidTestCases",
    "Limits",
    "Outage",
    "Outcome",
    "ProgramJudge",
    "ProgramVerdict",
    "Provider",
    "Submission",
    "Unisolated",
    "WarmSandboxes",
    "extract_program",
    "find_language",
    "parse_test_cases",
    "read_checker",
]
