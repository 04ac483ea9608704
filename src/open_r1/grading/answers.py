"""Extracts the answer of a completion, and other answers that compete with it.

Only the text after the last `</think>` is searched. The answer is the last `<answer>` block, else the last non-empty
box, else an answer stated in words ("the answer is 4", `#### 4`), else a formula, number or word on its own. Other
answers in the same text compete with it, unless they are intermediate results or withdrawn: a completion with several
answers is right only if all of them are.
"""

import re
from dataclasses import dataclass, field

from open_r1.grading.brackets import closing_brace
from open_r1.grading.languages import (
    FINAL_VERB,
    HYPOTHETICAL,
    IN_TOTAL,
    NEGATION,
    OPTION_WORD,
    may_be_in_other_language,
)
from open_r1.grading.phrases import (
    ALTERNATIVE,
    ALTERNATIVE_BEFORE,
    ANSWER_WORD,
    BOUND,
    CONCLUSION,
    CORRECTED,
    DECORATED_END,
    DENIED,
    DENIED_AFTER,
    ELSEWHERE,
    GUESSED,
    NAMED_VALUE,
    NO_SOLUTION,
    NO_VALUE,
    NUMBERED_STEP,
    OFFERED,
    PARALLEL,
    PART_AFTER,
    PART_BEFORE,
    QUALIFIED,
    REMARK,
    SENTENCE_END,
    SENTENCE_WITH_VALUE,
    STATED,
    STATED_IN_ANY_LANGUAGE,
    STEP,
    SUFFIX,
    SUMMED,
    TOTAL,
    UNTRUE,
    WITHDRAWN,
)
from open_r1.utils.text import split_answer_blocks, split_thought


# How much of a text is searched, in characters
LONGEST_ANSWER_PART = 50_000  # counted from its end
LONGEST_BARE_BOX = 50
LONGEST_BLOCK = 500  # with several lines that may be a single answer
LONGEST_VALUE = 200
BEFORE_BOX = 60
AFTER_BOX = 200
BEFORE_DENIED_BOX = 40
BEFORE_UNTRUE_STATEMENT = 100
ALTERNATIVES_AFTER = 300
AROUND_NAMED_BOX = 80
BETWEEN_ANSWERS = 1000
SENTENCE_BEFORE = 300

MOST_ANSWERS = 32  # boxes or statements, counted from the last
MOST_BOXED_STEPS = 8  # with more boxes, they count as guesses rather than steps
FEWEST_WORDS_BETWEEN_STEPS = 5
MOST_WORDS_ALONE = 8

BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![a-zA-Z])\s*(\{?)")
BARE_BOX = re.compile(r"[^\s$.,\\]+")  # \boxed 5
# Content of a placeholder box, such as `\boxed{…}`
EMPTY = re.compile(r"(?:[\s.…_?]|\\(?:[lc]?dots|quad|text\{\s*\}|[,;! ])|\{\s*\})*")
# Right before a box: a tag as in `<b>\boxed{5}`, which is not a relation, or a minus as in `-\boxed{5}`
COLOR_BEFORE = re.compile(r"\\(?:text)?color\s*\{\w{1,20}\}\s*\{?\s*$")
TAG_BEFORE = re.compile(r"<[^<>\s]{1,20}>\s*$")
MINUS_BEFORE = re.compile(r"(?:^|[^\w\s)}-])-$")
# In a box: an equation as an intermediate result, such as `a_n = 3n`
EQUATION = re.compile(r"=.*(?<![\\a-zA-Z])[a-zA-Z](?![a-zA-Z])|[a-zA-Z].*=\s*0$")
NAME_OF_BOX = re.compile(r"([^$\n,.;:=]{1,40})=[^$\n]*$")
# A line that is a single formula, and the beginning of a displayed formula
FORMULA = re.compile(r"\$\$?[^$]+\$\$?\.?|\\\[.+\\\]|\\\(.+\\\)\.?")
DISPLAYED = re.compile(r"\\\[|\$\$|\\begin")
DISPLAY_MARKS = ("$$", r"\[", r"\]", "---")
COMMAND_OR_FORMULA = re.compile(r"\\[a-zA-Z]+|\$[^$]*\$")
TEXT_OR_COMMAND = re.compile(r"\\text\s*\{[^{}]*\}|\\[a-zA-Z]+")
LETTER_OR_DIGIT = re.compile(r"\w")
TWO_LETTERS = re.compile(r"[^\W\d_]{2}")
WORD = re.compile(r"[^\W\d_]{2,}")
WORD_NOT_COMMAND = re.compile(r"(?<!\\)\b[^\W\d_]{2,}")
HAN_CHARACTER = re.compile("[一-鿿]")
THREE_LETTERS = re.compile(r"[^\W\d_]{3,}")
NUMBER_OPTION_OR_EQUATION = re.compile(r"\d|^\W*[A-J]\W*$|^\W*[a-z]\W*=")
LINE_BREAK = re.compile(r"\s*\n\s*")
BLANKS_IN_LINE = re.compile(r"[^\S\n]+")
ALWAYS_FINAL = ("hash", "option", "chosen", "other_language")  # groups of STATED
SENTENCE_GROUPS = ("said", "headed", "chinese", "other_language")  # groups of STATED that match the rest of the line

HYPOTHETICAL_GROUPS = ("chinese", "other_language")


@dataclass
class StatedAnswer:
    """One answer that a text gives, in a box or in words.

    Args:
        text (`str`): The answer as written.
        start (`int`): Where its statement starts in the text.
        end (`int`): Where it ends.
        is_final (`bool`, *optional*, defaults to `True`):
            Whether it is called the answer, rather than a solution or an intermediate result.
    """

    text: str
    start: int
    end: int
    is_final: bool = True


@dataclass
class ExtractedAnswer:
    """The answer of a completion.

    Args:
        answer (`str`): The final answer, as written.
        other_answers (`list[str]`, *optional*): Other answers that compete with it.
        boxes (`list[str]`, *optional*): All boxes, since the parts of an answer may be spread over several boxes.
    """

    answer: str
    other_answers: list[str] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)


def extract_answer(completion: str) -> ExtractedAnswer | None:
    """Finds the answer of a completion, and other answers that compete with it.

    Args:
        completion (`str`): A completion, including its thought.

    Returns:
        [`ExtractedAnswer`], *optional*: The answer, or `None` if the completion gives none.

    >>> extract_answer(r"<think>3?</think>So \\boxed{3} or \\boxed{4}.")
    ExtractedAnswer(answer='4', other_answers=['3'], boxes=['3', '4'])
    >>> extract_answer("It has\\nabout 4 sides.") is None
    True
    """
    answer_part = split_thought(completion).answer
    if answer_part is None:
        return None
    answer_part = answer_part[-LONGEST_ANSWER_PART:]
    blocks, outside = split_answer_blocks(answer_part)
    if "<answer>" in outside:  # a block that is cut off
        return None
    if not blocks:
        return _extract_from_text(answer_part)
    extracted = _extract_from_blocks(blocks, outside)
    if extracted is not None:
        after = answer_part[answer_part.rfind("</answer>") + len("</answer>") :]
        extracted.other_answers += _alternatives_after(after)
    return extracted


def _extract_from_blocks(blocks: list[str], outside: str) -> ExtractedAnswer | None:
    """The answer of the last block. Answers in other blocks and in the text around them compete with it."""
    extracted = [_extract_from_text(block, is_block=True) for block in blocks[-MOST_ANSWERS:]]
    final = extracted[-1]
    if final is None:
        return None
    for earlier in extracted[:-1]:
        if earlier:
            final.other_answers += [earlier.answer, *earlier.other_answers]
    boxes = find_boxes(outside) or []
    for box in boxes:
        if box is boxes[-1] or not _is_step_or_withdrawn(outside, box, boxes):
            final.other_answers.append(box.text)
    for statement in find_statements(outside):
        if statement.is_final and _still_stands(outside, statement, len(outside)):
            final.other_answers.append(statement.text)
    return final


def _extract_from_text(text: str, is_block: bool = False) -> ExtractedAnswer | None:
    boxes = find_boxes(text)
    if boxes is None:
        return None
    if boxes:
        return _extract_from_boxes(text, boxes)
    statements = find_statements(text)
    if statements:
        return _extract_from_statements(text, statements)
    return _extract_standing_alone(text, is_block)


def _extract_from_boxes(text: str, boxes: list[StatedAnswer]) -> ExtractedAnswer | None:
    last = boxes[-1]
    answer = _box_in_context(text, last)
    if answer is None:
        return None
    other_answers = [box.text for box in boxes[:-1] if not _is_step_or_withdrawn(text, box, boxes)]
    before = []
    after = []
    for statement in find_statements(text):
        if not statement.is_final or BOX.search(statement.text):
            continue
        if statement.start >= last.end:
            if not _is_value(statement.text):
                continue
            if _is_withdrawn(text[last.end : statement.start]):
                return ExtractedAnswer(statement.text)
            after.append(statement.text)
        elif statement.end <= last.start:
            if _still_stands(text, statement, last.start, last.text):
                before.append(statement.text)
    other_answers += after + before
    after_box = text[last.end :]
    if LETTER_OR_DIGIT.search(after_box):  # seldom, and what follows takes time
        correction = _correction_after(after_box)
        if correction:
            return ExtractedAnswer(correction, after)
        other_answers += _alternatives_after(after_box)
    other_answers += _alternatives_before(text[: last.start])
    other_answers += _second_values(text, last)
    return ExtractedAnswer(answer, other_answers, [box.text for box in boxes])


def _extract_from_statements(text: str, statements: list[StatedAnswer]) -> ExtractedAnswer:
    last = statements[-1]
    other_answers = []
    for statement in statements[:-1]:
        lead = text[statement.start : statement.end].removesuffix(statement.text)
        if ELSEWHERE.search(lead):  # the answer to another part
            continue
        if _still_stands(text, statement, last.start):
            other_answers.append(statement.text)
    for line in text[last.end :].splitlines()[1:]:
        if _is_value_without_name(line):
            other_answers.append(line.strip())
    other_answers += _alternatives_after(text[last.end :])
    return ExtractedAnswer(last.text, other_answers)


def _extract_standing_alone(text: str, is_block: bool) -> ExtractedAnswer | None:
    """Extracts the answer if the whole text or its last line is nothing but an answer."""
    lines = [line.strip().strip("*_`").strip() for line in text.strip().splitlines()]
    lines = [line for line in lines if line and line not in DISPLAY_MARKS]
    if not lines:
        return None
    if is_block and len(lines) == 1:
        value = _value_of_sentence(lines[0])
        if value:
            return ExtractedAnswer(value)
    if NO_SOLUTION.search(lines[-1]):
        return ExtractedAnswer("no solution")
    last_line = CONCLUSION.sub("", lines[-1])
    is_formula = bool(NAMED_VALUE.fullmatch(last_line) or FORMULA.fullmatch(last_line))
    earlier_values = [line for line in lines[:-1] if _is_value_without_name(line)]
    if not earlier_values and _may_be_one_answer(text, lines, is_block):
        if len(lines) == 1 and is_formula:
            return ExtractedAnswer(last_line)
        return ExtractedAnswer(" ".join(lines))
    if is_formula or _is_value(last_line):
        return ExtractedAnswer(last_line, earlier_values)
    return None


def _value_of_sentence(text: str) -> str | None:
    """The value that a single sentence gives, as `72` in `Ann sold 72 clips.`"""
    text = text.replace("**", "").rstrip(DECORATED_END)
    sentence = SENTENCE_WITH_VALUE.fullmatch(text)
    if sentence and not QUALIFIED.search(text):
        return sentence["value"]
    return None


def _may_be_one_answer(text: str, lines: list[str], is_block: bool) -> bool:
    """Whether a whole text may be one answer: a line, a short block or a displayed formula, with few words."""
    joined = " ".join(lines)
    is_short_block = is_block and len(joined) < LONGEST_BLOCK
    if len(lines) > 1 and not is_short_block and not DISPLAYED.match(text.strip()):
        return False
    words = WORD.findall(COMMAND_OR_FORMULA.sub(" ", joined))
    return len(words) <= MOST_WORDS_ALONE


def find_boxes(text: str) -> list[StatedAnswer] | None:
    """The outermost boxes that are neither empty nor denied, in order; `None` if the last one is cut off.

    >>> [box.text for box in find_boxes(r"\\boxed{\\frac{1}{2}}, not \\boxed{3}, \\boxed{}")]
    ['\\\\frac{1}{2}']
    """
    boxes = []
    end = 0
    for match in BOX.finditer(text):
        if match.start() < end:  # inside the previous box
            continue
        if not match[1]:
            bare = BARE_BOX.match(text[match.end() : match.end() + LONGEST_BARE_BOX])
            if bare:
                boxes.append(StatedAnswer(bare[0], match.start(), match.end() + bare.end()))
            continue
        closing = closing_brace(text, match.end())
        if closing is None and EMPTY.fullmatch(text[match.end() :].rstrip("$")):
            break
        if closing is None:
            closing = _end_of_formula(text, match)
        if closing is None:
            return None
        end = closing + 1
        content = text[match.end() : closing].strip()
        before = text[max(0, match.start() - BEFORE_DENIED_BOX) : match.start()]
        if not EMPTY.fullmatch(content) and not DENIED.search(before):
            boxes.append(StatedAnswer(content, match.start(), end))
    return boxes[-MOST_ANSWERS:]


def _end_of_formula(text: str, opening: re.Match) -> int | None:
    """Where the content of a box ends whose brace was forgotten, as in `$\\boxed{42$.`; `None` if the text is cut."""
    is_in_formula = text.count("$", 0, opening.start()) % 2 == 1
    end = text.find("$", opening.end(), opening.end() + LONGEST_BARE_BOX)
    if not is_in_formula or end < 0 or "\n" in text[opening.end() : end]:
        return None
    return end


def _box_in_context(text: str, box: StatedAnswer) -> str | None:
    """The content of a box with its sign, power or percent sign; `None` if denied or part of a larger formula."""
    before = COLOR_BEFORE.sub("", text[max(0, box.start - BEFORE_BOX) : box.start])
    after = _squeeze_blanks(text[box.end : box.end + AFTER_BOX])
    suffix = ""
    suffix_match = SUFFIX.match(after)
    if suffix_match:
        suffix = suffix_match[0]
        after = after[len(suffix) :]
    if PART_AFTER.match(after) or DENIED_AFTER.match(after) or BOUND.search(before):
        return None
    if PART_BEFORE.search(before) and not TAG_BEFORE.search(before):
        return None
    minus = "-" if MINUS_BEFORE.search(before) else ""
    return f"{minus}{box.text}{suffix}"


def _alternatives_after(after: str) -> list[str]:
    """Other values right after an answer that are alternatives to it, as in `5 or 6`, or correct it."""
    after = _squeeze_blanks(after[:ALTERNATIVES_AFTER])
    candidates = []
    offered = ALTERNATIVE.match(after)
    if offered:
        candidates.append(offered["other"])
    corrected = CORRECTED.match(after)
    if corrected:
        candidates.append(corrected["other"] or corrected["case"] or corrected["at_once"])
    return [candidate.rstrip(".!?") for candidate in candidates if _is_value(candidate)]


def _correction_after(after: str) -> str | None:
    """The value that replaces an answer, as in `Wait, … The correct answer is 6.`"""
    corrected = CORRECTED.match(_squeeze_blanks(after[:ALTERNATIVES_AFTER]))
    if not corrected or corrected["case"]:
        return None
    return (corrected["other"] or corrected["at_once"]).rstrip(".!?")


def _alternatives_before(before: str) -> list[str]:
    """An alternative value right before a box, as in `6 or \\boxed{5}`."""
    match = ALTERNATIVE_BEFORE.search(before[-BEFORE_BOX:])
    if not match or BOX.search(match["other"]) or not _is_value(match["other"]):
        return []
    return [match["other"].strip("$")]


def _second_values(text: str, box: StatedAnswer) -> list[str]:
    """A second value right after a box for the name before the box, as in `$x=\\boxed{5}$, $x=6$`."""
    name = _name_of_box(text, box)
    if not name:
        return []
    after = text[box.end : box.end + AROUND_NAMED_BOX]
    match = re.match(rf"[\s$,;.]*(?:(?:and|or)\s)?\$?\s*{re.escape(name)}\s*=\s*([^$\s,;]{{1,40}})", after)
    return [match[1].rstrip(".")] if match else []


def _squeeze_blanks(text: str) -> str:
    """Replaces repeated blanks and line breaks by single ones, so that patterns stay fast."""
    return BLANKS_IN_LINE.sub(" ", LINE_BREAK.sub("\n", text))


def _still_stands(text: str, statement: StatedAnswer, until: int, answer: str = "=") -> bool:
    """Whether a statement gives a value that is neither withdrawn nor a step to what follows (`…, so $m+n=$ …`)."""
    if not _is_value(statement.text):
        return False
    between = text[statement.end : min(until, statement.end + BETWEEN_ANSWERS)]
    if _is_withdrawn(between):
        return False
    if not STEP.search(between):
        return True
    leads_to_answer = re.search(rf"=(?:\s*{re.escape(answer)}\$[\s.]*)?$", between.rstrip("$ \n"))
    return not leads_to_answer


def _is_withdrawn(between: str) -> bool:
    """Whether the text between two answers withdraws the first one, and does not merely offer the second one."""
    return WITHDRAWN.search(between) is not None and not GUESSED.search(between)


def _is_step_or_withdrawn(text: str, box: StatedAnswer, boxes: list[StatedAnswer]) -> bool:
    """Whether an earlier box is withdrawn or a step towards the last one, rather than another answer."""
    last = boxes[-1]
    between = text[box.end : min(last.start, box.end + BETWEEN_ANSWERS)]
    if _is_withdrawn(between):
        return True
    if EQUATION.search(box.text):
        return True
    lead = _sentence_before(text, box.start)
    last_lead = _sentence_before(text, last.start)
    tail = SENTENCE_END.split(between, maxsplit=1)[0]
    if len(boxes) > MOST_BOXED_STEPS or ANSWER_WORD.search(lead) or OFFERED.search(f"{lead} {tail} {last_lead}"):
        return False
    if PARALLEL.search(f"{lead} {tail}") and PARALLEL.search(last_lead) and not TOTAL.search(last_lead):
        return False
    if TWO_LETTERS.search(lead) and lead.strip() == last_lead.strip():  # the same sentence twice
        return False
    name = _name_of_box(text, box)
    last_name = _name_of_box(text, last)
    if name and name == last_name:
        return False
    if NUMBERED_STEP.search(lead) or SUMMED.search(last_lead):
        return True
    if not STEP.search(between):
        return False
    words = len(WORD_NOT_COMMAND.findall(between)) + len(HAN_CHARACTER.findall(between)) // 2
    return words >= FEWEST_WORDS_BETWEEN_STEPS or bool(last_name)


def _name_of_box(text: str, box: StatedAnswer) -> str:
    """The name that a box is the value of, such as `m+n` in `$m+n=3+4=\\boxed{7}$`; `""` if there is none."""
    before = text[max(0, box.start - AROUND_NAMED_BOX) : box.start]
    match = NAME_OF_BOX.search(before)
    if not match or not text[: box.start].rstrip().endswith("="):
        return ""
    words = match[1].split()
    return words[-1] if words else ""


def _sentence_before(text: str, start: int) -> str:
    """The part before `start` of the sentence that contains it."""
    before = text[max(0, start - SENTENCE_BEFORE) : start]
    sentence_start = 0
    for match in SENTENCE_END.finditer(before):
        sentence_start = match.end()
    return before[sentence_start:]


def find_statements(text: str) -> list[StatedAnswer]:
    """The answers that a text states in words, except denied ones and questions.

    >>> [statement.text for statement in find_statements("The answer is 4, because 5 is not the answer.")]
    ['4']
    """
    statements = []
    pattern = STATED_IN_ANY_LANGUAGE if may_be_in_other_language(text) else STATED
    for match in list(pattern.finditer(text))[-MOST_ANSWERS:]:
        group = match.lastgroup
        value = match[group]
        if group in SENTENCE_GROUPS:
            value = REMARK.sub("", _first_sentence(value))
        end = match.start(group) + len(value)
        if group == "other_language":
            if NEGATION.search(value):
                continue
            value = IN_TOTAL.sub("", OPTION_WORD.sub("", FINAL_VERB.sub("", value)))
        value = _without_unmatched_brace(value.strip()).strip("*_`\"'").strip()
        before = text[max(0, match.start() - BEFORE_UNTRUE_STATEMENT) : match.start()]
        is_question = text[end : end + 1] in ("?", "？")
        if not value or is_question or NO_VALUE.match(value) or UNTRUE.search(before):
            continue
        if group in HYPOTHETICAL_GROUPS and HYPOTHETICAL.search(before):
            continue
        if group == "said" and value[0].isalpha():
            value = _value_of_sentence(value) or value
        is_final = group in ALWAYS_FINAL or _is_about_the_question(match[0].lower())
        statements.append(StatedAnswer(value, match.start(), end, is_final))
    return statements


def _without_unmatched_brace(value: str) -> str:
    """`72}` as `72`: the end of `\\textbf{Answer: 72}` and of `\\textbf{Answer:} 72`."""
    if value.count("}") <= value.count("{"):
        return value
    if value.startswith("}"):
        return value[1:].strip()
    return value.removesuffix("}")


def _is_about_the_question(statement: str) -> bool:
    says_answer = "answer" in statement or "答" in statement
    return says_answer and not ELSEWHERE.search(statement)


def _first_sentence(text: str) -> str:
    """A text up to the end of its first sentence, ignoring sentence ends within formulas."""
    for match in SENTENCE_END.finditer(text):
        before = text[: match.start()]
        if before.count("$") % 2 == 0 and before.count(r"\(") == before.count(r"\)"):
            return before
    return text


def _is_value(text: str) -> bool:
    """Whether a text is a number or formula without prose around it."""
    text = TEXT_OR_COMMAND.sub(" ", text)
    if len(text) >= LONGEST_VALUE or THREE_LETTERS.search(text):
        return False
    return NUMBER_OPTION_OR_EQUATION.search(text) is not None


def _is_value_without_name(text: str) -> bool:
    return "=" not in text and _is_value(text)
