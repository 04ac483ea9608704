"""Extracts the answer from a gold, in any of the formats that data sets use."""

import ast
import json
import re
from numbers import Number
from typing import Any

from open_r1.grading.answers import find_boxes, find_statements
from open_r1.grading.notation import normalize
from open_r1.utils.text import split_answer_blocks, split_thought


# Golds without an answer
UNUSABLE = re.compile(
    r"(?:see|refer to|shown in|as in)\b.*"
    r"\b(?:figure|diagram|graph|above|below|solution|explanation|picture|image|table)\b.*|"
    r".*\b(?:answers?|results?) (?:may |will |can )?var(?:y|ies)\b.*|"
    r"(?:varies|various|n/?a|nan|null|none|undefined answer|unknown|proof"
    r"|not (?:available|provided|given|applicable)|no answer|omitted|tbd|todo|-+|\?+|\.+)|"
    r"(?:the )?proof\b.*|.*\b(?:left to the reader|to be proved|prove that|open[- ]ended|sample answer"
    r"|depends on the (?:student|reader))\b.*|"
    # omitted, see the explanation, see the figure, proof, the answer is not unique
    r"略|见解析|见图|证明略?|答案不唯一.*|.*见(?:解析|答案|图).*|如图.*|证明见.*",
    re.IGNORECASE | re.DOTALL,
)
SOMETHING = re.compile(r"\w|\\emptyset|\\infty|∞")
MOST_WORDS = 8  # a gold of more words is a solution or a remark, not an answer
WORD = re.compile(r"(?<!\\)\b[^\W\d_]{2,}")
OPTION_LABEL = re.compile(r"[(\[]?[A-J][)\].:]")
FORMULA = re.compile(r"\$([^$]+)\$")
FORMULA_OR_DOLLARS = re.compile(r"\$[^$]*\$")
BRACKETS_AND_MARKS = re.compile(r"[«»()\[\]]")
MAPPING = re.compile(r'[\s\[]*\{\s*["\']')  # the beginning of one in JSON or Python, or of a list of them
LIST_OF_STRINGS = re.compile(r'\s*\[\s*["\']')


def gold_answer(gold: Any) -> str | None:
    """The normalized answer of a gold.

    Args:
        gold (`Any`): A gold from a data set: an answer, a whole solution, a number, or a list of these.

    Returns:
        `str`, *optional*: The answer, or `None` if the gold has none.

    >>> gold_answer("2*9=18\\n#### 18"), gold_answer(r"so $x=\\boxed{2}$"), gold_answer(["3", "5"])
    ('18', '2', '3;5')
    >>> gold_answer("answers may vary") is None
    True
    """
    if isinstance(gold, str) and LIST_OF_STRINGS.match(gold):
        gold = _parse_list(gold)
    if isinstance(gold, list | tuple):
        return _join_parts(gold)
    if not isinstance(gold, str | Number):
        return None
    text = str(gold).strip()
    if _is_mapping(text):
        return None
    answer = _find_answer(text)
    normalized = normalize(answer)
    if _says_nothing(text) or _says_nothing(answer.strip(" .$")):
        return None
    if _says_nothing(BRACKETS_AND_MARKS.sub(" ", normalized).strip()) or not SOMETHING.search(normalized):
        return None
    if len(_words_outside_formulas(answer)) > MOST_WORDS and not OPTION_LABEL.match(answer):
        return None
    return normalized


def _parse_list(text: str) -> Any:
    """Parses text such as `['1', '2']`. Text that is not a Python literal is returned unchanged."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return text


def _is_mapping(text: str) -> bool:
    """Whether text is a mapping, or a list of them, such as `{"ground_truth": "4"}`: the answer is a field of it.

    >>> _is_mapping('{"ground_truth": "4"}'), _is_mapping("{'a', 'b'}")
    (True, False)
    """
    if not MAPPING.match(text):
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = _parse_list(text)
    while isinstance(value, list) and value:
        value = value[0]
    return isinstance(value, dict)


def _join_parts(parts: list | tuple) -> str | None:
    answers = []
    for part in parts:
        answer = gold_answer(part)
        if answer is None:
            return None
        answers.append(answer)
    return ";".join(answers) if answers else None


def _find_answer(text: str) -> str:
    """The answer within a whole solution; else the whole gold."""
    answer_part = split_thought(text).answer
    if answer_part is not None:
        text = answer_part
    blocks, _ = split_answer_blocks(text)
    if blocks:
        text = blocks[-1]
    boxes = find_boxes(text)
    if boxes:
        return boxes[-1].text
    if "####" in text:
        return text.rpartition("####")[2]
    statements = find_statements(text)
    if statements and len(text) > len(statements[-1].text):
        return statements[-1].text
    formulas = FORMULA.findall(text)
    if len(formulas) == 1 and len(_words_outside_formulas(text)) > 2:
        return formulas[0]
    return text


def _words_outside_formulas(text: str) -> list[str]:
    return WORD.findall(FORMULA_OR_DOLLARS.sub("", text))


def _says_nothing(text: str) -> bool:
    return UNUSABLE.fullmatch(text) is not None
