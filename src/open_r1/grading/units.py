"""Units in answers: `5 cm`, `500 mm`, `10%`, `90°`, `18 dollars`, `3厘米`.

If only one of the answers has a unit, it is ignored. Units of the same kind are converted; other units must agree.
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction

from open_r1.grading import languages


# Name, kind, size in the base unit of the kind, other names. Units of different kinds are never converted.
_UNITS = [
    ("m", "length", "1", "meter meters metre metres 米 公尺"),
    ("cm", "length", "1/100", "centimeter centimeters centimetre centimetres 厘米"),
    ("mi", "mile", "1", "mile miles"),
    ("nm", "length", "1/1000000000", "nanometer nanometers"),
    ("μm", "length", "1/1000000", "micrometer micrometers um"),
    ("mm", "length", "1/1000", "millimeter millimeters millimetre millimetres 毫米"),
    ("km", "length", "1000", "kilometer kilometers kilometre kilometres 千米 公里"),
    ("in", "length", "127/5000", "inch inches"),
    ("ft", "length", "381/1250", "foot feet"),
    ("yd", "length", "1143/1250", "yard yards"),
    ("s", "time", "1", "sec secs second seconds 秒 秒钟"),
    ("min", "time", "60", "mins minute minutes 分钟"),
    ("h", "time", "3600", "hr hrs hour hours 小时 时"),
    ("day", "time", "86400", "days 天 日"),
    ("week", "time", "604800", "weeks 周 星期"),
    ("year", "year", "1", "years yr yrs 年 岁"),
    ("month", "year", "1/12", "months 个月"),
    ("g", "mass", "1", "gram grams 克"),
    ("kg", "mass", "1000", "kilogram kilograms kgs 千克 公斤"),
    ("mg", "mass", "1/1000", "milligram milligrams 毫克"),
    ("t", "mass", "1000000", "ton tons tonne tonnes 吨"),
    ("lb", "weight", "1", "lbs pound pounds"),
    ("oz", "weight", "1/16", "ounce ounces"),
    ("l", "volume", "1", "L liter liters litre litres 升"),
    ("ml", "volume", "1/1000", "mL milliliter milliliters millilitre 毫升"),
    ("dollar", "money", "1", "dollars usd bucks 美元"),
    ("cent", "money", "1/100", "cents ¢ 美分"),
    ("euro", "euro", "1", "euros"),
    ("yuan", "yuan", "1", "元 块 圆 rmb 人民币"),
    ("jiao", "yuan", "1/10", "角"),
    ("fen", "yuan", "1/100", "分"),
    ("degree", "angle", "1", "degrees deg ° 度"),
    ("arcminute", "angle", "1/60", "arcminutes"),
    ("radian", "radian", "1", "radians rad rads 弧度"),
    ("V", "volt", "1", "volt volts 伏"),
    ("A", "ampere", "1", "ampere amperes amps 安"),
    ("mA", "ampere", "1/1000", ""),
    ("ohm", "ohm", "1", "ohms Ω 欧"),
    ("J", "joule", "1", "joule joules 焦"),
    ("kJ", "joule", "1000", ""),
    ("N", "newton", "1", "newton newtons 牛"),
    ("kN", "newton", "1000", ""),
    ("W", "watt", "1", "watt watts 瓦"),
    ("kW", "watt", "1000", ""),
    ("Hz", "hertz", "1", "hertz"),
    ("Pa", "pascal", "1", "pascal pascals 帕"),
    ("kPa", "pascal", "1000", ""),
    ("K", "kelvin", "1", "kelvin kelvins"),
    ("mol", "mole", "1", "mole moles"),
    ("C", "coulomb", "1", "coulomb coulombs"),
    ("T", "tesla", "1", "tesla"),
    ("F", "farad", "1", "farad farads"),
    ("eV", "electronvolt", "1", "electronvolts"),
]
UNIT_NAMES: dict[str, str] = {}  # any name of a unit -> its first name
UNIT_SIZES: dict[str, tuple[str, Fraction]] = {}  # first name -> kind and size
for _name, _kind, _size, _other_names in _UNITS:
    UNIT_SIZES[_name] = (_kind, Fraction(_size))
    for _alias in [_name, *_other_names.split()]:
        UNIT_NAMES[_alias] = _name

MAGNITUDES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "万": 10**4,
    "亿": 10**8,
}
POWERS = {"square": 2, "sq": 2, "平方": 2, "cubic": 3, "cu": 3, "立方": 3}
DIVISION_WORDS = ("/", "per", "每")
# Words next to a unit that are ignored.
EMPTY_WORDS = set("倍 unit units 个 squared cubed total in only per the of a each exactly them".split())
# Words that are not units and change the meaning of a number.
NOT_UNITS = set(
    # alternatives and negations
    "or and not no can cannot never if possibly maybe either neither both except "
    "but when where unless "
    # approximations and comparisons
    "roughly perhaps probably circa more less fewer least most than about around approximately nearly almost "
    "between to through from over under above below up at greater smaller larger "
    # arithmetic
    "minus plus times divided squared cubed doubled tripled halved another half third quarter twice bc "
    "factorial choose mod modulo halves thirds quarters fourths fifths sixths eighths tenths hundredths "
    # the rest of a sentence
    "is are equals equal was because since so then other "
    # alternatives in Chinese
    "或是 或者 或 和 与 且 "
    # approximations and comparisons in Chinese
    "以上 以下 左右 至少 至多 大约 约 不 到 多 及 以内 超过 不足 有余".split()
)
COUNTER = re.compile("«?[个只本张条件棵辆支枚]»?")
VALUE_AND_UNIT = re.compile(
    r"^(.*?)\s*("
    r"(?:/?«[^»]*»|°|¢|%"  # a word, or a sign
    r"|(?<=[\d}])\s*[mgshLNJWVAKC](?=$|[\s/^])"  # a unit of one letter, right after a number
    r"|(?<=[\d}])\s*(?:cm|mm|nm|km|kg|mg|ml|mL|mph|Hz|Pa|eV|mol|kJ)(?=$|[\s/^*]))"  # or of several
    r"(?:\^?\{?-?[123]\}?|[/ *]|«[^»]*»|(?<=[/ *])[a-zA-Z]+|°)*"  # powers, and more units
    r")$"
)
VALUE_ENDS = "0123456789})|]abcdefghijklmnopqrstuvwxyz "
FUNCTION_OF_AN_ANGLE = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?:\^\{?\d\}?)?\s*\(?[^-+*/]*$")
WORD = re.compile(r"[^\s«»\d_/^{}*°%]+")
NUMBER_AFTER_WORD = re.compile(r"»\s?\d")
MOST_WORDS = 5  # of a unit
COMPOUND = re.compile(r"(\d+(?:\.\d+)?)(«[^»]*»| ?h\b)(?:and|,|\s)*(\d+(?:\.\d+)?)(«[^»]*»)$")
AND = re.compile(r"\band\b")
HAN_POWER = re.compile(r"(平方|立方)")
MILES_PER_HOUR = re.compile(r"\b(?:mph|MPH)\b")
IN_TOTAL = re.compile(r"\bin\s+(?:total|all)\b")  # not inches
WORD_AND_EXPONENT = re.compile(r"([a-zA-Z]+|[㐀-鿿]+|/)[»\s]*(?:\^?\{?(-?[123])\}?)?")


@dataclass
class Unit:
    """A parsed unit.

    Args:
        factor (`Fraction`, *optional*, defaults to 1): Its size in the base units of its kinds.
        magnitude (`Fraction`, *optional*, defaults to 1):
            Factor of words such as million or dozen, which matters even if the other answer has no unit.
        kinds (`dict[str, int]`, *optional*): The powers of its kinds: `{"length": 2}` for an area.
        words (`set[str]`, *optional*): Words that are not known units.
    """

    factor: Fraction = Fraction(1)
    magnitude: Fraction = Fraction(1)
    kinds: dict[str, int] = field(default_factory=dict)
    words: set[str] = field(default_factory=set)


def join_compound_units(text: str) -> str:
    """Converts `3 hours and 20 minutes` to one value in the smaller unit. Other text is returned unchanged.

    >>> join_compound_units("3«hours and»20«minutes»")
    '200«minutes»'
    """
    match = COMPOUND.match(text)
    if not match:
        return text
    large_number, large_unit, small_number, small_unit = match.groups()
    large = parse_unit(AND.sub("", large_unit))
    small = parse_unit(small_unit)
    if not large.kinds or large.kinds != small.kinds or large.factor <= small.factor:
        return text
    value = Fraction(large_number) * large.factor / small.factor + Fraction(small_number)
    return f"{value}{small_unit}"


def split_unit(text: str) -> tuple[str, str | None]:
    """Splits a value from the unit after it. Without a unit, returns the whole text and `None`.

    >>> split_unit("5«cm»^{2}"), split_unit("10%"), split_unit("3«or more»")
    (('5', '«cm»^{2}'), ('10', '%'), ('3«or more»', None))
    """
    match = VALUE_AND_UNIT.match(text)
    if not match or not match[1]:
        return text, None
    value, unit = match.groups()
    if value[-1] not in VALUE_ENDS or FUNCTION_OF_AN_ANGLE.search(value):  # the degree of `\sin 30°` is not its unit
        return text, None
    words = WORD.findall(unit)
    if len(words) > MOST_WORDS or any(_is_no_unit(word.lower()) for word in words):
        return text, None
    if not unit.isascii() and languages.WORDS_OF_OTHER_SCRIPTS.search(unit):
        return text, None
    if NUMBER_AFTER_WORD.search(unit) and not parse_unit(unit).kinds:
        return text, None
    return value.strip(), unit


def _is_no_unit(word: str) -> bool:
    """Whether a word after a number gives an alternative, a bound or an approximation, say, rather than a unit."""
    if word in NOT_UNITS or word in languages.NOT_UNITS or word.endswith(("n't", "n’t")):
        return True
    return not word.isascii() and languages.HEDGED.search(word) is not None


def parse_unit(unit: str | None) -> Unit:
    """Parses a unit.

    >>> parse_unit("«square centimeters»")
    Unit(factor=Fraction(1, 10000), magnitude=Fraction(1, 1), kinds={'length': 2}, words=set())
    """
    parsed = Unit()
    if not unit:
        return parsed
    text = HAN_POWER.sub(r"\1 ", unit).replace("°", " degree ").replace("¢", " cent ")
    text = IN_TOTAL.sub("", MILES_PER_HOUR.sub("mile/h", text))
    power = 1  # of the next unit, if `square` or `cubic` comes before it
    sign = 1
    for word, exponent in WORD_AND_EXPONENT.findall(text):
        name = UNIT_NAMES.get(word) or UNIT_NAMES.get(word.lower()) or word.lower()
        if name in DIVISION_WORDS:
            sign = -1
        elif name in POWERS:
            power = POWERS[name]
        elif name in MAGNITUDES:
            parsed.magnitude *= MAGNITUDES[name]
        elif name in UNIT_SIZES:
            kind, size = UNIT_SIZES[name]
            signed_power = sign * int(exponent or power)
            parsed.factor *= size**signed_power
            parsed.kinds[kind] = parsed.kinds.get(kind, 0) + signed_power
            power = 1
        elif name not in EMPTY_WORDS:
            parsed.words.add(name.removesuffix("s"))
    return parsed


def conversion_factor(gold_unit: str | None, answer_unit: str | None) -> Fraction | None:
    """Factor that converts the answer to the gold's unit; `None` if the units contradict each other.

    >>> conversion_factor("«m»", "«cm»"), conversion_factor("«cm»", None)
    (Fraction(1, 100), Fraction(1, 1))
    >>> conversion_factor("«cm»", "«hours»"), conversion_factor("«apples»", "«pears»")
    (None, None)
    """
    gold = parse_unit(gold_unit)
    answer = parse_unit(answer_unit)
    factor = answer.magnitude / gold.magnitude
    if gold_unit and answer_unit and gold_unit.startswith("%") != answer_unit.startswith("%"):
        return None
    if gold.kinds and answer.kinds:
        return factor * answer.factor / gold.factor if gold.kinds == answer.kinds else None
    if gold.kinds and _is_counter(answer_unit) or answer.kinds and _is_counter(gold_unit):
        return None  # 15个 (15 pieces) is not 15元 (15 yuan)
    if _says_something(gold) and _says_something(answer) and not gold.words & answer.words:
        return None
    return factor


def _is_counter(unit: str | None) -> bool:
    return unit is not None and COUNTER.fullmatch(unit) is not None


def _says_something(unit: Unit) -> bool:
    return bool(unit.kinds or unit.words)
