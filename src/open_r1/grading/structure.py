"""Splits an answer into its parts: listed values, points, relations, labels, matrices, cases.

Answers must be in the notation of `notation.normalize`. They are split at signs outside of brackets.
"""

import re
from fractions import Fraction
from typing import NamedTuple

from open_r1.grading.brackets import closing_index, comparison_key, split_outside_brackets, split_with_separators
from open_r1.grading.numerals import parse_rational
from open_r1.grading.units import join_compound_units, split_unit


# Lists
COMMA_OR_SEMICOLON = re.compile("[,;]")
NUMBER_OF_PART = re.compile(r"(?:(?<=[ ,;])|^)\(([1-9])\)")
COMMA_AND_BLANK = re.compile(r",\s")
VALUE_SEPARATOR = re.compile(r",|;|«,?\s*(?:and|or|或|和|与|及|且|或者)»|\\quad|&")
PLUS_MINUS = re.compile(r"\\(pm|mp)(?![a-zA-Z])\s*")
LEADING_PLUS = re.compile(r"(^|=)\+")

# Relations and names
RELATION_SIGN = re.compile(r"(\\le|\\ge|\\ne|\\in|\\approx|\\equiv|\\sim)(?![a-zA-Z])|[=<>]")
LABEL_SIGNS = ("=", r"\in", r"\approx", r"\equiv")
MIRRORED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}
NAME = re.compile(
    r"^(?:«[^»]*»"  # words
    r"|\\(?:angle|triangle|overline|vec|hat|tilde|widehat|measuredangle)\s*\{?[A-Za-z]+\}?"  # \angle ABC
    r"|\|?[A-Z]{1,4}\|?|[a-zA-Z]|"  # |AB|, x
    r"\\frac\{d[a-z]?\}\{d[a-z]\}|\\[a-zA-Z]+)"  # dy/dx, \alpha
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
MATRIX = re.compile(
    r"^[(\[]?\\begin\{([pbBvV]?matrix|array|smallmatrix)\}(?:\{[clr|]*\})?(.*)\\end\{\1\}[)\]]?$", re.DOTALL
)
FACTOR_OF_MATRIX = re.compile(
    r"^(-|-?(?:\d+(?:\.\d+)?|\\frac\{[^{}]{1,20}\}\{[^{}]{1,20}\}|\\sqrt\{\d+\}|[a-z]))"
    r"\s*\*?\s*(\\begin\{[pbB]?matrix\}.*)$",
    re.DOTALL,
)
UNIT_VECTOR = re.compile(r"([+-]?)\s?(\d+(?:\.\d+)?|\\frac\{\d+\}\{\d+\}|\\sqrt\{\d+\}|)[\s*]?([ijk])\s?(?![a-zA-Z])")
NESTED_LISTS = re.compile(r"\[\s?\[")
TRANSPOSED = re.compile(r"^(\(.*\)|\[.*\]|\\begin.*\\end\{\w+\})\^\{?(?:T|t|\\top)\}?$", re.DOTALL)
DETERMINANTS = ("vmatrix", "Vmatrix")
CASES = re.compile(r"^\\begin\{(cases|aligned|array|gathered)\}(?:\{[clr|]*\})?(.*)\\end\{\1\}$", re.DOTALL)
CONDITION_WORD = re.compile(r"^«(?:if|when|for|where)»")
NEW_ROW = r"\\"

SET_BRACE = re.compile(r"\\[{}]")
UNION_OF_FINITE_SETS = re.compile(r"^\\\{[^{}|:]*\\\}(?:\s*\\cup\s*\\\{[^{}|:]*\\\})+$")  # {1, 2} ∪ {3}
BETWEEN_SETS = re.compile(r"\\\}\s*\\cup\s*\\\{")
# Parts that `unwrap` removes
# `n = 2k + 1, k ∈ ℤ`: that k is an integer is implied
PARAMETER_RANGE = re.compile(
    r"(?<=.),?\s*\(?(?<![\w\\])[kmnt]"
    r"(?:\\in\s*(?:\\mathbb\{[ZN]\}|[ZN])(?:[_^]\{?[+*]\}?)?"
    r"|(?<=,[nk])\\ge\s*\d|(?<=, [nk])\\ge\s*\d|(?<=\([nk])\\ge\s*\d)\)?$"
)
CONSTANT_RANGE = re.compile(r"(?<=.),\s*[cCk]\\in\s*(?:\\mathbb\{R\}|R)$")  # `f(x) = cx, c ∈ ℝ`
APPROXIMATION = re.compile(
    r"^(.+?)\s*\(\\approx(?![a-zA-Z])\s*([^()]*)\)$"  # `√53 (≈ 7.28)`
    r"|^(.+?)\s*\\approx(?![a-zA-Z])\s*(.*)$"  # `√53 ≈ 7.28`
)
NAMED_LINE = re.compile(r"^(?:[a-zA-Z]|\\\{[a-z]_\{?n\}?\\\}):(?=.*=)(.*)$")  # the line l: x + y = 5
NAMED_POINT = re.compile(r"^[A-Z]'?\s*(\(.*,.*\))$")  # the point P(2, 5)
MEMBERSHIP = re.compile(r"^(?:[a-zA-Z]|\([a-z](?:,\s*[a-z])*\))\\in ")  # x ∈ …, (x, y) ∈ …
NAMED_SET = re.compile(r"^[^=<>]{1,30}=\s*(\\\{.*\\\}|\\emptyset\s*)$")  # A = {1, 2}
SET_WITHOUT_BRACES = re.compile(r"^[a-zA-Z]\s*\|\s*(.*[<>=\\].*)$")  # x | x > 2
SET_CONDITION = re.compile(r"^(?:[a-zA-Z]|\([^()]*\))(?:\\in \\mathbb\{R\})?\s*[|:]\s*(.*)$")  # {x ∈ ℝ | x > 2}
FUNCTION_OR_LETTER = re.compile(r"(?:\\[a-zA-Z]+|[a-zA-Z])(?:[_^](?:\{[^{}]*\}|\w))* $")  # `\log_{2} `
RESTATEMENT = re.compile(
    r"^(?P<value>[^()]*\d[^()]*)\((?P<mark>=|«(?:or|that is|which is),?»,?|i\.e\.,?)?\s*"
    r"(?P<restated>[^(),]*\d[^(),]*)\)(?P<unit>(?:«[^»]*»)?)$"
)
ARITHMETIC = re.compile(r"(?:[\d.+*/^{}! -]|\\(?:frac|sqrt|binom))+")


class Bracketed(NamedTuple):
    """A point or an interval, `(a, b]`."""

    opening: str
    components: list[str]
    closing: str


class Relation(NamedTuple):
    """A chain of relations such as `a < x \\le b`, or a single value if there are no signs."""

    members: list[str]
    signs: list[str]


def unwrap(text: str) -> str:
    """Removes parts that only introduce an answer: the braces of a set, set-builder notation, `x ∈`, a point's name.

    >>> unwrap(r"\\{x|x>2\\}"), unwrap(r"x\\in [0,1]"), unwrap("P(2,5)")
    ('x>2', '[0,1]', '(2,5)')
    """
    text = PARAMETER_RANGE.sub("", text.strip())
    if UNION_OF_FINITE_SETS.match(text):
        text = BETWEEN_SETS.sub(",", text)
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
    if _is_one_set(text):
        inner = text[2:-2].strip()
        condition = SET_CONDITION.match(inner)
        return condition[1] if condition else inner
    return text


def _is_one_set(text: str) -> bool:
    """Whether the first brace of a set is closed by the last one, unlike in `{5} ∪ {6}`."""
    if not text.startswith(r"\{") or not text.endswith(r"\}"):
        return False
    depth = 0
    for match in SET_BRACE.finditer(text):
        depth += 1 if match[0] == r"\{" else -1
        if depth == 0:
            return match.end() == len(text)
    return False


def _without_approximation(text: str) -> str:
    """`√53 ≈ 7.28` as `√53`, unless the decimal has a different value. `x ≈ 7.28` is left unchanged."""
    match = APPROXIMATION.match(text)
    if not match:
        return text
    exact = match[1] or match[3]
    decimal = match[2] or match[4]
    if NAME.match(exact) or not may_round_to(exact, decimal):
        return text
    return exact


def rounds_to(exact: str, decimal: str) -> bool:
    """Whether a number rounds to a decimal number with fewer digits, such as `2/3` to `0.667`."""
    is_number = parse_rational(exact) is not None and parse_rational(decimal) is not None
    return is_number and "." in decimal and may_round_to(exact, decimal)


def may_round_to(exact: str, decimal: str) -> bool:
    """Whether a value may round to a decimal; `True` if one of them is not a plain number."""
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
    """Splits `1.5 hours (90 minutes)` into its two values. Other text is returned as the only item.

    >>> split_restatement("1.5«hours»(90«minutes»)"), split_restatement("36 (=6^{2})"), split_restatement("2(x+1)")
    (['1.5«hours»', '90«minutes»'], ['36', '6^{2}'], ['2(x+1)'])
    """
    match = RESTATEMENT.match(text)
    if not match:
        return [text]
    value, restated = match["value"], match["restated"]
    is_measured = split_unit(value)[1] or (value.endswith(" ") and not FUNCTION_OR_LETTER.search(value))
    is_number = ARITHMETIC.fullmatch(split_unit(join_compound_units(restated))[0])
    if not match["mark"] and not (is_measured and is_number):
        return [text]
    return [value.strip() + match["unit"], restated.strip()]


def split_values(text: str) -> list[str]:
    """Splits a list into its values. A value with `±` becomes two values.

    >>> split_values("x=1,2"), split_values(r"\\pm 3"), split_values("(1,2)")
    (['1', '2'], ['3', '-3'], ['(1,2)'])
    """
    is_one_number = parse_rational(split_unit(text)[0]) is not None
    if is_one_number and not COMMA_AND_BLANK.search(text):  # `1,000` is one number, `1, 000` is not
        return [text]
    values = []
    for piece in split_outside_brackets(text, VALUE_SEPARATOR):
        if PLUS_MINUS.search(piece):
            values += _all_signs(piece)
        elif piece:
            values.append(piece)
    if len(values) > 1:
        name, value = split_label(values[0])
        if name and NAME.match(name) and not any(split_label(other)[0] for other in values[1:]):
            values[0] = value  # `x = 1, 2`
    return values


def split_numbered_parts(text: str) -> list[str]:
    """The answers to the parts of a question, `(1) 3; (2) 5`, in order; nothing for other texts.

    >>> split_numbered_parts("(1) 3;(2) 5"), split_numbered_parts("(1,2)")
    (['3', '5'], [])
    """
    if not text.startswith("(1)"):
        return []
    pieces = NUMBER_OF_PART.split(text)
    numbers = pieces[1::2]
    parts = [piece.strip(" ,;") for piece in pieces[2::2]]
    are_in_order = numbers == [str(number) for number in range(1, len(parts) + 1)]
    if len(parts) < 2 or not are_in_order or not all(parts):
        return []
    return parts


def _all_signs(text: str) -> list[str]:
    """The values of `a ± b`, which has two, and of `±a ± b`, which has four. The signs in `(±1, ±2)` are the same."""
    has_two_signs = PLUS_MINUS.findall(text) == ["pm", "pm"]
    if not has_two_signs or text.startswith(("(", "[")):
        return _both_signs(text)
    upper = PLUS_MINUS.sub("+", text, count=1)
    lower = PLUS_MINUS.sub("-", text, count=1)
    return _both_signs(upper) + _both_signs(lower)


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
    """Splits a point or an interval into brackets and components; `None` if the text is neither.

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
    """The entries of a matrix, row by row; `None` if the text is not one. A determinant is a number, not a matrix.

    >>> matrix_rows(r"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"), matrix_rows("[[1,2],[3,4]]")
    ([['1', '2'], ['3', '4']], [['1', '2'], ['3', '4']])
    """
    transposed = TRANSPOSED.match(text)
    if transposed:
        return _transpose(transposed[1])
    if NESTED_LISTS.match(text):
        return _nested_lists(text)
    scaled = FACTOR_OF_MATRIX.match(text)
    if scaled:
        return _multiply(scaled[1], matrix_rows(scaled[2]))
    match = MATRIX.match(text)
    if not match or match[1] in DETERMINANTS:
        return None
    rows = []
    for row in match[2].split(NEW_ROW):
        if row.strip():
            rows.append([cell.strip() for cell in row.split("&")])
    return rows


def _multiply(factor: str, rows: list[list[str]] | None) -> list[list[str]] | None:
    """The entries of a matrix times a factor, which may be a mere minus sign."""
    if rows is None:
        return None
    if factor == "-":
        factor = "-1"
    return [[f"({factor})*({entry})" for entry in row] for row in rows]


def _transpose(text: str) -> list[list[str]] | None:
    """The columns of a matrix or of a single row such as `(1, 2)`; `None` if the text is neither."""
    rows = matrix_rows(text)
    if rows is None:
        row = split_brackets(text)
        if row is None:
            return None
        rows = [row.components]
    if any(len(row) != len(rows[0]) for row in rows):
        return None
    return [list(column) for column in zip(*rows, strict=True)]


def split_point(text: str) -> Bracketed | None:
    """Splits a point, an interval or a column vector into components; `None` if the text is none of these.

    >>> split_point(r"\\begin{pmatrix}1\\\\2\\end{pmatrix}")
    Bracketed(opening='(', components=['1', '2'], closing=')')
    """
    rows = matrix_rows(text)
    if rows is None:
        return split_brackets(text)
    if len(rows) < 2 or any(len(row) > 1 for row in rows):
        return None
    return Bracketed("(", [row[0] for row in rows], ")")


def split_unit_vectors(text: str) -> list[str] | None:
    """The components of `2i - 3j + k`; `None` if the text is no sum of unit vectors, of which `j` must be one.

    >>> split_unit_vectors("2i-3j+k"), split_unit_vectors("-j"), split_unit_vectors("2+3i")
    (['2', '-3', '1'], ['0', '-1', '0'], None)
    """
    terms = list(UNIT_VECTOR.finditer(text))
    components = {"i": "0", "j": "0", "k": "0"}
    for term in terms:
        sign, factor, name = term.groups()
        components[name] = f"{sign.strip('+')}{factor or 1}"
    is_whole_text = "".join(term[0] for term in terms) == text
    if not is_whole_text or len({term[3] for term in terms}) < len(terms) or components["j"] == "0":
        return None
    return list(components.values())


def _nested_lists(text: str) -> list[list[str]] | None:
    """`[[1,2],[3,4]]` as rows."""
    if closing_index(text, 0) != len(text) - 1:
        return None
    rows = []
    for row in split_outside_brackets(text[1:-1].strip(), COMMA_OR_SEMICOLON):
        if not row.startswith("[") or closing_index(row, 0) != len(row) - 1:
            return None
        rows.append(split_outside_brackets(row[1:-1], COMMA_OR_SEMICOLON))
    return rows


def split_relation(text: str) -> Relation:
    """Splits a chain of relations into members and signs.

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
    """The variable that a relation is about: the first member that is a variable, where `|x|` counts as `x`."""
    for member in relation.members:
        name = member.strip("|")
        if NAME.match(name) and VARIABLE.search(name):
            return name
    return None


def split_cases(text: str) -> list[tuple[str, str]] | None:
    """Splits a function defined by cases into pairs of value and condition; `None` if the text is not one."""
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
    """Splits `(x, y) = (2, 3)` into `x = 2` and `y = 3`. Other text is returned as the only item.

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
    """Splits `x = 5` into the name `x` and the value `5`. Without a name, returns `None` and the whole text.

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
