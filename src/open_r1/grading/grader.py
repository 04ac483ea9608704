"""Accuracy: is the final answer equal to the gold one? (DeepSeek-R1, §2.2.2) One grader for every stage.

The policy:

- *Where the answer is* (`answers`): after the last `</think>` only; a thought that never closes has no answer. The `<answer>`
  block, else the last box that is not empty, else a stated answer ("the answer is 4", `#### 4`) or a formula or number that
  stands alone. Never a number out of prose. A box that is cut off counts for nothing.
- *One answer*: other answers left standing ("either … or", boxes or blocks that disagree) make it wrong, unless the gold has
  several parts and the boxes give exactly these. Steps on the way and answers taken back do not count.
- *Equal* (`equality`, `units`, `algebra`): the same value in any form, exactly: 0.5 is 1/2, 0.33 is not 1/3. Units, percent
  signs and labels may be left out but not contradicted. Order counts in tuples, brackets in intervals, the base in digits.
- *Golds* (`golds`): any style. One that says nothing ("see figure") gives `None`.

math-verify's parser reads formulas, in workers with a hard deadline (`utils.workers`): what never ends is wrong if the
completion wrote it, `None` if the gold did. Nothing that a completion contains is run as code.
"""

import os
import threading
from collections import Counter
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import cache
from typing import Any

from open_r1.grading.answers import read
from open_r1.grading.equality import hopeless, quick
from open_r1.grading.golds import gold_answer
from open_r1.grading.notation import normalize
from open_r1.utils.workers import ItemError, Workers


SECONDS = 2.0  # of wall time for a comparison; common ones measured took at most 0.8 on a busy core, sums in closed form may take longer
MEMORY = 2.0  # GiB a worker
# One formula of each kind: math-verify's parser learns its grammar as it goes, a tenth of a second for each new turn.
WARM_UP = [
    (r"x^{2}+2x+1", r"(x+1)^{2}"), (r"\frac{1}{2n+2}", r"\frac{n}{2(n+1)}"), (r"3\sqrt{2}-\pi", r"\sqrt[3]{18}+5\pi"),
    (r"e^{-2t}", r"\frac{1}{e^{t}}"), (r"\sin(x)+\cos^{2}x", r"\ln 2+\log_{2} 3"), (r"\binom{10}{3}", r"5!-|x|"), (r"a_{1}b", r"b*a_{2}/3"),
    (r"(39,\frac{\pi}{2})", r"(39,\pi)"), (r"x>2y", r"y<\theta"), (r"\begin{pmatrix}1&2\3&4\end{pmatrix}", "5"), (r"-0.5x", r"2\cdot 3"),
]  # fmt: skip
REMEMBER = 100_000  # verdicts
Pair = tuple[str, str]


@dataclass
class Grade:
    """The verdict on one completion.

    Args:
        reward (`float`, *optional*): 1.0 right, 0.0 wrong, `None` if it cannot be judged.
        gold (`str`, *optional*): The gold answer as understood.
        answer (`str`, *optional*): The completion's answer as understood.
    """

    reward: float | None
    gold: str | None = None
    answer: str | None = None


def grade(completion: str, gold: Any) -> float | None:
    """Grades one completion.

    >>> grade(r"Half of it: $\\boxed{\\frac12}$", "0.5"), grade("about 0.5 perhaps", "0.5"), grade("4", "see figure")
    (1.0, 0.0, None)
    """
    return shared_grader().grade_all([completion], [gold])[0][0].reward


def usable_gold(gold: Any) -> bool:
    """Whether there is something in a gold to grade by.

    >>> usable_gold("\\\\frac13"), usable_gold(""), usable_gold("answers may vary")
    (True, False, False)
    """
    return gold_answer(gold) is not None


@cache
def shared_grader() -> "Grader":
    """The grader of this process: rewards, filters and evaluation share its workers and what it remembers."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Grader(max(1, min(8, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))))


class Grader:
    """Grades batches: cheap comparisons here, each gold and each distinct answer once, the rest in workers.

    Args:
        workers (`int`): Processes for computer algebra; results do not depend on their number.
        seconds (`float`, *optional*, defaults to 2): Deadline of one comparison.
    """

    def __init__(self, workers: int, seconds: float = SECONDS):
        self.workers = Workers("open_r1.grading.algebra:judge", workers, seconds, MEMORY, WARM_UP)
        self._memory: dict[Pair, bool] = {}
        self._flying: dict[Pair, Future] = {}
        self._lock = threading.Lock()

    def grade_all(self, completions: list[str | None], golds: list) -> tuple[list[Grade], Counter]:
        """One grade a completion, and the counts `unjudged`, `timeouts`, `remembered`.

        Raises:
            ValueError: If there are not as many golds as completions.
        """
        if len(completions) != len(golds):
            raise ValueError(
                f"found {len(completions)} completions and {len(golds)} golds; expected one gold a completion"
            )
        counts: Counter = Counter()
        parsed = {repr(gold): gold_answer(gold) for gold in golds}
        cases = [_Case(text, parsed[repr(gold)]) for text, gold in zip(completions, golds, strict=True)]
        verdicts: dict[Pair, bool | None] = {}
        self._decide({case.pair for case in cases if case.pair}, verdicts, counts)
        self._decide({pair for case in cases for pair in case.others(verdicts)}, verdicts, counts)
        grades = [Grade(case.reward(verdicts), case.gold, case.pair and case.pair[1]) for case in cases]
        counts["unjudged"] = sum(grade.reward is None for grade in grades)
        return grades, counts

    def _decide(self, pairs: set[Pair], verdicts: dict[Pair, bool | None], counts: Counter):
        """Fills in the verdicts on pairs of gold and answer; waits for the workers."""
        asked: dict[Pair, Future] = {}
        for pair in sorted(pairs):
            if pair in self._memory:
                counts["remembered"] += 1
                verdicts[pair] = self._memory[pair]
                continue
            verdicts[pair] = quick(*pair)
            if verdicts[pair] is None and hopeless(pair[1]):
                verdicts[pair] = False
            elif verdicts[pair] is None and not hopeless(pair[0]):
                with self._lock:  # another reward may have asked at the same time
                    asked[pair] = self._flying[pair] = self._flying.get(pair) or self.workers.submit(pair)
        for pair, future in asked.items():
            try:
                verdicts[pair] = self._memory[pair] = future.result()
            except (ItemError, CancelledError) as error:  # not remembered: it may be the machine's fault
                counts["timeouts"] += getattr(error, "reason", "") == "timeout"
                verdicts[pair] = self._blame(pair[0], error)
            self._flying.pop(pair, None)
        for pair in list(self._memory)[: max(0, len(self._memory) - REMEMBER)]:
            self._memory.pop(pair, None)

    def _blame(self, gold: str, error: Exception) -> bool | None:
        """What a comparison without a result means: wrong by the completion's fault, `None` by the gold's or the machine's."""
        if not isinstance(error, ItemError) or error.reason == "died":
            return None
        try:
            self.workers.submit((gold, f"({gold})")).result()  # the gold against itself
        except ItemError:
            return None
        return False


class _Case:
    """One completion on its way to a grade."""

    def __init__(self, completion: str | None, gold: str | None):
        self.judged = isinstance(completion, str) and gold is not None
        self.gold, self.reading = gold, read(completion) if self.judged else None
        self.pair = (gold, normalize(self.reading.answer)) if self.reading else None

    def others(self, verdicts: dict[Pair, bool | None]) -> list[Pair]:
        """What else to compare: where the answer is right its rivals, where there are several boxes all of them together."""
        if not self.pair:
            return []
        return [*(self._rivals() if verdicts[self.pair] else []), *self._together()]

    def reward(self, verdicts: dict[Pair, bool | None]) -> float | None:
        if not self.judged:
            return None
        if not self.pair:
            return 0.0
        verdict = verdicts[self.pair]
        alone = [verdict, *(verdicts[pair] for pair in (self._rivals() if verdict else []))]
        if all(alone) or any(verdicts[pair] for pair in self._together()):
            return 1.0
        return None if None in alone and False not in alone else 0.0

    def _rivals(self) -> list[Pair]:
        return [(self.gold, normalize(rival)) for rival in self.reading.rivals]

    def _together(self) -> list[Pair]:
        several = len(self.reading.boxes) > 1
        return [(self.gold, normalize(";".join(self.reading.boxes)))] if several else []
