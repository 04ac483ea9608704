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
WORD = re.compile(r"(?<!\\)\b[^\W\d_]{2,}")
MOST_WORDS = 6  # a gold of more words is a solution or a remark, not an answer
SHORT = 256  # characters; longer texts are not worth remembering
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
    if not usable_gold(gold):
        return None
    answer = final_answer(completion)
    return 0.0 if answer is None else _equal(as_formula(str(gold)), answer)


def usable_gold(gold: str | None) -> bool:
    """Whether there is something in a gold to grade by: it parses, and it is no prose.

    >>> usable_gold("\\\\frac13"), usable_gold(""), usable_gold("We note that there are as many apples as pears in it.")
    (True, False, False)
    """
    if gold is None or not any(not isinstance(part, str) for part in parse_answer(as_formula(str(gold)))):
        return False
    text = str(gold)
    return "\\boxed" in text or "####" in text or len(WORD.findall(text)) <= MOST_WORDS


def final_answer(completion: str) -> str | None:
    """The part of a completion that states the answer, ready to parse; `None` if the thought never closes."""
    _, closed, rest = completion.rpartition("</think>")
    if "<think>" in rest or (not closed and "<think>" in completion):
        return None
    blocks = ANSWER.findall(rest)
    if blocks:
        return as_formula(blocks[-1])
    return rest[rest.rindex("\\boxed") :] if "\\boxed" in rest else rest


def as_formula(text: str) -> str:
    """Wraps a bare answer in `$…$`, without which math-verify cannot tell it from prose; a lone `$` is a currency.

    >>> as_formula(r"\\frac13"), as_formula("#### 18"), as_formula(r"so $x = 2$"), as_formula("$18")
    ('$\\\\frac13$', '$18$', 'so $x = 2$', '$18$')
    """
    text = text.rpartition("####")[2].replace("\\$", "").strip()
    text = text.replace("$", "") if text.count("$") == 1 else text
    return text if not text or "$" in text or "\\boxed" in text or "\\(" in text or "\\[" in text else f"${text}$"


def parse_answer(text: str) -> tuple:
    """The one place where text becomes mathematics; `()` if it does not."""
    return _parse_short(text) if len(text) <= SHORT else _parse(text)


def _parse(text: str) -> tuple:
    return tuple(parse(text, extraction_config=EXTRACTION, extraction_mode="first_match", parsing_timeout=_deadline()))


_parse_short = lru_cache(maxsize=65536)(_parse)  # golds and short answers come again and again


def _compare(gold: str, answer: str) -> float:
    return float(verify(list(parse_answer(gold)), list(parse_answer(answer)), timeout_seconds=_deadline()))


_compare_short = lru_cache(maxsize=65536)(_compare)


def _equal(gold: str, answer: str) -> float:
    return (_compare_short if len(gold) + len(answer) <= SHORT else _compare)(gold, answer)


def _deadline() -> int | None:
    """math-verify's deadline is a signal, which only the main thread may set."""
    return SECONDS if threading.current_thread() is threading.main_thread() else None
