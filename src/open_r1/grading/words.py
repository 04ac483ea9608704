"""Answers that are no mathematics: the options of a multiple choice, and words."""

import re

from open_r1.grading.brackets import key


CHOICE = re.compile(r"^[(\[]?([A-J])[)\]]?(?:\s*[.:)]?\s*(.*))?$")
CHOICES = re.compile(r"^[(\[]?[A-J][)\]]?(?:(?:[\s,;/&]|«(?:and|or|和|与|或)»)*[(\[]?[A-J][)\]]?)*$")
CHOSEN = re.compile(r"^«?(?:the |option|choice|answer|correct|is|letter|选项?|选择|答案|故选)*[»:\s]*", re.IGNORECASE)
POINTS = re.compile(r"^(?:\\(angle|triangle|overline)\s*)?\{?([A-Z]{2,4})\}?$")
SYNONYMS = [
    {"no solution", "no solutions", "no real solution", "no real solutions", r"\emptyset", "no such", "empty set", "the empty set", "无解", "空集", "无实数解"},
    {"does not exist", "dne", "doesnt exist", "不存在"},
    {"true", "正确", "对", "真"}, {"false", "错误", "错", "假", "不正确"}, {"yes", "是", "是的"}, {"no", "否", "不是"},
    {"充分不必要", "充分不必要条件"}, {"必要不充分", "必要不充分条件"}, {"充要", "充要条件", "充分必要条件"},
    {"既不充分也不必要", "既不充分也不必要条件"}, {"none", "none of these", "none of the above"}, {"infinitely many", "infinitely many solutions", "无数个", "无穷多个"},
]  # fmt: skip


def is_choice(gold: str) -> bool:
    """Whether a gold is an option of a multiple choice, `C`, `(C) 42`, `A, C`, `ABD`."""
    if re.fullmatch(r"[A-J]|[(\[][A-J][)\]](?:[\s.:]*.*)?|[A-J][.:)].*", gold):
        return True
    letters = re.findall("[A-J]", gold)
    return bool(CHOICES.match(gold)) and len(letters) > 1 and letters == sorted(set(letters))


def is_text(gold: str) -> bool:
    """Whether a gold is words rather than mathematics."""
    rest = re.sub(r"«[^»]*»|(?<![\\a-zA-Z])[A-Z][a-z]{2,}", "", gold)  # short names too
    return ("«" in gold and not re.search(r"[\d=<>\\]|[a-zA-Z]", rest)) or gold == r"\emptyset"


def same_choice(gold: str, answer: str) -> bool:
    text = CHOSEN.sub("", answer).replace("«", " ").replace("»", " ").strip() if answer.startswith("«") else answer
    text = re.sub(r"«?\s*(?:选项|项)»?$", "", text).strip()
    letters = re.findall("[A-J]", text)
    if CHOICES.match(gold) and CHOICES.match(text) and set(re.findall("[A-J]", gold)) == set(letters):
        return len(set(letters)) == len(letters)
    if CHOICES.match(gold) and len(re.findall("[A-J]", gold)) > 1:
        return False
    right = CHOICE.match(gold)
    lone = re.fullmatch(r"[(\[]?([a-j])[)\]]?", text)
    if lone:
        return lone[1].upper() == right[1]
    match = re.match(r"^(?:[(\[]([A-J])[)\]]|([A-J])\s*(?:[.:),-]|(?=«?is»?)|$|(?=\s\d)))\s*(.*)$", text)
    if not match:
        return bool(right[2]) and key(right[2]) == key(answer)
    letter, rest = match[1] or match[2], match[3].strip(" .:")
    if letter != right[1]:
        return False
    if re.search(r"\b(?:not|incorrect|wrong|false|no|isn't|doubt\w*|maybe)\b|不|错", rest, re.IGNORECASE):
        return False
    if set(re.findall(r"(?:^|[\s\\;,\d])([A-J])(?=[.):]|\s+[\d\\])", rest)) - {letter}:
        return False
    another = re.search(
        r"(?:^|«(?:or|and|或|和)»|[,;/&]|\bor\b|\band\b)\s*[(\[]?[A-J](?![a-zA-Z])|«?(?:or|either|not)\b", rest
    )
    return not another and (not right[2] or not rest or key(right[2]) == key(rest))


def same_points(gold: str, answer: str) -> bool | None:
    """Segments and triangles by any order of their points, angles by their vertex; `None` if the gold is none of these."""
    gold_match, match = POINTS.match(gold), POINTS.match(answer)
    if not gold_match:
        return None
    if not match or (match[1] or "overline") != gold_match[1]:
        return False
    if gold_match[1] == "triangle":
        return sorted(gold_match[2]) == sorted(match[2])
    return match[2] in (gold_match[2], gold_match[2][::-1])


def same_text(gold: str, answer: str) -> bool:
    gold, answer = _words(gold), _words(answer)
    if gold == answer or any(gold in group and answer in group for group in SYNONYMS):
        return True
    names, others = (sorted(re.split(r"\s*(?:,|\band\b|和|、)\s*", text)) for text in (gold, answer))
    return len(names) > 1 and names == others


def _words(text: str) -> str:
    if re.fullmatch(r"(?:.{1,20}=)?\s*\\emptyset\s*", text):
        return r"\emptyset"
    text = re.sub(r"(?:周|礼拜)(?=[一二三四五六日天])", "星期", text)
    text = re.sub(r"[«»{}\\'\"]|[.,!]$", " ", text).casefold().replace("-", " ")
    text = re.sub(
        r"^\W*no such \w+( exists?)?\W*$", "no such", re.sub(r"^\s*[a-j][.:)]|而", "", text), flags=re.IGNORECASE
    )
    return " ".join(re.sub(r"^(?:(?:the|a|an|it|is|there|are|due|to)\s+)+", "", " ".join(text.split())).split())
