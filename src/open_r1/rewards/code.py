"""Code: does the program pass its tests? (DeepSeek-R1, §2.2.2: a compiler's feedback on predefined test cases.)

    reward_funcs:
      - {name: code, mode: fraction, timeout: 4, domain: code}

Covered, with bubblewrap (the default):

- a program sees no network, no other process, no home, no repository, no environment and none of the host's key rings; it can write
  64 MiB of its own /tmp;
- time, memory, processes, output, files: passing a limit fails that test, the others keep their verdicts;
- it dies with all it started when its test is over, or the trainer;
- expected outputs never enter the sandbox: there is no verdict to forge, only an output to get right;
- nothing is left for the next test or program.

Not covered: holes of the kernel; memory of the kernel itself (full sockets) beyond what 64 processes can hold; how long a program takes
by the clock of a busy machine (see `timeout`); a program that guesses from the input which test it is given, as every judge by
examples allows. A program is the first process of its namespace, so it survives signals of its own that it does not handle. With
`isolation: none` nothing of the first and the third line holds.
"""

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from open_r1.code_judge.calls import calling
from open_r1.code_judge.cases import BrokenTests, Case, cases_of
from open_r1.code_judge.comparison import same_output, same_result
from open_r1.code_judge.extraction import program_of
from open_r1.code_judge.judge import Provider, Sandboxed
from open_r1.code_judge.process import Limits, Outage
from open_r1.code_judge.sandbox import Bubblewrap, Unisolated
from open_r1.code_judge.warm import Warm
from open_r1.utils.imports import import_object


__all__ = ["Code", "Limits", "Outage"]

logger = logging.getLogger(__name__)

MODES = ("binary", "fraction")
ISOLATIONS = ("bubblewrap", "none")
SLACK = 4  # times the expected output, white space and all
REMOTE = 64  # programs at once on other machines
COLUMNS = ("verification_info", "test_cases", "public_test_cases", "private_test_cases", "metadata", "language")


@dataclass(frozen=True)
class Verdict:
    """What became of a program.

    Args:
        passed (`int`): Tests passed.
        total (`int`): Tests there are.
        failure (`str`): How the first one failed that did: `wrong`, `failed`, `timeout`, `memory`, `output`, `compile`; or none.
    """

    passed: int
    total: int
    failure: str = ""


class Code:
    """1.0 if the program in the answer passes all tests (or the share of them that it passes), 0.0 if there is no program, `None` if
    the tests are broken or the judge is down.

    Args:
        mode (`str`, *optional*, defaults to `"binary"`): All or nothing, or `"fraction"`. The first stops at the first failure.
        timeout (`float`, *optional*, defaults to 6): Seconds of wall-clock time a test (LiveCodeBench's).
        program_timeout (`float`, *optional*, defaults to 60): Seconds for all tests of a program; those left over fail.
        memory (`int`, *optional*, defaults to 512): MiB a program.
        concurrency (`int`, *optional*): Programs at once; by default the cores that this process has, 64 with a `provider`.
        isolation (`str`, *optional*, defaults to `"bubblewrap"`): Or `"none"`, for machines where nothing is worth protecting.
        provider (`str`, *optional*): Judge elsewhere: a class by dotted path or `file.py:Class`, see `judge.Provider`.
        provider_params (`dict`, *optional*): Its keyword arguments.
        python (`str`, *optional*): Interpreter for Python programs.

    Columns: `verification_info`, `test_cases` or LiveCodeBench's; see `cases`.
    """

    __name__ = "code"
    needs_one_of = COLUMNS[:4]  # columns without which there is nothing to judge by

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
        for name, value, options in (("mode", mode, MODES), ("isolation", isolation, ISOLATIONS)):
            if value not in options:
                raise ValueError(f"{name}: found {value!r}; expected {' or '.join(options)}")
        numbers = {"timeout": timeout, "program_timeout": program_timeout, "memory": memory}
        for name, value in (numbers | ({} if concurrency is None else {"concurrency": concurrency})).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ValueError(f"{name}: found {value!r}; expected a number above 0")
        self.mode, self.program_timeout = mode, program_timeout
        self.limits = Limits(seconds=timeout, memory=int(memory))
        cores = max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        self.concurrency = concurrency or (REMOTE if provider else cores)
        self.isolation, self.python = isolation, python
        self.provider, self.provider_params = provider, provider_params or {}
        self._judge: Provider | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._pid = os.getpid()
        self._stopping = False

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_judge": None, "_pool": None, "_pid": None}

    def start(self):
        """Makes the judge ready.

        Raises:
            Outage: If programs cannot be isolated on this machine; says what to do.
        """
        if self._judge is not None and self._pid == os.getpid():  # a fork has none of the threads
            return
        self._pid = os.getpid()
        if self.provider:
            self._judge = import_object(self.provider)(**self.provider_params)
        elif self.isolation == "none":
            logger.warning(
                "isolation: none. Generated programs run with ALL YOUR RIGHTS: your files, keys and network."
            )
            self._judge = Sandboxed(Unisolated(self.python))
        else:
            walls = Bubblewrap(self.python)
            try:
                self._judge = Warm(walls)
            except Outage as outage:  # hosts that allow no namespaces within namespaces
                logger.info("one bubblewrap a test, at a quarter of the speed: %s", outage)
                self._judge = Sandboxed(walls)
        self._pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="code")

    async def __call__(
        self,
        completions: list[str],
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
        started, given = (
            time.monotonic(),
            (verification_info, test_cases, public_test_cases, private_test_cases, metadata, language),
        )
        columns = {name: values for name, values in zip(COLUMNS, given, strict=True) if values is not None}
        same: dict[Any, asyncio.Task] = {}  # the same program and tests are judged once
        counts: Counter = Counter()
        tasks = []
        for i, completion in enumerate(completions):
            row = {name: values[i] for name, values in columns.items()}
            tasks.append(self._row(completion, row, same, counts))
        self._stopping = False
        try:
            rewards = await asyncio.gather(*tasks)
        except asyncio.CancelledError:
            self._stopping = True  # Ctrl-C: what runs ends with its test
            raise
        if log_metric is not None:
            for name in ("no program", "broken tests", "outage", "timeout", "memory", "compile"):
                log_metric(f"code/{name.replace(' ', '_')}", counts[name] / max(1, len(completions)))
            log_metric("code/seconds", time.monotonic() - started)
        if log_extra is not None:
            log_extra("code", [said for _, said in rewards])
        return [reward for reward, _ in rewards]

    async def _row(self, completion: str, row: dict, same: dict, counts: Counter) -> tuple[float | None, str]:
        """Reward and remark of one completion."""
        try:
            language, tests = cases_of(row)
        except BrokenTests as broken:
            counts["broken tests"] += 1
            return None, f"broken tests: {broken}"
        program = program_of(completion, language)
        if program is None:
            counts["no program"] += 1
            return 0.0, "no program"
        key = (program, language, tuple(tests))
        if key not in same:
            same[key] = asyncio.ensure_future(self._judged(program, language, tests))
        try:
            verdict = await same[key]
        except (Outage, OSError) as outage:
            counts["outage"] += 1
            return None, f"outage: {outage}"
        except Exception as error:  # no completion and no row may end a run of days
            logger.warning("a program could not be judged: %r", error)
            counts["outage"] += 1
            return None, f"error: {error!r}"
        counts[verdict.failure] += 1
        reward = float(verdict.passed == verdict.total) if self.mode == "binary" else verdict.passed / verdict.total
        return reward, f"{verdict.passed}/{verdict.total} {verdict.failure}".strip()

    async def _judged(self, program: str, language: str, tests: list[Case]) -> Verdict:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.judge, program, language, tests)

    def judge(self, program: str, language: str, tests: list[Case]) -> Verdict:
        """Runs a program on its tests, one after another.

        Raises:
            Outage: If the judge fails twice.
        """
        passed, left, failure = 0, self.program_timeout, ""
        for test in tests:
            if self._stopping:
                raise Outage("stopped")
            found, seconds = self._test(program, language, test, left) if left > 0 else ("timeout", 0.0)
            left -= seconds
            passed += not found
            failure = failure or found
            if found and (self.mode == "binary" or found == "compile"):
                break
        return Verdict(passed, len(tests), failure)

    def _test(self, program: str, language: str, test: Case, left: float) -> tuple[str, float]:
        """How a test failed, `""` if it did not, and the seconds that it took."""
        source = calling(program, test.function) if test.function else program
        most = min(self.limits.output, SLACK * len(test.output.encode()) + 2**16)  # nobody needs more to be right
        limits = replace(self.limits, seconds=min(self.limits.seconds, left), output=most)
        try:
            outcome = self._judge.run(source, language, test.input, limits)
        except (Outage, OSError):  # once more, since somebody may have killed the sandbox
            outcome = self._judge.run(source, language, test.input, limits)
        if outcome.status != "ok":
            return outcome.status, outcome.seconds
        compare = same_result if test.function else same_output
        right = compare(test.output, outcome.stdout.decode("utf-8", "replace"), test.tolerance)
        return "" if right else "wrong", outcome.seconds
