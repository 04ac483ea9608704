"""Decides whether two answers are equal: the policy for structured answers. `algebra` compares single formulas.

Both answers must be in the notation of `notation.normalize`. The gold decides how the answer is interpreted: a letter
is an option, words are words, order and brackets matter in `(1, 2)` but not in `{1, 2}`, `1, 2` and `1 or 2`, and
`x > 2` is `(2, ∞)`. `equal_at_once` decides most pairs in microseconds; `equal` decides all of them, but may need
computer algebra and should therefore run in a worker.
"""

import re
from collections.abc import Callable
from fractions import Fraction

from open_r1.grading.brackets import comparison_key, split_outside_brackets
from open_r1.grading.clock_times import same_time
from open_r1.grading.letters import use_letters_of
from open_r1.grading.numerals import DIGITS_OF_BASE, base_of, parse_decimal_comma, parse_rational
from open_r1.grading.progressions import DOTS, continues, spell_out
from open_r1.grading.real_sets import REAL_NUMBERS, Interval, RealSet, parse_real_set
from open_r1.grading.structure import (
    MIRRORED,
    NAME,
    VARIABLE,
    Bracketed,
    Relation,
    bare_name,
    matrix_rows,
    may_round_to,
    mirrored,
    relation_unknown,
    rounds_to,
    split_brackets,
    split_cases,
    split_coordinates,
    split_label,
    split_numbered_parts,
    split_point,
    split_relation,
    split_restatement,
    split_unit_vectors,
    split_values,
    unwrap,
)
from open_r1.grading.units import conversion_factor, join_compound_units, parse_unit, split_unit
from open_r1.grading.words import drop_option, is_choice, is_text, option_texts, same_choice, same_points, same_text


CURVE_VARIABLES = {"x", "y", "z", "r", r"\rho", r"\theta"}  # `y=2x` is the equation of a line; `S=2x` names a quantity
NAMING_SIGNS = {"=", r"\approx", r"\in", r"\equiv"}  # possible signs between a name and its value
COORDINATES = ("r", r"\rho", r"\theta", r"\phi", r"\varphi", "z")
PARAMETERS = {"k", "n", "m"}  # arbitrary integers, as in `x = π/6 + 2kπ`
DEFINITE_VALUES = (r"\int", r"\lim", r"\sum")  # `\int … = 5` names a value
FUNCTION = re.compile(r"^[a-zA-Z](?:_\w)?'*\^?\{?-?\d?\}?\s*\(.*\)$|^y$")
NUMBER_AS_TERM = re.compile(r"(?:^|[+-])\s*\d+(?:\.\d+)?\s*(?:$|[+-])")
OR = re.compile("«,?\\s*(?:or|或|或者)»")
BETWEEN_INTERVALS = re.compile(r"(?<=[)\]])\s*(?:,|«(?:and|和|及|与)»)\s*(?=[(\[])")
MODULUS = re.compile(r"\s*\(?\s*\\[pb]?mod\s*\{?(\d+)\}?\)?$")
NUMBER = re.compile(r"\d+")
DECIMAL = re.compile(r"-?\d*\.\d+")  # may itself be rounded, so that `≈ 3.14` gives it
WORD_IN_FORMULA = re.compile(r"(?<!_\{)«(?!(?:,?\s*(?:and|or)|to|or maybe|或|和|与|及|且|或者)»)")
RELATION_IN_TEXT = re.compile(r"[=<>:∈]|\\(?:in|le|ge|ne|cup|approx)")
# Formulas on which the parser itself would never finish. `algebra` rejects towers of powers, so they are not included.
ENDLESS = re.compile(r"\\binom\{(?:\d{6,}|[^{}]*\^)|!!|!\)!|\d{1000}")
LONGEST_FORMULA = 1000  # characters

SameValue = Callable[[str, str], bool]  # whether two formulas have the same value


def equal_at_once(gold: str, answer: str) -> bool | None:
    """Whether two normalized answers are equal, if text and exact arithmetic are enough to decide.

    >>> equal_at_once("0.5", r"\\frac{1}{2}"), equal_at_once("5«cm»", "5«m»"), equal_at_once("x+1", "1+x")
    (True, False, None)

    Args:
        gold (`str`): The gold answer.
        answer (`str`): The answer to grade.

    Returns:
        `bool`, *optional*: Whether they are equal, or `None` if deciding that needs structure or algebra.
    """
    answer = drop_option(gold, answer)
    gold, answer = option_texts(gold, answer)
    if not answer:
        return False
    if comparison_key(gold) == comparison_key(answer):
        return True
    if is_choice(gold):
        return same_choice(gold, answer)
    if "textcircled" in gold:
        return "textcircled" in answer and set(NUMBER.findall(gold)) == set(NUMBER.findall(answer))
    if gold in REAL_NUMBERS:
        return None
    if is_text(gold):
        return same_text(gold, answer)
    times_are_same = same_time(gold, answer)
    if times_are_same is not None:
        return times_are_same
    points_are_same = same_points(gold, answer)
    if points_are_same is not None:
        return points_are_same
    gold = join_compound_units(gold)
    answer = join_compound_units(answer)
    gold_value, gold_unit = split_unit(gold)
    value, unit = split_unit(answer)
    gold_number = parse_rational(gold_value)
    number = parse_rational(value)
    if number is None and gold_number is not None and gold_number.denominator > 1:
        number = parse_decimal_comma(value)
    if gold_number is not None and number is not None:
        return _same_number(gold_number, gold_unit, number, unit)
    if "«" in gold or answer in REAL_NUMBERS or not _is_prose(value):
        return None
    if len(split_restatement(answer)) > 1:
        return None
    return False


def _is_prose(value: str) -> bool:
    """Whether an answer has words around what may be a formula, as in `about«five»`. No formula equals it."""
    return WORD_IN_FORMULA.search(value) is not None and not RELATION_IN_TEXT.search(value)


def is_too_expensive(text: str) -> bool:
    """Whether a formula is too expensive for a worker. Only an identical text is then equal to it.

    >>> is_too_expensive(r"\\binom{10^{9}}{5}"), is_too_expensive(r"\\binom{10}{5}")
    (True, False)
    """
    return len(text) > LONGEST_FORMULA or ENDLESS.search(text) is not None


def equal(gold: str, answer: str, same_value: SameValue) -> bool:
    """Whether two normalized answers are equal.

    Args:
        gold (`str`): The gold answer.
        answer (`str`): The answer to grade.
        same_value (`Callable[[str, str], bool]`): Decides whether two formulas have the same value.
    """
    answer = drop_option(gold, answer)
    gold, answer = option_texts(gold, answer)
    answer = use_letters_of(gold, answer)
    if DECIMAL.fullmatch(split_unit(gold)[0]):
        answer = _rounded_value(answer)
    restated = split_restatement(answer)
    if len(restated) > 1 and len(split_restatement(gold)) == 1:
        value, other_value = restated
        if equal(value, other_value, same_value):
            return equal(gold, value, same_value) or equal(gold, other_value, same_value)
        if rounds_to(value, other_value):
            return equal(gold, value, same_value)
        if split_unit(value)[1]:
            return False
    decided = equal_at_once(gold, answer)
    if decided is not None:
        return decided
    return _same_answer(gold, answer, same_value)


def _rounded_value(answer: str) -> str:
    """The decimal that an answer is called equal to approximately: `3.14` in `≈ 3.14` and in `π ≈ 3.14`."""
    exact, sign, decimal = answer.rpartition(r"\approx ")
    if sign and (not exact or may_round_to(exact, decimal)):
        return decimal
    return answer


def _same_number(gold: Fraction, gold_unit: str | None, number: Fraction, unit: str | None) -> bool:
    if unit == "%" and not gold_unit:
        return _same_percentage(number, gold)
    if gold_unit == "%" and not unit:
        return _same_percentage(gold, number)
    factor = conversion_factor(gold_unit, unit)
    return factor is not None and number * factor == gold


def _same_percentage(percentage: Fraction, number: Fraction) -> bool:
    """Whether a number equals a percentage: 50% is 0.5, or also 50, since the question may ask for percent."""
    if percentage / 100 == number:
        return True
    return percentage == number and abs(number) >= 1


# Answers of several values


def _same_answer(gold: str, answer: str, same_value: SameValue) -> bool:
    """Compares two answers: splits them into lists of values, and compares these or the single values."""
    is_set = r"\{" in gold
    gold = unwrap(gold)
    answer = unwrap(answer)
    if r"\cup" in gold + answer:
        gold = BETWEEN_INTERVALS.sub(r"\\cup ", gold)
        answer = BETWEEN_INTERVALS.sub(r"\\cup ", answer)
    gold_cases = split_cases(gold)
    if gold_cases:
        cases = split_cases(answer)
        if cases:
            return _match_up(gold_cases, cases, _same_case, same_value)
    gold_parts = split_numbered_parts(gold)
    parts = split_numbered_parts(answer)
    if gold_parts and parts:
        return _same_in_order(gold_parts, parts, same_value)
    golds = _split_alternatives(gold) or split_values(gold)
    answers = _split_alternatives(answer) or split_values(answer)
    if len(golds) == 1 and len(answers) > 1:
        golds = split_coordinates(gold)
    if len(answers) == 1 and len(golds) > 1:
        answers = split_coordinates(answer)
    if len(golds) == 1 and len(answers) == 1:
        return _same_single(golds[0], answers[0], same_value)
    gold_set = parse_real_set(gold)
    answer_set = parse_real_set(answer)
    if gold_set is not None and answer_set is not None:
        return _same_real_set(gold_set, answer_set, same_value)
    if len(golds) == 1:
        return _one_is_all(gold, answers, same_value)
    return _same_lists(golds, answers, same_value, is_set)


def _split_alternatives(text: str) -> list[str]:
    """`x = 0, y = 1 or x = 1, y = 0` as the points `(0,1)` and `(1,0)`; nothing for other texts."""
    points = []
    for alternative in split_outside_brackets(text, OR):
        parts = split_values(alternative)
        if len(parts) < 2 or not _name_different_unknowns(parts):
            return []
        points.append(f"({','.join(_values_by_name(parts))})")
    return points if len(points) > 1 else []


def _same_lists(golds: list[str], answers: list[str], same_value: SameValue, is_set: bool) -> bool:
    """Compares several gold values with one or several values. In a set, repeated values do not count."""
    if len(answers) == 1:
        point = _as_point(answers[0])
        if point and _have_names(golds) and not _have_repeated_names(golds):
            return _same_in_order(_values_by_name(golds), point.components, same_value)
    if len(golds) == len(answers) and _name_different_unknowns(golds):
        if not any(_names(answers)):  # `1, 2` for `x = 1, y = 2`
            return _same_in_order(_values_by_name(golds), answers, same_value)
    if _name_different_unknowns(answers) and not any(_names(golds)):  # the other way round
        return _same_in_order(golds, _values_by_name(answers), same_value)
    if DOTS in golds or DOTS in answers:
        return _same_progression(spell_out(golds), spell_out(answers), same_value)
    if not is_set and len(_without_repeats(golds)) < len(golds):  # the multiplicity of a root
        return _match_up(golds, answers, _same_single, same_value)
    return _same_in_any_order(golds, answers, same_value)


def _same_progression(golds: list[str], answers: list[str], same_value: SameValue) -> bool:
    """Whether two lists with dots go on in the same way: `1, 2, …, n` and `1, 2, 3, …, n`."""
    if DOTS not in golds or DOTS not in answers:
        return _same_in_any_order(golds, answers, same_value)
    gold_dots = golds.index(DOTS)
    dots = answers.index(DOTS)
    if not _same_in_order(golds[gold_dots:], answers[dots:], same_value):
        return False
    heads = sorted([golds[:gold_dots], answers[:dots]], key=len)
    shorter, longer = heads
    if not _same_in_order(shorter, longer[: len(shorter)], same_value):
        return False
    return len(shorter) == len(longer) or continues(shorter, longer)


def _one_is_all(gold: str, answers: list[str], same_value: SameValue) -> bool:
    """Whether several values equal a single gold: `x = 1, y = 2` for the point `(1, 2)`, or one value repeated."""
    point = _as_point(gold)
    if point and _have_names(answers):
        if _have_repeated_names(answers):
            return False
        return _same_in_order(point.components, _values_by_name(answers), same_value)
    if not answers:
        return False
    return all(_same_single(gold, answer, same_value) for answer in answers)


def _as_point(text: str) -> Bracketed | None:
    """The point that a text is, such as `(1, 2)`."""
    bracketed = split_brackets(text)
    if bracketed and bracketed.opening == "(":
        return bracketed
    return None


def _as_vector(text: str, length: int) -> Bracketed | None:
    """`2i - 3j` as the point `(2, -3)` or, with three components, `(2, -3, 0)`."""
    components = split_unit_vectors(text)
    if components is None or length not in (2, 3) or any(part != "0" for part in components[length:]):
        return None
    return Bracketed("(", components[:length], ")")


def _names(parts: list[str]) -> list[str | None]:
    return [split_label(part)[0] for part in parts]


def _have_names(parts: list[str]) -> bool:
    """Whether each part is labelled with a name, as in `x = 1, y = 2`."""
    return all(name and NAME.match(name) for name in _names(parts))


def _have_repeated_names(parts: list[str]) -> bool:
    names = _names(parts)
    return len(set(names)) < len(names)


def _name_different_unknowns(parts: list[str]) -> bool:
    """Whether the parts have different names that are not `x_1` and `x_2`, which are two values of x."""
    if not _have_names(parts) or _have_repeated_names(parts):
        return False
    unknowns = {bare_name(name) for name in _names(parts)}
    return len(unknowns) == len(parts)


def _values_by_name(parts: list[str]) -> list[str]:
    """`y = 2` and `x = 1` as `1` and `2`."""
    labelled = sorted(map(split_label, parts), key=_place_of_name)
    return [value for _, value in labelled]


def _place_of_name(labelled: tuple[str, str]) -> tuple[int, str]:
    """Coordinates of polar systems in their order, other names by the alphabet."""
    name = labelled[0].strip()
    if name in COORDINATES:
        return COORDINATES.index(name), ""
    return 0, name.lstrip("\\")


def _same_in_order(golds: list[str], answers: list[str], same_value: SameValue) -> bool:
    if len(golds) != len(answers):
        return False
    return all(_same_single(gold, answer, same_value) for gold, answer in zip(golds, answers, strict=True))


def _same_in_any_order(golds: list[str], answers: list[str], same_value: SameValue) -> bool:
    """Compares values in any order, ignoring repetitions."""
    return _match_up(_without_repeats(golds), _without_repeats(answers), _same_single, same_value)


def _without_repeats(texts: list[str]) -> list[str]:
    by_key = {comparison_key(text): text for text in texts}
    return list(by_key.values())


def _match_up(golds: list, answers: list, same: Callable, same_value: SameValue) -> bool:
    """Whether golds and answers can be matched one to one, in any order."""
    unmatched = list(answers)
    for gold in golds:
        for index, answer in enumerate(unmatched):
            if same(gold, answer, same_value):
                del unmatched[index]
                break
        else:
            return False
    return not unmatched


def _same_case(gold: tuple[str, str], answer: tuple[str, str], same_value: SameValue) -> bool:
    """Compares value and condition of one case of a function defined by cases."""
    gold_result, gold_condition = gold
    result, condition = answer
    if not _same_answer(gold_result, result, same_value):
        return False
    return _same_answer(gold_condition, condition, same_value)


def _same_real_set(gold: RealSet, answer: RealSet, same_value: SameValue) -> bool:
    if not _match_up(gold.intervals, answer.intervals, _same_interval, same_value):
        return False
    return _same_in_any_order(gold.holes, answer.holes, same_value)


def _same_interval(gold: Interval, answer: Interval, same_value: SameValue) -> bool:
    if gold.includes_lower != answer.includes_lower or gold.includes_upper != answer.includes_upper:
        return False
    if not _same_single(gold.lower, answer.lower, same_value):
        return False
    return _same_single(gold.upper, answer.upper, same_value)


# One value against one


def _same_single(gold: str, answer: str, same_value: SameValue) -> bool:
    """Compares two single values: numbers, points, intervals, relations, matrices or formulas."""
    decided = equal_at_once(gold, answer)
    if decided is not None:
        return decided
    gold_relation = split_relation(gold)
    relation = split_relation(answer)
    has_relation = bool(gold_relation.signs or relation.signs)
    names_reals = gold in REAL_NUMBERS or answer in REAL_NUMBERS
    if has_relation or names_reals or r"\cup" in gold + answer or r"\mathbb" in gold + answer:
        gold_set = parse_real_set(gold)
        answer_set = parse_real_set(answer)
        if gold_set is not None and answer_set is not None:
            if _have_different_unknowns(gold_relation, relation):
                return False
            return _same_real_set(gold_set, answer_set, same_value)
    point = _as_point(gold)
    if point and set(relation.signs) == {"="} and len(relation.signs) == len(point.components):
        *names, value = relation.members
        if all(NAME.match(name) for name in names):  # `a = b = c = 1` for `(1, 1, 1)`
            return _same_in_order(point.components, [value] * len(names), same_value)
    if has_relation:
        return _same_relation(gold_relation, relation, same_value)
    if r"\cup" in gold:
        return False
    if f"+{DOTS}+" in gold and f"+{DOTS}+" in answer:
        return _same_progression(gold.split("+"), answer.split("+"), same_value)
    gold_rows = matrix_rows(gold)
    rows = matrix_rows(answer)
    if gold_rows and rows:
        return _same_matrix(gold_rows, rows, same_value)
    gold_point = split_point(gold)
    point = split_point(answer)
    if gold_rows and point and point.opening == "[" and point.closing == "]":  # no interval
        point = Bracketed("(", point.components, ")")
    if gold_point and gold_point.opening == "(" and not point:
        point = _as_vector(answer, len(gold_point.components))
    if gold_point and point:
        return _same_point(gold_point, point, same_value)
    if gold_point or point:
        return False
    answer_ratio = answer.replace("«to»", ":")
    if answer_ratio.count(":") > max(1, gold.count(":")):
        return False
    if ":" in gold and ":" in answer_ratio:
        return _same_ratio(gold.split(":"), answer_ratio.split(":"), same_value)
    gold_digits = DIGITS_OF_BASE.match(gold)
    digits = DIGITS_OF_BASE.match(answer)
    if gold_digits:
        return _same_digits(gold_digits, digits, answer)
    if digits:  # the gold has no base, so only base ten is right
        return base_of(digits) == "10" and digits[1] == gold
    return _same_quantity(gold, answer, same_value)


def _same_point(gold: Bracketed, answer: Bracketed, same_value: SameValue) -> bool:
    if gold.opening != answer.opening or gold.closing != answer.closing:
        return False
    if len(gold.components) != len(answer.components):
        return False
    pairs = zip(gold.components, answer.components, strict=True)
    return all(_same_answer(gold_part, part, same_value) for gold_part, part in pairs)


def _same_ratio(gold: list[str], answer: list[str], same_value: SameValue) -> bool:
    """Compares ratios: `2 : 4 : 6` equals `1 : 2 : 3`. `5:00` and `5:05` are times."""
    if len(gold) != len(answer):
        return False
    if any(parse_rational(part) == 0 or part.startswith("0") for part in gold + answer):
        return False
    for gold_part, part in zip(gold[1:], answer[1:], strict=True):
        if not same_value(f"({gold_part})*({answer[0]})", f"({part})*({gold[0]})"):
            return False
    return True


def _same_matrix(gold: list[list[str]], answer: list[list[str]], same_value: SameValue) -> bool:
    if [len(row) for row in gold] != [len(row) for row in answer]:
        return False
    for gold_row, row in zip(gold, answer, strict=True):
        if not _same_in_order(gold_row, row, same_value):
            return False
    return True


def _same_digits(gold: re.Match, answer: re.Match | None, answer_text: str) -> bool:
    """Compares numbers in a base other than ten. The base may be left out, but the number may not be converted."""
    if answer is None:
        return gold[1] == answer_text
    return gold[1] == answer[1] and base_of(answer) == base_of(gold)


def _same_quantity(gold: str, answer: str, same_value: SameValue) -> bool:
    """Compares formulas with their units."""
    gold_modulus = MODULUS.search(gold)
    modulus = MODULUS.search(answer)
    if gold_modulus and modulus and gold_modulus[1] != modulus[1]:
        return False
    gold = _without_modulus(gold)
    answer = _without_modulus(answer)
    gold_value, gold_unit = split_unit(gold)
    value, unit = split_unit(answer)
    if r"\pi" in gold_value + value and parse_unit(gold_unit).kinds != parse_unit(unit).kinds:
        gold_angle = _in_radians(gold_value, gold_unit)
        angle = _in_radians(value, unit)
        if gold_angle is not None and angle is not None:
            return same_value(gold_angle, angle)
    if gold_unit == "%" or unit == "%":
        if same_value(_without_percent(gold_value, gold_unit), _without_percent(value, unit)):
            return True
        return gold_unit != unit and same_value(gold_value, value)
    factor = conversion_factor(gold_unit, unit)
    if factor is None:
        return False
    if gold_unit or unit:
        converted = value if factor == 1 else f"({value})*{factor.numerator}/{factor.denominator}"
        if same_value(gold_value, converted):
            return True
    return same_value(gold, answer)


def _without_modulus(text: str) -> str:
    """`3 mod 7` as `3`, but not `8 mod 7`, which is a calculation."""
    match = MODULUS.search(text)
    if not match:
        return text
    value = text[: match.start()]
    number = parse_rational(value)
    if number is not None and number >= int(match[1]):
        return text
    return value


def _without_percent(value: str, unit: str | None) -> str:
    """`50` of unit `%` as `(50)/100`, other values as they are."""
    if unit == "%":
        return f"({value})/100"
    return value


def _in_radians(value: str, unit: str | None) -> str | None:
    """Converts an angle to radians, which is also the default unit; `None` if the unit is not one of angles."""
    kinds = parse_unit(unit).kinds
    if kinds == {"angle": 1}:
        return f"({value})*\\pi/180"
    if kinds in ({}, {"radian": 1}):
        return value
    return None


# Equations and inequalities


def _same_relation(gold: Relation, answer: Relation, same_value: SameValue) -> bool:
    """Compares relations. An equation that only names its value (`x = 5`) is equal to the value."""
    if set(gold.signs + answer.signs) <= NAMING_SIGNS:
        if not gold.signs:
            return _gives_value(gold.members[0], answer.members, same_value)
        if not answer.signs:
            if not _only_names_value(gold.members):
                return False
            return _same_answer(gold.members[-1], answer.members[0], same_value)
    if set(answer.signs) == {"="} and len(gold.members) == 2 and answer.members[0] == gold.members[0]:
        answer = _without_steps(answer, same_value)
    if len(gold.members) != len(answer.members):
        return False
    if answer.signs[0] == MIRRORED.get(gold.signs[0]):
        answer = mirrored(answer)
    if answer.signs != gold.signs:
        return False
    if answer.signs == ["="]:
        gold_left, gold_right = gold.members
        left, right = answer.members
        if bare_name(left) == bare_name(gold_left) or _same_function(left, gold_left):
            return _same_answer(gold_right, right, same_value)
        if NAME.match(left) and NAME.match(gold_left) and not VARIABLE.search(right + gold_right):
            return False  # `y = 5` for `x = 5`
    pairs = zip(gold.members, answer.members, strict=True)
    if all(_same_answer(gold_member, member, same_value) for gold_member, member in pairs):
        return True
    sign = answer.signs[0]
    if len(answer.members) > 2 or sign == r"\in":
        return False
    return same_value(_against_zero(gold), _against_zero(answer))


def _without_steps(chain: Relation, same_value: SameValue) -> Relation:
    """`x = 2 + 3 = 5` as `x = 5` if the steps are right."""
    name, *steps = chain.members
    if all(_same_answer(steps[-1], step, same_value) for step in steps[:-1]):
        return Relation([name, steps[-1]], ["="])
    return chain


def _against_zero(relation: Relation) -> str:
    """`a < b` as `< (a)-(b)`, the form of relations in `algebra.same_value`."""
    left, right = relation.members
    return f"{relation.signs[0]} ({left})-({right})"


def _have_different_unknowns(gold: Relation, answer: Relation) -> bool:
    """Whether two relations are about different unknowns. A set without a relation fits any unknown."""
    if not gold.signs or not answer.signs:
        return False
    return relation_unknown(gold) != relation_unknown(answer)


def _same_function(name: str, other: str) -> bool:
    """Whether two left sides denote the same function: `f(x)` and `f(t)`, or `f(x)` and `y`."""
    if not FUNCTION.match(name) or not FUNCTION.match(other):
        return False
    return name[0] == other[0] or "y" in (name, other)


def _gives_value(gold: str, members: list[str], same_value: SameValue) -> bool:
    """Whether an equation gives the gold's value.

    `x = 5`, `5 = x`, `x = y = 5`, `x = 2 + 3 = 5` and `(x, y) = (1, 2)` do; `5 = 4` does not.
    """
    if NAME.match(members[-1]) and VARIABLE.search(members[-1]) and not VARIABLE.search(members[0]):
        members = members[::-1]
    name, value = members[0], members[-1]
    if not _is_plain_equation(name, value):
        return VARIABLE.search(gold) is not None and all(_same_answer(gold, part, same_value) for part in members)
    values = members
    if VARIABLE.search(name) or NAME.match(name) or DOTS in name:  # `1 + 2 + … + n`
        values = members[1:]
    for middle in values[:-1]:
        if NAME.match(middle) and VARIABLE.search(middle):
            continue
        if not _same_answer(value, middle, same_value):
            return False
    return any(_same_answer(gold, part, same_value) for part in values)  # `3 minutes = 180 seconds`


def _is_plain_equation(name: str, value: str) -> bool:
    """Whether an equation gives a value to a name, rather than relating two unknowns."""
    names = split_brackets(name)
    if names:  # `(y, x) = (1, 2)` is the point (2, 1)
        if not split_brackets(value):
            return False
        are_sorted = names.components == sorted(names.components)
        return are_sorted or not "".join(names.components).isalpha()
    if NAME.match(name) or name.startswith(DEFINITE_VALUES) or DOTS in name:
        return True
    if value == "0" and NUMBER_AS_TERM.search(name):  # the equation of a line
        return False
    return not VARIABLE.search(value)


def _only_names_value(gold: list[str]) -> bool:
    """Whether an equation only names its value, so that the value alone is also right.

    `y = 2x` and `x + y = 5` are lines and need the whole equation; `S = 2x` only names its value.
    """
    name, value = gold[0], gold[-1]
    is_constant = set(VARIABLE.findall(value)) <= PARAMETERS
    is_function = FUNCTION.match(name) and "(" in name
    is_curve = not is_function and not CURVE_VARIABLES.isdisjoint(VARIABLE.findall(name))
    if NAME.match(name):
        if is_constant or not is_curve:
            return True
    elif is_constant and not is_curve:
        return True
    return split_brackets(name) is not None and split_brackets(value) is not None
