"""Detects reflection in a thought: words such as "wait", attempts, checks that fail or are only claimed to hold, and
mistakes that the model notices and corrects (the paper's "aha moment")."""

import ast
import operator
import re
from fractions import Fraction


# The paper's list (v2, C.2 and Figure 9), and Chinese words.
WORDS = ("wait", "mistake", "however", "but", "retry", "error", "verify", "wrong", "evaluate", "check")
CHINESE_WORDS = {"等等": "děngděng", "重新": "chóngxīn", "检查": "jiǎnchá"}  # with pinyin, which every font has
REFLECTION_WORDS = re.compile(rf"\b({'|'.join(WORDS)})\b|{'|'.join(CHINESE_WORDS)}", re.IGNORECASE)
# Words that begin another attempt. Several of them within a few characters ("wait, let me try") begin the same one.
RETRY_WORD = r"(?:\b(?:wait\b(?! for)|retry\b|alternatively\b|(?:let me|let's) try\b|try again\b)|等等|重新)"
RETRY_WORDS = re.compile(rf"{RETRY_WORD}(?:.{{0,8}}?{RETRY_WORD})*", re.IGNORECASE)
FAILED_CHECK = re.compile(r"✗|✘|\b(?:does|did)(?: not|n't) (?:work|hold|match)\b|不对|不成立", re.IGNORECASE)
HELD = (
    r"✓|✔|(?<!\bif )(?<!\bwhether )\b(?:it|that|this|which) (?:works|holds|checks out|is correct)\b"
    r"|(?<!不)(?:对了|成立)"
)
HELD_CHECK = re.compile(HELD, re.IGNORECASE)
CHECK_WINDOW = 1000  # maximum number of characters between a check that fails and one that holds
EQUATION = re.compile(r"([\d(][\d+*/(). -]*?)\s*=\s*(-?\d+(?:\.\d+)?(?:/\d+)?)")
TIMES = re.compile(r"(?<!\s)\s*(?:\\times|\\cdot|[×·⋅])\s*")
DIVIDED = re.compile(r"(?<!\s)\s*(?:\\div|÷)\s*")
THOUSANDS_SEPARATOR = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
# An equation and the claim that it holds; `?` as in "3=7?". What stands before it must not belong to its left side.
CLAIMED_CHECK = re.compile(
    rf"(?:^|(?P<equals>=)|[,;:.?$>，。])\s{{0,5}}(?P<left>[\d(][\d+*/(). -]{{0,60}}?)\s{{0,5}}="
    rf"\s{{0,5}}(?P<right>-?\d+(?:\.\d+)?(?:/\d+)?)\s{{0,5}}\??[\s,.;:$，。]{{0,3}}(?:{HELD})",
    re.IGNORECASE | re.MULTILINE,
)
OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
WINDOW = 200  # maximum number of characters between an equation and the word of reflection


def has_reflection(text: str) -> bool:
    """Whether a text has a word of reflection.

    >>> has_reflection("3*7=2 wait 3*7=1"), has_reflection("3*7=1")
    (True, False)
    """
    return REFLECTION_WORDS.search(text) is not None


def find_repair(text: str) -> tuple[str, str, str] | None:
    """Finds the first mistake that is noticed and corrected, the simplest form of the paper's "aha moment".

    A repair is an equation, then a word of reflection, then an equation with the same left side and another value.

    Args:
        text (`str`): A thought or a whole completion.

    Returns:
        `tuple[str, str, str]`: Left side, wrong result and corrected result; `None` if there is no repair.

    >>> find_repair("3*7=2 wait 3*7=1 so 1+5=6")
    ('3*7', '2', '1')
    >>> find_repair(r"$3 \\times 7 = 22$. Wait, $3\\cdot7=21$.")
    ('3*7', '22', '21')
    >>> find_repair("3*7=1 wait 3*7=1") is None
    True
    """
    plain = _plain(text.replace("$", ""))
    for word in REFLECTION_WORDS.finditer(plain):
        start = max(0, word.start() - WINDOW)
        before = EQUATION.findall(plain[start : word.start()])
        after = EQUATION.search(plain, word.end(), word.end() + WINDOW)
        if not before or after is None:
            continue
        left_before, result_before = before[-1]
        left_after, result_after = after.groups()
        left = _without_spaces(left_after)
        if left != _without_spaces(left_before):
            continue
        if _value(result_before) != _value(result_after):
            return left, result_before, result_after
    return None


def repairs_failed_check(text: str) -> bool:
    """Whether a check fails, and one that follows soon holds.

    >>> repairs_failed_check("2*4=8=3?✗ wait 3*1=3=3?✓"), repairs_failed_check("2*4=8=3?✗")
    (True, False)
    """
    for failed in FAILED_CHECK.finditer(text):
        if HELD_CHECK.search(text, failed.end(), failed.end() + CHECK_WINDOW):
            return True
    return False


def count_attempts(text: str) -> int:
    """The number of attempts at a problem: one more than there are words that begin another one.

    >>> count_attempts("2*4=8=3?✗ wait 3*1=3=3?✓")
    2
    """
    return 1 + len(RETRY_WORDS.findall(text))


def has_false_check(text: str) -> bool:
    """Whether a text claims that an equation holds that is false in ordinary arithmetic.

    Only equations that consist of numbers are judged, and only if nothing else stands directly before them; of a chain
    such as `3+5=8=7`, the last part.

    >>> has_false_check("3+5=8=7?✓"), has_false_check("3+4=7=7?✓"), has_false_check("$3+5=7$, which is correct")
    (True, False, True)
    """
    plain = _plain(text).replace("−", "-")
    plain = DIVIDED.sub("/", plain)
    for claim in CLAIMED_CHECK.finditer(plain):
        left = claim["left"]
        has_operator = any(character in left for character in "+-*/")
        if claim["equals"] is None and not has_operator:
            continue
        value = _evaluate(left)
        if value is not None and not _is_rounded(value, claim["right"]):
            return True
    return False


def _plain(text: str) -> str:
    """A text with `*` for products, and without commas in numbers."""
    plain = TIMES.sub("*", text)
    return THOUSANDS_SEPARATOR.sub("", plain)


def _is_rounded(value: Fraction, result: str) -> bool:
    """Whether a result equals a value, as exactly as its decimals can say."""
    _, _, decimals = result.partition(".")
    tolerance = Fraction(0)
    if decimals:
        tolerance = Fraction(1, 2 * 10 ** len(decimals))
    return abs(value - Fraction(_value(result))) <= tolerance


def _evaluate(expression: str) -> Fraction | None:
    """The value of an arithmetic expression; `None` if it is not one."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        return _evaluate_node(tree.body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError):
        return None


def _evaluate_node(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Fraction(str(node.value))
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        return OPERATIONS[type(node.op)](_evaluate_node(node.left), _evaluate_node(node.right))
    raise ValueError("not arithmetic")


def _value(result: str) -> Fraction | str:
    """The value of a number or fraction; its text if the denominator is zero."""
    numerator, _, denominator = result.partition("/")
    if not denominator:
        return Fraction(numerator)
    if int(denominator) == 0:
        return result
    return Fraction(numerator) / int(denominator)


def _without_spaces(text: str) -> str:
    return re.sub(r"\s", "", text)
