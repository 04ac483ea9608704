"""Decides whether two formulas have the same value. math-verify parses them, and they are evaluated at several points.

Evaluation to 60 digits decides cases on which `simplify` may never finish. It is only wrong if two different formulas
happen to agree at all points. Decimals are exact fractions: 0.33 is not 1/3. This module runs in a worker process,
since nested powers or sums may take forever.
"""

import math
import re
import zlib
from functools import lru_cache

import sympy
from antlr4 import Parser
from antlr4.atn.PredictionMode import PredictionMode
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, _Latex2Sympy

from open_r1.grading.equality import equal
from open_r1.grading.spelling import GREEK


CASE_MATTERS = ConversionConfig(lowercase_symbols=False)
CONSTANTS = {sympy.Symbol("i"): sympy.I, sympy.Symbol("e"): sympy.E}
UNDEFINED = (sympy.nan, sympy.zoo)

# Evaluation
DIGITS = 60
POINTS = 4  # at which formulas with variables are compared; the last one is negative
FAR_POINTS = 2  # more of them, for formulas such as |x - 3|, which is 3 - x near 0; the last one is negative
FAR = 20  # times further from 0
NEGATIVE = (POINTS - 1, POINTS + FAR_POINTS - 1)
TOLERANCE = sympy.Rational(1, 10**50)  # relative; more digits than anyone writes for an irrational number
ZERO = sympy.Rational(1, 10**55)
MOST_DIGITS = 600  # maximum precision of a difference of constants before it counts as 0
ZERO_DIFFERENCE = sympy.Rational(1, 10**300)

# Sizes, as decimal logarithms
LARGEST_NUMBER = 20_000
LARGEST_EXPONENT = 6
LARGEST_BOUND = 5  # of a sum or product

# Conversion of formulas to the spelling that the parser needs
RELATION_TO_ZERO = re.compile(r"^(=|<|>|\\le|\\ge|\\ne)\s(.*)$")
UNREADABLE = re.compile(
    r"\d\s+\d"  # neither the product of two numbers nor their concatenated digits
    r"|\d'"  # neither minutes nor feet
)
RECIPROCAL_FUNCTION = re.compile(r"\\(coth|sech|csch)(?:\s*\^\s*\{?(\d)\}?)?")
RECIPROCALS = {"coth": "tanh", "sech": "cosh", "csch": "sinh"}
MARKED_WORDS = re.compile(r"«([^»]*)»")
NO_LETTER = re.compile(r"\W")
DECIMAL = re.compile(r"(?<![\d.])(\d*)\.(\d+)(?![\d.])")
THOUSANDS_SEPARATOR = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
FACTOR_BEFORE_PARENTHESIS = re.compile(r"(\d|\)|\\pi)\s*(?=\()")
MIXED_NUMBER = re.compile(r"(?<![\d.}])(\d+)\s*\\frac\{(\d+)\}\{(\d+)\}")
DEGREES = re.compile(r"(\d+|\([^()]*\)|\b[a-z]|\\[a-z]+)\s*°")
FUNCTION_BEFORE_SLASH = re.compile(r"(\\(?:ln|lg|log(?:_\{\w+\})?|sin|cos|tan))\s*(\d+|[a-z])\s*/")
SHORT_LOGARITHM = re.compile(r"\\l(n|g)(?![a-zA-Z])")
# A letter or command, with its index and the sign of a power after it
SYMBOL = re.compile(r"(\\[a-zA-Z]+|[a-zA-Z])(?:_(?:\{(\w+)\}|(\w)))?(\s*\^)?")
_CAPITAL_GREEK = ["Gamma", "Delta", "Theta", "Lambda", "Sigma", "Phi", "Psi", "Omega"]
GREEK_COMMANDS = {rf"\{name}" for name in [*GREEK, *_CAPITAL_GREEK]}


class TooLarge(ValueError):
    """A formula for a number of more digits than can be handled, such as 10^{10^{10}}."""


def equal_with_algebra(pair: tuple[str, str]) -> bool:
    """Whether two normalized answers are equal. This is the function that the workers run.

    Args:
        pair (`tuple[str, str]`): The gold and the answer.

    >>> equal_with_algebra((r"\\{1,\\frac{1}{2}\\}", r"2^{-1},1"))
    True
    """
    gold, answer = pair
    return equal(gold, answer, same_value)


@lru_cache(maxsize=20000)
def same_value(gold: str, answer: str) -> bool:
    """Whether two normalized formulas have the same value.

    With a relation sign in front, whether two relations to zero are equivalent.

    >>> same_value(r"(x+1)^{2}", r"x^{2}+2x+1"), same_value(r"\\frac{1}{3}", "0.333")
    (True, False)
    >>> same_value("= y-(2x)", "= 4x-(2y)")
    True

    Raises:
        TooLarge: If the gold is a number with too many digits.
    """
    gold_relation = RELATION_TO_ZERO.match(gold)
    relation = RELATION_TO_ZERO.match(answer)
    if gold_relation and relation:
        sign, gold_side = gold_relation.groups()
        return _same_side(sign, parse(gold_side), parse(relation[2]))
    gold_formula = parse(gold)
    try:
        formula = parse(answer)
    except TooLarge:
        return False
    if gold_formula is None or formula is None:
        return False
    if gold_formula == formula:
        return True
    if isinstance(gold_formula, sympy.MatrixBase) and isinstance(formula, sympy.MatrixBase):
        return _same_matrix(gold_formula, formula)
    if isinstance(gold_formula, sympy.Expr) and isinstance(formula, sympy.Expr):
        return _same_expression(gold_formula, formula)
    return False


# From text to formula


@lru_cache(maxsize=20000)
def parse(text: str) -> sympy.Basic | None:
    """Parses a normalized formula; `None` if math-verify's parser cannot read it.

    >>> parse("2x"), parse("x+")
    (2*x, None)

    Raises:
        TooLarge: If it is a number with too many digits.
    """
    if UNREADABLE.search(text):
        return None
    text = _spell_for_parser(text)
    for parser in (_FastParser, _Latex2Sympy):
        try:
            return _finish(parser(config=CASE_MATTERS).parse(text))
        except (MemoryError, TooLarge):
            raise
        except Exception:  # the parser raises bare `Exception` on text that it cannot read
            continue
    return None


class _FastParser(_Latex2Sympy):
    """The parser with SLL prediction, the first of ANTLR's two stages, which takes a fifth of the time of full LL.

    Both produce the same result for any text that SLL prediction accepts.
    """

    def create_parser(self, latex_str: str) -> Parser:
        """Creates math-verify's parser with SLL prediction."""
        parser = super().create_parser(latex_str)
        parser._interp.predictionMode = PredictionMode.SLL
        return parser


def _finish(value: sympy.Basic) -> sympy.Basic | None:
    """Expands sums and recognizes constants in the parser's result; `None` if it is not a formula."""
    if isinstance(value, sympy.MatrixExpr):
        value = value.doit().as_explicit()
    if isinstance(value, sympy.MatrixBase):
        return sympy.Matrix(value)
    if not isinstance(value, sympy.Expr):
        return None
    _check_size(value)
    if value.has(sympy.Sum, sympy.Product):
        value = value.doit()
    return value.xreplace(CONSTANTS)


def _check_size(formula: sympy.Basic) -> float:
    """Estimates the decimal logarithm of a formula's value without evaluating it.

    Raises:
        TooLarge: If the value is too large.
    """
    if isinstance(formula, sympy.Rational):
        return math.log10(abs(formula.p) or 1) - math.log10(formula.q)
    sizes = [_check_size(argument) for argument in formula.args]
    if isinstance(formula, sympy.Sum | sympy.Product) and max(sizes[1:]) > LARGEST_BOUND:
        raise TooLarge
    if isinstance(formula, sympy.Pow | sympy.factorial):
        if sizes[-1] > LARGEST_EXPONENT:
            raise TooLarge
        number = 10 ** sizes[-1]  # the exponent, or the argument of the factorial
        if isinstance(formula, sympy.Pow):
            size = abs(sizes[0]) * number
        else:
            size = number * max(1.0, sizes[0])
        if size > LARGEST_NUMBER:
            raise TooLarge
        return size
    if isinstance(formula, sympy.Mul):
        return sum(sizes)
    return max(sizes, default=0.5)


def _spell_for_parser(text: str) -> str:
    """Converts a normalized formula to a spelling that the parser reads correctly, and that SLL prediction accepts."""
    text = MARKED_WORDS.sub(_spell_words, text)
    text = DECIMAL.sub(_spell_decimal, text)
    text = THOUSANDS_SEPARATOR.sub("", text)
    text = FACTOR_BEFORE_PARENTHESIS.sub(r"\1*", text)  # the parser reads `2(3)` as the mixed number 2 3/1
    text = MIXED_NUMBER.sub(r"(\1+\\frac{\2}{\3})", text)
    text = DEGREES.sub(r"(\1*\\frac{\\pi}{180})", text)
    text = text.replace("%", r"*\frac{1}{100}")
    text = FUNCTION_BEFORE_SLASH.sub(r"\1(\2)/", text)
    text = RECIPROCAL_FUNCTION.sub(_spell_reciprocal, text)
    text = SHORT_LOGARITHM.sub(_spell_logarithm, text)
    return SYMBOL.sub(_spell_symbol, text)


def _spell_words(match: re.Match) -> str:
    return r"\mathrm{" + NO_LETTER.sub("", match[1]) + "}"


def _spell_decimal(match: re.Match) -> str:
    whole, decimals = match.groups()
    return rf"(\frac{{{int(whole + decimals)}}}{{{10 ** len(decimals)}}})"


def _spell_logarithm(match: re.Match) -> str:
    return r"\ln" if match[1] == "n" else r"\log_{10}"


def _spell_reciprocal(match: re.Match) -> str:
    """`\\coth x` as `\\tanh^{-1\\cdot 1} x`, since the parser takes `\\tanh^{-1} x` for the inverse function."""
    return rf"\{RECIPROCALS[match[1]]}^{{-{match[2] or 1}\cdot 1}}"


def _spell_symbol(match: re.Match) -> str:
    """`x_1^` as `{\\mathrm{xsub1}}^`: a single name, and a power whose base is a group."""
    name, long_index, short_index, power = match.groups()
    index = long_index or short_index
    is_other_command = name.startswith("\\") and name not in GREEK_COMMANDS
    is_eulers_number = name == "e" and not index
    if is_other_command or is_eulers_number or not (index or power):
        return match[0]
    symbol = name
    if index:
        bare_name = name.strip("\\")
        symbol = rf"\mathrm{{{bare_name}sub{index}}}"
    return f"{{{symbol}}}^" if power else symbol


# From formulas to a verdict


def _same_matrix(gold: sympy.Matrix, answer: sympy.Matrix) -> bool:
    if gold.shape != answer.shape:
        return False
    return all(_same_expression(gold_entry, entry) for gold_entry, entry in zip(gold, answer, strict=True))


def _same_expression(gold: sympy.Expr, answer: sympy.Expr) -> bool:
    symbols = gold.free_symbols | answer.free_symbols
    if not symbols:
        return _same_constant(gold.doit(), answer.doit())
    verdicts = []
    for index in _points_needed(gold, answer):
        point = _point(symbols, index)
        gold_value = _evaluate(gold, point)
        value = _evaluate(answer, point)
        if _is_evidence(index, gold_value, value):
            verdicts.append(_close(gold_value, value))
    return False not in verdicts and True in verdicts


def _same_constant(gold: sympy.Expr, answer: sympy.Expr) -> bool:
    """Compares rational numbers exactly, and other constants by their difference.

    The difference is evaluated to as many digits as needed, so that 2^{1009} - 1 is not equal to 2^{1009}.
    """
    if gold == answer:
        return gold not in UNDEFINED
    if gold.is_Rational and answer.is_Rational:
        return False
    if not gold.is_finite or not answer.is_finite:
        return False
    difference = abs(sympy.N(gold - answer, DIGITS, maxn=MOST_DIGITS))
    if not difference.is_number:
        return False
    magnitude = abs(sympy.N(gold))
    return bool(difference <= ZERO_DIFFERENCE * min(1, magnitude))


def _same_side(sign: str, gold: sympy.Expr | None, answer: sympy.Expr | None) -> bool:
    """Whether `gold sign 0` and `answer sign 0` are equivalent.

    They are if the two sides are proportional; for inequalities, by a positive factor.
    """
    if not isinstance(gold, sympy.Expr) or not isinstance(answer, sympy.Expr):
        return False
    symbols = gold.free_symbols
    if not symbols or symbols != answer.free_symbols:
        return False
    ratios = []
    for index in _points_needed(gold, answer):
        point = _point(symbols, index)
        gold_value = _evaluate(gold, point)
        value = _evaluate(answer, point)
        if not _is_evidence(index, gold_value, value):
            continue
        if not _is_finite_number(gold_value) or not _is_finite_number(value) or value == 0:
            return False
        ratios.append(sympy.N(gold_value / value, DIGITS))
    if not all(_close(ratio, ratios[0]) for ratio in ratios) or ratios[0] == 0:
        return False
    return sign in ("=", r"\ne") or bool(ratios[0].is_positive)


def _points_needed(gold: sympy.Expr, answer: sympy.Expr) -> range:
    """The indices of the points at which two formulas are compared."""
    if _has_cases(gold) or _has_cases(answer):
        return range(POINTS + FAR_POINTS)
    return range(POINTS)


def _has_cases(formula: sympy.Expr) -> bool:
    """Whether a formula may be another one further from 0: it has absolute values, roots or rounding."""
    if formula.has(sympy.Abs, sympy.floor, sympy.ceiling, sympy.Max, sympy.Min):
        return True
    return any(not power.exp.is_integer and power.base.free_symbols for power in formula.atoms(sympy.Pow))


def _point(symbols: set[sympy.Symbol], index: int) -> dict[sympy.Symbol, sympy.Float]:
    """A value for each symbol, which depends only on its name."""
    point = {}
    for symbol in symbols:
        checksum = zlib.crc32(f"{symbol.name}{index}".encode())
        numerator = sympy.Float(300 + checksum % 2400, 2 * DIGITS)
        value = numerator / 1009  # between 0.3 and 2.7
        if index >= POINTS:
            value *= FAR
        if index in NEGATIVE:  # where |x| and x differ
            value = -value
        point[symbol] = value
    return point


def _evaluate(formula: sympy.Expr, point: dict[sympy.Symbol, sympy.Float]) -> sympy.Expr:
    return sympy.N(formula.xreplace(point), DIGITS)


def _is_evidence(index: int, gold_value: sympy.Expr, value: sympy.Expr) -> bool:
    """Whether the values at a point count. They do not at negative and far points if roots make them complex."""
    if index < POINTS - 1:
        return True
    return bool(gold_value.is_real and value.is_real)


def _is_finite_number(value: sympy.Expr) -> bool:
    return bool(value.is_number and value.is_finite)


def _close(gold_value: sympy.Expr, value: sympy.Expr) -> bool | None:
    """Whether two evaluated formulas agree; `None` if neither is defined, or if that is unknown for one of them."""
    if gold_value == value:
        return None if gold_value in UNDEFINED else True
    if not _is_finite_number(gold_value) or not _is_finite_number(value):
        if gold_value.is_finite is False or value.is_finite is False:
            return False
        return None
    larger = max(abs(gold_value), abs(value))
    return bool(abs(gold_value - value) <= TOLERANCE * larger or larger < ZERO)
