"""Accuracy: is the final answer mathematically equal to the gold one? (DeepSeek-R1, §2.2.2)

The grading itself is math-verify's. Where the answer is looked for:

- only after the last `</think>`; a thought that never closes has no answer;
- the last `<answer>` block if there is one, else the last `\\boxed{}`, formula or stated final answer ("the answer is 4"); a
  number is never picked out of prose;
- golds of any style are wrapped so that they parse: `42`, `\\frac13`, `C`, `$x$`, a solution with a box, `#### 18`.
"""

import re
import threading
from functools import lru_cache

from latex2sympy2_extended import NormalizationConfig
from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify


ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
NORMALIZE = NormalizationConfig(units=True, malformed_operators=True, nits=True, boxed="all")
EXTRACTION = [
    LatexExtractionConfig(boxed_match_priority=0, normalization_config=NORMALIZE),
    ExprExtractionConfig(try_extract_without_anchor=False),
]
SECONDS = 5  # math-verify's own deadline per parse and per comparison


def accuracy(completions: list[str], solution: list[str], **kwargs) -> list[float | None]:
    """1.0 if the final answer equals the gold, 0.0 if not, `None` if the gold cannot be parsed.

    Args:
        completions (`list[str]`): Completions as text, thoughts included.
        solution (`list[str]`): Gold answers, one per completion.

    >>> accuracy(["<think>2+2</think><answer>4</answer>", "<think>\\\\boxed{4}"], ["4", "4"])
    [1.0, 0.0]
    """
    return [grade(completion, gold) for completion, gold in zip(completions, solution, strict=True)]


def grade(completion: str, gold: str) -> float | None:
    """Grades one completion; every stage that needs a verdict on mathematics calls this."""
    target = parse_answer(as_formula(str(gold)))
    if not target:
        return None
    answer = final_answer(completion)
    if answer is None:
        return 0.0
    return _equal(as_formula(str(gold)), answer)


def final_answer(completion: str) -> str | None:
    """The part of a completion that states the answer, ready to parse; `None` if the thought never closes."""
    thought, closed, rest = completion.rpartition("</think>")
    if "<think>" in rest or (not closed and "<think>" in completion):
        return None
    blocks = ANSWER.findall(rest)
    return as_formula(blocks[-1]) if blocks else rest


def as_formula(text: str) -> str:
    """Wraps a bare answer in `$…$`, without which math-verify cannot tell it from prose.

    >>> as_formula(r"\\\\frac13"), as_formula("#### 18"), as_formula(r"so $x = 2$")
    ('$\\\\\\\\frac13$', '$18$', 'so $x = 2$')
    """
    text = text.rpartition("####")[2].strip()
    return text if not text or "$" in text or "\\boxed" in text or "\\(" in text or "\\[" in text else f"${text}$"


@lru_cache(maxsize=65536)
def parse_answer(text: str) -> tuple:
    """The one place where text becomes mathematics; `()` if it does not.

    Cached, since golds and short answers come again and again.
    """
    return tuple(parse(text, extraction_config=EXTRACTION, extraction_mode="first_match", parsing_timeout=_deadline()))


@lru_cache(maxsize=65536)
def _equal(gold: str, answer: str) -> float:
    return float(verify(list(parse_answer(gold)), list(parse_answer(answer)), timeout_seconds=_deadline()))


def _deadline() -> int | None:
    """math-verify's deadline is a signal, which only the main thread may set."""
    return SECONDS if threading.current_thread() is threading.main_thread() else None
