"""What an answer consists of: the values that it lists, points and intervals, relations, labels, matrices.

All of it found by the signs that stand outside brackets, in `notation.normalize`'s form; nothing is compared here.
"""

import re

from open_r1.rewards.grading.brackets import closing, key, split
from open_r1.rewards.grading.numerals import rational
from open_r1.rewards.grading.units import split_unit


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
SEPARATOR = re.compile(r",|;|«(?:and|or|或|和|与|及|且|或者)»|\\quad")
RELATION = re.compile(r"(\\le|\\ge|\\ne|\\in|\\approx|\\equiv|\\sim)(?![a-zA-Z])|[=<>]")
FLIP = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}
NAME = re.compile(
    r"^(?:«[^»]*»|\\(?:angle|triangle|overline|vec|hat|tilde|widehat|measuredangle)\s*\{?[A-Za-z]+\}?|\|?[A-Z]{1,4}\|?|[a-zA-Z]|"
    r"\\[a-zA-Z]+)(?:_(?:\{[^{}]*\}|\w))?'*(?:\^\{?\(?[-\w']+\)?\}?)?(?:\s*\([^()=]*\))?$"
)
MATRIX = re.compile(r"^\\begin\{([pbBvV]?matrix|array|smallmatrix)\}(?:\{[clr|]*\})?(.*)\\end\{\1\}$", re.DOTALL)
CASES = re.compile(r"^\\begin\{(cases|aligned|array|gathered)\}(?:\{[clr|]*\})?(.*)\\end\{\1\}$", re.DOTALL)
VARIABLE = re.compile(r"(?<![\\a-zA-Z«])[a-df-hj-zA-Z]|\\(?:" + "|".join(
    "alpha beta gamma delta epsilon theta lambda mu phi omega rho sigma tau xi psi".split()) + r")(?![a-zA-Z])")  # fmt: skip
Interval = tuple[str, bool, str, bool]  # lower end, whether it belongs, upper end, whether it belongs


def unwrap(text: str) -> str:
    """Without the braces of a set, the brackets of a condition, `x ∈`."""
    text = text.strip()
    if (match := CASES.match(text)) and (match[1] != "array" or "=" in match[2]):
        return ",".join(part.replace("&", "").strip(" ,") for part in re.split(r"\\\\", match[2]) if part.strip())
    if re.match(r"^[a-zA-Z]\\in ", text):
        text = text.split(r"\in ", 1)[1].strip()
    if bar := re.match(r"^[a-zA-Z]\s*\|\s*(.*[<>=\\].*)$", text):  # a set whose braces are lost
        return bar[1]
    if text.startswith(r"\{") and text.endswith(r"\}"):
        inner = text[2:-2].strip()
        if (bar := re.match(r"^(?:[a-zA-Z]|\([^()]*\))(?:\\in \\mathbb\{R\})?\s*[|:]\s*(.*)$", inner)) is not None:
            return bar[1]
        return inner
    return text


def parts(text: str) -> list[str]:
    """The values that a text lists; `±` stands for two."""
    if rational(split_unit(text)[0]) is not None and not re.search(r",\s", text):
        return [text]
    parts = []
    for part in split(text, SEPARATOR):
        if part.startswith((r"\pm ", "\\pm")) or r"\pm" in part or r"\mp" in part:
            plus = re.sub(r"\\pm\s*", "+", part).replace(r"\mp", "-")
            minus = re.sub(r"\\pm\s*", "-", part).replace(r"\mp", "+")
            parts += [re.sub(r"(^|=)\+", r"\1", plus), minus]
        elif part:
            parts.append(part)
    if len(parts) > 1 and (first := label(parts[0]))[0] and NAME.match(first[0]) and not any(label(p)[0] for p in parts[1:]):
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
    signs: list[str] = []

    class Found:  # `split` asks for a match at each place outside brackets; what it finds is kept in order
        @staticmethod
        def match(string: str, position: int):
            match = RELATION.match(string, position)
            if match:
                signs.append(match[0])
            return match

    members = split(text, Found)
    return members, signs


def label(text: str) -> tuple[str | None, str]:
    """`x=5` as name and value; the name is `None` if there is none."""
    members, signs = relations(text)
    if len(members) >= 2 and signs[0] in ("=", r"\in", r"\approx", r"\equiv"):
        return members[0], text[text.index(signs[0], len(members[0])) + len(signs[0]) :].strip()
    colon = re.match(r"^(«[^»]*»):(.+)$", text)
    return (colon[1], colon[2]) if colon else (None, text)


def bare_name(name: str) -> str:
    """A name without its index: `x_1` and `x_2` are two values of x."""
    return re.sub(r"_\{?\d\}?$", "", key(name))


def unknown_of(relation: tuple[list[str], list[str]]) -> str | None:
    return next((member for member in relation[0] if NAME.match(member) and VARIABLE.search(member)), None)


def intervals(text: str) -> list[Interval] | None:
    """A set of real numbers as disjoint intervals in the order written; `None` if the text is no such set."""
    text = unwrap(text)
    if text in REALS:
        return [(r"-\infty ", False, r"\infty ", False)]
    found: list[Interval] = []
    for piece in split(text, re.compile(r"\\cup(?![a-zA-Z])|«(?:or|或|或者)»|,")):
        one = _interval(unwrap(piece))
        if one is None:
            return None
        found += one
    return found


def _interval(text: str) -> list[Interval] | None:
    low, high = (r"-\infty ", False), (r"\infty ", False)
    if text in REALS:
        return [(*low, *high)]
    if without := re.match(r"^(?:\\mathbb\{R\}|R)\s*(?:\\setminus|-|\\)\s*\\\{(.*)\\\}$", text):
        return _without(split(without[1], re.compile(",")))
    if (point := brackets(text)) and len(point[1]) == 2:
        (lower, upper) = point[1]
        return [(lower, point[0] == "[", upper, point[2] == "]")]
    members, signs = relations(text)
    if len(members) == 2 and signs[0] in (*FLIP, r"\ne"):
        if VARIABLE.search(members[1]) and not VARIABLE.search(members[0]):
            members, signs = members[::-1], [FLIP.get(signs[0], signs[0])]
        if not NAME.match(members[0]) or VARIABLE.search(members[1]):
            return None
        if signs[0] == r"\ne":
            return _without([members[1]])
        end = (members[1], "e" in signs[0])
        return [(*low, *end)] if signs[0] in ("<", r"\le") else [(*end, *high)]
    if len(members) == 3 and set(signs) <= {"<", r"\le"} or len(members) == 3 and set(signs) <= {">", r"\ge"}:
        if not NAME.match(members[1]) or VARIABLE.search(members[0] + members[2]):
            return None
        ends = [(members[0], "e" in signs[0]), (members[2], "e" in signs[1])]
        lower, upper = ends if signs[0] in ("<", r"\le") else ends[::-1]
        return [(*lower, *upper)]
    return None


def _without(points: list[str]) -> list[Interval]:
    ends = [r"-\infty ", *points, r"\infty "]
    return [(a, False, b, False) for a, b in zip(ends, ends[1:], strict=False)]
