"""Parses the exact values of numbers in digits, English words and Chinese characters."""

import re
from fractions import Fraction
from functools import lru_cache

from open_r1.grading.brackets import closing_index


# English number words
UP_TO_TWENTY = (
    "zero one two three four five six seven eight nine ten "
    "eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"
).split()
TENS = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
NUMBER_WORDS = {word: value for value, word in enumerate(UP_TO_TWENTY)} | TENS
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
DENOMINATORS = {
    "half": 2,
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
    "twelfth": 12,
    "hundredth": 100,
}
PLURAL_DENOMINATORS = {f"{word}s": value for word, value in DENOMINATORS.items()} | {"halves": 2}
ARTICLES = ("a", "an")
_FIRST_WORD = "|".join(NUMBER_WORDS)
_NEXT_WORD = "|".join([*NUMBER_WORDS, *SCALES, *PLURAL_DENOMINATORS, *DENOMINATORS])
ENGLISH_NUMBER = re.compile(
    r"(?<![\w\\-])"
    rf"(?:(?:an?|{_FIRST_WORD})"  # a word to start with, then others
    r"(?:(?:(?:(?<=dred)|(?<=sand)|(?<=lion))\s+and\s+|\s+|-)"  # `and` only after hundred, thousand, million
    rf"(?:{_NEXT_WORD}))*|half)"
    r"(?![\w-]|\s+an?\b)",  # not `half a`
    re.IGNORECASE,
)
AND_AFTER_SCALE = re.compile(r"\b(hundred|thousand|million) and\b")

# Chinese number characters
HAN_DIGITS = {
    "零": 0,
    "一": 1,
    "二": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
    "〇": 0,
    "两": 2,
}
HAN_SMALL_SCALES = {"十": 10, "百": 100, "千": 1000}
HAN_LARGE_SCALES = {"万": 10**4, "亿": 10**8}

# Numbers in digits
LONGEST = 2000  # characters
FIRST_CHARACTERS = "0123456789.\\"
_WHOLE = r"(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d+)"
DECIMAL = re.compile(
    rf"({_WHOLE}?)"  # the whole part, with its separators of thousands
    r"(?:\.(\d*)"  # decimals
    r"(?:\\overline\{(\d+)\})?)?$"  # recurring decimals
)
FRACTION = re.compile(
    r"(?:(\d+) ?)?\\frac\{([^{}]+)\}\{([^{}]+)\}$"  # 1\frac{1}{2}
    r"|(?:(\d+) +)?([\d.,]+)/([\d.,]+)$"  # 1 1/2
)
DECIMAL_COMMA = re.compile(r"-?(?:0,\d+|\d+,\d{1,2})")
DIGITS_OF_BASE = re.compile(r"^\(?([0-9A-Z]+)\)?_(?:\{(\d+)\}|(\d+)|\{?«(\w+)»\}?)$")  # 101_{2}, 101_«two»
SCIENTIFIC = re.compile(
    r"([\d.,]+)\*10\^\{?([+-]?\d{1,3})\}?$"  # 1.2*10^{3}
    r"|10\^\{?([+-]?\d{1,3})\}?$"  # 10^{3}
)


@lru_cache(maxsize=65536)
def parse_rational(text: str) -> Fraction | None:
    """The exact value of a number: integer, decimal, recurring, fraction, mixed or scientific; `None` for other text.

    >>> parse_rational("-1,234.50"), parse_rational(r"1\\frac{1}{2}")
    (Fraction(-2469, 2), Fraction(3, 2))
    >>> parse_rational("1.2*10^{3}"), parse_rational(r"0.\\overline{3}"), parse_rational("x")
    (Fraction(1200, 1), Fraction(1, 3), None)
    """
    text = text.strip()
    if text.startswith("-"):
        value = _parse_unsigned(text[1:].strip())
        return None if value is None else -value
    return _parse_unsigned(text.lstrip("+"))


def parse_decimal_comma(text: str) -> Fraction | None:
    """The value of a decimal with a comma, as in many languages; `None` for other text, such as `1,000`.

    >>> parse_decimal_comma("3,5"), parse_decimal_comma("1,000")
    (Fraction(7, 2), None)
    """
    if not DECIMAL_COMMA.fullmatch(text):
        return None
    return parse_rational(text.replace(",", "."))


def _parse_unsigned(text: str) -> Fraction | None:
    if text.startswith(("(", "{")) and "," not in text and closing_index(text, 0) == len(text) - 1:
        return parse_rational(text[1:-1])
    if not text or len(text) > LONGEST or text[0] not in FIRST_CHARACTERS:
        return None
    for parse in (_parse_decimal, _parse_fraction, _parse_scientific):
        value = parse(text)
        if value is not None:
            return value
    return None


def _parse_decimal(text: str) -> Fraction | None:
    match = DECIMAL.match(text)
    if not match or not any(match.groups()):
        return None
    whole = (match[1] or "").replace(",", "").replace(" ", "")
    decimals = match[2] or ""
    recurring = match[3]
    value = Fraction(int(whole + decimals or "0"), 10 ** len(decimals))
    if recurring:
        value += Fraction(int(recurring), (10 ** len(recurring) - 1) * 10 ** len(decimals))
    return value


def _parse_fraction(text: str) -> Fraction | None:
    match = FRACTION.match(text)
    if not match:
        return None
    whole, numerator_text, denominator_text = match.group(1, 2, 3) if match[2] else match.group(4, 5, 6)
    numerator = parse_rational(numerator_text)
    denominator = parse_rational(denominator_text)
    if numerator is None or not denominator:
        return None
    return int(whole or 0) + numerator / denominator


def _parse_scientific(text: str) -> Fraction | None:
    match = SCIENTIFIC.match(text)
    if not match:
        return None
    exponent = int(match[2] or match[3])
    if match[1] is None:
        return Fraction(10) ** exponent
    factor = parse_rational(match[1])
    return None if factor is None else factor * Fraction(10) ** exponent


def base_of(digits: re.Match) -> str:
    """The base of a number that `DIGITS_OF_BASE` matches, in digits.

    >>> base_of(DIGITS_OF_BASE.match("101_{2}")), base_of(DIGITS_OF_BASE.match("101_«two»"))
    ('2', '2')
    """
    name = digits[4]
    return digits[2] or digits[3] or str(NUMBER_WORDS.get(name, name))


def parse_han_number(text: str) -> Fraction | None:
    """The value of a number in Chinese characters, up to hundreds of millions; `None` for other text.

    >>> parse_han_number("三百零五"), parse_han_number("三分之一"), parse_han_number("一点五"), parse_han_number("三角形")
    (Fraction(305, 1), Fraction(1, 3), Fraction(3, 2), None)
    """
    if text.startswith("百分之"):  # percent
        percentage = parse_han_number(text[3:])
        return None if percentage is None else percentage / 100
    if "分之" in text:  # the denominator is said first
        denominator_text, _, numerator_text = text.partition("分之")
        denominator = parse_han_number(denominator_text)
        numerator = parse_han_number(numerator_text)
        if numerator is None or not denominator:
            return None
        return numerator / denominator
    whole_text, _, decimals_text = text.partition("点")
    whole = _parse_han_whole_number(whole_text)
    if whole is None or any(character not in HAN_DIGITS for character in decimals_text):
        return None
    decimals = "".join(str(HAN_DIGITS[character]) for character in decimals_text)
    return whole + Fraction(int(decimals or "0"), 10 ** len(decimals))


def _parse_han_whole_number(text: str) -> int | None:
    if text in ("", "百", "千", "万", "亿"):  # not numbers without a digit before them, unlike 十
        return None
    total = 0
    section = 0  # below the next 万 or 亿
    digit = 0
    for character in text:
        if character in HAN_DIGITS:
            digit = HAN_DIGITS[character]
        elif character in HAN_SMALL_SCALES:
            section += (digit or 1) * HAN_SMALL_SCALES[character]
            digit = 0
        elif character in HAN_LARGE_SCALES:
            total += (section + digit) * HAN_LARGE_SCALES[character]
            section = 0
            digit = 0
        else:
            return None
    return total + section + digit


def parse_english_number(text: str) -> Fraction | None:
    """The value of a number in English words; `None` if the text is none.

    >>> parse_english_number("three hundred and five"), parse_english_number("two-thirds")
    (Fraction(305, 1), Fraction(2, 3))
    >>> parse_english_number("a half"), parse_english_number("a triangle")
    (Fraction(1, 2), None)
    """
    words = AND_AFTER_SCALE.sub(r"\1", text.lower()).replace("-", " ").split()
    if words in (["a"], ["an"]):
        return None
    if words == ["half"]:
        words = ["one", "half"]
    denominator = _english_denominator(words)
    if denominator is not None:
        words = words[:-1]
    numerator = _parse_english_whole_number(words)
    return None if numerator is None else Fraction(numerator, denominator or 1)


def _english_denominator(words: list[str]) -> int | None:
    """The denominator given by the last word: 3 in `two thirds` and `a third`; `None` in `twenty third`."""
    if not words:
        return None
    if words[:-1] in (["one"], ["a"], ["an"]):
        return DENOMINATORS.get(words[-1])
    return PLURAL_DENOMINATORS.get(words[-1])


def _parse_english_whole_number(words: list[str]) -> int | None:
    if not words:
        return None
    total = 0
    section = 0  # below the next thousand, million or billion
    for word in words:
        if word in NUMBER_WORDS and _may_follow(section, NUMBER_WORDS[word]):
            section += NUMBER_WORDS[word]
        elif word in ARTICLES and section == 0:
            section += 1
        elif word == "hundred" and 0 < section < 10:
            section *= 100
        elif word in SCALES and section:
            total += section * SCALES[word]
            section = 0
        else:
            return None
    return total + section


def _may_follow(section: int, value: int) -> bool:
    """Whether a number word may follow others: five may follow twenty or three hundred, but not fifteen."""
    if section % 100 == 0:
        return True
    return section % 10 == 0 and 0 < value < 10
