"""Gold answers, in whatever style a data set has them."""

import ast
import re
from numbers import Number
from typing import Any

from open_r1.grading.answers import boxes_of, stated_in
from open_r1.grading.notation import normalize
from open_r1.utils.text import split_answer_blocks


UNUSABLE = re.compile(
    r"(?:see|refer to|shown in|as in)\b.*\b(?:figure|diagram|graph|above|below|solution|explanation|picture|image|table)\b.*|.*\b(?:answers?|results?) (?:may |will |can )?var(?:y|ies)\b.*|"
    r"(?:varies|various|n/?a|nan|null|none|undefined answer|unknown|proof|not (?:available|provided|given|applicable)|no answer|omitted|tbd|todo|-+|\?+|\.+)|"
    r"(?:the )?proof\b.*|.*\b(?:left to the reader|to be proved|prove that|open[- ]ended|sample answer|depends on the (?:student|reader))\b.*|"
    r"略|见解析|见图|证明略?|答案不唯一.*|.*见(?:解析|答案|图).*|如图.*|证明见.*",
    re.IGNORECASE | re.DOTALL,
)
MOST_WORDS = 8  # a gold of more words is a solution or a remark, not an answer
WORD = re.compile(r"(?<!\\)\b[^\W\d_]{2,}")


def gold_answer(gold: Any) -> str | None:
    """The answer within a gold, normalized; `None` if there is nothing to grade by.

    >>> gold_answer("2*9=18\\n#### 18"), gold_answer(r"so $x=\\boxed{2}$"), gold_answer(["3", "5"]), gold_answer("answers may vary")
    ('18', '2', '3;5', None)
    """
    if isinstance(gold, bool) or gold is None:
        return None
    if isinstance(gold, str) and re.match(r'\s*\[\s*["\']', gold):
        try:
            gold = ast.literal_eval(gold.strip())
        except (ValueError, SyntaxError):
            pass
    if isinstance(gold, list | tuple):
        parts = [gold_answer(part) for part in gold]
        return ";".join(parts) if parts and None not in parts else None
    if not isinstance(gold, str | Number):
        return None
    text = str(gold).strip()
    answer = _inside(text)
    normal = normalize(answer)
    if (
        UNUSABLE.fullmatch(text)
        or UNUSABLE.fullmatch(answer.strip(" .$"))
        or UNUSABLE.fullmatch(re.sub(r"[«»()\[\]]", " ", normal).strip())
    ):
        return None
    if not re.search(r"\w|\\emptyset|\\infty|∞", normal):
        return None
    if len(WORD.findall(re.sub(r"\$[^$]*\$", "", answer))) > MOST_WORDS and not re.match(
        r"[(\[]?[A-J][)\].:]", answer
    ):
        return None
    return normal


def _inside(text: str) -> str:
    """Where the gold is a whole solution, its answer."""
    text = text[text.rfind("</think>") + len("</think>") :] if "</think>" in text else text
    blocks = split_answer_blocks(text)[0]
    text = blocks[-1] if blocks else text
    boxes = boxes_of(text)
    if boxes:
        return boxes[-1].text
    if "####" in text:
        return text.rpartition("####")[2]
    stated = stated_in(text)
    if stated and len(text) > len(stated[-1].text):
        return stated[-1].text
    formulas = re.findall(r"\$([^$]+)\$", text)
    prose = WORD.findall(re.sub(r"\$[^$]*\$", "", text))
    return formulas[-1] if len(formulas) == 1 and len(prose) > 2 else text
