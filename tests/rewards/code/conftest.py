"""Real sandboxes: the tests of this folder run with each judge that there is."""

import asyncio
import shutil

import pytest

from open_r1.rewards.code import Code
from open_r1.rewards.code.judge import Sandboxed
from open_r1.rewards.code.process import Limits
from open_r1.rewards.code.sandbox import INSTALL, Bubblewrap
from open_r1.rewards.code.warm import Warm


JUDGES = {"cold": Sandboxed, "warm": Warm}


@pytest.fixture(scope="session", params=JUDGES)
def judge(request):
    if shutil.which("bwrap") is None:
        pytest.skip(INSTALL)
    return JUDGES[request.param](Bubblewrap())


@pytest.fixture
def run(judge):
    """Runs a program: `run(source, stdin, language, **limits)` gives its outcome."""

    def run(source: str, stdin: str = "", language: str = "python", **limits):
        return judge.run(source, language, stdin, Limits(**{"seconds": 5} | limits))

    return run


@pytest.fixture
def reward(judge):
    """Rewards of programs: `reward(programs, tests, **parameters)`, the tests for all of them."""

    def reward(programs: list[str], tests: list[dict], language: str = "python", **params) -> list[float | None]:
        code = Code(**{"timeout": 5} | params)
        code.start()
        code._judge = judge
        info = {"language": language, "test_cases": tests}
        texts = [f"<think>…</think>\n```{language}\n{program}\n```" for program in programs]
        return asyncio.run(code(texts, verification_info=[info] * len(texts)))

    return reward
