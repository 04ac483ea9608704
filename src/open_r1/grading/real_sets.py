"""Sets of real numbers: `(0, 1) ∪ (1, ∞)`, `x > 0, x ≠ 1` and `(0, ∞) ∖ {1}` are the same set.

`parse_real_set` converts them to one form: intervals without some single points. The end points are kept as text;
`equality` compares them.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from open_r1.grading.brackets import comparison_key, split_outside_brackets
from open_r1.grading.numerals import parse_rational
from open_r1.grading.structure import (
    NAME,
    VARIABLE,
    Bracketed,
    Relation,
    mirrored,
    split_brackets,
    split_relation,
    split_values,
    unwrap,
)


REAL_NUMBERS = {r"\mathbb{R}", "R", r"(-\infty,\infty)"}
UNION_OR_ALTERNATIVE = re.compile(r"\\cup(?![a-zA-Z])|«(?:or|或|或者)»")
COMMA_OR_CONJUNCTION = re.compile(r",|«(?:and|且|和)»")
WITHOUT_POINTS = re.compile(r"^(.+?)\s*(?:\\setminus|(?<=[R}])-|\\)\s*\\\{(.*)\\\}$")  # ℝ ∖ {1, 2}
WITHOUT_INTERVAL = re.compile(r"^(?:\\mathbb\{R\}|R)\s*(?:\\setminus|-)\s*([(\[].*[)\]])$")  # ℝ ∖ [1, 2]
UNEQUAL_TO = re.compile(r"^[a-z]\\ne ([^a-z=<>\\]*,[^a-z=<>\\]*)$")  # x ≠ 1, 2
NAMED_POINT = re.compile(r"^[a-z]=([^=<>,]+)$")  # x = 1
ABSOLUTE_VALUE = re.compile(r"^\|[a-z]\|$")
BELOW = ("<", r"\le")
ABOVE = (">", r"\ge")
ORDER_SIGNS = (*BELOW, *ABOVE)
INFINITY = "\\infty "
MINUS_INFINITY = "-\\infty "


class Interval(NamedTuple):
    """An interval of real numbers."""

    lower: str
    includes_lower: bool
    upper: str
    includes_upper: bool


@dataclass
class RealSet:
    """A set of real numbers: disjoint intervals without some single points."""

    intervals: list[Interval]
    holes: list[str] = field(default_factory=list)


ALL_REALS = Interval(MINUS_INFINITY, False, INFINITY, False)


def parse_real_set(text: str) -> RealSet | None:
    """Parses a set of real numbers; `None` if the text does not describe one.

    A single point, `{5}` in `(0, 1) ∪ {5}`, is a closed interval from itself to itself.

    >>> parse_real_set("(0,1)") == parse_real_set("0<x<1"), parse_real_set("x+1")
    (True, None)
    """
    text = unwrap(text)
    unequal = UNEQUAL_TO.match(text)
    if unequal:
        return RealSet([ALL_REALS], split_values(unequal[1]))
    intervals = []
    holes = []
    for alternative in split_outside_brackets(text, UNION_OR_ALTERNATIVE):
        real_set = _parse_conditions(split_outside_brackets(alternative, COMMA_OR_CONJUNCTION))
        if real_set is None and alternative != text:
            real_set = _parse_points(alternative)
        if real_set is None:
            return None
        intervals += real_set.intervals
        holes += real_set.holes
    return _join_touching(intervals, holes)


def _parse_points(text: str) -> RealSet | None:
    """The single points of `{1, 2}` and of `x = 1`."""
    point = NAMED_POINT.match(text)
    if point:
        return RealSet([Interval(point[1], True, point[1], True)])
    if not text.startswith(r"\{"):
        return None
    return RealSet([Interval(point, True, point, True) for point in split_values(unwrap(text))])


def _parse_conditions(conditions: list[str]) -> RealSet | None:
    """The set where all conditions hold. Two half-lines without a common point are taken as alternatives instead."""
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
    """The intersection of half-lines such as `x < 5` and `x > 2`; `None` if it is empty or they are not opposite."""
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
    """Joins intervals that touch, with a hole at the common end point if neither includes it."""
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
        points = split_values(without_points[2])
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
    if len(relation.members) == 2 and relation.signs[0] in (*ORDER_SIGNS, r"\ne"):
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
