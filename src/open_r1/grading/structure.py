"""What an answer consists of: the values that it lists, points and intervals, relations, labels, matrices.

All of it found by the signs that stand outside brackets, in `notation.normalize`'s form; nothing is compared here.
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction

from open_r1.grading.brackets import closing, key, split, split_at
from open_r1.grading.numerals import rational
from open_r1.grading.units import split_unit


REALS = {
    r"\mathbb{R}",
    "R",
    "«all real numbers»",
    "«all reals»",
    "«real numbers»",
    "«全体实数»",
    "«实数集»",
    r"(-\infty,\infty)",
}
SIGNS = re.compile(r"\\(pm|mp)(?![a-zA-Z])\s*")
SEPARATOR = re.compile(r",|;|«(?:and|or|或|和|与|及|且|或者)»|\\quad")
RELATION = re.compile(r"(\\le|\\ge|\\ne|\\in|\\approx|\\equiv|\\sim)(?![a-zA-Z])|[=<>]")
FLIP = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}
NAME = re.compile(
    r"^(?:«[^»]*»|\\(?:angle|triangle|overline|vec|hat|tilde|widehat|measuredangle)\s*\{?[A-Za-z]+\}?|\|?[A-Z]{1,4}\|?|[a-zA-Z]|"
    r"\\[a-zA-Z]+)(?:_(?:\{[^{}]*\}|\w))?'*(?:\^\{?\(?[-\w']+\)?\}?)?(?:\s*\([^()=]*\))?$"
)
MATRIX = re.compile(r"^\\begin\{([pbBvV]?matrix|array|smallmatrix)\}(?:\{[clr|]*\})?(.*)\\end\{\1\}$", re.DOTALL)
CASES = re.compile(r"^\\begin\{(cases|aligned|array|gathered)\}(?:\{[clr|]*\})?(.*)\\end\{\1\}$", re.DOTALL)
# `n = 2k + 1, k ∈ ℤ`: what everybody reads into k
PARAMETER = re.compile(
    r"(?<=.),?\s*\(?(?<![\w\\])[kmnt](?:\\in\s*(?:\\mathbb\{[ZN]\}|[ZN])(?:[_^]\{?[+*]\}?)?|(?<=,[nk])\\ge\s*\d|(?<=, [nk])\\ge\s*\d|(?<=\([nk])\\ge\s*\d)\)?$"
)
CONSTANT = re.compile(r"(?<=.),\s*[cCk]\\in\s*(?:\\mathbb\{R\}|R)$")  # `f(x) = cx, c ∈ ℝ`
VARIABLE = re.compile(r"(?<![\\a-zA-Z«])(?!\w*matrix\})[a-df-hj-zA-Z]|\\(?:" + "|".join(
    "alpha beta gamma delta epsilon theta lambda mu phi omega rho sigma tau xi psi".split()) + r")(?![a-zA-Z])")  # fmt: skip
Interval = tuple[str, bool, str, bool]  # lower end, whether it belongs, upper end, whether it belongs
EVERYTHING: Interval = (r"-\infty ", False, r"\infty ", False)


def unwrap(text: str) -> str:
    """Without the braces of a set, the brackets of a condition, `x ∈`."""
    text = CONSTANT.sub("", re.sub(PARAMETER, "", text.strip()))
    if (exact := re.match(r"^(.+?)\s*\\approx(?![a-zA-Z])\s*(.*)$", text)) and not NAME.match(
        exact[1]
    ):  # `√53 ≈ 7.28`
        text = exact[1] if rounded(exact[1], exact[2]) else text
    if named := re.match(r"^(?:[a-zA-Z]|\\\{[a-z]_\{?n\}?\\\}):(?=.*=)(.*)$", text):  # the line l: x + y = 5
        text = named[1].strip()
    if point := re.match(r"^[A-Z]'?\s*(\(.*,.*\))$", text):  # the point P(2, 5)
        text = point[1]
    if (match := CASES.match(text)) and (match[1] != "array" or "=" in match[2]) and "&" not in match[2]:
        return ",".join(part.replace("&", "").strip(" ,") for part in re.split(r"\\\\", match[2]) if part.strip())
    if re.match(r"^(?:[a-zA-Z]|\([a-z](?:,\s*[a-z])*\))\\in ", text):
        text = text.split(r"\in ", 1)[1].strip()
    if named := re.match(r"^[^=<>]{1,30}=\s*(\\\{.*\\\}|\\emptyset\s*)$", text):
        text = named[1].strip()
    if bar := re.match(r"^[a-zA-Z]\s*\|\s*(.*[<>=\\].*)$", text):  # a set whose braces are lost
        return bar[1]
    if text.startswith(r"\{") and text.endswith(r"\}"):
        inner = text[2:-2].strip()
        if (bar := re.match(r"^(?:[a-zA-Z]|\([^()]*\))(?:\\in \\mathbb\{R\})?\s*[|:]\s*(.*)$", inner)) is not None:
            return bar[1]
        return inner
    return text


def restated(text: str) -> list[str]:
    """`1.5 hours (90 minutes)` as the two values that it says are one; any other text alone."""
    match = re.match(r"^([^()]*\d[^()]*)\(([^(),]*\d[^(),]*)\)((?:«[^»]*»)?)$", text)
    measured = (
        match and (split_unit(match[1])[1] or match[1].endswith(" ")) and rational(split_unit(match[2])[0]) is not None
    )
    return [match[1].strip() + match[3], match[2]] if measured else [text]


def rounded(exact: str, decimal: str) -> bool:
    """Whether a decimal may round a value: true of a value that is no plain number."""
    number, unit = split_unit(decimal)
    value, other = rational(exact), rational(number)
    percent = 100 if unit == "%" else 1
    return None in (value, other) or abs(value * percent - other) < Fraction(1, 10 ** len(number.partition(".")[2]))


def parts(text: str) -> list[str]:
    """The values that a text lists; `±` stands for two."""
    if rational(split_unit(text)[0]) is not None and not re.search(r",\s", text):
        return [text]
    parts = []
    for part in split(text, SEPARATOR):
        if SIGNS.search(part):
            plus, minus = (
                SIGNS.sub(lambda match, up=up: "+" if (match[1] == "pm") == up else "-", part) for up in (True, False)
            )
            parts += [re.sub(r"(^|=)\+", r"\1", plus), minus]
        elif part:
            parts.append(part)
    if (
        len(parts) > 1
        and (first := label(parts[0]))[0]
        and NAME.match(first[0])
        and not any(label(p)[0] for p in parts[1:])
    ):
        parts[0] = first[1]  # `x = 1, 2`
    return parts


def brackets(text: str) -> tuple[str, list[str], str] | None:
    """`(a, b)` as opening bracket, components, closing bracket."""
    if text[:1] not in ("(", "[") or closing(text, 0) != len(text) - 1:
        return None
    parts = split(text[1:-1], re.compile("[,;]"))
    return (text[0], parts, text[-1]) if len(parts) > 1 else None


def matrix_of(text: str) -> list[list[str]] | None:
    match = MATRIX.match(text)
    if not match or match[1] in ("vmatrix", "Vmatrix"):
        return None
    return [[cell.strip() for cell in row.split("&")] for row in match[2].split(r"\\") if row.strip()]


def relations(text: str) -> tuple[list[str], list[str]]:
    """A chain such as `a < x \\le b` as its members and its signs."""
    return split_at(text, RELATION)


def piecewise(text: str) -> list[tuple[str, str]] | None:
    """A function by cases, as values and conditions."""
    match = CASES.match(text)
    rows = [row.split("&") for row in re.split(r"\\\\", match[2]) if row.strip()] if match else []
    if not rows or any(len(row) != 2 for row in rows):
        return None
    return [(row[0].strip(" ,"), re.sub(r"^«(?:if|when|for|where)»", "", row[1].strip(" ,.;"))) for row in rows]


def coordinates(text: str) -> list[str]:
    """`(x, y) = (2, 3)` as `x = 2` and `y = 3`; any other text alone."""
    name, value = label(text)
    names, values = brackets(name or ""), brackets(value)
    if not names or not values or len(names[1]) != len(values[1]):
        return [text]
    return [f"{n}={v}" for n, v in zip(names[1], values[1], strict=True)]


def label(text: str) -> tuple[str | None, str]:
    """`x=5` as name and value; the name is `None` if there is none."""
    members, signs = relations(text)
    if len(members) >= 2 and signs[0] in ("=", r"\in", r"\approx", r"\equiv"):
        return members[0], text[text.index(signs[0], len(members[0])) + len(signs[0]) :].strip()
    colon = re.match(r"^(«[^»]*»):(.+)$", text)
    return (colon[1], colon[2]) if colon else (None, text)


def bare_name(name: str) -> str:
    """A name without its index: `x_1` and `x_2` are two values of x."""
    return re.sub(r"_\{?\d\}?$|(?<=^[a-zA-Z])\([a-z]\)$", "", key(name))


def unknown_of(relation: tuple[list[str], list[str]]) -> str | None:
    return next(
        (
            member
            for member in (text.strip("|") for text in relation[0])
            if NAME.match(member) and VARIABLE.search(member)
        ),
        None,
    )


@dataclass
class RealSet:
    """A set of real numbers: disjoint intervals, less single points."""

    intervals: list[Interval]
    holes: list[str] = field(default_factory=list)


def intervals(text: str) -> RealSet | None:
    """The set that `(0, 1) ∪ (1, ∞)`, `x > 0, x ≠ 1` or `(0, ∞) ∖ {1}` stands for; `None` if a text is no such set."""
    text = unwrap(text)
    pieces = split(text, re.compile(r"\\cup(?![a-zA-Z])|«(?:or|或|或者)»"))
    sets = [_together(split(piece, re.compile(r",|«(?:and|且|和)»"))) for piece in pieces]
    if None in sets:
        return None
    return _joined(
        [one for found in sets for one in found.intervals], [hole for found in sets for hole in found.holes]
    )


def _together(pieces: list[str]) -> RealSet | None:
    """Conditions that hold at once; two half-lines without a common point are two alternatives all the same."""
    found = [_interval(unwrap(piece)) for piece in pieces]
    if None in found or len(pieces) > 1 and any(map(brackets, pieces)):  # points, not intervals
        return None
    if len(found) == 1:
        return found[0]
    holes = [hole for one in found for hole in one.holes]
    bounded = [one.intervals[0] for one in found if one.intervals != [EVERYTHING]]
    if len(bounded) == 2 and all(len(one.intervals) == 1 for one in found):
        below, above = sorted(bounded, key=lambda one: one[0].strip() == r"-\infty", reverse=True)
        if below[0].strip() == r"-\infty" and above[2].strip() == r"\infty":
            low, high = rational(above[0]), rational(below[2])
            if low is None or high is None or low < high:
                return RealSet([(*above[:2], *below[2:])], holes)
    if len(found) > 1 and not holes or len(bounded) > 1:
        return RealSet([one for part in found for one in part.intervals], holes) if not holes else None
    return RealSet(bounded or [EVERYTHING], holes)


def _joined(found: list[Interval], holes: list[str]) -> RealSet:
    """Intervals that touch made one, with a hole where neither has the point."""
    for i, one in enumerate(found):
        for j, other in enumerate(found):
            if i != j and key(one[2]) == key(other[0]):
                rest = [found[k] for k in range(len(found)) if k not in (i, j)]
                hole = [] if one[3] or other[1] else [one[2]]
                return _joined([*rest, (one[0], one[1], other[2], other[3])], holes + hole)
    return RealSet(found, holes)


def _interval(text: str) -> RealSet | None:
    low, high = (r"-\infty ", False), (r"\infty ", False)
    if text in REALS:
        return RealSet([EVERYTHING])
    if without := re.match(r"^(.+?)\s*(?:\\setminus|(?<=[R}])-|\\)\s*\\\{(.*)\\\}$", text):
        rest = intervals(without[1])
        return rest and RealSet(rest.intervals, rest.holes + split(without[2], re.compile(",")))
    if (without := re.match(r"^(?:\\mathbb\{R\}|R)\s*(?:\\setminus|-)\s*([(\[].*[)\]])$", text)) and (
        inner := brackets(without[1])
    ):
        return RealSet([(*low, inner[1][0], inner[0] == "("), (inner[1][1], inner[2] == ")", *high)])
    if (point := brackets(text)) and len(point[1]) == 2:
        (lower, upper) = point[1]
        return RealSet([(lower, point[0] == "[", upper, point[2] == "]")])
    members, signs = relations(text)
    if len(members) == 2 and signs[0] in (*FLIP, r"\ne"):
        if VARIABLE.search(members[1]) and not VARIABLE.search(members[0]):
            members, signs = members[::-1], [FLIP.get(signs[0], signs[0])]
        if VARIABLE.search(members[1]):
            return None
        end = (members[1], "e" in signs[0])
        if re.match(r"^\|[a-z]\|$", members[0]) and signs[0] in ("<", r"\le"):
            return RealSet([("-" + end[0], end[1], *end)])
        if re.match(r"^\|[a-z]\|$", members[0]) and signs[0] != r"\ne" and (rational(end[0]) or 0) > 0:
            return RealSet([(*low, "-" + end[0], end[1]), (*end, *high)])
        if not NAME.match(members[0]):
            return None
        if signs[0] == r"\ne":
            return RealSet([EVERYTHING], [members[1]])
        return RealSet([(*low, *end)] if signs[0] in ("<", r"\le") else [(*end, *high)])
    if len(members) == 3 and (set(signs) <= {"<", r"\le"} or set(signs) <= {">", r"\ge"}):
        if not NAME.match(members[1]) or VARIABLE.search(members[0] + members[2]):
            return None
        ends = [(members[0], "e" in signs[0]), (members[2], "e" in signs[1])]
        lower, upper = ends if signs[0] in ("<", r"\le") else ends[::-1]
        return RealSet([(*lower, *upper)])
    return None
