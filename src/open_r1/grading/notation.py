"""Normalizes the notation of answers, which may be LaTeX, plain text, Unicode, Chinese or Markdown.

`normalize` converts all of these to plain LaTeX: no `$`, no `\\left`, one spelling for each sign, words between « and
». It only uses regular expressions that match in linear time, and evaluates nothing. The meaning of the signs is up to
`equality`.
"""

import re
import unicodedata
from functools import lru_cache

from open_r1.grading.brackets import CLOSING, OPENING, closing_brace, closing_index
from open_r1.grading.numerals import ENGLISH_NUMBER, parse_english_number, parse_han_number
from open_r1.grading.spelling import (
    CHARACTERS,
    COMMAND_SPELLINGS,
    CURRENCIES,
    FUNCTIONS,
    LATEX_SPELLINGS,
    PLAIN_SPELLINGS,
    SET_SPELLINGS,
    SUBSCRIPTS,
    SUPERSCRIPTS,
    Spelling,
)
from open_r1.grading.units import UNIT_NAMES


LONGEST = 2000  # characters; longer texts are not final answers
NORMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?|[A-J]")  # the most frequent answers, which are in this notation already
LONGEST_CACHED = 256  # characters; longer texts are rarely repeated
DEEPEST = 30  # nested brackets
MOST_NESTED_COMMANDS = 3
MOST_NESTED_ARGUMENTS = 20

# Characters
TAG = re.compile(r"</?(?:b|i|u|em|strong|mark|p|br|div|span|center)\s*/?>", re.IGNORECASE)
LEADING_ARROW = re.compile(r"^\s*(?:=>|-+>|[→➡⇒∴]\ufe0f?|\\(?:to|[Rr]ightarrow|implies|therefore)(?![a-zA-Z]))")
LEADING_TILDE = re.compile(r"^\s*~\s*(?=\d)(?!.*~\s*$)")  # `~5`, but not `~5~`
CURRENCY = re.compile(
    r"((?:US)?\\\$|\\textdollar|\\pounds|\\euro|US\$|USD\b|[€£￥¥₹₩])\s*(\d(?:[\d.,]|\\!\s*|\{,\})*)?"
)
CIRCLED_NUMBER = re.compile("[①-⑳]")
BEFORE_CIRCLED_ONE = ord("①") - 1
VULGAR_FRACTION = re.compile(r"(\d?)([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅐⅑⅒])")
FRACTION_SLASH = "⁄"
SUPERSCRIPT = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿˣ]+")
SUBSCRIPT = re.compile(r"[₀₁₂₃₄₅₆₇₈₉ₙ]+")

# Numbers in words
AND_A_FRACTION = re.compile(r"(?<=\d) and (?=\\frac\{1\}\{[234]\}(?!\w))")  # one and a half
MINUS_WORD = re.compile(r"\b(?:negative|minus)\s+(?=\d)")

# Commands
ROW_SPACING = re.compile(r"\\\\\s*\[-?[\d.]+\s*[a-z]{2}\]")
DISPLAY_MATHS = re.compile(
    r"(?<!\\)\\[()\[\]](?!\d)|\\begin\{(?:align|equation|gather)\*?\}|\\end\{(?:align|equation|gather)\*?\}"
)
COMMAND = re.compile(r"\\[a-zA-Z]+")
TEXT_COMMAND = re.compile(
    r"\\(?:text(?:bf|rm|it|sf|tt|normal|up|sc)?|mathrm|mathsf|mbox|hbox|operatorname\*?|emph|rm|bf)\s*(?=\{)"
)
BRACES_AND_BLANK_COMMANDS = re.compile(r"[{}]|\\[,;! ]")
ANSWER_IN_TEXT = re.compile(r"[\d=+*^()$\\]|或|和")  # a \text{…} with one of these contains the answer itself
# `D` or `A and C`; in a text command, only at the beginning of an answer, since a letter elsewhere may be a unit
OPTIONS_IN_TEXT = re.compile(
    r"\s*\(?[A-J]\)?[.:]?(?:\s*(?:,\s*(?:and|or)\b|,|;|\\?&|\b(?:and|or)\b|或|和)\s*\(?[A-J]\)?)*\s*"
)
LONGEST_OPTIONS = 100  # characters
INFINITY = re.compile(r"(?:(negative|minus)|positive|plus)? ?inf(?:ini)?ty", re.IGNORECASE)
POWER = re.compile(r"(?<=[0-9a-zA-Z)}\]])(?:\*\*|\s\*\*\s|\^\^)(?=[\w({\\-])")  # `2**3`, but not Markdown's bold
BOLD = re.compile(r"\*\*")
FRACTION_COMMAND = re.compile(r"\\(?:frac|binom)(?![a-zA-Z])")
ARGUMENT = re.compile(r"\s*(\{|\d|[a-zA-Z]|\\[a-zA-Z]+(?:\{\w*\})?)")
PARENTHESIZED_ARGUMENT = re.compile(
    r"(?:(?:\\?sqrt|\\?cbrt|√)\s*(?:\[\d+\]\s*)?|\^\s*|(?<![a-zA-Z\\])(?:abs|floor|ceil)\s*)\("
)
PYTHON_BRACKETS = {"abs": ("|", "|"), "floor": ("\\lfloor ", "\\rfloor "), "ceil": ("\\lceil ", "\\rceil ")}

# Words
WORD = re.compile(
    r"«[^»]*»"  # already marked
    r"|\\[a-zA-Z]+"  # a command
    r"|[㐀-鿿]+"  # Chinese
    r"|[a-zA-Z]+[À-ɏ][a-zA-ZÀ-ɏ]*|[À-ɏ][a-zA-ZÀ-ɏ]+"  # with an accent
    r"|[Ѐ-῿\u3040-ヿ가-힣]+"  # other scripts
    r"|(?<![a-zA-Z_^{\\])[a-zA-Z]{2,}(?:[-'][a-zA-Z]+)*"
)
SHORT_WORDS = set(
    "sq or and is are to of in on at by no not if as an the all any per cats dogs pens eggs cups odd yes both".split()
)
VOWEL = re.compile(r"[aeiouy]")
BEFORE_A_UNIT = re.compile(r"(?:[\d)}\]/]|\bper)\s*$")
COUNTERS = set("个倍人只本张次种条件名棵辆支块枚")  # measure words, counted like units
HAN_NUMBER_AND_WORD = re.compile(r"([零一二两三四五六七八九十百千点]+)(.+)$")
BETWEEN_WORDS = re.compile(r"»\s*«")
MARKED_WORDS = re.compile(r"«\s*([^»]*?)\s*»")
IS_WORD = re.compile(r"[^\W\d_]{2}|[㐀-鿿가-힣ऀ-ॿ]|^[a-zA-Z]$")
IS_FORMULA = re.compile(r"[\\{}=]")

# Blanks
NEEDLESS_BLANKS = re.compile(r"(?<![a-zA-Z])\s+|\s+(?![a-zA-Z\d(\\-])")
BLANKS_AROUND_SIGN = re.compile(
    r"\s*(\\(?:le|ge|ne|in|cup|cap|pm|mp|approx|equiv|to|setminus)(?![a-zA-Z])|[=<>+*/«»:;^])\s*"
)

# Whole answers
FRACTION_OF_WORDS = re.compile(r"\\frac\{(«[^{}]*»)\}\{(«[^{}]*»)\}")  # a unit such as km/h
ANNOUNCEMENT = re.compile(
    r"^«[A-Za-z ]+(?:»:|:»)(?=.)"  # `Area: …`
    r"|^«[Tt]he (?:[a-z]+ )?(?:roots|solutions|zeros|values) are»"
    r"|^«(?:a total of|exactly|there are|(?:in )?the year)»(?=\d)|^«in»(?=\d{4}$)"
    r"|^«(?:the )?(?:maximum|minimum|largest|smallest|greatest|least|total|required) (?:possible )?[a-z]+ is»"
    r"|^«(?:一?共|总共)?(?:有|需要?|要|是|为)»(?=\d)|^«(?:一|总)共»(?=\d)"  # altogether, there are, needed
    r"|^.{0,20}«的(?:取值范围|方程|最大值|最小值|值)(?:是|为)»:?"  # the range, equation, maximum, minimum, value of … is
    r"|^«(?:so |thus |hence |therefore,? )?(?:the )?(?:final |correct |right |best )*"
    r"(?:answer|option|choice|result|solution|value|答案|正确答案)(?: is| equals|是|为)?»\s*:?"
    r"|(?<=^«)the answer is (?=\w)",
    re.IGNORECASE,
)
UNIT_IN_PARENTHESES = re.compile(r"(?<=[\d}])\s*\((«[^»]*»)\)$")  # `72 (clips)`
DESCRIPTION = re.compile(r"\s*\(an? ?«[^»]*»\)$")  # `x^2+y^2=4 (a circle)`
BASE = re.compile(r"([0-9A-Z])(?:_\{?(\d+)\}?)?\s*(?:\(|_\{)?«(?:in )?base»\s*(\d+)[)}]?$")  # `204 (base 5)`
BINARY = re.compile(r"^([01]+)\s*\(?«(?:in )?binary»\)?$")
ABOUT = re.compile(r"(?<=.)«,? ?(?:or )?(?:about|approximately|roughly)»(?=\d)")
# A condition after a formula, which is implied anyway. After a number, it would distinguish a case instead.
CONDITION = re.compile(
    r"[,\s]{0,9}\(?(?:«[,\s]{0,3}(?:for (?:all|any|every|some|real|integer)|where|with)\b|«for»(?=[nk]\b)|\\forall)"
)
LETTER = re.compile("[a-zA-Z]")
EQUIVALENCE = re.compile(r"\\equiv(?![a-zA-Z])\s*")
FINAL_EXCLAMATION = re.compile(r"(?<=»)!$")


def normalize(text: str) -> str:
    """Normalizes an answer; `""` if it is blank, too long or too deeply nested to be an answer.

    >>> normalize(r"$\\left(\\dfrac12,\\; 3\\text{ cm}\\right)$."), normalize("x²＋√3 ≤ 2**10")
    ('(\\\\frac{1}{2}, 3«cm»)', 'x^{2}+\\\\sqrt{3}\\\\le 2^{10}')
    """
    if len(text) > LONGEST or _depth(text) > DEEPEST:
        return ""
    if len(text) <= LONGEST_CACHED:
        return normalize_cached(text)
    return _normalize(text)


@lru_cache(maxsize=65536)
def normalize_cached(text: str) -> str:
    """`normalize` with a cache, for golds and short answers, which are often repeated."""
    return _normalize(text)


def _normalize(text: str) -> str:
    if NORMAL.fullmatch(text):
        return text
    text = _spell_characters(text)
    text = _spell_numbers(text)
    if len(text) > 3 * LONGEST:  # many characters that stand for commands
        return ""
    text = _spell_commands(text)
    text = POWER.sub("^", text)
    text = BOLD.sub("", text)
    text = _brace_fractions(text)
    text = _brace_arguments(text)
    text = _respell(text, PLAIN_SPELLINGS)
    text = _mark_words(text)
    text = NEEDLESS_BLANKS.sub(" ", text)
    text = BLANKS_AROUND_SIGN.sub(_without_blanks, text)
    text = FRACTION_OF_WORDS.sub(r"\1/\2", text)
    text = _drop_comments(text)
    return _spell_set(_strip(text))


def _depth(text: str) -> int:
    depth = 0
    deepest = 0
    for character in text:
        if character in OPENING:
            depth += 1
        elif character in CLOSING:
            depth -= 1
        else:
            continue
        deepest = max(deepest, abs(depth))
    return deepest


def _spell_characters(text: str) -> str:
    text = TAG.sub(" ", text)
    text = LEADING_ARROW.sub("", text)
    text = LEADING_TILDE.sub(r"\\approx ", text)
    text = CURRENCY.sub(_spell_currency, text)
    text = CIRCLED_NUMBER.sub(_spell_circled_number, text)
    text = VULGAR_FRACTION.sub(_spell_vulgar_fraction, text)
    text = SUPERSCRIPT.sub(_spell_superscript, text)
    text = SUBSCRIPT.sub(_spell_subscript, text)
    text = unicodedata.normalize("NFKC", text.translate(CHARACTERS))
    return text.translate(CHARACTERS)


def _spell_currency(match: re.Match) -> str:
    """`\\$18` as `18«dollar»`."""
    amount = match[2] or ""
    number = amount.rstrip(".,")
    if not number:
        return ""
    return f"{number}«{CURRENCIES[match[1]]}»{amount[len(number) :]}"


def _spell_circled_number(match: re.Match) -> str:
    return f"\\textcircled{{{ord(match[0]) - BEFORE_CIRCLED_ONE}}}"


def _spell_vulgar_fraction(match: re.Match) -> str:
    """`6½` as `6\\frac{1}{2}`."""
    numerator, denominator = unicodedata.normalize("NFKC", match[2]).split(FRACTION_SLASH)
    return f"{match[1]}\\frac{{{numerator}}}{{{denominator}}}"


def _spell_superscript(match: re.Match) -> str:
    return "^{" + match[0].translate(SUPERSCRIPTS) + "}"


def _spell_subscript(match: re.Match) -> str:
    return "_{" + match[0].translate(SUBSCRIPTS) + "}"


def _spell_numbers(text: str) -> str:
    text = ENGLISH_NUMBER.sub(_spell_english_number, text)
    text = AND_A_FRACTION.sub(" ", text)
    return MINUS_WORD.sub("-", text)


def _spell_english_number(match: re.Match) -> str:
    """`two thirds` as `\\frac{2}{3}`."""
    value = parse_english_number(match[0])
    if value is None:
        return match[0]
    if value.denominator == 1:
        return str(value)
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def _spell_commands(text: str) -> str:
    text = ROW_SPACING.sub(r"\\\\", text)
    text = DISPLAY_MATHS.sub("", text)
    for _ in range(MOST_NESTED_COMMANDS):
        before = text
        text = COMMAND.sub(_spell_command, text)
        text = _respell(text, LATEX_SPELLINGS)
        text = _open_texts(text)
        if text == before:
            break
    return text


def _respell(text: str, spellings: list[Spelling]) -> str:
    for pattern, replacement, needed in spellings:
        if needed in text:
            text = pattern.sub(replacement, text)
    return text


def _spell_command(match: re.Match) -> str:
    return COMMAND_SPELLINGS.get(match[0], match[0])


def _open_texts(text: str) -> str:
    """`\\text{…}` as marked words, or as plain text if it contains the answer itself."""
    if len(text) < LONGEST_OPTIONS and "{" in text:
        bare = BRACES_AND_BLANK_COMMANDS.sub(" ", TEXT_COMMAND.sub("", text))
        if OPTIONS_IN_TEXT.fullmatch(bare):
            return bare
    pieces = []
    start = 0
    for match in TEXT_COMMAND.finditer(text):
        if match.start() < start:  # inside the previous one
            continue
        end = closing_brace(text, match.end() + 1)
        if end is None:
            continue
        content = text[match.end() + 1 : end]
        before = text[start : match.start()]
        if OPTIONS_IN_TEXT.fullmatch(content) and before.strip() in ("", "(") and start == 0:
            pieces += [before, content]
        else:
            pieces += [before, " ", _open_text(content), " "]
        start = end + 1
    pieces.append(text[start:])
    return "".join(pieces)


def _open_text(content: str) -> str:
    word = content.strip()
    if word in FUNCTIONS and word != "min":  # `min` means minutes here
        return f"\\{word} "
    infinity = INFINITY.fullmatch(word)
    if infinity:
        return rf"{'-' if infinity[1] else ''}\infty "
    if ANSWER_IN_TEXT.search(content):
        return content
    return f"«{content}»"


def _brace_fractions(text: str) -> str:
    """`\\frac12` as `\\frac{1}{2}`, for any arguments."""
    pieces = []
    start = 0
    for match in FRACTION_COMMAND.finditer(text):
        if match.start() < start:  # inside the arguments of the previous one
            continue
        arguments, end = _two_arguments(text, match.end())
        if len(arguments) < 2:
            continue
        pieces += [text[start : match.start()], match[0]]
        for argument in arguments:
            pieces.append("{" + _brace_fractions(argument) + "}")
        start = end
    pieces.append(text[start:])
    return "".join(pieces)


def _two_arguments(text: str, start: int) -> tuple[list[str], int]:
    """The next two arguments of a command (or fewer, if the text ends) without their braces, and where they end."""
    arguments = []
    for _ in range(2):
        match = ARGUMENT.match(text, start)
        if not match:
            break
        if match[1] == "{":
            end = closing_index(text, match.start(1))
            if not end:
                break
            arguments.append(text[match.end() : end])
            start = end + 1
        else:
            arguments.append(match[1])
            start = match.end()
    return arguments, start


def _brace_arguments(text: str) -> str:
    """`sqrt(…)`, `^(…)` and `abs(…)` with the brackets that LaTeX requires, including nested ones."""
    for _ in range(MOST_NESTED_ARGUMENTS):
        match = PARENTHESIZED_ARGUMENT.search(text)
        if not match:
            break
        end = closing_index(text, match.end() - 1)
        if not end:
            break
        command = match[0][:-1].strip()
        argument = text[match.end() : end]
        if command in PYTHON_BRACKETS:
            opening, closing = PYTHON_BRACKETS[command]
            spelled = f"{opening}{argument}{closing}"
        else:
            spelled = f"{_root_or_power(command)}{{{argument}}}"
        text = text[: match.start()] + spelled + text[end + 1 :]
    return text


def _root_or_power(command: str) -> str:
    if "cbrt" in command:
        return r"\sqrt[3]"
    if "sqrt" in command:
        index = command.rpartition("sqrt")[2]
        return r"\sqrt" + index
    return "^"


def _mark_words(text: str) -> str:
    text = WORD.sub(_mark_word, text)
    text = BETWEEN_WORDS.sub(" ", text)
    return MARKED_WORDS.sub(_tidy_words, text)


def _mark_word(match: re.Match) -> str:
    """Puts a word between « and », unless it may be a product of variables (`xy`, `mgh`)."""
    word = match[0]
    if word[0] in "«\\":
        return word
    if "\u3400" <= word[0] <= "\u9fff":
        return _mark_han_word(word)
    if not word.isascii():
        return f" «{word}» "
    text = match.string
    if text[match.end() : match.end() + 1] in ("^", "_"):  # at^2
        return word
    if word.lower() in SHORT_WORDS or _looks_like_word(word) or _is_unit(word, text, match.start()):
        return f" «{word}» "
    return word


def _looks_like_word(word: str) -> bool:
    if len(word) < 4 or not VOWEL.search(word.lower()):
        return False
    return not word.isupper() or len(word) >= 6


def _is_unit(word: str, text: str, start: int) -> bool:
    if word not in UNIT_NAMES and (len(word) <= 2 or word.lower() not in UNIT_NAMES):
        return False
    before = text[max(0, start - 6) : start]
    return BEFORE_A_UNIT.search(before) is not None


def _mark_han_word(word: str) -> str:
    """`三厘米` as `3«厘米»`, `三` as `3`, other words between « and »."""
    counted = HAN_NUMBER_AND_WORD.match(word)
    if counted:
        number, noun = counted.groups()
        if noun in UNIT_NAMES or noun in COUNTERS:
            value = parse_han_number(number)
            if value is not None:
                return f"{value}«{noun}»"
    value = parse_han_number(word)
    return f" «{word}» " if value is None else str(value)


def _tidy_words(match: re.Match) -> str:
    """Strips blanks and dots from marked words, and removes the marks if the content is not words."""
    content = match[1].strip(" .")
    if IS_WORD.search(content) and not IS_FORMULA.search(content):
        return f"«{content}»"
    return content


def _without_blanks(match: re.Match) -> str:
    sign = match[1]
    if sign.startswith("\\"):
        return sign + " "
    return sign


def _drop_comments(text: str) -> str:
    """Removes text that introduces, describes or restricts an answer."""
    text = ANNOUNCEMENT.sub("", text.strip()).strip()
    text = DESCRIPTION.sub("", text)
    text = UNIT_IN_PARENTHESES.sub(r"\1", text)
    text = BASE.sub(_spell_base, text)
    text = BINARY.sub(r"\1_{2}", text)
    text = ABOUT.sub(r"\\approx ", text)
    condition = CONDITION.search(text)
    if condition and LETTER.search(text[: condition.start()]):
        text = text[: condition.start()]
    text = text.rpartition("\\Rightarrow ")[2].removeprefix("\\equiv ")  # `x + 2 = 7 ⇒ x = 5`
    if "mod" not in text:
        text = EQUIVALENCE.sub("=", text)
    return text


def _spell_set(text: str) -> str:
    """`all real numbers` as `\\mathbb{R}`."""
    if "«" not in text and "mathbb" not in text:
        return text
    for spelling in SET_SPELLINGS:
        match = spelling.pattern.fullmatch(text)
        if match:
            return match.expand(spelling.replacement)
    return text


def _spell_base(match: re.Match) -> str:
    """`204 (base 5)` as `204_{5}`."""
    digit, index, base = match.groups()
    if index is not None and index != base:
        return match[0]
    return f"{digit}_{{{base}}}"


def _strip(text: str) -> str:
    """Removes punctuation at the ends of an answer, and braces around it."""
    before = None
    while text != before:
        before = text
        text = text.strip().strip(":;,。").strip()
        text = FINAL_EXCLAMATION.sub("", text)
        if text.endswith(".") and not text.endswith("..."):
            text = text[:-1]
        if text.startswith("{") and closing_index(text, 0) == len(text) - 1:
            text = text[1:-1]
    return text
