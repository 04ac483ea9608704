"""Where the answer of a completion stands, and whether there is one only.

Looked for after the last `</think>` alone. The last `<answer>` block comes first, then the last box that is not empty, then a
stated answer ("the answer is 4", `#### 4`), then a formula, number or word that stands alone. Other answers in the same text
are rivals, unless they are steps on the way or withdrawn: a completion that offers several is right only if all are.
"""

import re
from dataclasses import dataclass, field

from open_r1.grading.phrases import (
    ALTERNATIVE,
    ALTERNATIVE_BEFORE,
    BOUND,
    CLAIMS,
    CONCLUSION,
    CORRECTED,
    DENIED,
    DENIED_BEHIND,
    ELSEWHERE,
    GUESSED,
    NAMED_VALUE,
    NO_VALUE,
    NUMBERED_STEP,
    OFFERED,
    PARALLEL,
    PART_BEFORE,
    PART_BEHIND,
    REMARK,
    SENTENCE,
    STATED,
    STEP,
    SUFFIX,
    TOTAL,
    UNTRUE,
    WITHDRAWN,
)
from open_r1.utils.text import split_answer_blocks, split_thought


WINDOW = 50_000  # characters of the answer part that are read, from its end
BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![a-zA-Z])\s*(\{?)")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
EMPTY = re.compile(r"(?:[\s.…_?]|\\(?:[lc]?dots|quad|text\{\s*\}|[,;! ])|\{\s*\})*")
EQUATION = re.compile(r"=.*(?<![\\a-zA-Z])[a-zA-Z](?![a-zA-Z])|[a-zA-Z].*=\s*0$")
FORMULA = re.compile(r"\$\$?[^$]+\$\$?\.?|\\\[.+\\\]|\\\(.+\\\)\.?")  # a line that is nothing else
MOST = 32  # boxes or statements, from the last, that are looked at
MOST_STEPS = 8  # boxes of a solution, more are a list of guesses
FEWEST_WORDS = 5  # between a step and what follows from it


@dataclass
class Claim:
    """One answer that a completion gives: its text and where it stands."""

    text: str
    start: int
    end: int
    final: bool = True  # said to be the answer, not a solution or a result on the way


@dataclass
class Reading:
    """What a completion answers.

    Args:
        answer (`str`): The final answer, as written.
        rivals (`list[str]`): Other answers that it leaves standing.
        boxes (`list[str]`): All of its last boxes, where a gold of several parts may be spread over them.
    """

    answer: str
    rivals: list[str] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)


def read(completion: str) -> Reading | None:
    """The answer of a completion, or `None` if it gives none.

    >>> read(r"<think>3?</think>So \\boxed{3} or \\boxed{4}."), read("It has\\nabout 4 sides.")
    (Reading(answer='4', rivals=['3'], boxes=['3', '4']), None)
    """
    part = split_thought(completion).answer
    if part is None:
        return None
    part = part[-WINDOW:]
    blocks, outside = split_answer_blocks(part)
    if "<answer>" in outside:
        return None  # cut off
    if not blocks:
        return _read_part(part)
    readings = [_read_part(block, lone=True) for block in blocks[-MOST:]]
    final = readings[-1]
    if final is None:
        return None
    for reading in readings[:-1]:
        final.rivals += [reading.answer, *reading.rivals] if reading else []
    boxes, stated = boxes_of(outside) or [], stated_in(outside)
    final.rivals += [
        box.text for box in boxes if box is boxes[-1] or not _excused(outside, box, boxes[-1], len(boxes))
    ]
    final.rivals += [claim.text for claim in stated if claim.final and _stands(outside, claim, len(outside))]
    final.rivals += _alternative(part[part.rfind("</answer>") + len("</answer>") :])
    return final


def _read_part(part: str, lone: bool = False) -> Reading | None:
    boxes = boxes_of(part)
    if boxes is None:
        return None
    stated = stated_in(part)
    if boxes:
        last = boxes[-1]
        answer = _in_context(part, last)
        if answer is None:
            return None
        others = [claim for claim in stated if not BOX.search(claim.text)]
        rivals = [box.text for box in boxes[:-1] if not _excused(part, box, last, len(boxes))]
        rivals += [c.text for c in others if c.start >= last.end and c.final and _is_value(c.text)]
        rivals += [
            c.text for c in others if c.end <= last.start and c.final and _stands(part, c, last.start, last.text)
        ]
        rivals += _alternative(part[last.end :]) + _alternative_before(part[: last.start]) + _renamed(part, last)
        return Reading(answer, rivals, [box.text for box in boxes])
    if stated:
        last = stated[-1]
        rivals = [claim.text for claim in stated[:-1] if _stands(part, claim, last.start)]
        lines = part[last.end :].splitlines()[1:]
        rivals += [line.strip() for line in lines if _is_value(line) and "=" not in line]
        return Reading(last.text, rivals + _alternative(part[last.end :]))
    return _read_lone(part, lone)


def boxes_of(part: str) -> list[Claim] | None:
    """The outermost boxes that are not empty or denied, in order; `None` if the last one is cut off."""
    claims, end = [], 0
    for match in BOX.finditer(part):
        if match.start() < end:  # within the one before
            continue
        if not match[1]:  # \boxed 5
            bare = re.match(r"[^\s$.,\\]+", part[match.end() : match.end() + 50])
            if bare:
                claims.append(Claim(bare[0], match.start(), match.end() + bare.end()))
            continue
        close = _closing_brace(part, match.end())
        if close is None:
            return None
        end = close + 1
        text = part[match.end() : close].strip()
        if not EMPTY.fullmatch(text) and not DENIED.search(part[max(0, match.start() - 40) : match.start()]):
            claims.append(Claim(text, match.start(), end))
    return claims[-MOST:]


def _closing_brace(text: str, start: int) -> int | None:
    depth = 1
    for match in BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return None


def _in_context(part: str, box: Claim) -> str | None:
    """The text of a box with the sign, power or percent sign at it; `None` if it is part of a larger formula, or denied."""
    before, behind = part[max(0, box.start - 60) : box.start], _tight(part[box.end : box.end + 200])
    suffix = SUFFIX.match(behind)
    behind = behind[suffix.end() :] if suffix else behind
    if PART_BEHIND.match(behind) or DENIED_BEHIND.match(behind):
        return None
    if BOUND.search(before):
        return None
    if PART_BEFORE.search(before) and not re.search(r"<[^<>\s]{1,20}>\s*$", before):
        return None
    minus = "-" if re.search(r"(?:^|[^\w\s)}-])-$", before) else ""
    return f"{minus}{box.text}{suffix[0] if suffix else ''}"


def _alternative(behind: str) -> list[str]:
    """Another value offered right behind an answer, as in `5 or 6`, or that corrects it."""
    behind = _tight(behind[:300])
    match = ALTERNATIVE.match(behind)
    others = [match["other"]] if match else []
    if corrected := CORRECTED.match(behind):
        others.append(corrected["other"] or corrected["case"] or corrected["at_once"])
    return [other.rstrip(".!?") for other in others if _is_value(other)]


def _renamed(part: str, box: Claim) -> list[str]:
    """What the name before a box is said to equal right behind it, as in `$x=\\boxed{5}$, $x=6$`."""
    name = _name(part, box.start)
    again = re.match(
        rf"[\s$,;.]*(?:(?:and|or)\s)?\$?\s*{re.escape(name)}\s*=\s*([^$\s,;]{{1,40}})", part[box.end : box.end + 80]
    )
    return [again[1].rstrip(".")] if name and again else []


def _tight(text: str) -> str:
    """One blank or one line end for many, so that no pattern tries them all."""
    return re.sub(r"[^\S\n]+", " ", re.sub(r"\s*\n\s*", "\n", text))


def _alternative_before(before: str) -> list[str]:
    """Another value offered right before a box, as in `6 or \\boxed{5}`."""
    match = ALTERNATIVE_BEFORE.search(before[-60:])
    return (
        [match["other"].strip("$")] if match and _is_value(match["other"]) and not BOX.search(match["other"]) else []
    )


def _stands(part: str, claim: Claim, until: int, answer: str = "=") -> bool:
    """Whether a statement is of a value, and neither withdrawn nor a step to a box behind (`…, so $m+n=$ …`)."""
    between = part[claim.end : min(until, claim.end + 1000)]
    step = STEP.search(between) and re.search(r"=(?:\s*" + re.escape(answer) + r"\$[\s.]*)?$", between.rstrip("$ \n"))
    return _is_value(claim.text) and (GUESSED.search(between) or not WITHDRAWN.search(between)) and not step


def _excused(part: str, box: Claim, last: Claim, boxes: int) -> bool:
    """Whether an earlier box is a step on the way to the last or withdrawn before it, rather than another answer."""
    between = part[box.end : min(last.start, box.end + 1000)]
    if WITHDRAWN.search(between) and not GUESSED.search(between):
        return True
    if EQUATION.search(box.text):  # a formula on the way to a value
        return True
    lead, last_lead = _lead(part, box.start), _lead(part, last.start)
    tail = SENTENCE.split(between, maxsplit=1)[0]
    if boxes > MOST_STEPS or CLAIMS.search(lead) or OFFERED.search(f"{lead} {tail} {last_lead}"):
        return False
    if PARALLEL.search(f"{lead} {tail}") and PARALLEL.search(last_lead) and not TOTAL.search(last_lead):
        return False
    same_words = re.search(r"[^\W\d_]{2}", lead) and lead.strip() == last_lead.strip()
    name, last_name = _name(part, box.start), _name(part, last.start)
    if same_words or (name and name == last_name):
        return False
    words = len(re.findall(r"(?<!\\)\b[^\W\d_]{2,}", between)) + len(re.findall("[一-鿿]", between)) // 2
    step = STEP.search(between) and (words >= FEWEST_WORDS or bool(last_name))
    return bool(NUMBERED_STEP.search(lead) or step)


def _name(part: str, at: int) -> str:
    """What a box is said to equal, `m+n` before `$m+n=3+4=\\boxed{7}$`."""
    match = re.search(r"([^$\n,.;:=]{1,40})=[^$\n]*$", part[max(0, at - 80) : at])
    return match[1].split()[-1] if match and match[1].strip() and part[:at].rstrip().endswith("=") else ""


def _lead(part: str, at: int) -> str:
    """The sentence before a place."""
    before = part[max(0, at - 300) : at]
    ends = list(SENTENCE.finditer(before))
    return before[ends[-1].end() :] if ends else before


def stated_in(part: str) -> list[Claim]:
    """The answers that a text states in words; not those that it denies or asks about."""
    claims = []
    for match in list(STATED.finditer(part))[-MOST:]:
        group = match.lastgroup
        text = match[group]
        if group in ("said", "chinese"):
            text = REMARK.sub("", _sentence(text))
        end = match.start(group) + len(text)
        text = text.strip().strip("*_`\"'").strip()
        asked = part[end : end + 1] in ("?", "？")
        if (
            text
            and not asked
            and not NO_VALUE.match(text)
            and not UNTRUE.search(part[max(0, match.start() - 100) : match.start()])
        ):
            said = match[0].lower()
            final = group in ("hash", "option", "chosen") or (
                ("answer" in said or "答" in said) and not ELSEWHERE.search(said)
            )
            claims.append(Claim(text, match.start(), end, final))
    return claims


def _sentence(text: str) -> str:
    """Up to the end of the sentence, formulas kept whole."""
    start = 0
    while match := SENTENCE.search(text, start):
        before = text[: match.start()]
        if before.count("$") % 2 == 0 and before.count(r"\(") == before.count(r"\)"):
            return before
        start = match.end()
    return text


def _read_lone(part: str, block: bool) -> Reading | None:
    """A text, or the last line of one, that is nothing but an answer."""
    lines = [line.strip().strip("*_`").strip() for line in part.strip().splitlines()]
    lines = [line for line in lines if line and line not in ("$$", r"\[", r"\]")]
    if not lines:
        return None
    values = [line for line in lines[:-1] if _is_value(line) and "=" not in line]
    whole, last = " ".join(lines), CONCLUSION.sub("", lines[-1])
    if not values and (
        len(lines) == 1 or (block and len(whole) < 500) or re.match(r"\\\[|\$\$|\\begin", part.strip())
    ):
        if len(re.findall(r"[^\W\d_]{2,}", re.sub(r"\\[a-zA-Z]+|\$[^$]*\$", " ", whole))) <= 8:
            concluded = len(lines) == 1 and (NAMED_VALUE.fullmatch(last) or FORMULA.fullmatch(last))
            return Reading(last if concluded else whole)
    formula = FORMULA.fullmatch(last) or NAMED_VALUE.fullmatch(last)
    return Reading(last, values) if formula or _is_value(last) else None


def _is_value(text: str) -> bool:
    """Whether a text is a number or formula without prose around it."""
    text = re.sub(r"\\text\s*\{[^{}]*\}|\\[a-zA-Z]+", " ", text)
    value = re.search(r"\d|^\W*[A-J]\W*$|^\W*[a-z]\W*=", text)
    return len(text) < 200 and value is not None and not re.search(r"[^\W\d_]{3,}", text)
