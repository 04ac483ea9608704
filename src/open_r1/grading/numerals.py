"""Numbers as they are written, and their exact values."""

import re
from fractions import Fraction
from functools import lru_cache

from open_r1.grading.brackets import closing


WORDS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
        "nineteen twenty".split()
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
         "tenth": 10, "twelfth": 12, "hundredth": 100}  # fmt: skip
MANY_PARTS = {f"{part}s": value for part, value in PARTS.items()} | {"halves": 2}
_WORD = "|".join([*WORDS, *SCALES, *MANY_PARTS, *PARTS])
ENGLISH = re.compile(
    rf"(?<![\w\\-])(?:(?:an?|{'|'.join(WORDS)})(?:(?:(?:(?<=dred)|(?<=sand)|(?<=lion))\s+and\s+|\s+|-)(?:{_WORD}))*|half)(?![\w-]|\s+an?\b)",
    re.IGNORECASE,
)
HAN_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
HAN_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
WHOLE = r"(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d+)"
DECIMAL = re.compile(rf"({WHOLE}?)(?:\.(\d*)(?:\\overline\{{(\d+)\}})?)?$")
FRACTION = re.compile(r"(?:(\d+)[ +]?)?\\frac\{([^{}]+)\}\{([^{}]+)\}$|(?:(\d+) +)?([\d.,]+)/([\d.,]+)$")
SCIENTIFIC = re.compile(r"([\d.,]+)\*10\^\{?([+-]?\d{1,3})\}?$|10\^\{?([+-]?\d{1,3})\}?$")


@lru_cache(maxsize=65536)
def rational(text: str) -> Fraction | None:
    """The exact value of a number as written: whole, decimal, recurring, fraction, mixed, scientific; else `None`.

    >>> rational("-1,234.50"), rational(r"1\\frac{1}{2}"), rational("1.2*10^{3}"), rational(r"0.\\overline{3}")
    (Fraction(-2469, 2), Fraction(3, 2), Fraction(1200, 1), Fraction(1, 3))
    """
    text = text.strip()
    sign = -1 if text[:1] == "-" else 1
    text = text.lstrip("+") if text[:1] == "+" else text[1:].strip() if sign < 0 else text
    if text[:1] in ("(", "{") and "," not in text and closing(text, 0) == len(text) - 1:
        inner = rational(text[1:-1])
        return None if inner is None else sign * inner
    if not text or len(text) > 2000 or text[0] not in "0123456789.\\":
        return None
    if (match := DECIMAL.match(text)) and any(match.groups()):
        whole, part, recurring = (group or "" for group in match.groups())
        value = Fraction(int((whole.replace(",", "").replace(" ", "") + part) or 0), 10 ** len(part))
        if recurring:
            value += Fraction(int(recurring), (10 ** len(recurring) - 1) * 10 ** len(part))
        return sign * value
    if match := FRACTION.match(text):
        whole, top, bottom = match.group(1, 2, 3) if match[2] else match.group(4, 5, 6)
        top, bottom = rational(top), rational(bottom)
        if top is None or not bottom:
            return None
        return sign * (int(whole or 0) + top / bottom)
    if match := SCIENTIFIC.match(text):
        factor = Fraction(1) if match[1] is None else rational(match[1])
        return None if factor is None else sign * factor * Fraction(10) ** int(match[2] or match[3])
    return None


def han_number(text: str) -> Fraction | None:
    """The value of a number in Chinese characters, up to hundreds of millions.

    >>> han_number("三百零五"), han_number("三分之一"), han_number("一点五"), han_number("三角形")
    (Fraction(305, 1), Fraction(1, 3), Fraction(3, 2), None)
    """
    if text.startswith("百分之"):
        top = han_number(text[3:])
        return None if top is None else top / 100
    if "分之" in text:
        bottom, top = (han_number(part) for part in text.split("分之", 1))
        return top / bottom if top is not None and bottom else None
    text, _, part = text.partition("点")
    total = section = digit = 0
    if not text or any(c not in HAN_DIGITS for c in part) or text in HAN_UNITS and text != "十":
        return None
    for char in text:
        if char in HAN_DIGITS:
            digit = HAN_DIGITS[char]
        elif char in HAN_UNITS and HAN_UNITS[char] < 10**4:
            section, digit = section + (digit or 1) * HAN_UNITS[char], 0
        elif char in HAN_UNITS:
            total, section, digit = total + (section + digit) * HAN_UNITS[char], 0, 0
        else:
            return None
    decimals = "".join(str(HAN_DIGITS[c]) for c in part)
    return total + section + digit + Fraction(int(decimals or 0), 10 ** len(decimals))


def english_number(text: str) -> Fraction | None:
    """The value of a number in English words.

    >>> english_number("three hundred and five"), english_number("two-thirds"), english_number("a half"), english_number("a triangle")
    (Fraction(305, 1), Fraction(2, 3), Fraction(1, 2), None)
    """
    words = re.sub(r"\b(hundred|thousand|million) and\b", r"\1", text.lower()).replace("-", " ").split()
    words = ["one", "half"] if words == ["half"] else words
    bottom = (
        PARTS.get(words[-1])
        if words[:-1] in (["one"], ["a"], ["an"])
        else MANY_PARTS.get(words[-1])
        if words
        else None
    )
    total = section = 0
    for word in words[:-1] if bottom else words:
        if word in WORDS and (section % 100 == 0 or section % 10 == 0 and 0 < WORDS[word] < 10):
            section += WORDS[word]
        elif word in ("a", "an") and not section and words[1:]:
            section += 1
        elif word == "hundred" and 0 < section < 10:
            section *= 100
        elif word in SCALES and section:
            total, section = total + section * SCALES[word], 0
        else:
            return None
    return Fraction(total + section, bottom or 1) if words[bottom is not None :] else None
