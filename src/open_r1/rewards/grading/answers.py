"""Where the answer of a completion stands, and whether there is one only.

Looked for after the last `</think>` alone. The last `<answer>` block comes first, then the last box that is not empty, then a
stated answer ("the answer is 4", `#### 4`), then a formula, number or word that stands alone. Other answers in the same text
are rivals, unless they are steps on the way or withdrawn: a completion that offers several is right only if all are.
"""

import re
from dataclasses import dataclass, field


WINDOW = 50_000  # characters of the answer part that are read, from its end
BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![a-zA-Z])\s*(\{?)")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
MOST = 32  # boxes or statements, from the last, that are looked at
STATED = re.compile(
    r"####[ \t]*(?=(?P<hash>[^\n]{1,400}))"
    r"|(?:\b(?:final|correct|right|required|desired)[ \t]+)?\b(?:answer|solution|result|(?<=correct )option|(?<=right )option|(?<=correct )choice|(?<=right )choice|(?<=best )choice|(?<=best )option)s?\b(?:[ \t]+(?:to|of|for)\b[^.:\n=]{0,80}?)?"
    r"[ \t]*(?:\**[ \t]*[:：=][ \t]*\**|(?:[ \t]+(?:is|are|equals|must be|should be|would be|will be|comes? (?:out )?to(?: be)?|turns out to be|therefore is|is therefore|is thus|is simply|is then)\b)[ \t]*[:：]?)"
    r"\s{0,8}(?=(?P<said>[^\n]{1,400}))"
    r"|(?:\b(?:option|choice)[ \t]+(?P<option>\(?[A-J]\)?)[ \t]+is[ \t]+(?:the[ \t]+)?(?:correct|right|answer))"
    r"|(?:答案|结果|答)(?:应该|应)?(?:是|为|等于|[:：])+[ \t]*[:：]?\s{0,8}(?=(?P<chinese>[^\n]{1,400}))"
    r"|故?(?:本题)?选(?:择|项)?(?:是|为)?[ \t]*[:：]?[ \t]*(?P<chosen>[A-J](?:[、, ]*[A-J])*)",
    re.IGNORECASE,
)
SENTENCE = re.compile(r"(?:(?<!\d)\.|\.(?!\d)|[!?。！？；])(?=\s|$|[\"'*)])|。|；|，(?=所以|因为|故|即)|\n")
AFTER = re.compile(
    r"[,，]?\s*\b(?:because|since|as (?:we|shown|required|desired)|which|so that|where|who|hence|after|given|by the|i\.e\.|that is|according)\b.*$"
    r"|[,，]\s*(?:as|so|and (?:this|that|we|it)|with|if|but)\b.*$",
    re.DOTALL | re.IGNORECASE,
)
WITHDRAWN = re.compile(
    r"\bwait\b|\bactually\b|\bscratch that\b|\boops\b|\bsorry\b|\bcorrection\b|\bcorrect(?:ed|ing) (?:this|that|it|answer|value|result|to)\b|"
    r"\bmistake\b|\bmistaken\b|\bwrong\b|\bincorrect\b|\bnot (?:right|correct|quite|valid)\b|\bshould (?:be|have been)\b|\binstead\b|\bon second thought|"
    r"\blet me (?:re|fix|correct|double)|\bi (?:made|forgot|misread|mis)|\brevis|\bredo|\bre-?check|\bre-?examin|\bwithdraw|\bretract|\bignore\b|\bdiscard|"
    r"\berror\b|\binvalid\b|\bno[,.!:]|更正|不对|错了|有误|修正|纠正|重新|应该是|应为|作废|不是",
    re.IGNORECASE,
)
OFFERED = re.compile(
    r"\bor\b|\beither\b|\balternativ|\bmaybe\b|\bperhaps\b|\bpossibl|\banother\b|\bcould (?:also )?be\b|\bmight\b|\balso\b|\bboth\b|\bguess|"
    r"\bhedg|\bone of\b|\bif not\b|\botherwise\b|\bcandidate|或|也可能|也许|可能|另一",
    re.IGNORECASE,
)
STEP = re.compile(
    r"\bstep\b|\bfirst|\bthen\b|\bnext\b|\bso\b|\bhence\b|\btherefore\b|\bthus\b|\bnow\b|\busing\b|\bsubstitut|\bplug|\bwe (?:get|find|have|obtain|can|need|know|see|must)\b|"
    r"\bfinal|\bgives?\b|\bgiving\b|\byields?\b|\bimplies\b|\bfrom (?:this|here|which)\b|\badding\b|\bmultiply|\bdivid|\bsubtract|\bcombin|\bintermediate|\bafter\b|"
    r"\bsecond|\blast|\bit follows\b|\bin total\b|\boverall\b|\bfinish|\bpart\b|因此|所以|于是|则|代入|然后|接着|最后|第[一二三]步|其次|从而|可得|得到|故",
    re.IGNORECASE,
)
DENIED = re.compile(r"(?:\bnot|n't|\bnever|不是)(?: (?:be|equal to|equal|simply|just))?[\s:$\\(\[]*$", re.IGNORECASE)
CLAIMS = re.compile(r"\banswer\b|\bsolution is\b|答案", re.IGNORECASE)


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


def answer_part(completion: str) -> str | None:
    """What follows the thought; `None` if a thought never closes.

    >>> answer_part("<think>4?</think>5"), answer_part("<think>4"), answer_part("5")
    ('5', None, '5')
    """
    rest = completion[completion.rfind("</think>") + len("</think>") :] if "</think>" in completion else completion
    return None if "<think>" in rest else rest[-WINDOW:]


def read(completion: str) -> Reading | None:
    """The answer of a completion, or `None` if it gives none.

    >>> read(r"<think>3?</think>So \\boxed{3} or \\boxed{4}."), read("It has\\nabout 4 sides.")
    (Reading(answer='4', rivals=['3'], boxes=['3', '4']), None)
    """
    part = answer_part(completion)
    if part is None:
        return None
    blocks, outside = split_blocks(part)
    if "<answer>" in outside:
        return None  # cut off
    if not blocks:
        return _read_part(part)
    readings = [_read_part(block, lone=True) for block in blocks[-MOST:]]
    if readings[-1] is None:
        return None
    final = readings[-1]
    for reading in readings[:-1]:
        final.rivals += [reading.answer, *reading.rivals] if reading else []
    boxes = boxes_of(outside)
    if boxes:
        final.rivals.append(boxes[-1].text)
    return final


def split_blocks(part: str) -> tuple[list[str], str]:
    """The contents of the `<answer>` blocks of a text, and what stands around them.

    >>> split_blocks("a<answer>4</answer>b")
    (['4'], 'a\\n\\nb')
    """
    pieces = re.split(r"</answer>", part, flags=re.IGNORECASE)
    blocks, outside = [], []
    for piece in pieces[:-1]:
        before, opened, block = piece.rpartition("<answer>")
        blocks += [block] if opened else []
        outside.append(before if opened else piece)
    return blocks, "\n\n".join([*outside, pieces[-1]])


def _read_part(part: str, lone: bool = False) -> Reading | None:
    boxes = boxes_of(part)
    if boxes is None:
        return None
    stated = stated_in(part)
    if boxes:
        last = boxes[-1]
        rivals = [box.text for box in boxes[:-1] if not _excused(part, box, last)]
        after = [claim for claim in stated if claim.start >= last.end and not BOX.search(claim.text)]
        before = [claim for claim in stated if claim.end <= last.start and not BOX.search(claim.text)]
        rivals += [claim.text for claim in after if _is_value(claim.text)]
        rivals += [
            c.text for c in before if _is_value(c.text) and not WITHDRAWN.search(part[c.end : min(last.start, c.end + 1000)])
        ]
        return Reading(last.text, rivals, [box.text for box in boxes])
    if stated:
        last = stated[-1]
        rivals = [
            c.text
            for c in stated[:-1]
            if not WITHDRAWN.search(part[c.end : min(last.start, c.end + 1000)]) and _is_value(c.text)
        ]
        return Reading(last.text, rivals)
    return _read_lone(part, lone)


def boxes_of(part: str) -> list[Claim] | None:
    """The outermost boxes that are not empty, in order; `None` if the last one is cut off."""
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
        if not DENIED.search(part[max(0, match.start() - 40) : match.start()]) and re.sub(
            r"[\s.…_?]|\\(?:[lc]?dots|quad|text\{\s*\}|[,;! ])|\{\s*\}", "", text
        ):
            claims.append(Claim(text, match.start(), end))
    return claims[-MOST:]


def _closing_brace(text: str, start: int) -> int | None:
    depth = 1
    for match in BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return None


def _excused(part: str, box: Claim, last: Claim) -> bool:
    """Whether an earlier box is a step on the way to the last or withdrawn before it, rather than another answer."""
    between = part[box.end : min(last.start, box.end + 1000)]
    if WITHDRAWN.search(between):
        return True
    lead, last_lead = _lead(part, box.start), _lead(part, last.start)
    if CLAIMS.search(lead) or (lead.strip() and lead.strip() == last_lead.strip()) or OFFERED.search(last_lead + lead):
        return False
    return bool(STEP.search(between) or re.search(r"\bstep\b|第.步", lead, re.IGNORECASE)) and len(between.split()) > 1


def _lead(part: str, at: int) -> str:
    """The sentence before a place."""
    before = part[max(0, at - 300) : at]
    ends = list(SENTENCE.finditer(before))
    return before[ends[-1].end() :] if ends else before


def stated_in(part: str) -> list[Claim]:
    """The answers that a text states in words; not those that it denies."""
    claims = []
    for match in list(STATED.finditer(part))[-MOST:]:
        group = match.lastgroup
        text = match[group]
        if group in ("said", "chinese"):
            text = AFTER.sub("", _sentence(text))
        text = text.strip().strip("*_`\"'").strip()
        if text and not re.match(
            r"(?:not|in the form|of the form|不是|obtained|given|found|as follows|below)\b", text, re.IGNORECASE
        ):
            final = group != "said" or "answer" in match[0].lower()
            claims.append(Claim(text, match.start(), match.start(group) + len(text), final))
    return claims


def _sentence(text: str) -> str:
    """Up to the end of the sentence, formulas kept whole."""
    start = 0
    while match := SENTENCE.search(text, start):
        if text[: match.start()].count("$") % 2 == 0 and text[: match.start()].count("\\(") == text[: match.start()].count(
            "\\)"
        ):
            return text[: match.start()]
        start = match.end()
    return text


def _read_lone(part: str, block: bool) -> Reading | None:
    """A text, or the last line of one, that is nothing but an answer."""
    lines = [line.strip().strip("*_`").strip() for line in part.strip().splitlines() if line.strip()]
    if not lines:
        return None
    whole = " ".join(lines)
    if len(lines) == 1 or (block and len(whole) < 500) or re.match(r"\\\[|\$\$|\\begin", part.strip()):
        if len(re.findall(r"[^\W\d_]{2,}", re.sub(r"\\[a-zA-Z]+|\$[^$]*\$", " ", whole))) <= 8:
            return Reading(whole)
        return None
    formula = re.fullmatch(r"\$\$?[^$]+\$\$?\.?|\\\[.+\\\]|\\\(.+\\\)\.?", lines[-1])
    if lines[-1] in ("$$", r"\]") and len(lines) > 1:
        return Reading(lines[-2])
    return Reading(lines[-1]) if formula or _is_value(lines[-1]) else None


def _is_value(text: str) -> bool:
    """Whether a text is a number or formula without prose around it."""
    text = re.sub(r"\\text\s*\{[^{}]*\}|\\[a-zA-Z]+", " ", text)
    return (
        len(text) < 200 and bool(re.search(r"\d|^\W*[A-J]\W*$|^\W*[a-z]\W*=", text)) and not re.search(r"[^\W\d_]{3,}", text)
    )
