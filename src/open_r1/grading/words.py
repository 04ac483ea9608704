"""Compares answers that are not formulas: options of a multiple choice, words, and names of segments and triangles."""

import re

from open_r1.grading.brackets import comparison_key


# Multiple choice
OPTION = re.compile(r"[A-J]")
OPTION_ALONE_OR_WITH_TEXT = re.compile(
    r"[A-J]"  # C
    r"|[(\[][A-J][)\]](?:[\s.:]*.*)?"  # (C), (C) 42
    r"|[A-J][.:)].*"  # C. 42
    r"|[A-J] \(.*\)"  # C (42)
)
OPTION_AND_TEXT = re.compile(r"^[(\[]?([A-J])[)\]]?(?:\s*[.:)]?\s*(.*))?$")
SEVERAL_OPTIONS = re.compile(
    r"^[(\[]?[A-J][)\]]?(?:(?:[\s,;/&«»]|and|or|和|与|或)*[(\[]?[A-J][)\]]?)*$"  # ABD; A, B and D
)
EITHER = re.compile(r"\bor\b|或")
SET_OF_OPTIONS = re.compile(r"^\\\{(.*)\\\}$")
LABELLED_TEXT = re.compile(r"^(?:\(([A-J])\)[.:]?|([A-J])[.)](?!\w))\s*([^\s(].*)$")  # (B) 73, B. 73
SMALL_OPTION = re.compile(r"[(\[]?([a-j])[)\]]?")
CHOICE_LEAD = re.compile(
    r"^«?(?:the |option|choice|answer|correct|is|letter|选项?|选择|答案|故选)*[»:\s]*", re.IGNORECASE
)
CHOICE_TAIL = re.compile(r"«?\s*(?:选项|项)»?$")
CHOSEN_OPTION = re.compile(
    r"^(?:[(\[]([A-J])[)\]]"  # (C)
    r"|([A-J])\s*(?:[.:),-]|(?=«?is»?)|$|(?=\s\d)|(?=\()))"  # C. and C is …, C (42)
    r"\s*(.*)$"
)
DOUBT = re.compile(r"\b(?:not|incorrect|wrong|false|no|isn't|doubt\w*|maybe)\b|不|错", re.IGNORECASE)
LABELLED_OPTION = re.compile(r"(?:^|[\s\\;,\d])([A-J])(?=[.):]|\s+[\d\\])")
SECOND_OPTION = re.compile(
    r"(?:^|«(?:or|and|或|和)»|[,;/&]|\bor\b|\band\b)\s*[(\[]?[A-J](?![a-zA-Z])|«?(?:or|either|not)\b"
)

# Names of points
POINTS = re.compile(r"^(?:\\(angle|triangle|overline)\s*)?\{?([A-Z]{2,4})\}?$")

# Words
MARKED_WORDS_OR_NAME = re.compile(r"«[^»]*»|(?<![\\a-zA-Z])[A-Z][a-z]{2,}")  # short names are not marked
FORMULA_CHARACTER = re.compile(r"[\d=<>\\]|[a-zA-Z]")
LIST_SEPARATOR = re.compile(r"\s*(?:,\s*and\b|,|\band\b|和|、)\s*")
EMPTY_SET = re.compile(r"(?:.{1,20}=)?\s*\\emptyset\s*")
WEEKDAY = re.compile(r"(?:周|礼拜)(?=[一二三四五六日天])")
MARKS = re.compile(r"[«»{}\\'\"]|[.,!]$")
OPTION_LABEL = re.compile(r"^\s*[a-j][.:)]|而")
NO_SUCH = re.compile(r"^\W*no such \w+( exists?)?\W*$", re.IGNORECASE)
# Words that change nothing: of `the limit does not exist`, `the system has no solution`, `the graph is an ellipse`,
# `yes, it is` and `an even function`
SUBJECT = re.compile(
    r"^(?:limit|equation|system|inequality|derivative|integral|inverse)s? (?:(?=do)|(?:has|have) (?=no ))"
    r"|^(?:graph|curve|figure|shape|conic|function|statement|claim|equation|triangle|sequence|series|number)s? "
    r"(?:is|are) (?:an? )?(?!not )"
    r"|(?<=^yes), (?:it|they|he|she|there|we) [a-z]+$|(?<=^no), (?:it|they|he|she|there|we) [a-z]+ not$"
)
NOUN_OF_ADJECTIVE = re.compile(r" (?:functions?|numbers?|integers?|triangles?|sequences?|series|matrix|events?)$")
LEADING_SMALL_WORDS = re.compile(r"^(?:(?:the|a|an|it|is|will|be|there|are|due|to|on|in|at)\s+)+")
SYNONYMS = [
    {
        "no solution",
        "no solutions",
        "no real solution",
        "no real solutions",
        "no solution exists",
        "no solutions exist",
        r"\emptyset",
        "no such",
        "none",
        "empty set",
        "the empty set",
        "无解",
        "空集",
        "无实数解",
    },
    {"does not exist", "dne", "doesnt exist", "不存在"},
    {"true", "正确", "对", "真"},
    {"false", "错误", "错", "假", "不正确"},
    {"yes", "是", "是的"},
    {"no", "否", "不是"},
    {"充分不必要", "充分不必要条件"},  # sufficient, not necessary
    {"必要不充分", "必要不充分条件"},  # necessary, not sufficient
    {"充要", "充要条件", "充分必要条件"},  # necessary and sufficient
    {"既不充分也不必要", "既不充分也不必要条件"},  # neither
    {"none", "none of these", "none of the above"},
    {"infinitely many", "infinitely many solutions", "infty", "无数个", "无穷多个"},
]


def is_choice(gold: str) -> bool:
    """Whether a gold is one or several options of a multiple choice.

    >>> is_choice("C"), is_choice("(C) 42"), is_choice("ABD"), is_choice("CAB"), is_choice("42")
    (True, True, True, False, False)
    """
    if OPTION_ALONE_OR_WITH_TEXT.fullmatch(gold):
        return True
    if not SEVERAL_OPTIONS.match(gold):
        return False
    letters = OPTION.findall(gold)
    return len(letters) > 1 and letters == sorted(set(letters))


def drop_option(gold: str, answer: str) -> str:
    """The text of an option where the gold is not a letter: `(B) 73` as `73`.

    >>> drop_option("73", "(B) 73"), drop_option("B", "(B) 73"), drop_option("2B", "(B) 73")
    ('73', '(B) 73', '(B) 73')
    """
    match = LABELLED_TEXT.match(answer)
    if not match or (match[1] or match[2]) in gold or is_choice(gold):
        return answer
    return match[3]


def is_text(gold: str) -> bool:
    """Whether a gold consists of words rather than a formula."""
    if gold == r"\emptyset":
        return True
    if "«" not in gold:
        return False
    rest = MARKED_WORDS_OR_NAME.sub("", gold)
    return not FORMULA_CHARACTER.search(rest)


def option_texts(gold: str, answer: str) -> tuple[str, str]:
    """The texts of two options if they have to be compared: of `(C) 0.25` and `C. 1/4`, or of `(C) 0.25` and `1/4`.

    Other golds and answers, such as letters alone, are returned unchanged.

    >>> option_texts("(C) 0.25", "C. 1/4"), option_texts("(C) 0.25", "B. 1/4"), option_texts("(C) 0.25", "C")
    (('0.25', '1/4'), ('(C) 0.25', 'B. 1/4'), ('(C) 0.25', 'C'))
    """
    option = LABELLED_TEXT.match(gold)
    if not option or SEVERAL_OPTIONS.match(gold):
        return gold, answer
    letter = option[1] or option[2]
    text = _without_announcement(answer)
    if not CHOSEN_OPTION.match(text) and not SMALL_OPTION.fullmatch(text):
        return option[3], answer
    chosen = LABELLED_TEXT.match(text)
    if chosen and same_choice(letter, answer):
        return option[3], chosen[3]
    return gold, answer


def same_choice(gold: str, answer: str) -> bool:
    """Whether an answer chooses the gold's option, or gives the text of that option.

    >>> same_choice("(C) 42", "C"), same_choice("(C) 42", "42")
    (True, True)
    >>> same_choice("(C) 42", "C. 43"), same_choice("C", "C or D")
    (False, False)
    """
    text = _without_announcement(answer)
    if SEVERAL_OPTIONS.match(gold):
        gold_letters = OPTION.findall(gold)
        if SEVERAL_OPTIONS.match(text):
            if EITHER.search(text) and not EITHER.search(gold):
                return False
            letters = OPTION.findall(text)
            if set(letters) == set(gold_letters):
                return len(set(letters)) == len(letters)
        if len(gold_letters) > 1:
            return False
    gold_letter, gold_text = OPTION_AND_TEXT.match(gold).groups()
    small = SMALL_OPTION.fullmatch(text)
    if small:
        return small[1].upper() == gold_letter
    chosen = CHOSEN_OPTION.match(text)
    if not chosen:
        return bool(gold_text) and comparison_key(gold_text) == comparison_key(answer)
    letter = chosen[1] or chosen[2]
    rest = chosen[3].strip(" .:")
    if letter != gold_letter or DOUBT.search(rest):
        return False
    if set(LABELLED_OPTION.findall(rest)) - {letter} or SECOND_OPTION.search(rest):
        return False
    return not gold_text or not rest or comparison_key(gold_text) == comparison_key(rest)


def _without_announcement(answer: str) -> str:
    """`the correct option is C` and `{C}` as `C`."""
    options = SET_OF_OPTIONS.match(answer)
    if options:
        return options[1].strip()
    if answer.startswith("«"):
        answer = CHOICE_LEAD.sub("", answer).replace("«", " ").replace("»", " ").strip()
    return CHOICE_TAIL.sub("", answer).strip()


def same_points(gold: str, answer: str) -> bool | None:
    """Compares names of segments, triangles and angles, ignoring the order of points but not the vertex of an angle.

    Returns:
        `bool`, *optional*: Whether both name the same figure, or `None` if the gold does not name one.

    >>> same_points(r"\\triangle ABC", r"\\triangle CAB"), same_points(r"\\angle ABC", r"\\angle CAB")
    (True, False)
    """
    gold_match = POINTS.match(gold)
    if not gold_match:
        return None
    match = POINTS.match(answer)
    if not match:
        return False
    gold_figure, gold_points = gold_match.groups()
    figure, points = match.groups()
    if (figure or "overline") != gold_figure:
        return False
    if gold_figure == "triangle":
        return sorted(gold_points) == sorted(points)
    return points in (gold_points, gold_points[::-1])


def same_text(gold: str, answer: str) -> bool:
    """Whether two texts are equal up to case, articles, punctuation, synonyms and the order of a list.

    >>> same_text("«Monday and Tuesday»", "«Tuesday, Monday»"), same_text("«no solution»", r"\\emptyset")
    (True, True)
    """
    gold_words = _plain_words(gold)
    words = _plain_words(answer)
    if gold_words == words:
        return True
    if NOUN_OF_ADJECTIVE.sub("", words) == gold_words:
        return True
    for group in SYNONYMS:
        if gold_words in group and words in group:
            return True
    gold_items = sorted(LIST_SEPARATOR.split(gold_words))
    items = sorted(LIST_SEPARATOR.split(words))
    return len(gold_items) > 1 and gold_items == items


def _plain_words(text: str) -> str:
    if EMPTY_SET.fullmatch(text):
        return r"\emptyset"
    text = WEEKDAY.sub("星期", text)
    text = MARKS.sub(" ", text).casefold().replace("-", " ")
    text = NO_SUCH.sub("no such", OPTION_LABEL.sub("", text))
    text = LEADING_SMALL_WORDS.sub("", " ".join(text.split()))
    return SUBJECT.sub("", text)
