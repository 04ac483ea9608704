"""When are two answers equal? The policy over structure; numbers and formulas are compared by `algebra`.

Both sides are in `notation.normalize`'s form. The gold decides how the answer is read: a letter is an option, words are words,
`(1, 2)` keeps its order and its brackets, `{1, 2}`, `1, 2` and `1 or 2` do not, `x > 2` is `(2, ∞)`. `quick` decides most pairs
in microseconds; `equal` decides all and may call computer algebra, so it belongs in a worker.
"""

import re
from collections.abc import Callable
from fractions import Fraction

from open_r1.grading.brackets import key
from open_r1.grading.letters import same_letters
from open_r1.grading.numerals import rational
from open_r1.grading.structure import (
    FLIP,
    NAME,
    REALS,
    VARIABLE,
    Interval,
    RealSet,
    bare_name,
    brackets,
    coordinates,
    intervals,
    label,
    matrix_of,
    parts,
    piecewise,
    relations,
    restated,
    unknown_of,
    unwrap,
)
from open_r1.grading.units import conversion, join_units, measure, split_unit
from open_r1.grading.words import is_choice, is_text, same_choice, same_points, same_text


CURVE = {"x", "y", "z", "r", r"\rho", r"\theta"}  # `y=2x` is the equation of a line; `S=2x` names a quantity
NAMING = {"=", r"\approx", r"\in", r"\equiv"}  # signs that may stand between a name and its value
PARAMETERS = {"k", "n", "m"}  # `x = π/6 + 2kπ`: whole numbers, whatever they are
FUNCTION = re.compile(r"^[a-zA-Z](?:_\w)?'*\^?\{?-?\d?\}?\s*\(.*\)$|^y$")
UNITED = re.compile(r"(?<=[)\]])\s*(?:,|«(?:and|和|及|与)»)\s*(?=[(\[])")  # intervals side by side
BASED = re.compile(r"^\(?([0-9A-Z]+)\)?_(?:\{(\d+)\}|(\d+)|\{?«(\w+)»\}?)$")
BASES = {
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
}
# What the parser itself would evaluate for ever; towers of powers are for `algebra` to refuse.
HOPELESS = re.compile(r"\\binom\{(?:\d{6,}|[^{}]*\^)|!!|!\)!|\d{1000}")
LONGEST_FORMULA = 1000  # characters
Leaf = Callable[[str, str], bool]


def quick(gold: str, answer: str) -> bool | None:
    """Whether two normalized answers are equal, as far as plain text and exact arithmetic can tell; else `None`."""
    if not answer:
        return False
    if key(gold) == key(answer):
        return True
    if is_choice(gold):
        return same_choice(gold, answer)
    if "textcircled" in gold:
        return set(re.findall(r"\d+", gold)) == set(re.findall(r"\d+", answer)) and "textcircled" in answer
    if is_text(gold):
        return same_text(gold, answer)
    if (same := same_points(gold, answer)) is not None:
        return same
    gold, answer = join_units(gold), join_units(answer)
    (gold_value, gold_unit), (value, unit) = split_unit(gold), split_unit(answer)
    gold_number, number = rational(gold_value), rational(value)
    if gold_number is not None and number is not None:
        return _same_number(gold_number, gold_unit, number, unit)
    prose = _is_prose(value) and "«" not in gold and answer not in REALS and len(restated(answer)) == 1
    return False if prose else None


def _is_prose(value: str) -> bool:
    """Whether an answer is words around what may be mathematics, as in `about«five»`, which no formula equals."""
    return bool(re.search(r"(?<!_\{)«(?!(?:and|or|to|or maybe|或|和|与|及|且|或者)»)", value)) and not re.search(
        r"[=<>:∈]|\\(?:in|le|ge|ne|cup)", value
    )


def hopeless(text: str) -> bool:
    """Whether a formula is not worth a worker's time: only the same formula, as text, equals it.

    >>> hopeless(r"\\binom{10^{9}}{5}"), hopeless(r"\\binom{10}{5}")
    (True, False)
    """
    return len(text) > LONGEST_FORMULA or HOPELESS.search(text) is not None


def equal(gold: str, answer: str, leaf: Leaf) -> bool:
    """Whether two normalized answers are equal.

    Args:
        gold (`str`): The gold answer.
        answer (`str`): The answer to grade.
        leaf (`Leaf`): Decides whether two formulas have the same value.
    """
    answer = same_letters(gold, answer)
    if len(said := restated(answer)) > 1 and len(restated(gold)) == 1:
        return equal(*said, leaf) and any(equal(gold, value, leaf) for value in said)
    decided = quick(gold, answer)
    return _same(gold, answer, leaf) if decided is None else decided


def _same_number(gold: Fraction, gold_unit: str | None, value: Fraction, unit: str | None) -> bool:
    if gold_unit != "%" and unit == "%":  # 50% is 0.5, and 50 where the question asked for a percentage
        rate = conversion(gold_unit, None)
        return rate is not None and (value / 100 == gold or abs(gold) >= 1 and value == gold)
    if gold_unit == "%" and unit != "%":
        return (value == gold / 100 or abs(gold) >= 1 and value == gold) and conversion(None, unit) is not None
    rate = conversion(gold_unit, unit)
    return rate is not None and value * rate == gold


def _same(gold: str, answer: str, leaf: Leaf) -> bool:
    """Lists first, then one value against one."""
    gold, answer = unwrap(gold), unwrap(answer)
    if r"\cup" in gold + answer:
        gold, answer = (UNITED.sub(r"\\cup ", text) for text in (gold, answer))
    if (cases := piecewise(gold)) and (others := piecewise(answer)):
        return _same_cases(cases, others, leaf)
    golds, answers = parts(gold), parts(answer)
    golds = coordinates(gold) if len(golds) == 1 < len(answers) else golds
    answers = coordinates(answer) if len(answers) == 1 < len(golds) else answers
    if len(golds) == len(answers) == 1:
        return _one(golds[0], answers[0], leaf)
    as_set = intervals(gold), intervals(answer)
    if None not in as_set:
        return _same_intervals(*as_set, leaf)
    if len(golds) == 1:
        point = brackets(gold)  # `x = 1, y = 2` for `(1, 2)`
        labelled = [label(part) for part in answers]
        if point and point[0] == "(" and all(name and NAME.match(name) for name, _ in labelled):
            named = sorted(labelled)
            distinct = len({name for name, _ in named}) == len(named) == len(point[1])
            return distinct and all(_one(g, a, leaf) for g, (_, a) in zip(point[1], named, strict=True))
        return bool(answers) and all(_one(gold, answer, leaf) for answer in answers)  # the same value twice
    if len(answers) == 1 and (point := brackets(answer)) and point[0] == "(" and _labels_all(golds):
        golds = [value for _, value in sorted(map(label, golds))]
        return len(golds) == len(point[1]) and all(_one(g, a, leaf) for g, a in zip(golds, point[1], strict=True))
    if _labels_all(golds) and len({bare_name(label(gold)[0]) for gold in golds}) == len(golds) == len(answers):
        if not any(label(answer)[0] for answer in answers):  # `1, 2` for `x = 1, y = 2`
            return all(_one(g, a, leaf) for (_, g), a in zip(sorted(map(label, golds)), answers, strict=True))
    return _same_bag(golds, answers, leaf)


def _labels_all(parts: list[str]) -> bool:
    names = [name for name, _ in map(label, parts)]
    return all(name and NAME.match(name) for name in names) and len(set(names)) == len(names)


def _paired(golds: list, answers: list, same: Callable) -> bool:
    """Whether each gold has an answer of its own and each answer its gold, in any order."""
    rest = list(answers)
    for gold in golds:
        found = next((i for i, answer in enumerate(rest) if same(gold, answer)), None)
        if found is None:
            return False
        rest.pop(found)
    return not rest


def _same_bag(golds: list[str], answers: list[str], leaf: Leaf) -> bool:
    """Values in any order; a repeated one counts once."""
    golds, answers = list({key(g): g for g in golds}.values()), list({key(a): a for a in answers}.values())
    return _paired(golds, answers, lambda gold, answer: _one(gold, answer, leaf))


def _one(gold: str, answer: str, leaf: Leaf) -> bool:
    """One value against one: a number, a point, an interval, a relation, a matrix, a formula."""
    decided = quick(gold, answer)
    if decided is not None:
        return decided
    gold_relation, relation = relations(gold), relations(answer)
    sets = intervals(gold), intervals(answer)
    if None not in sets and (
        gold_relation[1] or relation[1] or r"\cup" in gold + answer or r"\mathbb" in gold + answer
    ):
        if gold_relation[1] and relation[1] and unknown_of(gold_relation) != unknown_of(relation):
            return False
        return _same_intervals(*sets, leaf)
    if gold_relation[1] or relation[1]:
        return _same_relation(gold_relation, relation, leaf)
    if r"\cup" in gold:
        return False
    point, other = brackets(gold), brackets(answer)
    if point or other:
        return bool(point and other) and _same_point(point, other, leaf)
    if r":" in gold and ":" in answer.replace("«to»", ":"):
        return _same_ratio(gold.split(":"), answer.replace("«to»", ":").split(":"), leaf)
    if (rows := matrix_of(gold)) and (others := matrix_of(answer)):
        flat = [len(row) for row in rows] == [len(row) for row in others]
        return flat and all(
            _one(g, a, leaf) for row, other in zip(rows, others, strict=True) for g, a in zip(row, other, strict=True)
        )
    if (based := BASED.match(gold)) or BASED.match(answer):
        return _same_based(based, BASED.match(answer), gold, answer)
    return _same_value(gold, answer, leaf)


def _same_point(point: tuple, other: tuple, leaf: Leaf) -> bool:
    if point[0] != other[0] or point[2] != other[2] or len(point[1]) != len(other[1]):
        return False
    return all(_same(g, a, leaf) for g, a in zip(point[1], other[1], strict=True))


def _same_ratio(gold: list[str], answer: list[str], leaf: Leaf) -> bool:
    """`2 : 4 : 6` is `1 : 2 : 3`."""
    pairs = zip(gold[1:], answer[1:], strict=False)
    zero = any(rational(part) == 0 for part in gold + answer)  # 5:00 is a time
    return (
        len(gold) == len(answer)
        and not zero
        and all(leaf(f"({g})*({answer[0]})", f"({a})*({gold[0]})") for g, a in pairs)
    )


def _same_cases(gold: list[tuple[str, str]], answer: list[tuple[str, str]], leaf: Leaf) -> bool:
    return _paired(gold, answer, lambda g, a: _same(g[0], a[0], leaf) and _same(g[1], a[1], leaf))


def _same_based(gold: re.Match | None, answer: re.Match | None, gold_text: str, answer_text: str) -> bool:
    """Digits of a base: the base may be left out, but not changed."""
    bases = [match and (match[2] or match[3] or BASES.get(match[4], match[4])) for match in (gold, answer)]
    if not gold:
        return bases[1] == "10" and answer[1] == gold_text
    return gold[1] == (answer[1] if answer else answer_text) and bases[1] in (None, bases[0])


def _radians(value: str, unit: str | None) -> str | None:
    """An angle in radians, as which one without a unit is understood; `None` if the unit is none of angles."""
    kinds = measure(unit).kinds
    return value if kinds in ({}, {"radian": 1}) else f"({value})*\\pi/180" if kinds == {"angle": 1} else None


def _same_value(gold: str, answer: str, leaf: Leaf) -> bool:
    gold, answer = (re.sub(r"\s*\(?\\[pb]?mod\s*\{?\d+\}?\)?$", "", text) for text in (gold, answer))
    (gold_value, gold_unit), (value, unit) = split_unit(gold), split_unit(answer)
    angles = _radians(gold_value, gold_unit), _radians(value, unit)
    if None not in angles and measure(gold_unit).kinds != measure(unit).kinds and r"\pi" in gold_value + value:
        return leaf(*angles)
    if unit == "%" or gold_unit == "%":
        number, gold_number = (f"({v})/100" if u == "%" else v for v, u in ((value, unit), (gold_value, gold_unit)))
        return leaf(gold_number, number) or (unit != gold_unit and leaf(gold_value, value))
    rate = conversion(gold_unit, unit)
    if rate is None:
        return False
    if (gold_unit or unit) and leaf(
        gold_value, value if rate == 1 else f"({value})*{rate.numerator}/{rate.denominator}"
    ):
        return True
    return leaf(gold, answer)


def _same_function(name: str, other: str) -> bool:
    """Whether two left sides name one function, `f(x)` and `f(t)`, or `y`."""
    return bool(FUNCTION.match(name) and FUNCTION.match(other)) and (name[0] == other[0] or "y" in (name, other))


def _same_relation(gold: tuple, answer: tuple, leaf: Leaf) -> bool:
    """Equations and inequalities; an equation that only names its value (`x = 5`) is as good as the value."""
    (gold_members, gold_signs), (members, signs) = gold, answer
    if set(gold_signs + signs) <= NAMING and not gold_signs:
        return _same_named(gold_members[0], members, leaf)
    if set(gold_signs + signs) <= NAMING and not signs:
        return _names_only(gold_members) and _same(gold_members[-1], members[0], leaf)
    if len(gold_members) != len(members):
        return False
    if signs[0] == FLIP.get(gold_signs[0]):
        members, signs = members[::-1], [FLIP.get(sign, sign) for sign in signs[::-1]]
    if signs != gold_signs:
        return False
    if signs == ["="]:
        if bare_name(members[0]) == bare_name(gold_members[0]) or _same_function(members[0], gold_members[0]):
            return _same(gold_members[1], members[1], leaf)
        if (
            NAME.match(members[0])
            and NAME.match(gold_members[0])
            and not VARIABLE.search(members[1] + gold_members[1])
        ):
            return False  # `y = 5` for `x = 5`
    if all(_same(g, a, leaf) for g, a in zip(gold_members, members, strict=True)):
        return True
    if len(members) > 2 or signs[0] == r"\in":
        return False
    difference = [f"({m[0]})-({m[1]})" for m in (gold_members, members)]
    return leaf(f"{signs[0]} {difference[0]}", f"{signs[0]} {difference[1]}")


def _same_named(gold: str, members: list[str], leaf: Leaf) -> bool:
    """Whether `x = 5`, `5 = x`, `x = y = 5`, `x = 2 + 3 = 5` or `(x, y) = (1, 2)` gives a value; `5 = 4` gives none."""
    if NAME.match(members[-1]) and VARIABLE.search(members[-1]) and not VARIABLE.search(members[0]):
        members = members[::-1]
    if point := brackets(members[0]):  # `(y, x) = (1, 2)` is the point (2, 1)
        plain = brackets(members[-1]) and (point[1] == sorted(point[1]) or not "".join(point[1]).isalpha())
    else:
        plain = (
            NAME.match(members[0])
            or members[0].startswith((r"\int", r"\lim", r"\sum"))
            or not VARIABLE.search(members[-1])
        )
    values = members[1:] if VARIABLE.search(members[0]) or NAME.match(members[0]) else members
    values = [m for m in values[:-1] if not (NAME.match(m) and VARIABLE.search(m))] + values[-1:]
    return bool(plain) and all(_same(gold, value, leaf) for value in values)


def _names_only(gold: list[str]) -> bool:
    """Whether an equation only names its value, so that the value alone will do; `y = 2x` is a line, `x + y = 5` too."""
    name, value = gold[0], gold[-1]
    constant = not set(VARIABLE.findall(value)) - PARAMETERS
    function = FUNCTION.match(name) and "(" in name
    curve = not function and set(VARIABLE.findall(name)) & CURVE
    named = NAME.match(name) and (constant or not curve)
    return bool(named or (constant and not curve) or (brackets(name) and brackets(value)))


def _same_intervals(gold: RealSet, answer: RealSet, leaf: Leaf) -> bool:
    def same(one: Interval, other: Interval) -> bool:
        return (
            one[1] == other[1] and one[3] == other[3] and _one(one[0], other[0], leaf) and _one(one[2], other[2], leaf)
        )

    return _paired(gold.intervals, answer.intervals, same) and _same_bag(gold.holes, answer.holes, leaf)
