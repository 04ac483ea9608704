"""The code reward as a trainer uses it: columns, counters, failures."""

import asyncio
import json
import os
import pickle
import signal
import time

import psutil
import pytest

from open_r1.code_judge import Limits, Outage, Outcome
from open_r1.code_judge.cases import Case
from open_r1.configs import RewardSpec
from open_r1.rewards import Composition, check_columns
from open_r1.rewards.code import Code
from open_r1.utils.errors import RecipeError


TESTS = [{"input": "1 2", "output": "3"}, {"input": "5 6", "output": "11"}]
INFO = {"language": "python", "test_cases": TESTS}
RIGHT = "```python\nprint(sum(map(int, input().split())))\n```"
WRONG = "```python\nprint(3)\n```"


SURPRISE = "surprise"


class Fake:
    """A user-defined provider, given by its dotted path; its behavior depends on the program."""

    def __init__(self, answer="3"):
        self.answer, self.runs = answer, 0

    def run(self, source, language, stdin, limits):
        self.runs += 1
        if "outage" in source or ("once" in source and self.runs == 1):
            raise Outage("the server is down")
        if SURPRISE in source:
            raise RuntimeError("a bug of the judge")
        return Outcome("ok", self.answer.encode(), 0.01)


class Echo:
    """A provider that pretends to run programs such as `print(3)`."""

    def run(self, source, language, stdin, limits):
        return Outcome("ok", source.strip()[len("print(") : -1].encode(), 0.01)


FAKE = {"provider": f"{__file__}:Fake"}


def call(code, completions, **columns):
    metrics, extra = {}, {}
    columns = columns or {"verification_info": [INFO] * len(completions)}
    rewards = asyncio.run(code(completions, log_metric=metrics.__setitem__, log_extra=extra.__setitem__, **columns))
    return rewards, metrics, extra["code"]


def test_counters_and_remarks(judge):
    code = Code()
    code.start()
    code.judge.provider = judge
    infos = [json.dumps(INFO), INFO, INFO, {"language": "python", "test_cases": []}, None]
    rewards, metrics, remarks = call(code, [RIGHT, WRONG, "I do not know.", RIGHT, RIGHT], verification_info=infos)
    assert rewards == [1.0, 0.0, 0.0, None, None]
    assert remarks == ["2/2", "1/2 wrong", "no program", "broken tests: no test cases", "broken tests: no test cases"]
    assert metrics["code/no_program"] == 0.2 and metrics["code/broken_tests"] == 0.4 and metrics["code/seconds"] > 0


@pytest.mark.parametrize(
    ("program", "reward", "runs"), [("print(3)", 1.0, 2), ("outage", None, 2), ("surprise", None, 1), ("once", 1.0, 3)]
)
def test_an_outage_gives_none(program, reward, runs):
    code = Code(**FAKE)
    rewards, metrics, _ = call(code, [f"```python\n{program}\n```"], test_cases=[[TESTS[0]] * 2])
    assert rewards == [reward] and code.judge.provider.runs == runs
    assert metrics["code/outage"] == (reward is None)


def test_an_unjudged_row_is_excluded_from_training():
    specs = RewardSpec.parse_all([{"name": "code", **FAKE}, "format"])
    texts = [f"<think>so</think><answer>\n```python\n{p}\n```\n</answer>" for p in ("outage", "print(3)")]
    rows = Composition(specs).score(texts, test_cases=[[TESTS[0]]] * 2)
    assert rows == [[None, 1.0], [None, 1.0]]


def test_domains_of_code_and_mathematics():
    specs = RewardSpec.parse_all([{"name": "accuracy", "domain": "math"}, {"name": "code", "domain": "code", **FAKE}])
    rows = Composition(specs).score(
        ["<answer>4</answer>", "```python\nprint(3)\n```"],
        domain=["math", "code"],
        solution=["4", ""],
        test_cases=[None, TESTS[:1]],
    )
    assert rows == [[1.0, None], [None, 1.0]]


def test_takes_text_and_messages_alike():
    """The reward is called directly, as in a notebook; a row without a completion gets `None`."""
    answer = "```python\nprint(3)\n```"
    messages = [
        [{"role": "assistant", "content": answer}],
        [{"role": "assistant", "reasoning_content": "Three.", "content": answer}],
        [{"role": "assistant", "content": "```python\nprint(4)\n```"}],
    ]
    texts = [answer, f"<think>Three.</think>{answer}", "```python\nprint(4)\n```"]
    tests = [TESTS[:1]] * 4
    fake = {"provider": f"{__file__}:Echo"}
    assert call(Code(**fake), [*messages, None], test_cases=tests)[0] == [1.0, 1.0, 0.0, None]
    assert call(Code(**fake), [*texts, None], test_cases=tests)[0] == [1.0, 1.0, 0.0, None]


def test_the_same_program_is_judged_once():
    code = Code(**FAKE)
    assert call(code, ["```python\nprint(3)\n```"] * 8, test_cases=[TESTS[:1]] * 8)[0] == [1.0] * 8
    assert code.judge.provider.runs == 1


def test_the_event_loop_is_not_blocked(judge):
    code = Code(concurrency=2)
    code.start()
    code.judge.provider = judge
    ticks = []

    async def tick():
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    async def both():
        clock = asyncio.create_task(tick())
        sleepers = [f"```python\nimport time  # {i}\ntime.sleep(0.3)\nprint(3)\n```" for i in range(4)]
        await code(sleepers, test_cases=[TESTS[:1]] * 4)
        clock.cancel()

    asyncio.run(both())
    assert max(b - a for a, b in zip(ticks, ticks[1:], strict=False)) < 0.2
    assert 0.5 < ticks[-1] - ticks[0] < 1.5  # two run concurrently


def test_pickles(judge):
    code = Code(mode="fraction", timeout=3)
    code.start()
    other = pickle.loads(pickle.dumps(code))
    assert call(other, [WRONG])[0] == [0.5]


def test_a_sandbox_killed_from_outside_is_replaced(judge):
    code = Code(concurrency=1)
    code.start()
    code.judge.provider = judge
    assert call(code, [RIGHT])[0] == [1.0]
    for child in psutil.Process().children():
        if "bwrap" in child.name():
            os.kill(child.pid, signal.SIGKILL)
    assert call(code, [RIGHT])[0] == [1.0]


def test_works_in_a_fork_of_the_trainer(judge):
    code = Code(concurrency=1)
    assert call(code, [RIGHT])[0] == [1.0]
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if call(code, [RIGHT])[0] == [1.0] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_sandbox_killed_while_it_judges(judge):
    code = Code(concurrency=1)
    code.start()
    code.judge.provider = judge

    async def judged():
        task = asyncio.create_task(
            code(["```python\nimport time\ntime.sleep(1)\nprint(3)\n```"], test_cases=[TESTS[:1]])
        )
        await asyncio.sleep(0.6)
        for child in psutil.Process().children():
            if "bwrap" in child.name():
                os.kill(child.pid, signal.SIGKILL)
        return await task

    assert asyncio.run(judged()) == [1.0]  # judged again


def test_memory_does_not_grow(judge):
    def runs(count):
        for i in range(count):
            judge.run(f"print({i})", "python", "x" * 1000, Limits())

    runs(20)
    before, descriptors = psutil.Process().memory_info().rss, psutil.Process().num_fds()
    runs(200)
    assert psutil.Process().memory_info().rss - before < 4 * 2**20
    assert psutil.Process().num_fds() == descriptors


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"mode": "most"}, "mode"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "6"}, "timeout"),
        ({"memory": -1}, "memory"),
        ({"isolation": "docker"}, "isolation"),
        ({"concurrency": 0}, "concurrency"),
        ({"tests": 3}, "tests"),
    ],
)
def test_wrong_parameters_are_refused(params, named):
    with pytest.raises(RecipeError, match=named):
        Composition([RewardSpec("code", params=params)])


def test_an_invalid_provider_is_refused():
    for provider in ("no_such.module.Judge", f"{__file__}:Nothing"):
        with pytest.raises(RecipeError, match="provider|import|Nothing"):
            Composition([RewardSpec("code", params={"provider": provider})]).start()
    with pytest.raises(RecipeError, match="colour"):
        Composition([RewardSpec("code", params={**FAKE, "provider_params": {"colour": 1}})]).start()


def test_data_without_test_cases_is_refused():
    rewards = Composition([RewardSpec("code")]).rewards
    with pytest.raises(RecipeError, match="verification_info.*found: prompt"):
        check_columns(rewards, ["prompt"])
    check_columns(rewards, ["prompt", "test_cases"])


def test_cases_of_different_type_are_not_equal():
    """Verdicts are cached per program and test cases."""
    assert Case("1", "2") != Case("1", "2", "f") and hash(Case("1", "2")) == hash(Case("1", "2"))


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [("checker", '#include "testlib.h"', "testlib checker"), ("entry_point", "Solution().add", "entry_point")],
)
def test_rows_that_are_judged_in_another_way_get_no_reward(column, value, reason):
    row = {"test_cases": TESTS, column: value}
    assert reason in Code(**FAKE).check_sample(row)
    rewards, _, [remark] = call(Code(**FAKE), [RIGHT], **{name: [value] for name, value in row.items()})
    assert rewards == [None] and reason in remark
