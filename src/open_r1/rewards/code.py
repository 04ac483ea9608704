"""The code reward: does the program pass its test cases? (DeepSeek-R1, §2.2.2: a compiler's feedback on test cases.)

    reward_funcs:
      - {name: code, mode: fraction, timeout: 4, domain: code}

Programs are judged by `open_r1.code_judge`; its README says what its sandbox protects from, and what it does not.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from open_r1.code_judge import (
    InvalidTestCases,
    Outage,
    ProgramJudge,
    ProgramVerdict,
    Submission,
    extract_program,
    parse_test_cases,
)
from open_r1.utils.text import text_of


logger = logging.getLogger(__name__)

MODES = ("binary", "fraction")
# Logged as shares of the batch, `code/no_program` and so on.
COUNTED = ("no program", "broken tests", "outage", "timeout", "memory", "compile")


class Code:
    """1.0 if the program in the completion passes all test cases (or the share of them that it passes), 0.0 if there
    is no program, `None` if the test cases are invalid or the judge fails.

    Args:
        mode (`str`, *optional*, defaults to `"binary"`): All or nothing; the first failure ends the test. Or
            `"fraction"`, the share of test cases passed.
        timeout (`float`, *optional*, defaults to 6): Seconds of wall-clock time per test case (LiveCodeBench's).
        program_timeout (`float`, *optional*, defaults to 60): Seconds for all test cases of a program; those left over
            fail.
        memory (`int`, *optional*, defaults to 512): MiB per program.
        concurrency (`int`, *optional*): Programs at the same time; by default the cores of this process, 64 with a
            `provider`.
        isolation (`str`, *optional*, defaults to `"bubblewrap"`): Or `"none"`, for machines with nothing to protect.
        provider (`str`, *optional*): Judge elsewhere: a class by dotted path or `file.py:Class`; see
            `code_judge.Provider`.
        provider_params (`dict`, *optional*): Its keyword arguments.
        python (`str`, *optional*): Interpreter for Python programs.

    Columns: `verification_info`, `test_cases` or LiveCodeBench's; see `code_judge.cases`.
    """

    __name__ = "code"
    needs_one_of = ("verification_info", "test_cases", "public_test_cases", "private_test_cases")

    def __init__(
        self,
        mode: str = "binary",
        timeout: float = 6.0,
        program_timeout: float = 60.0,
        memory: int = 512,
        concurrency: int | None = None,
        isolation: str = "bubblewrap",
        provider: str | None = None,
        provider_params: dict | None = None,
        python: str | None = None,
    ):
        if mode not in MODES:
            raise ValueError(f"mode: found {mode!r}; expected {' or '.join(MODES)}")
        self.mode = mode
        self.judge = ProgramJudge(
            stop_at_failure=mode == "binary",
            timeout=timeout,
            program_timeout=program_timeout,
            memory=memory,
            concurrency=concurrency,
            isolation=isolation,
            provider=provider,
            provider_params=provider_params,
            python=python,
        )

    def start(self) -> None:
        """Makes the judge ready.

        Raises:
            Outage: If programs cannot be isolated on this machine, with what to do about it.
        """
        self.judge.start()

    def check(self) -> None:
        """Starts the judge, which is cheap, to see whether programs can be isolated on this machine.

        Raises:
            Outage: If they cannot.
        """
        self.start()

    async def __call__(
        self,
        completions: list[str | list[dict] | None],
        verification_info: list | None = None,
        test_cases: list | None = None,
        public_test_cases: list | None = None,
        private_test_cases: list | None = None,
        metadata: list | None = None,
        language: list | None = None,
        log_metric: Callable | None = None,
        log_extra: Callable | None = None,
        **kwargs,
    ) -> list[float | None]:
        self.start()
        started = time.monotonic()
        columns = {
            "verification_info": verification_info,
            "test_cases": test_cases,
            "public_test_cases": public_test_cases,
            "private_test_cases": private_test_cases,
            "metadata": metadata,
            "language": language,
        }
        items: list[Submission | _Grade] = []
        for index, completion in enumerate(completions):
            row = {name: values[index] for name, values in columns.items() if values is not None}
            items.append(_prepare(completion, row))
        submissions = [item for item in items if isinstance(item, Submission)]
        results = iter(await self.judge.judge_all(submissions))
        rewards = []
        remarks = []
        counts: Counter = Counter()
        for item in items:
            grade = self._grade(next(results)) if isinstance(item, Submission) else item
            rewards.append(grade.reward)
            remarks.append(grade.remark)
            counts[grade.category] += 1

        if log_metric is not None:
            for name in COUNTED:
                log_metric(f"code/{name.replace(' ', '_')}", counts[name] / max(1, len(completions)))
            log_metric("code/seconds", time.monotonic() - started)
        if log_extra is not None:
            log_extra("code", remarks)
        return rewards

    def _grade(self, result: ProgramVerdict | Exception) -> "_Grade":
        """The grade of a submission, from its verdict or the exception because of which there is none."""
        if isinstance(result, Outage | OSError):
            return _Grade(None, f"outage: {result}", "outage")
        if isinstance(result, Exception):  # no completion and no row may end a run of days
            logger.warning("a program could not be judged: %r", result)
            return _Grade(None, f"error: {result!r}", "outage")
        reward = result.passed / result.total
        if self.mode == "binary":
            reward = float(result.passed == result.total)
        remark = f"{result.passed}/{result.total} {result.failure}".strip()
        return _Grade(reward, remark, result.failure)


@dataclass(frozen=True)
class _Grade:
    """The grade of one completion.

    Args:
        reward (`float`, *optional*): The reward; `None` if it cannot be judged.
        remark (`str`): Shown beside the completion.
        category (`str`, *optional*): What it is counted as.
    """

    reward: float | None
    remark: str
    category: str = ""


def _prepare(completion: str | list[dict] | None, row: dict[str, Any]) -> Submission | _Grade:
    """What to judge, or the grade if that is clear without."""
    text = text_of(completion)
    if text is None:
        return _Grade(None, "no completion")
    try:
        language, cases = parse_test_cases(row)
    except InvalidTestCases as error:
        return _Grade(None, f"broken tests: {error}", "broken tests")
    program = extract_program(text, language)
    if program is None:
        return _Grade(0.0, "no program", "no program")
    return Submission(program, language, tuple(cases))
