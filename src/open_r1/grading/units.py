"""Units in answers: `5 cm`, `500 mm`, `10%`, `90°`, `18 dollars`, `3厘米`.

A unit that only one side writes is forgiven; two that disagree are not, and two of one kind are converted.
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction


BASE = {
    "length": {
        "m": 1,
        "cm": "1/100",
        "mm": "1/1000",
        "km": 1000,
        "nm": "1/1000000000",
        "μm": "1/1000000",
        "in": "127/5000",
        "ft": "381/1250",
        "yd": "1143/1250",
    },
    "mile": {"mi": 1},
    "time": {"s": 1, "min": 60, "h": 3600, "day": 86400, "week": 604800},
    "year": {"year": 1, "month": "1/12"},
    "mass": {"g": 1, "kg": 1000, "mg": "1/1000", "t": 10**6},
    "weight": {"lb": 1, "oz": "1/16"},
    "volume": {"l": 1, "ml": "1/1000"},
    "money": {"dollar": 1, "cent": "1/100"},
    "euro": {"euro": 1},
    "pound": {"pound": 1},
    "yuan": {"yuan": 1, "jiao": "1/10", "fen": "1/100"},
    "volt": {"V": 1},
    "ampere": {"A": 1, "mA": "1/1000"},
    "ohm": {"ohm": 1},
    "joule": {"J": 1, "kJ": 1000},
    "newton": {"N": 1, "kN": 1000},
    "watt": {"W": 1, "kW": 1000},
    "hertz": {"Hz": 1},
    "pascal": {"Pa": 1, "kPa": 1000},
    "kelvin": {"K": 1},
    "mole": {"mol": 1},
    "coulomb": {"C": 1},
    "tesla": {"T": 1},
    "farad": {"F": 1},
    "electronvolt": {"eV": 1},
    "radian": {"radian": 1},
    "angle": {"degree": 1, "arcminute": "1/60"},
}
NAMES = {
    "m": "meter meters metre metres 米 公尺", "cm": "centimeter centimeters centimetre centimetres 厘米", "mi": "mile miles",
    "nm": "nanometer nanometers", "μm": "micrometer micrometers um", "mm": "millimeter millimeters millimetre millimetres 毫米", "km": "kilometer kilometers kilometre kilometres 千米 公里",
    "in": "inch inches", "ft": "foot feet", "yd": "yard yards", "s": "sec secs second seconds 秒 秒钟",
    "min": "mins minute minutes 分钟", "h": "hr hrs hour hours 小时 时", "day": "days 天 日", "week": "weeks 周 星期",
    "year": "years yr yrs 年 岁", "month": "months 个月", "g": "gram grams 克", "kg": "kilogram kilograms kgs 千克 公斤",
    "mg": "milligram milligrams 毫克", "t": "ton tons tonne tonnes 吨", "lb": "lbs pound pounds", "oz": "ounce ounces",
    "l": "L liter liters litre litres 升", "ml": "mL milliliter milliliters millilitre 毫升", "dollar": "dollars usd bucks 美元", "euro": "euros",
    "cent": "cents ¢ 美分", "yuan": "元 块 圆 rmb 人民币", "jiao": "角", "fen": "分", "degree": "degrees deg ° 度",
    "arcminute": "arcminutes", "radian": "radians rad rads 弧度", "V": "volt volts 伏", "A": "ampere amperes amps 安", "ohm": "ohms Ω 欧", "J": "joule joules 焦",
    "N": "newton newtons 牛", "W": "watt watts 瓦", "Hz": "hertz", "Pa": "pascal pascals 帕", "K": "kelvin kelvins",
    "mol": "mole moles", "C": "coulomb coulombs", "T": "tesla", "F": "farad farads", "eV": "electronvolts", "mA": "", "kJ": "",
    "kN": "", "kW": "", "kPa": "",
}  # fmt: skip
NAMES = {alias: name for name, aliases in NAMES.items() for alias in [name, *aliases.split()] if alias}
KNOWN = {name: (kind, Fraction(factor)) for kind, names in BASE.items() for name, factor in names.items()}
MAGNITUDES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "万": 10**4, "亿": 10**8,
              "dozen": 12}  # fmt: skip
COUNTED = re.compile("«?[个只本张条件棵辆支枚]»?")
POWERS = {"square": 2, "sq": 2, "平方": 2, "cubic": 3, "cu": 3, "立方": 3}
PLAIN = {"倍", "unit", "units", "个", "squared", "cubed", "total", "in", "only", "per", "the", "of", "a", "each", "",
         "exactly"}  # fmt: skip
# Words that make another statement of a number than its value.
NO_UNIT = set(
    "or and not no if roughly circa more less fewer least most than about around approximately nearly almost between to through from over under "
    "above below up at possibly maybe either neither both except but when where unless minus plus times divided squared cubed "
    "greater smaller larger is are equals equal was because since so then other another half third quarter twice ou oder oppure или либо または あるいは もしくは 또는 或是 或者 或 和 与 且 以上 以下 左右 至少 至多 "
    "大约 约 不 到 多 及 以内 超过 不足 有余".split()
)
UNIT = re.compile(r"^(.*?)\s*((?:/?«[^»]*»|°|¢|%|(?<=[\d}])\s*[mgshLNJWVAKC](?=$|[\s/^])|(?<=[\d}])\s*(?:cm|mm|nm|km|kg|mg|ml|mL|mph|Hz|Pa|eV|mol|kJ)(?=$|[\s/^*]))"
                  r"(?:\^?\{?-?[123]\}?|[/ *]|«[^»]*»|(?<=[/ *])[a-zA-Z]+|°)*)$")  # fmt: skip


COMPOUND = re.compile(r"(\d+(?:\.\d+)?)(«[^»]*»)(?:and|,|\s)*(\d+(?:\.\d+)?)(«[^»]*»)$")


def join_units(text: str) -> str:
    """`3 hours and 20 minutes` as one value in the smaller unit; any other text as it is.

    >>> join_units("3«hours and»20«minutes»")
    '200«minutes»'
    """
    match = COMPOUND.match(text)
    if not match:
        return text
    large, small = measure(re.sub(r"\band\b", "", match[2])), measure(match[4])
    if not large.kinds or large.kinds != small.kinds or large.factor <= small.factor:
        return text
    value = Fraction(match[1]) * large.factor / small.factor + Fraction(match[3])
    return f"{value}{match[4]}"


def split_unit(text: str) -> tuple[str, str | None]:
    """A value and the unit behind it, if there is one.

    >>> split_unit("5«cm»^{2}"), split_unit("10%"), split_unit("3«or more»")
    (('5', '«cm»^{2}'), ('10', '%'), ('3«or more»', None))
    """
    match = UNIT.match(text)
    if (
        not match
        or not match[1]
        or re.search(r"\\(?:sin|cos|tan|cot|sec|csc)(?:\^\{?\d\}?)?\s*\(?[^-+*/]*$", match[1])
        or match[1][-1] not in "0123456789})|]abcdefghijklmnopqrstuvwxyz "
    ):
        return text, None
    words = re.findall(r"[^\W\d_]+", match[2])
    if any(word.lower() in NO_UNIT for word in words) or len(words) > 5:
        return text, None
    return match[1].strip(), match[2]


@dataclass
class Measure:
    """A unit, taken apart.

    Args:
        factor (`Fraction`): Size in the base units of its kinds.
        magnitude (`Fraction`): Million, dozen: counts even where the other side has no unit.
        kinds (`dict[str, int]`): Powers of its kinds, `{"length": 2}`.
        words (`set[str]`): What is no known unit.
    """

    factor: Fraction = Fraction(1)
    magnitude: Fraction = Fraction(1)
    kinds: dict[str, int] = field(default_factory=dict)
    words: set[str] = field(default_factory=set)


def measure(unit: str | None) -> Measure:
    """What a unit says.

    >>> measure("«square centimeters»")
    Measure(factor=Fraction(1, 10000), magnitude=Fraction(1, 1), kinds={'length': 2}, words=set())
    """
    found, power, sign = Measure(), 1, 1
    text = re.sub(r"(平方|立方)", r"\1 ", unit or "").replace("°", " degree ").replace("¢", " cent ")
    text = re.sub(r"\b(?:mph|MPH)\b", "mile/h", text)
    for word, exponent in re.findall(r"([a-zA-Z]+|[㐀-鿿]+|/)[»\s]*(?:\^?\{?(-?[123])\}?)?", text):
        name = NAMES.get(word) or NAMES.get(word.lower()) or word.lower()
        if name in ("/", "per", "每"):
            sign = -1
        elif name in POWERS:
            power = POWERS[name]
        elif name in MAGNITUDES:
            found.magnitude *= MAGNITUDES[name]
        elif name in KNOWN:
            kind, size = KNOWN[name]
            n = sign * (int(exponent) if exponent else power)
            found.factor, power = found.factor * size**n, 1
            found.kinds[kind] = found.kinds.get(kind, 0) + n
        elif name not in PLAIN:
            found.words.add(name.removesuffix("s"))
    return found


def conversion(gold: str | None, answer: str | None) -> Fraction | None:
    """What to multiply the answer by to have it in the gold's unit; `None` if the units contradict each other.

    >>> conversion("«m»", "«cm»"), conversion("«cm»", None), conversion("«cm»", "«hours»"), conversion("«apples»", "«pears»")
    (Fraction(1, 100), Fraction(1, 1), None, None)
    """
    one, other = measure(gold), measure(answer)
    rate = other.magnitude / one.magnitude
    if one.kinds and other.kinds:
        return rate * other.factor / one.factor if one.kinds == other.kinds else None
    if any(
        this.kinds and not other.kinds and COUNTED.fullmatch(unit or "")
        for this, other, unit in ((one, other, answer), (other, one, gold))
    ):
        return None  # 15个 is not 15元
    if (one.kinds or one.words) and (other.kinds or other.words) and not one.words & other.words:
        return None
    return rate
