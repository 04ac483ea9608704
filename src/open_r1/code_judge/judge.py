"""Judges programs: runs each program on its test cases one after another, and several programs in parallel."""

import asyncio
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from open_r1.code_judge.cases import Case
from open_r1.code_judge.checkers import CHECKER_LIMITS, checker_input, read_verdict, write_checker
from open_r1.code_judge.comparison import same_output, same_result
from open_r1.code_judge.function_calls import write_function_call
from open_r1.code_judge.isolation import Bubblewrap, Unisolated
from open_r1.code_judge.layouts import InvalidTestCases
from open_r1.code_judge.process import Limits, Outage, Outcome
from open_r1.code_judge.providers import ColdSandboxes, Provider
from open_r1.code_judge.warm import WarmSandboxes
from open_r1.utils.cores import cores_per_process
from open_r1.utils.imports import import_object


logger = logging.getLogger(__name__)

ISOLATIONS = ("bubblewrap", "none")
REMOTE_CONCURRENCY = 64
# Limit on output: a multiple of the expected output's size, plus a constant. Leaves room for extra white space.
MAX_OUTPUT_FACTOR = 4
EXTRA_OUTPUT = 2**16  # bytes


@dataclass(frozen=True)
class Submission:
    """A program and its test cases.

    Args:
        program (`str`): The source code.
        language (`str`): A key of `LANGUAGES`: `python` or `cpp`.
        cases (`tuple[Case, ...]`): At least one test case.
        checker (`str`, *optional*):
            Python program that decides whether an output that is not the expected one is right too; see `checkers`.
    """

    program: str
    language: str
    cases: tuple[Case, ...]
    checker: str | None = None


@dataclass(frozen=True)
class ProgramVerdict:
    """The verdict on a program.

    Args:
        passed (`int`): Number of test cases passed.
        total (`int`): Number of test cases.
        failure (`str`, *optional*):
            Why the first failed test case failed: `wrong` (wrong output), `failed` (non-zero exit code or a signal),
            `timeout`, `memory`, `output` or `compile`; empty if none failed.
    """

    passed: int
    total: int
    failure: str = ""


class ProgramJudge:
    """Judges programs by their test cases.

    Args:
        stop_at_failure (`bool`, *optional*, defaults to `False`):
            Whether to skip the remaining test cases of a program after the first failure.
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
            Class that runs the programs elsewhere, as a dotted path or `file.py:Class`; see `Provider`.
        provider_params (`dict`, *optional*): Keyword arguments of the provider.
        python (`str`, *optional*):
            Interpreter for Python programs, such as `.venv/bin/python`; they can import its packages. Defaults to the
            current one if the sandbox can read it, else to the system's.
        packages (`str`, *optional*): Folder of packages that programs can import too (`pip install --target`).

    Raises:
        ValueError: If an argument is invalid.
    """

    def __init__(
        self,
        stop_at_failure: bool = False,
        timeout: float = 6.0,
        program_timeout: float = 60.0,
        memory: int = 512,
        concurrency: int | None = None,
        isolation: str = "bubblewrap",
        provider: str | None = None,
        provider_params: dict[str, Any] | None = None,
        python: str | None = None,
        packages: str | None = None,
    ):
        if isolation not in ISOLATIONS:
            raise ValueError(f"isolation: found {isolation!r}; expected {' or '.join(ISOLATIONS)}")
        _check_positive("timeout", timeout)
        _check_positive("program_timeout", program_timeout)
        _check_positive("memory", memory)
        if concurrency is None:
            concurrency = REMOTE_CONCURRENCY if provider else cores_per_process()
        _check_positive("concurrency", concurrency)
        self.stop_at_failure = stop_at_failure
        self.limits = Limits(seconds=timeout, memory=int(memory))
        self.program_timeout = program_timeout
        self.concurrency = concurrency
        self.isolation = isolation
        self.provider_path = provider
        self.provider_params = provider_params or {}
        self.python = python
        self.packages = packages
        self.provider: Provider | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._failing_checkers: set[str] = set()  # each may have taken its whole time to fail
        self._pid = os.getpid()

    def __getstate__(self) -> dict:
        return self.__dict__ | {"provider": None, "_threads": None, "_pid": None}

    def start(self) -> None:
        """Creates the provider and its threads, if that has not been done in this process yet.

        Raises:
            Outage: If programs cannot be isolated on this machine; the message says how to fix it.
        """
        if self.provider is not None and self._pid == os.getpid():  # threads do not survive a fork
            return
        self._pid = os.getpid()
        self.provider = self._make_provider()
        self._threads = ThreadPoolExecutor(self.concurrency, thread_name_prefix="code")

    def _make_provider(self) -> Provider:
        if self.provider_path:
            return import_object(self.provider_path)(**self.provider_params)
        if self.isolation == "none":
            logger.warning(
                "isolation: none. Generated programs run WITH YOUR PERMISSIONS: your files, keys and network."
            )
            return ColdSandboxes(Unisolated(self.python, self.packages))
        bubblewrap = Bubblewrap(self.python, self.packages)
        logger.info("Programs run with %s", bubblewrap.description)
        try:
            return WarmSandboxes(bubblewrap)
        except Outage as outage:  # on machines that do not allow nested namespaces
            logger.info("Starting a new bubblewrap for each test case, which is four times slower: %s", outage)
            return ColdSandboxes(bubblewrap)

    async def judge_all(self, submissions: list[Submission]) -> list[ProgramVerdict | Exception]:
        """Judges submissions in parallel; duplicates are judged once.

        Returns:
            `list[ProgramVerdict | Exception]`: For each submission, its verdict or the exception that was raised
            instead (an `Outage` or `OSError` if the provider failed, `InvalidTestCases` if the checker did).
        """
        self.start()
        loop = asyncio.get_running_loop()
        unique = list(dict.fromkeys(submissions))
        cancelled = threading.Event()
        running = [loop.run_in_executor(self._threads, self._judge, submission, cancelled) for submission in unique]
        try:
            results = await asyncio.gather(*running, return_exceptions=True)
        except asyncio.CancelledError:  # Ctrl-C: running programs stop after their current test case
            cancelled.set()
            raise
        result_of = dict(zip(unique, results, strict=True))
        return [result_of[submission] for submission in submissions]

    def judge(self, submission: Submission) -> ProgramVerdict:
        """Runs a program on its test cases, one after another.

        Raises:
            Outage: If the provider fails twice in a row.
            InvalidTestCases: If the checker does not work.
        """
        self.start()
        return self._judge(submission, threading.Event())

    def _judge(self, submission: Submission, cancelled: threading.Event) -> ProgramVerdict:
        passed = 0
        first_failure = ""
        remaining = self.program_timeout
        for case in submission.cases:
            if cancelled.is_set():
                raise Outage("stopped")
            failure = "timeout"
            if remaining > 0:
                failure, seconds = self._run_case(submission, case, remaining)
                remaining -= seconds
            if not failure:
                passed += 1
                continue
            first_failure = first_failure or failure
            if self.stop_at_failure or failure == "compile":
                break
        return ProgramVerdict(passed, len(submission.cases), first_failure)

    def _run_case(self, submission: Submission, case: Case, remaining: float) -> tuple[str, float]:
        """Runs a test case. Returns why it failed (an empty string if it passed), and the seconds it took."""
        source = submission.program
        if case.function:
            source = write_function_call(submission.program, case.function)
        max_output = MAX_OUTPUT_FACTOR * len(case.output.encode()) + EXTRA_OUTPUT
        limits = replace(
            self.limits,
            seconds=min(self.limits.seconds, remaining),
            output=min(self.limits.output, max_output),
        )
        outcome = self._run_with_retry(source, submission.language, case.input, limits)
        if outcome.status != "ok":
            return outcome.status, outcome.seconds
        output = outcome.stdout.decode("utf-8", "replace")
        if case.function:
            right_results = (case.output, *case.alternatives)
            is_right = any(same_result(right, output, case.tolerance) for right in right_results)
        else:
            is_right = same_output(case.output, output, case.tolerance)
        seconds = outcome.seconds
        if not is_right and submission.checker and not case.function:
            is_right, checker_seconds = self._check_output(submission.checker, case, output)
            seconds += checker_seconds
        return "" if is_right else "wrong", seconds

    def _check_output(self, checker: str, case: Case, output: str) -> tuple[bool, float]:
        """Whether a checker accepts an output, and the seconds it took.

        Raises:
            InvalidTestCases: If it says nothing about this output, and does not accept the expected one either.
        """
        if checker not in self._failing_checkers:
            verdict, seconds = self._run_checker(checker, case, output)
            if verdict is not None:
                return verdict, seconds
            verdict_on_expected, more_seconds = self._run_checker(checker, case, case.output)
            if verdict_on_expected:
                return False, seconds + more_seconds
            self._failing_checkers.add(checker)
        raise InvalidTestCases("generated_checker fails, even on the expected output")

    def _run_checker(self, checker: str, case: Case, output: str) -> tuple[bool | None, float]:
        """The verdict of a checker on an output, `None` if it fails, and the seconds it took."""
        stdin = checker_input(case.input, case.output, output)
        outcome = self._run_with_retry(write_checker(checker), "python", stdin, CHECKER_LIMITS)
        if outcome.status != "ok":
            return None, outcome.seconds
        return read_verdict(outcome.stdout), outcome.seconds

    def _run_with_retry(self, source: str, language: str, stdin: str, limits: Limits) -> Outcome:
        try:
            return self.provider.run(source, language, stdin, limits)
        except (Outage, OSError):  # the sandbox may have been killed from outside
            return self.provider.run(source, language, stdin, limits)


def _check_positive(name: str, value: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not value > 0:
        raise ValueError(f"{name}: found {value!r}; expected a number above 0")
