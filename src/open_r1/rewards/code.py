"""Code reward: whether the program passes its test cases (DeepSeek-R1, §2.2.2: compiler feedback on test cases).

    reward_funcs:
      - {name: code, mode: fraction, timeout: 4, domain: code}

`open_r1.code_judge` runs the programs. Its README describes what the sandbox protects against, and what it does not.
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
    read_checker,
)
from open_r1.code_judge.layouts import OTHER_COLUMNS, TEST_COLUMNS
from open_r1.utils.text import text_of


logger = logging.getLogger(__name__)

MODES = ("binary", "fraction")
# Categories that are logged as shares of the batch: `code/no_program`, `code/broken_tests` and so on.
COUNTED = ("no program", "broken tests", "outage", "timeout", "memory", "compile")
MAX_LOGGED_REASONS = 20


class Code:
    """Scores the program in a completion by its test cases.

    A completion without a program gets 0.0. It gets `None` if its test cases are invalid or the judge fails.

    Needs the test cases of open-r1's data sets, LiveCodeBench, TACO, APPS, Eurus or CodeContests, in the columns that
    `code_judge.layouts` lists.

    Args:
        mode (`str`, *optional*, defaults to `"binary"`):
            `"binary"` gives 1.0 if all test cases pass, else 0.0, and stops at the first failure. `"fraction"` gives
            the share of test cases passed.
        timeout (`float`, *optional*, defaults to 6):
            Seconds of wall-clock time per test case, as in LiveCodeBench.
        program_timeout (`float`, *optional*, defaults to 60):
            Seconds for all test cases of a program. Test cases that have not run by then count as failed.
        memory (`int`, *optional*, defaults to 512): MiB per program.
        concurrency (`int`, *optional*):
            Number of programs to run in parallel. Defaults to the cores of this process, or 64 with a `provider`.
        isolation (`str`, *optional*, defaults to `"bubblewrap"`):
            `"bubblewrap"`, or `"none"` on machines with nothing to protect.
        provider (`str`, *optional*):
            Class that runs the programs elsewhere, as a dotted path or `file.py:Class`; see `code_judge.Provider`.
        provider_params (`dict`, *optional*): Keyword arguments of the provider.
        python (`str`, *optional*):
            Interpreter for Python programs, such as `.venv/bin/python`; they can import its packages. Defaults to the
            current one if the sandbox can read it, else to the system's.
        packages (`str`, *optional*): Folder of packages that programs can import too (`pip install --target`).
    """

    __name__ = "code"
    needs_one_of = TEST_COLUMNS

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
        packages: str | None = None,
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
            packages=packages,
        )
        self._logged_reasons: set[str] = set()

    def start(self) -> None:
        """Starts the judge.

        Raises:
            Outage: If programs cannot be isolated on this machine; the message says how to fix it.
        """
        self.judge.start()

    def check(self) -> None:
        """Checks that programs can be isolated on this machine by starting the judge, which is cheap.

        Raises:
            Outage: If they cannot be isolated.
        """
        self.start()

    def check_sample(self, row: dict[str, Any]) -> str | None:
        """Why the completions of a row cannot be judged; `None` if they can.

        Args:
            row (`dict`): The columns of the row.
        """
        try:
            parse_test_cases(row)
            read_checker(row)
        except InvalidTestCases as error:
            return str(error)
        return None

    async def __call__(
        self,
        completions: list[str | list[dict] | None],
        log_metric: Callable | None = None,
        log_extra: Callable | None = None,
        **columns,
    ) -> list[float | None]:
        self.start()
        started = time.monotonic()
        columns = {name: columns[name] for name in (*TEST_COLUMNS, *OTHER_COLUMNS) if columns.get(name) is not None}
        items: list[Submission | _Grade] = []
        for index, completion in enumerate(completions):
            row = {name: values[index] for name, values in columns.items()}
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
            if grade.reward is None:
                self._log_reason(grade.remark)

        if log_metric is not None:
            for name in COUNTED:
                log_metric(f"code/{name.replace(' ', '_')}", counts[name] / max(1, len(completions)))
            log_metric("code/seconds", time.monotonic() - started)
        if log_extra is not None:
            log_extra("code", remarks)
        return rewards

    def _grade(self, result: ProgramVerdict | Exception) -> "_Grade":
        """The grade of a submission, from its verdict or from the exception that was raised instead."""
        if isinstance(result, InvalidTestCases):
            return _Grade(None, f"broken tests: {result}", "broken tests")
        if isinstance(result, Outage | OSError):
            return _Grade(None, f"outage: {result}", "outage")
        if isinstance(result, Exception):  # a single completion or row must never crash a long run
            logger.warning("a program could not be judged: %r", result)
            return _Grade(None, f"error: {result!r}", "outage")
        reward = result.passed / result.total
        if self.mode == "binary":
            reward = float(result.passed == result.total)
        remark = f"{result.passed}/{result.total} {result.failure}".strip()
        return _Grade(reward, remark, result.failure)

    def _log_reason(self, reason: str) -> None:
        """Logs why a completion was not judged, each reason once."""
        if reason not in self._logged_reasons and len(self._logged_reasons) < MAX_LOGGED_REASONS:
            self._logged_reasons.add(reason)
            logger.warning("reward 'code' cannot judge a completion: %s", reason)


@dataclass(frozen=True)
class _Grade:
    """The grade of one completion.

    Args:
        reward (`float`, *optional*): The reward; `None` if the completion cannot be judged.
        remark (`str`): Explanation shown next to the completion in TRL's table.
        category (`str`, *optional*): Category under which it is counted in the metrics.
    """

    reward: float | None
    remark: str
    category: str = ""


def _prepare(completion: str | list[dict] | None, row: dict[str, Any]) -> Submission | _Grade:
    """The submission to judge, or the grade if no program has to be run to know it."""
    text = text_of(completion)
    if text is None:
        return _Grade(None, "no completion")
    try:
        language, cases = parse_test_cases(row)
        checker = read_checker(row)
    except InvalidTestCases as error:
        return _Grade(None, f"broken tests: {error}", "broken tests")
    program = extract_program(text, language)
    if program is None:
        return _Grade(0.0, "no program", "no program")
    return Submission(program, language, tuple(cases), checker)
