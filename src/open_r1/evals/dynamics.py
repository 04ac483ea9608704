"""What thoughts look like, beside being right: words of reflection, mixed languages, slips that are noticed and repaired."""

import re
from fractions import Fraction


# The paper's list (v2, C.2) and what the miniature says in Chinese.
REFLECTION = re.compile(
    r"\b(wait|mistake|however|but|retry|error|verify|wrong|evaluate|check)\b|等等|重新|检查", re.IGNORECASE
)
CHINESE = re.compile(r"[\u4e00-\u9fff]")
LATIN = re.compile(r"[A-Za-z]{2,}")
EQUATION = re.compile(r"([\d(][\d+*/(). -]*?)\s*=\s*(-?\d+(?:\.\d+)?(?:/\d+)?)")
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
NEAR = 200  # characters between an equation and the word that doubts it
TAG = re.compile(r"</?(?:think|answer)>|\\[a-zA-Z]+")


def reflects(text: str) -> bool:
    """Whether a text has a word of reflection.

    >>> reflects("3*7=2 wait 3*7=1"), reflects("3*7=1")
    (True, False)
    """
    return REFLECTION.search(text) is not None


def mixes_languages(text: str) -> bool:
    """Whether a text has words in both Chinese and Latin script; tags and LaTeX commands are no words.

    >>> mixes_languages("<think>3*7=1 so 1+5=6</think>"), mixes_languages("3*7=1 so 1+5=6，所以")
    (False, True)
    """
    words = TAG.sub(" ", text)
    return bool(CHINESE.search(words)) and bool(LATIN.search(words))


def repaired(text: str) -> tuple[str, str, str] | None:
    """The first slip that is noticed and repaired, the paper's "aha" in its plainest form: an equation, a word of reflection, and then the
    same left side with a result of another value.

    Returns:
        `tuple[str, str, str]`: Left side, first result, second result; `None` if there is none.

    >>> repaired("3*7=2 wait 3*7=1 so 1+5=6"), repaired("3*7=1 wait 3*7=1"), repaired(r"$3 \\times 7 = 22$. Wait, $3\\cdot7=21$.")
    (('3*7', '2', '1'), None, ('3*7', '22', '21'))
    """
    plain = THOUSANDS.sub("", re.sub(r"\s*(?:\\times|\\cdot|×)\s*", "*", text).replace("$", ""))
    for word in REFLECTION.finditer(plain):
        before = EQUATION.findall(plain[max(0, word.start() - NEAR) : word.start()])
        after = EQUATION.search(plain, word.end(), word.end() + NEAR)
        if (
            before
            and after
            and _tight(before[-1][0]) == _tight(after[1])
            and _value(before[-1][1]) != _value(after[2])
        ):
            return _tight(after[1]), before[-1][1], after[2]
    return None


def _value(result: str) -> Fraction | str:
    numerator, _, denominator = result.partition("/")
    if not denominator:
        return Fraction(numerator)
    return Fraction(numerator) / int(denominator) if int(denominator) else result


def _tight(text: str) -> str:
    return re.sub(r"\s", "", text)
