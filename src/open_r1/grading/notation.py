"""One notation for the many ways in which an answer is written: LaTeX, plain text, Unicode, Chinese, Markdown.

`normalize` turns all of them into spare LaTeX: no `$`, no `\\left`, one spelling for each sign, words set between « and ».
Regular expressions only, all of linear time; nothing is evaluated. What the signs mean is `equality`'s business.
"""

import re
import unicodedata
from functools import lru_cache

from open_r1.grading.brackets import closing
from open_r1.grading.numerals import ENGLISH, english_number, han_number
from open_r1.grading.spelling import ALIASES, CURRENCIES, FUNCTIONS, LATEX, LOWERED, PLAIN, RAISED, SIGNS
from open_r1.grading.units import NAMES


LONGEST = 2000  # characters; a longer text is no final answer
SHORT = 256  # characters; longer texts are not worth remembering
DEEPEST = 30  # brackets within brackets
COUNTERS = set("个倍人只本张次种条名件棵辆支块枚")
COMMAND = re.compile(r"\\[a-zA-Z]+")
CURRENCY = re.compile(r"(\\\$|\\pounds|\\euro|US\$|[€£￥¥])\s*(\d(?:[\d.,]|\\!\s*|\{,\})*)?")
WORD = re.compile(r"«[^»]*»|\\[a-zA-Z]+|[㐀-鿿]+|(?<![a-zA-Z_^{\\])[a-zA-Z]{2,}(?:[-'][a-zA-Z]+)*")
SHORT_WORDS = set(
    "sq or and is are to of in on at by no not if as an the all any per cats dogs pens eggs cups odd yes both".split()
)


def normalize(text: str) -> str:
    """The spare notation of an answer; `""` if it is blank, or longer or deeper than any answer.

    >>> normalize(r"$\\left(\\dfrac12,\\; 3\\text{ cm}\\right)$."), normalize("x²＋√3 ≤ 2**10")
    ('(\\\\frac{1}{2}, 3«cm»)', 'x^{2}+\\\\sqrt{3}\\\\le 2^{10}')
    """
    if len(text) > LONGEST or _depth(text) > DEEPEST:
        return ""
    return _remembered(text) if len(text) <= SHORT else _normalize(text)


def _normalize(text: str) -> str:
    text = CURRENCY.sub(_currency, re.sub(r"^\s*~\s*(?=\d)(?!.*~\s*$)", r"\\approx ", text))
    text = re.sub("[①-⑳]", lambda m: f"\\textcircled{{{ord(m[0]) - 0x245F}}}", text)
    text = re.sub(r"(\d?)([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅐⅑⅒])", _vulgar_fraction, text)
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿˣ]+", lambda m: "^{" + m[0].translate(RAISED) + "}", text)
    text = re.sub(r"[₀₁₂₃₄₅₆₇₈₉ₙ]+", lambda m: "_{" + m[0].translate(LOWERED) + "}", text)
    text = unicodedata.normalize("NFKC", text.translate(SIGNS)).translate(SIGNS)
    text = re.sub(
        r"(?<=\d) and (?=\\frac\{1\}\{[234]\}(?!\w))", " ", ENGLISH.sub(_number_words, text)
    )  # one and a half
    text = re.sub(r"\b(?:negative|minus)\s+(?=\d)", "-", text)
    if len(text) > 3 * LONGEST:  # signs that stand for commands
        return ""
    text = re.sub(r"\\\\\s*\[-?[\d.]+\s*[a-z]{2}\]", r"\\\\", text)
    text = re.sub(
        r"(?<!\\)\\[()\[\]](?!\d)|\\begin\{(?:align|equation|gather)\*?\}|\\end\{(?:align|equation|gather)\*?\}",
        "",
        text,
    )
    for _ in range(3):  # commands within commands
        before = text
        text = COMMAND.sub(lambda match: ALIASES.get(match[0], match[0]), text)
        for pattern, new in LATEX:
            text = pattern.sub(new, text)
        text = _open_texts(text)
        if text == before:
            break
    text = _group_arguments(_group_fractions(re.sub(r"\*\*", "", POWER.sub("^", text))))
    for pattern, new in PLAIN:
        text = pattern.sub(new, text)
    text = WORD.sub(_mark_word, text)
    text = re.sub(r"»\s*«", " ", text)
    text = re.sub(r"«\s*([^»]*?)\s*»", _tidy_word, text)
    text = re.sub(r"(?<![a-zA-Z])\s+|\s+(?![a-zA-Z\d(\\-])", " ", text)
    text = re.sub(
        r"\s*(\\(?:le|ge|ne|in|cup|cap|pm|mp|approx|equiv|to|setminus)(?![a-zA-Z])|[=<>+*/«»:;^])\s*", _tight, text
    )
    text = re.sub(r"\\frac\{(«[^{}]*»)\}\{(«[^{}]*»)\}", r"\1/\2", text)
    text = re.sub(r"\s*\(an? ?«[^»]*»\)$", "", ANNOUNCED.sub("", text).strip())  # `x^2+y^2=4 (a circle)`
    text = re.sub(r"([0-9A-Z])(?:_\{?(\d+)\}?)?\s*\(?«(?:in )?base»\s*(\d+)\)?$", _base, text)
    text = re.sub(r"«,? ?(?:or )?(?:about|approximately|roughly)»(?=\d)", r"\\approx ", text)
    if (remark := REMARK.search(text)) and re.search("[a-zA-Z]", text[: remark.start()]):
        text = text[: remark.start()]
    text = text if "mod" in text else re.sub(r"\\equiv(?![a-zA-Z])\s*", "=", text)
    return _strip(text)


_remembered = lru_cache(maxsize=65536)(_normalize)  # golds and short answers come again and again


def _depth(text: str) -> int:
    depth = deepest = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, abs(depth))
    return deepest


def _tight(match: re.Match) -> str:
    sign = match[1]
    return sign + " " if sign[0] == "\\" else sign


def _vulgar_fraction(match: re.Match) -> str:
    top, bottom = unicodedata.normalize("NFKC", match[2]).split("⁄")
    return f"{match[1]}\\frac{{{top}}}{{{bottom}}}"


ANNOUNCED = re.compile(
    r"^«[A-Za-z ]+(?:»:|:»)(?=.)|^«[Tt]he (?:[a-z]+ )?(?:roots|solutions|zeros|values) are»|^«(?:一?共|总共)?有»(?=\d)|^.{0,20}«的(?:取值范围|方程|最大值|最小值|值)(?:是|为)»:?|^«(?:so |thus |hence |therefore,? )?(?:the )?(?:final |correct |right |best )*(?:answer|option|choice|result|答案|正确答案)(?: is| equals|是|为)?»\s*:?|(?<=^«)the answer is (?=\w)",
    re.IGNORECASE,
)
POWER = re.compile(r"(?<=[0-9a-zA-Z)}\]])(?:\*\*|\s\*\*\s|\^\^)(?=[\w({\\-])")  # not Markdown's bold
# A condition behind a formula, which everybody reads into it; not behind a number, of which it makes a case.
REMARK = re.compile(
    r"[,\s]{0,9}\(?(?:«[,\s]{0,3}(?:for (?:all|any|every|some|real|integer)|where|with)\b|«for»(?=[nk]\b)|\\forall)"
)
TEXT = re.compile(
    r"\\(?:text(?:bf|rm|it|sf|tt|normal|up|sc)?|mathrm|mathsf|mbox|hbox|operatorname\*?|emph|rm|bf)\s*(?=\{)"
)


def _open_texts(text: str) -> str:
    """`\\text{…}` as words, or as plain text where it holds a whole answer with its numbers."""
    pieces, start = [], 0
    for match in TEXT.finditer(text):
        end = closing(text, match.end()) if match.start() >= start else None
        if not end:
            continue
        inner = text[match.end() + 1 : end]
        if inner.strip() in FUNCTIONS and inner.strip() != "min":  # minutes
            inner = f"\\{inner.strip()} "
        elif inner.strip().lower() in ("infinity", "infty"):
            inner = r"\infty "
        elif not re.search(r"[\d=+*^()$\\]|或|和", inner):
            inner = f"«{inner}»"
        pieces += [text[start : match.start()], " ", inner, " "]
        start = end + 1
    return "".join(pieces) + text[start:]


def _currency(match: re.Match) -> str:
    """`\\$18` as `18«dollar»`."""
    number = (match[2] or "").rstrip(".,")
    return f"{number}«{CURRENCIES[match[1]]}»{match[2][len(number) :]}" if number else ""


def _group_fractions(text: str) -> str:
    """`\\frac12` as `\\frac{1}{2}`, whatever the arguments are."""
    pieces, start = [], 0
    for match in re.finditer(r"\\(?:frac|binom)(?![a-zA-Z])", text):
        if match.start() < start:
            continue
        at, arguments = match.end(), []
        for _ in range(2):
            token = re.compile(r"\s*(\{|\d|[a-zA-Z]|\\[a-zA-Z]+(?:\{\w*\})?)").match(text, at)
            end = token and (closing(text, token.start(1)) if token[1] == "{" else token.end() - 1)
            if not end:
                break
            inner = text[token.start(1) : end + 1]
            arguments.append(inner[1:-1] if token[1] == "{" else inner)
            at = end + 1
        if len(arguments) == 2:
            inner = "".join("{" + _group_fractions(argument) + "}" for argument in arguments)
            pieces += [text[start : match.start()], match[0], inner]
            start = at
    return "".join(pieces) + text[start:]


def _group_arguments(text: str) -> str:
    """`sqrt(…)` and `^(…)` with the braces that LaTeX wants, for parentheses within parentheses too."""
    for _ in range(20):
        match = re.search(r"(?:(?:\\?sqrt|\\?cbrt|√)\s*(?:\[\d+\]\s*)?|\^\s*)\(", text)
        end = match and closing(text, match.end() - 1)
        if not end:
            break
        head = match[0][:-1].strip()
        head = r"\sqrt[3]" if "cbrt" in head else r"\sqrt" + head.rpartition("sqrt")[2] if "sqrt" in head else "^"
        text = f"{text[: match.start()]}{head}{{{text[match.end() : end]}}}{text[end + 1 :]}"
    return text


def _mark_word(match: re.Match) -> str:
    """Words between « and »; what may be a product of variables (`xy`, `mgh`) stays."""
    word = match[0]
    if word[0] in "«\\":
        return word
    if "\u3400" <= word[0] <= "\u9fff":
        counted = re.match(r"([零一二两三四五六七八九十百千点]+)(.+)$", word)
        if (
            counted
            and (counted[2] in NAMES or counted[2] in COUNTERS)
            and (value := han_number(counted[1])) is not None
        ):
            return f"{value}«{counted[2]}»"
        value = han_number(word)
        return f" «{word}» " if value is None else str(value)
    lower = word.lower()
    if match.string[match.end() : match.end() + 1] in ("^", "_"):  # at^2
        return word
    unit = (word in NAMES or (len(word) > 2 and lower in NAMES)) and re.search(
        r"(?:[\d)}\]/]|\bper)\s*$", match.string[max(0, match.start() - 6) : match.start()]
    )
    if (
        lower in SHORT_WORDS
        or unit
        or (len(word) >= 4 and re.search(r"[aeiouy]", lower) and not (word.isupper() and len(word) < 6))
    ):
        return f" «{word}» "
    return word


def _tidy_word(match: re.Match) -> str:
    inner = match[1].strip(" .")
    return (
        f"«{inner}»"
        if re.search(r"[^\W\d_]{2}|[㐀-鿿]|^[a-zA-Z]$", inner) and not re.search(r"[\\{}=]", inner)
        else inner
    )


def _base(match: re.Match) -> str:
    """`204 (base 5)` as `204_{5}`."""
    return match[0] if match[2] not in (None, match[3]) else f"{match[1]}_{{{match[3]}}}"


def _number_words(match: re.Match) -> str:
    """`two thirds` as `\\frac{2}{3}`."""
    value = english_number(match[0])
    if value is None:
        return match[0]
    return str(value) if value.denominator == 1 else rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def _strip(text: str) -> str:
    before = None
    while text != before:
        before = text
        text = re.sub(r"(?<=»)!$", "", text.strip().strip(":;,。").strip())
        text = text[:-1] if text.endswith(".") and not text.endswith("...") else text
        if text.startswith("{") and closing(text, 0) == len(text) - 1:
            text = text[1:-1]
    return text
