"""Do two formulas have the same value? math-verify's parser reads them, evaluation at several points compares them.

Evaluation to 60 digits settles what `simplify` may never finish, and has no false positives short of a coincidence in all
points. Decimals are exact fractions: 0.33 is not 1/3. Runs in a worker, since powers of powers or sums may take for ever.
"""

import math
import re
import zlib
from functools import lru_cache

import sympy
from antlr4.atn.PredictionMode import PredictionMode
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, _Latex2Sympy

from open_r1.grading.equality import equal
from open_r1.grading.spelling import GREEK


CASE_MATTERS = ConversionConfig(lowercase_symbols=False)
DIGITS = 60
TOLERANCE = sympy.Rational(1, 10**50)  # relative; below any decimal that somebody writes for a root
MOST_DIGITS = 600  # to which a difference of constants is evaluated before it counts as 0
NOTHING = sympy.Rational(1, 10**300)
LARGEST = 20_000  # digits of a number
POINTS = 4
CONSTANTS = {sympy.Symbol("i"): sympy.I, sympy.Symbol("e"): sympy.E}
# A letter or command, with its index and the sign of a power behind it.
SYMBOL = re.compile(r"(\\[a-zA-Z]+|[a-zA-Z])(?:_(?:\{(\w+)\}|(\w)))?(\s*\^)?")
LETTERS = {rf"\{name}" for name in [*GREEK, "Gamma", "Delta", "Theta", "Lambda", "Sigma", "Phi", "Psi", "Omega"]}
SIGNED = re.compile(r"^(=|<|>|\\le|\\ge|\\ne)\s(.*)$")


class TooLarge(ValueError):
    """A formula for a number of more digits than can be handled, such as 10^{10^{10}}."""


def judge(pair: tuple[str, str]) -> bool:
    """Whether two normalized answers are equal: what a worker is asked."""
    return equal(*pair, same_value)


@lru_cache(maxsize=20000)
def same_value(gold: str, answer: str) -> bool:
    """Whether two normalized formulas agree; with a relation sign in front, whether the sides of two relations do.

    >>> same_value(r"(x+1)^{2}", r"x^{2}+2x+1"), same_value(r"\\frac{1}{3}", "0.333"), same_value("= y-(2x)", "= 4x-(2y)")
    (True, False, True)
    """
    gold_sign, answer_sign = SIGNED.match(gold), SIGNED.match(answer)
    if gold_sign and answer_sign:
        return _same_side(gold_sign[1], parse(gold_sign[2]), parse(answer_sign[2]))
    gold = parse(gold)
    try:
        answer = parse(answer)
    except TooLarge:
        return False
    if gold is None or answer is None:
        return False
    if gold == answer:
        return True
    if isinstance(gold, sympy.MatrixBase) and isinstance(answer, sympy.MatrixBase):
        return gold.shape == answer.shape and all(_agree(*pair) for pair in zip(gold, answer, strict=True))
    return isinstance(gold, sympy.Expr) and isinstance(answer, sympy.Expr) and _agree(gold, answer)


@lru_cache(maxsize=20000)
def parse(text: str) -> sympy.Basic | None:
    """The formula that a normalized text is; `None` if math-verify's parser cannot read it.

    Raises:
        TooLarge: If it stands for a number that no memory holds.
    """
    if re.search(r"\d\s+\d", text):  # two numbers, neither their product nor their digits in a row
        return None
    text = _spell(text)
    for parser in (_FastParser, _Latex2Sympy):
        try:
            value = parser(config=CASE_MATTERS).parse(text)
            if isinstance(value, sympy.MatrixExpr):
                value = value.doit().as_explicit()
            if isinstance(value, sympy.MatrixBase):
                return sympy.Matrix(value)
            if not isinstance(value, sympy.Expr):
                return None
            _size(value)
            value = value.doit() if value.has(sympy.Sum, sympy.Product) else value
            return value.xreplace(CONSTANTS)
        except (MemoryError, TooLarge):
            raise
        except Exception:  # the parser raises bare Exception on what it cannot read
            continue
    return None


class _FastParser(_Latex2Sympy):
    """ANTLR's two-stage parsing: SLL prediction takes a fifth of the time, and what it accepts it reads as full LL does."""

    def create_parser(self, latex_str: str):
        parser = super().create_parser(latex_str)
        parser._interp.predictionMode = PredictionMode.SLL
        return parser


def _spell(text: str) -> str:
    """A normalized formula as the parser reads it rightly, and SLL prediction at all."""
    text = re.sub(r"«([^»]*)»", lambda m: r"\mathrm{" + re.sub(r"\W", "", m[1]) + "}", text)
    text = re.sub(r"(?<![\d.])(\d*)\.(\d+)(?![\d.])", _decimal, text)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    text = re.sub(r"(\d|\))\s*(?=\()", r"\1*", text)  # the parser takes `2(3)` for the mixed number 2 3/1
    text = re.sub(r"(?<![\d.}])(\d+)\s*\\frac\{(\d+)\}\{(\d+)\}", r"(\1+\\frac{\2}{\3})", text)  # a mixed number
    text = re.sub(r"(\d+|\([^()]*\)|\b[a-z]|\\[a-z]+)\s*°", r"(\1*\\frac{\\pi}{180})", text).replace(
        "%", r"*\frac{1}{100}"
    )
    text = re.sub(r"(\\(?:ln|lg|log(?:_\{\w+\})?|sin|cos|tan))\s*(\d+|[a-z])\s*/", r"\1(\2)/", text)
    text = re.sub(r"\\l(n|g)(?![a-zA-Z])", lambda m: r"\ln" if m[1] == "n" else r"\log_{10}", text)
    return SYMBOL.sub(_symbol, text)


def _symbol(match: re.Match) -> str:
    """`x_1^` as `{\\mathrm{xsub1}}^`: one name, and a power whose base is a group."""
    name, index, power = match[1], match[2] or match[3], match[4]
    if (name[0] == "\\" and name not in LETTERS) or (name == "e" and not index) or not (index or power):
        return match[0]
    symbol = rf"\mathrm{{{name.strip(chr(92))}sub{index}}}" if index else name
    return f"{{{symbol}}}^" if power else symbol


def _size(formula: sympy.Basic) -> float:
    """About the decimal logarithm of a formula's value, found without evaluating it."""
    if isinstance(formula, sympy.Rational):
        return math.log10(abs(formula.p) or 1) - math.log10(formula.q)
    sizes = [_size(argument) for argument in formula.args]
    if isinstance(formula, sympy.Sum | sympy.Product) and max(sizes[1:]) > 5:
        raise TooLarge
    if isinstance(formula, sympy.Pow | sympy.factorial):
        if sizes[-1] > 6:
            raise TooLarge
        number = 10 ** sizes[-1]
        size = abs(sizes[0]) * number if isinstance(formula, sympy.Pow) else number * max(1.0, sizes[0])
        if size > LARGEST:
            raise TooLarge
        return size
    return sum(sizes) if isinstance(formula, sympy.Mul) else max(sizes, default=0.5)


def _decimal(match: re.Match) -> str:
    return rf"(\frac{{{int(match[1] + match[2])}}}{{{10 ** len(match[2])}}})"


def _point(symbols: set[sympy.Symbol], index: int) -> dict[sympy.Symbol, sympy.Float]:
    """The same value for a name in both formulas; the last point is negative, where |x| and x differ."""
    draw = {s: sympy.Float(300 + zlib.crc32(f"{s.name}{index}".encode()) % 2400, 2 * DIGITS) / 1009 for s in symbols}
    return {s: -value for s, value in draw.items()} if index == POINTS - 1 else draw


def _evaluate(formula: sympy.Expr, point: dict) -> sympy.Expr:
    return sympy.N(formula.xreplace(point), DIGITS)


def _close(a: sympy.Expr, b: sympy.Expr) -> bool | None:
    """Whether two evaluated formulas agree; `None` where either has no value."""
    if a == b:
        return None if a in (sympy.nan, sympy.zoo) else True
    if not (a.is_number and b.is_number and a.is_finite and b.is_finite):
        return None if not (a.is_finite is False or b.is_finite is False) else False
    return bool(abs(a - b) <= TOLERANCE * max(abs(a), abs(b)) or max(abs(a), abs(b)) < sympy.Rational(1, 10**55))


def _agree(gold: sympy.Expr, answer: sympy.Expr) -> bool:
    symbols = gold.free_symbols | answer.free_symbols
    if not symbols:
        return _same_constant(gold.doit(), answer.doit())
    verdicts = []
    for index in range(POINTS):
        point = _point(symbols, index)
        a, b = _evaluate(gold, point), _evaluate(answer, point)
        if index == POINTS - 1 and not (a.is_real and b.is_real):  # roots of negative numbers: no evidence
            continue
        verdicts.append(_close(a, b))
    return False not in verdicts and True in verdicts


def _same_constant(gold: sympy.Expr, answer: sympy.Expr) -> bool:
    """Exactly where both are rational; else by a difference evaluated to as many digits as it takes, for 2^{1009} - 1 too."""
    if gold == answer or (gold.is_Rational and answer.is_Rational) or not (gold.is_finite and answer.is_finite):
        return gold == answer and gold not in (sympy.nan, sympy.zoo)
    difference = abs(sympy.N(gold - answer, DIGITS, maxn=MOST_DIGITS))
    return bool(difference.is_number and difference <= NOTHING * min(1, abs(sympy.N(gold))))


def _same_side(sign: str, gold: sympy.Expr | None, answer: sympy.Expr | None) -> bool:
    """Whether `gold sign 0` and `answer sign 0` say the same: the sides are proportional (by a positive factor, if ordered)."""
    if not isinstance(gold, sympy.Expr) or not isinstance(answer, sympy.Expr):
        return False
    symbols = gold.free_symbols | answer.free_symbols
    if not symbols or gold.free_symbols != answer.free_symbols:
        return False
    ratios = []
    for index in range(POINTS):
        a, b = (_evaluate(side, _point(symbols, index)) for side in (gold, answer))
        if index == POINTS - 1 and not (a.is_real and b.is_real):
            continue
        if not (a.is_number and b.is_number and a.is_finite and b.is_finite) or b == 0:
            return False
        ratios.append(sympy.N(a / b, DIGITS))
    same = all(_close(ratio, ratios[0]) for ratio in ratios)
    return same and ratios[0] != 0 and (sign in ("=", r"\ne") or bool(ratios[0].is_positive))
