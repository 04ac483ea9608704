"""Grades completions against gold answers. The README of this folder describes the policy.

Each distinct pair of gold and answer is compared once: in this process if that is cheap, else in worker processes with
a hard deadline (`open_r1.utils.workers`). If the evaluation of a formula never ends, the completion gets 0 if the
formula is its own, and `None` if it is the gold's. Text from a completion is never run as code.
"""

import threading
from collections import Counter
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from open_r1.grading.answers import extract_answer
from open_r1.grading.equality import equal_at_once, is_too_expensive
from open_r1.grading.golds import gold_answer
from open_r1.grading.notation import normalize
from open_r1.utils.cores import cores_per_process
from open_r1.utils.workers import ItemError, Workers


# Wall-clock seconds per comparison. Usual ones took at most 0.8 s on a busy core; sums in closed form may take longer.
SECONDS = 2.0
MEMORY = 2.0  # GiB per worker
MOST_WORKERS = 8
MOST_REMEMBERED = 100_000  # verdicts
# One formula of each kind: math-verify's parser builds its tables lazily, which takes 0.1 s for each new construct.
WARM_UP = [
    (r"x^{2}+2x+1", r"(x+1)^{2}"),
    (r"\frac{1}{2n+2}", r"\frac{n}{2(n+1)}"),
    (r"3\sqrt{2}-\pi", r"\sqrt[3]{18}+5\pi"),
    (r"e^{-2t}", r"\frac{1}{e^{t}}"),
    (r"\sin(x)+\cos^{2}x", r"\ln 2+\log_{2} 3"),
    (r"\binom{10}{3}", r"5!-|x|"),
    (r"a_{1}b", r"b*a_{2}/3"),
    (r"(39,\frac{\pi}{2})", r"(39,\pi)"),
    (r"x>2y", r"y<\theta"),
    (r"\begin{pmatrix}1&2\3&4\end{pmatrix}", "5"),
    (r"-0.5x", r"2\cdot 3"),
]

Pair = tuple[str, str]  # a normalized gold and a normalized answer
Verdicts = dict[Pair, bool | None]


@dataclass
class Grade:
    """The verdict on one completion.

    Args:
        reward (`float`, *optional*): 1.0 if it is right, 0.0 if it is wrong, `None` if it cannot be judged.
        gold (`str`, *optional*): The normalized gold answer.
        answer (`str`, *optional*): The normalized answer of the completion.
    """

    reward: float | None
    gold: str | None = None
    answer: str | None = None


def grade(completion: str, gold: Any) -> float | None:
    """Grades one completion.

    Args:
        completion (`str`): A completion, including its thought.
        gold (`Any`): The gold answer, in any format.

    Returns:
        `float`, *optional*: 1.0 if the final answer equals the gold, 0.0 if not, `None` if it cannot be judged.

    >>> grade(r"Half of it: $\\boxed{\\frac12}$", "0.5"), grade("about 0.5 perhaps", "0.5"), grade("4", "see figure")
    (1.0, 0.0, None)
    """
    grades, _ = shared_grader().grade_all([completion], [gold])
    return grades[0].reward


def usable_gold(gold: Any) -> bool:
    """Whether a gold contains an answer to grade by.

    >>> usable_gold("\\\\frac13"), usable_gold(""), usable_gold("answers may vary")
    (True, False, False)
    """
    return gold_answer(gold) is not None


@cache
def shared_grader() -> "Grader":
    """The grader of this process. Rewards, filters and evaluation share its workers and its cache."""
    return Grader(min(MOST_WORKERS, cores_per_process()))


class Grader:
    """Grades batches of completions.

    Args:
        workers (`int`): Number of worker processes for computer algebra. It does not affect the results.
        seconds (`float`, *optional*, defaults to 2): Deadline per comparison.
    """

    def __init__(self, workers: int, seconds: float = SECONDS):
        self.workers = Workers("open_r1.grading.algebra:equal_with_algebra", workers, seconds, MEMORY, WARM_UP)
        self._remembered: dict[Pair, bool] = {}
        self._in_flight: dict[Pair, Future] = {}
        self._lock = threading.Lock()

    def grade_all(self, completions: list[str | None], golds: list) -> tuple[list[Grade], Counter]:
        """Grades completions against their golds.

        Args:
            completions (`list[str | None]`): Completions; `None` cannot be judged.
            golds (`list`): Their golds, in any format.

        Returns:
            `tuple[list[Grade], Counter]`:
                One grade per completion, and the counts `unjudged`, `timeouts` and `remembered`.

        Raises:
            ValueError: If the numbers of golds and completions differ.
        """
        if len(completions) != len(golds):
            raise ValueError(
                f"found {len(completions)} completions and {len(golds)} golds; expected one gold per completion"
            )
        gold_answers: dict[str, str | None] = {}
        cases = []
        for completion, gold in zip(completions, golds, strict=True):
            key = repr(gold)
            if key not in gold_answers:
                gold_answers[key] = gold_answer(gold)
            cases.append(_GradingCase(completion, gold_answers[key]))
        verdicts: Verdicts = {}
        counts: Counter = Counter()
        self._compare({case.pair for case in cases if case.pair}, verdicts, counts)
        further_pairs = set()
        for case in cases:
            further_pairs.update(case.further_pairs(verdicts))
        self._compare(further_pairs, verdicts, counts)
        grades = [case.grade(verdicts) for case in cases]
        counts["unjudged"] = sum(grade.reward is None for grade in grades)
        return grades, counts

    def _compare(self, pairs: set[Pair], verdicts: Verdicts, counts: Counter) -> None:
        """Adds the verdicts on pairs of gold and answer to `verdicts`. Waits for the workers."""
        futures: dict[Pair, Future] = {}
        for pair in sorted(pairs):
            gold, answer = pair
            if pair in self._remembered:
                counts["remembered"] += 1
                verdicts[pair] = self._remembered[pair]
                continue
            verdicts[pair] = equal_at_once(gold, answer)
            if verdicts[pair] is not None:
                continue
            if is_too_expensive(answer):
                verdicts[pair] = False
            elif not is_too_expensive(gold):
                futures[pair] = self._submit(pair)
        for pair, future in futures.items():
            verdicts[pair] = self._wait_for(pair, future, counts)
        self._forget_oldest()

    def _submit(self, pair: Pair) -> Future:
        with self._lock:  # another reward may have submitted the same pair
            future = self._in_flight.get(pair)
            if future is None:
                future = self.workers.submit(pair)
                self._in_flight[pair] = future
            return future

    def _wait_for(self, pair: Pair, future: Future, counts: Counter) -> bool | None:
        try:
            verdict = future.result()
            self._remembered[pair] = verdict
        except (ItemError, CancelledError) as error:  # not cached, since it may be the machine's fault
            if getattr(error, "reason", "") == "timeout":
                counts["timeouts"] += 1
            verdict = self._verdict_without_result(pair[0], error)
        self._in_flight.pop(pair, None)
        return verdict

    def _verdict_without_result(self, gold: str, error: Exception) -> bool | None:
        """The verdict if a comparison has no result: `False` if that is the completion's fault, else `None`.

        It is the gold's fault if the gold cannot be compared with itself, and the machine's if the worker died.
        """
        if not isinstance(error, ItemError) or error.reason == "died":
            return None
        try:
            self.workers.submit((gold, f"({gold})")).result()  # the gold with itself
        except ItemError:
            return None
        return False

    def _forget_oldest(self) -> None:
        excess = len(self._remembered) - MOST_REMEMBERED
        if excess <= 0:
            return
        for pair in list(self._remembered)[:excess]:
            self._remembered.pop(pair, None)


class _GradingCase:
    """One completion to grade: its pairs of gold and answer, and the grade that follows from their verdicts."""

    def __init__(self, completion: str | None, gold: str | None):
        self.gold = gold
        self.can_be_judged = isinstance(completion, str) and gold is not None
        self.extracted = extract_answer(completion) if self.can_be_judged else None
        self.pair = self._pair(self.extracted.answer) if self.extracted else None

    def _pair(self, answer: str) -> Pair:
        return (self.gold, normalize(answer))

    @cached_property
    def other_pairs(self) -> list[Pair]:
        """The pairs with the other answers that the completion gives."""
        return [self._pair(other) for other in self.extracted.other_answers]

    @cached_property
    def joined_pair(self) -> Pair | None:
        """The pair with all boxes joined to one answer; `None` if there is only one box."""
        boxes = self.extracted.boxes
        return self._pair(";".join(boxes)) if len(boxes) > 1 else None

    def further_pairs(self, verdicts: Verdicts) -> list[Pair]:
        """The pairs to compare in a second round: other answers if the answer is right, and the joined boxes."""
        pairs = []
        if self.pair and verdicts[self.pair]:
            pairs += self.other_pairs
        if self.pair and self.joined_pair:
            pairs.append(self.joined_pair)
        return pairs

    def grade(self, verdicts: Verdicts) -> Grade:
        """The grade, once all verdicts are known."""
        answer = self.pair[1] if self.pair else None
        return Grade(self._reward(verdicts), self.gold, answer)

    def _reward(self, verdicts: Verdicts) -> float | None:
        if not self.can_be_judged:
            return None
        if not self.pair:
            return 0.0
        if self.joined_pair and verdicts[self.joined_pair]:
            return 1.0
        needed = [verdicts[self.pair]]
        if verdicts[self.pair]:
            needed += [verdicts[pair] for pair in self.other_pairs]
        if False in needed:
            return 0.0
        return None if None in needed else 1.0
