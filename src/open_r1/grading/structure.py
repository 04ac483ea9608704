"""What an answer consists of: the values that it lists, points and intervals, relations, labels, matrices.

All of it is found by the signs that stand outside brackets, in the notation of `notation.normalize`; nothing is
compared.
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from open_r1.grading.brackets import closing_index, comparison_key, split_outside_brackets, split_with_separators
from open_r1.grading.numerals import parse_rational
from open_r1.grading.units import split_unit


# Lists
COMMA = re.compile(",")
COMMA_OR_SEMICOLON = re.compile("[,;]")
COMMA_AND_BLANK = re.compile(r",\s")
VALUE_SEPARATOR = re.compile(r",|;|«(?:and|or|或|和|与|及|且|或者)»|\\quad")
PLUS_MINUS = re.compile(r"\\(pm|mp)(?![a-zA-Z])\s*")
LEADING_PLUS = re.compile(r"(^|=)\+")

# Relations and names
RELATION_SIGN = re.compile(r"(\\le|\\ge|\\ne|\\in|\\approx|\\equiv|\\sim)(?![a-zA-Z])|[=<>]")
LABEL_SIGNS = ("=", r"\in", r"\approx", r"\equiv")
MIRRORED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}
BELOW = ("<", r"\le")
ABOVE = (">", r"\ge")
NAME = re.compile(
    r"^(?:«[^»]*»"  # words
    r"|\\(?:angle|triangle|overline|vec|hat|tilde|widehat|measuredangle)\s*\{?[A-Za-z]+\}?"  # \angle ABC
    r"|\|?[A-Z]{1,4}\|?|[a-zA-Z]|"  # |AB|, x
    r"\\[a-zA-Z]+)"  # \alpha
    r"(?:_(?:\{[^{}]*\}|\w))?'*"  # an index, primes
    r"(?:\^\{?\(?[-\w']+\)?\}?)?"  # a power
    r"(?:\s*\([^()=]*\))?$"  # arguments
)
_GREEK_VARIABLES = "alpha|beta|gamma|delta|epsilon|theta|lambda|mu|phi|omega|rho|sigma|tau|xi|psi"
VARIABLE = re.compile(
    r"(?<![\\a-zA-Z«])(?!\w*matrix\})[a-df-hj-zA-Z]"  # not e and i
    r"|\\(?:" + _GREEK_VARIABLES + r")(?![a-zA-Z])"
)
INDEX_OR_ARGUMENT = re.compile(r"_\{?\d\}?$|(?<=^[a-zA-Z])\([a-z]\)$")
WORDS_AND_COLON = re.compile(r"^(«[^»]*»):(.+)$")

# Environments
MATRIX = re.compile(r"^\\begin\{([pbBvV]?matrix|array|smallmatrix)\}(?:\{[clr|]*\})?(.*)\\end\{\1\}$", re.DOTALL)
DETERMINANTS = ("vmatrix", "Vmatrix")
CASES = re.compile(r"^\\begin\{(cases|aligned|array|gathered)\}(?:\{[clr|]*\})?(.*)\\end\{\1\}$", re.DOTALL)
CONDITION_WORD = re.compile(r"^«(?:if|when|for|where)»")
NEW_ROW = r"\\"

# What `unwrap` takes off
# `n = 2k + 1, k ∈ ℤ`: what everybody reads into k
PARAMETER_RANGE = re.compile(
    r"(?<=.),?\s*\(?(?<![\w\\])[kmnt]"
    r"(?:\\in\s*(?:\\mathbb\{[ZN]\}|[ZN])(?:[_^]\{?[+*]\}?)?"
    r"|(?<=,[nk])\\ge\s*\d|(?<=, [nk])\\ge\s*\d|(?<=\([nk])\\ge\s*\d)\)?$"
)
CONSTANT_RANGE = re.compile(r"(?<=.),\s*[cCk]\\in\s*(?:\\mathbb\{R\}|R)$")  # `f(x) = cx, c ∈ ℝ`
APPROXIMATION = re.compile(r"^(.+?)\s*\\approx(?![a-zA-Z])\s*(.*)$")  # `√53 ≈ 7.28`
NAMED_LINE = re.compile(r"^(?:[a-zA-Z]|\\\{[a-z]_\{?n\}?\\\}):(?=.*=)(.*)$")  # the line l: x + y = 5
NAMED_POINT = re.compile(r"^[A-Z]'?\s*(\(.*,.*\))$")  # the point P(2, 5)
MEMBERSHIP = re.compile(r"^(?:[a-zA-Z]|\([a-z](?:,\s*[a-z])*\))\\in ")  # x ∈ …, (x, y) ∈ …
NAMED_SET = re.compile(r"^[^=<>]{1,30}=\s*(\\\{.*\\\}|\\emptyset\s*)$")  # A = {1, 2}
SET_WITHOUT_BRACES = re.compile(r"^[a-zA-Z]\s*\|\s*(.*[<>=\\].*)$")  # x | x > 2
SET_CONDITION = re.compile(r"^(?:[a-zA-Z]|\([^()]*\))(?:\\in \\mathbb\{R\})?\s*[|:]\s*(.*)$")  # {x ∈ ℝ | x > 2}
RESTATEMENT = re.compile(r"^([^()]*\d[^()]*)\(([^(),]*\d[^(),]*)\)((?:«[^»]*»)?)$")

# Sets of real numbers
REAL_NUMBERS = {
    r"\mathbb{R}",
    "R",
    "«all real numbers»",
    "«all reals»",
    "«real numbers»",
    "«全体实数»",
    "«实数集»",
    r"(-\infty,\infty)",
}
UNION_OR_ALTERNATIVE = re.compile(r"\\cup(?![a-zA-Z])|«(?:or|或|或者)»")
COMMA_OR_CONJUNCTION = re.compile(r",|«(?:and|且|和)»")
WITHOUT_POINTS = re.compile(r"^(.+?)\s*(?:\\setminus|(?<=[R}])-|\\)\s*\\\{(.*)\\\}$")  # ℝ ∖ {1, 2}
WITHOUT_INTERVAL = re.compile(r"^(?:\\mathbb\{R\}|R)\s*(?:\\setminus|-)\s*([(\[].*[)\]])$")  # ℝ ∖ [1, 2]
ABSOLUTE_VALUE = re.compile(r"^\|[a-z]\|$")


class Bracketed(NamedTuple):
    """A point or an interval, `(a, b]`."""

    opening: str
    components: list[str]
    closing: str


class Relation(NamedTuple):
    """A chain such as `a < x \\le b`; without a sign it is a single value."""

    members: list[str]
    signs: list[str]


class Interval(NamedTuple):
    """An interval of real numbers."""

    lower: str
    includes_lower: bool
    upper: str
    includes_upper: bool


@dataclass
class RealSet:
    """A set of real numbers: disjoint intervals, less single points."""

    intervals: list[Interval]
    holes: list[str] = field(default_factory=list)


INFINITY = "\\infty "
MINUS_INFINITY = "-\\infty "
ALL_REALS = Interval(MINUS_INFINITY, False, INFINITY, False)


def unwrap(text: str) -> str:
    """An answer without what only introduces it: the braces of a set, the brackets of a condition, `x ∈`.

    >>> unwrap(r"\\{x|x>2\\}"), unwrap(r"x\\in [0,1]"), unwrap("P(2,5)")
    ('x>2', '[0,1]', '(2,5)')
    """
    text = PARAMETER_RANGE.sub("", text.strip())
    text = CONSTANT_RANGE.sub("", text)
    text = _without_approximation(text)
    line = NAMED_LINE.match(text)
    if line:
        text = line[1].strip()
    point = NAMED_POINT.match(text)
    if point:
        text = point[1]
    system = CASES.match(text)
    if system and "&" not in system[2] and (system[1] != "array" or "=" in system[2]):
        rows = system[2].split(NEW_ROW)
        return ",".join(row.strip(" ,") for row in rows if row.strip())
    if MEMBERSHIP.match(text):
        text = text.split(r"\in ", 1)[1].strip()
    named_set = NAMED_SET.match(text)
    if named_set:
        text = named_set[1].strip()
    condition = SET_WITHOUT_BRACES.match(text)
    if condition:
        return condition[1]
    if text.startswith(r"\{") and text.endswith(r"\}"):
        inner = text[2:-2].strip()
        condition = SET_CONDITION.match(inner)
        return condition[1] if condition else inner
    return text


def _without_approximation(text: str) -> str:
    """`√53 ≈ 7.28` as `√53`, unless the decimal is of another value; `x ≈ 7.28` stays."""
    match = APPROXIMATION.match(text)
    if not match:
        return text
    exact, decimal = match.groups()
    if NAME.match(exact) or not may_round_to(exact, decimal):
        return text
    return exact


def may_round_to(exact: str, decimal: str) -> bool:
    """Whether a value may round to a decimal; `True` if the value is not a plain number."""
    decimal_text, unit = split_unit(decimal)
    value = parse_rational(exact)
    rounded = parse_rational(decimal_text)
    if value is None or rounded is None:
        return True
    if unit == "%":
        value *= 100
    decimals = decimal_text.partition(".")[2]
    return abs(value - rounded) < Fraction(1, 10 ** len(decimals))


def split_restatement(text: str) -> list[str]:
    """`1.5 hours (90 minutes)` as the two values that it calls equal; any other text alone.

    >>> split_restatement("1.5«hours»(90«minutes»)"), split_restatement("2(x+1)")
    (['1.5«hours»', '90«minutes»'], ['2(x+1)'])
    """
    match = RESTATEMENT.match(text)
    if not match:
        return [text]
    value, restated, unit = match.groups()
    is_measured = split_unit(value)[1] or value.endswith(" ")
    if not is_measured or parse_rational(split_unit(restated)[0]) is None:
        return [text]
    return [value.strip() + unit, restated]


def split_values(text: str) -> list[str]:
    """The values that a text lists; `±` stands for two.

    >>> split_values("x=1,2"), split_values(r"\\pm 3"), split_values("(1,2)")
    (['1', '2'], ['3', '-3'], ['(1,2)'])
    """
    is_one_number = parse_rational(split_unit(text)[0]) is not None
    if is_one_number and not COMMA_AND_BLANK.search(text):  # `1,000` is one number, `1, 000` is not
        return [text]
    values = []
    for piece in split_outside_brackets(text, VALUE_SEPARATOR):
        if PLUS_MINUS.search(piece):
            values += _both_signs(piece)
        elif piece:
            values.append(piece)
    if len(values) > 1:
        name, value = split_label(values[0])
        if name and NAME.match(name) and not any(split_label(other)[0] for other in values[1:]):
            values[0] = value  # `x = 1, 2`
    return values


def _both_signs(text: str) -> list[str]:
    """`a ± b` as `a + b` and `a - b`; `∓` is the opposite sign."""
    upper = PLUS_MINUS.sub(_upper_sign, text)
    lower = PLUS_MINUS.sub(_lower_sign, text)
    return [LEADING_PLUS.sub(r"\1", upper), lower]


def _upper_sign(match: re.Match) -> str:
    return "+" if match[1] == "pm" else "-"


def _lower_sign(match: re.Match) -> str:
    return "-" if match[1] == "pm" else "+"


def split_brackets(text: str) -> Bracketed | None:
    """A point or an interval as its brackets and components; `None` if the text is neither.

    >>> split_brackets("(1,2]"), split_brackets("(1)")
    (Bracketed(opening='(', components=['1', '2'], closing=']'), None)
    """
    if not text.startswith(("(", "[")) or closing_index(text, 0) != len(text) - 1:
        return None
    components = split_outside_brackets(text[1:-1], COMMA_OR_SEMICOLON)
    if len(components) < 2:
        return None
    return Bracketed(text[0], components, text[-1])


def matrix_rows(text: str) -> list[list[str]] | None:
    """The entries of a matrix, row by row; `None` if the text is not one. A determinant is a number, not a matrix."""
    match = MATRIX.match(text)
    if not match or match[1] in DETERMINANTS:
        return None
    rows = []
    for row in match[2].split(NEW_ROW):
        if row.strip():
            rows.append([cell.strip() for cell in row.split("&")])
    return rows


def split_relation(text: str) -> Relation:
    """A chain of relations as its members and its signs.

    >>> split_relation(r"a<x\\le b")
    Relation(members=['a', 'x', 'b'], signs=['<', '\\\\le'])
    """
    return Relation(*split_with_separators(text, RELATION_SIGN))


def mirrored(relation: Relation) -> Relation:
    """The same relation read from right to left.

    >>> mirrored(Relation(["5", "x"], ["<"]))
    Relation(members=['x', '5'], signs=['>'])
    """
    signs = [MIRRORED.get(sign, sign) for sign in reversed(relation.signs)]
    return Relation(relation.members[::-1], signs)


def relation_unknown(relation: Relation) -> str | None:
    """The variable that a relation is about, the first of its members that is one; `|x|` counts as `x`."""
    for member in relation.members:
        name = member.strip("|")
        if NAME.match(name) and VARIABLE.search(name):
            return name
    return None


def split_cases(text: str) -> list[tuple[str, str]] | None:
    """A function defined by cases, as pairs of value and condition; `None` if the text is none."""
    match = CASES.match(text)
    if not match:
        return None
    cases = []
    for row in match[2].split(NEW_ROW):
        if not row.strip():
            continue
        cells = row.split("&")
        if len(cells) != 2:
            return None
        value, condition = cells
        cases.append((value.strip(" ,"), CONDITION_WORD.sub("", condition.strip(" ,.;"))))
    return cases or None


def split_coordinates(text: str) -> list[str]:
    """`(x, y) = (2, 3)` as `x = 2` and `y = 3`; any other text alone.

    >>> split_coordinates("(x,y)=(2,3)"), split_coordinates("x=2")
    (['x=2', 'y=3'], ['x=2'])
    """
    name, value = split_label(text)
    names = split_brackets(name or "")
    values = split_brackets(value)
    if not names or not values or len(names.components) != len(values.components):
        return [text]
    pairs = zip(names.components, values.components, strict=True)
    return [f"{component_name}={component}" for component_name, component in pairs]


def split_label(text: str) -> tuple[str | None, str]:
    """A name and what it is said to be, `x = 5` as `x` and `5`; without a name, `None` and the whole text.

    >>> split_label("x=5"), split_label("5")
    (('x', '5'), (None, '5'))
    """
    relation = split_relation(text)
    if relation.signs and relation.signs[0] in LABEL_SIGNS:
        name = relation.members[0]
        sign = relation.signs[0]
        start_of_value = text.index(sign, len(name)) + len(sign)
        return name, text[start_of_value:].strip()
    match = WORDS_AND_COLON.match(text)
    return (match[1], match[2]) if match else (None, text)


def bare_name(name: str) -> str:
    """A name without its index or argument: `x_1` and `x_2` are two values of x.

    >>> bare_name("x_{1}"), bare_name("f(x)")
    ('x', 'f')
    """
    return INDEX_OR_ARGUMENT.sub("", comparison_key(name))


def parse_real_set(text: str) -> RealSet | None:
    """The set of real numbers that a text stands for; `None` if it stands for no such set.

    >>> parse_real_set("(0,1)") == parse_real_set("0<x<1"), parse_real_set("x+1")
    (True, None)
    """
    text = unwrap(text)
    intervals = []
    holes = []
    for alternative in split_outside_brackets(text, UNION_OR_ALTERNATIVE):
        real_set = _parse_conditions(split_outside_brackets(alternative, COMMA_OR_CONJUNCTION))
        if real_set is None:
            return None
        intervals += real_set.intervals
        holes += real_set.holes
    return _join_touching(intervals, holes)


def _parse_conditions(conditions: list[str]) -> RealSet | None:
    """The set where all conditions hold. Two half-lines without a common point are alternatives even so."""
    sets = []
    for condition in conditions:
        real_set = _parse_condition(unwrap(condition))
        if real_set is None:
            return None
        sets.append(real_set)
    if len(sets) == 1:
        return sets[0]
    if any(split_brackets(condition) for condition in conditions):  # a list of points, not of intervals
        return None
    holes = [hole for real_set in sets for hole in real_set.holes]
    bounded = [real_set.intervals[0] for real_set in sets if real_set.intervals != [ALL_REALS]]
    if len(bounded) == 2 and all(len(real_set.intervals) == 1 for real_set in sets):
        common = _intersect_half_lines(*bounded)
        if common:
            return RealSet([common], holes)
    if not holes:
        return RealSet([interval for real_set in sets for interval in real_set.intervals])
    if len(bounded) > 1:
        return None
    return RealSet(bounded or [ALL_REALS], holes)


def _intersect_half_lines(first: Interval, second: Interval) -> Interval | None:
    """What `x < 5` and `x > 2` have in common; `None` if nothing, or if the two are not opposite half-lines."""
    below, above = first, second
    if below.lower.strip() != r"-\infty":
        below, above = second, first
    if below.lower.strip() != r"-\infty" or above.upper.strip() != r"\infty":
        return None
    low = parse_rational(above.lower)
    high = parse_rational(below.upper)
    if low is not None and high is not None and low >= high:
        return None
    return Interval(above.lower, above.includes_lower, below.upper, below.includes_upper)


def _join_touching(intervals: list[Interval], holes: list[str]) -> RealSet:
    """Intervals that touch made one, with a hole where neither includes the point."""
    for i, left in enumerate(intervals):
        for j, right in enumerate(intervals):
            if i == j or comparison_key(left.upper) != comparison_key(right.lower):
                continue
            others = [interval for k, interval in enumerate(intervals) if k not in (i, j)]
            joined = Interval(left.lower, left.includes_lower, right.upper, right.includes_upper)
            if not left.includes_upper and not right.includes_lower:
                holes = [*holes, left.upper]
            return _join_touching([*others, joined], holes)
    return RealSet(intervals, holes)


def _parse_condition(text: str) -> RealSet | None:
    """A single interval, complement or inequality."""
    if text in REAL_NUMBERS:
        return RealSet([ALL_REALS])
    without_points = WITHOUT_POINTS.match(text)
    if without_points:
        whole = parse_real_set(without_points[1])
        points = split_outside_brackets(without_points[2], COMMA)
        return whole and RealSet(whole.intervals, whole.holes + points)
    without_interval = WITHOUT_INTERVAL.match(text)
    if without_interval:
        removed = split_brackets(without_interval[1])
        if removed:
            return _complement(removed)
    bracketed = split_brackets(text)
    if bracketed and len(bracketed.components) == 2:
        lower, upper = bracketed.components
        return RealSet([Interval(lower, bracketed.opening == "[", upper, bracketed.closing == "]")])
    relation = split_relation(text)
    if len(relation.members) == 2 and relation.signs[0] in (*MIRRORED, r"\ne"):
        return _parse_inequality(relation)
    if len(relation.members) == 3:
        return _parse_double_inequality(relation)
    return None


def _complement(removed: Bracketed) -> RealSet:
    left = Interval(MINUS_INFINITY, False, removed.components[0], removed.opening == "(")
    right = Interval(removed.components[1], removed.closing == ")", INFINITY, False)
    return RealSet([left, right])


def _parse_inequality(relation: Relation) -> RealSet | None:
    """`x < 5`, `5 \\ge x`, `x \\ne 5`, `|x| > 5`."""
    if VARIABLE.search(relation.members[1]) and not VARIABLE.search(relation.members[0]):
        relation = mirrored(relation)
    name, bound = relation.members
    sign = relation.signs[0]
    if VARIABLE.search(bound):
        return None
    includes_bound = _includes_bound(sign)
    if ABSOLUTE_VALUE.match(name):
        if sign in BELOW:
            return RealSet([Interval("-" + bound, includes_bound, bound, includes_bound)])
        if sign in ABOVE and (parse_rational(bound) or 0) > 0:
            left = Interval(MINUS_INFINITY, False, "-" + bound, includes_bound)
            right = Interval(bound, includes_bound, INFINITY, False)
            return RealSet([left, right])
    if not NAME.match(name):
        return None
    if sign == r"\ne":
        return RealSet([ALL_REALS], [bound])
    if sign in BELOW:
        return RealSet([Interval(MINUS_INFINITY, False, bound, includes_bound)])
    return RealSet([Interval(bound, includes_bound, INFINITY, False)])


def _parse_double_inequality(relation: Relation) -> RealSet | None:
    """`1 < x \\le 5`, `5 \\ge x > 1`."""
    if relation.signs[0] in ABOVE:
        relation = mirrored(relation)
    if not set(relation.signs) <= set(BELOW):
        return None
    lower, name, upper = relation.members
    if not NAME.match(name) or VARIABLE.search(lower + upper):
        return None
    return RealSet([Interval(lower, _includes_bound(relation.signs[0]), upper, _includes_bound(relation.signs[1]))])


def _includes_bound(sign: str) -> bool:
    return sign in (r"\le", r"\ge")
