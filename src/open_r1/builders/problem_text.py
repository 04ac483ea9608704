"""One spelling for problems, which may be LaTeX, Unicode or HTML, and their text without instructions.

`7^{2024}`, `7²⁰²⁴` and `7<sup>2024</sup>` become the same words: 7 and 2024. `\\pi` and `π` become pi.
"""

import html
import re
import unicodedata


# Commands of LaTeX that lay out a formula, or are written in several ways. These words do not count.
LAYOUT = set(
    "frac dfrac tfrac cfrac left right big bigg bigl bigr cdot ldots cdots dots quad qquad displaystyle limits "
    "text textbf textit textrm mathrm mathbf mathbb mathcal operatorname begin end align aligned "
    "le leq leqslant ge geq geqslant ne neq lfloor rfloor lceil rceil langle rangle vert lvert rvert".split()
)
# Commands that are words of a formula. Together with letters and numbers, they are its symbols.
FORMULA_WORDS = set(
    "sqrt times div circ pm infty cup cap sum prod int angle triangle perp parallel "
    "sin cos tan cot sec csc arcsin arccos arctan log exp lim max min gcd lcm mod bmod pmod binom overline vec".split()
)
TAG = re.compile(
    r"</?(?:p|br|hr|b|i|u|em|strong|sup|sub|span|div|li|ul|ol|dl|dt|dd|table|tbody|thead|tr|td|th|h[1-6]|font|center"
    r"|blockquote|pre|code|img|a|math|m[a-z]{1,8})(?:\s+[\w:-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+))*\s*/?>",
    re.IGNORECASE,
)
RAISED_OR_LOWERED = re.compile(r"[⁰¹²³⁴-⁹⁺⁻⁽⁾ⁿⁱˣ]+|[₀-₉₊₋₍₎ₐ-ₜᵢⱼ]+")
SENTENCE_END = re.compile(r"(?<=[.!?:])\s+|\n+")
# A sentence that says how to answer rather than what is asked.
_ANSWERING = (
    r"(?:answer|response|respond|reply|solution|reasoning|output|think|solve|problem|question|task|steps?|work"
    r"|assistant|expert|tutor|mathematician)"
)
INSTRUCTION = re.compile(
    r"\bstep[- ]by[- ]step\b|\bfinal answer\b|\\boxed\s*\{\s*\}|\bwithout quotes\b|\b(?:last|own|final) line\b"
    rf"|\b(?:your|you|please|(?<!of the )following)\b.*\b{_ANSWERING}\b|\b{_ANSWERING}\b.*\b(?:your|you|please)\b"
    r"|^\W*(?:show|explain|write|give|provide|put|remember|make sure|do not|think|work|read|check|answer)\b"
    r".*\b(?:answers?|all work|reasoning|steps|calculations?|carefully)\b",
    re.IGNORECASE,
)


def _spell_signs() -> dict[str, str]:
    """The words for signs: `×` as ` times `, `π` as ` pi `, `½` as ` 1 2 `."""
    names = {"×": "times", "÷": "div", "√": "sqrt", "°": "circ", "±": "pm", "∞": "infty", "∪": "cup", "∩": "cap"}
    names |= {"∑": "sum", "∏": "prod", "∫": "int", "∠": "angle", "△": "triangle", "⊥": "perp", "∥": "parallel"}
    for letter in "αβγδεζηθικλμνξπρστφχψωΓΔΘΛΞΠΣΦΨΩϕ":
        names[letter] = (
            unicodedata.name(letter).split()[-1].lower().replace("lamda", "lambda").replace("symbol", "phi")
        )
    for fraction in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅐⅑⅒":
        names[fraction] = unicodedata.normalize("NFKC", fraction).replace("⁄", " ")
    return {sign: f" {name} " for sign, name in names.items()}


SIGNS = _spell_signs()
SIGN = re.compile(f"[{''.join(SIGNS)}]")


def plain_problem(text: str) -> str:
    """A text without HTML, and with words for mathematical signs.

    >>> plain_problem("<p>7<sup>2024</sup>&nbsp;&lt; 2π</p>").split()
    ['7', '2024', '<', '2', 'pi']
    """
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = TAG.sub(" ", text)
    if text.isascii():
        return text
    text = RAISED_OR_LOWERED.sub(r" \g<0> ", text)
    return SIGN.sub(_spell_sign, text)


def _spell_sign(match: re.Match) -> str:
    return SIGNS[match[0]]


def drop_instructions(problem: str) -> str:
    """A problem without the sentences at its beginning and end that say how to answer.

    >>> drop_instructions("Solve the following problem step by step. What is 2+3? Put your answer in a box.")
    'What is 2+3?'
    """
    sentences = SENTENCE_END.split(problem)
    is_asked = [bool(sentence.strip()) and not INSTRUCTION.search(sentence) for sentence in sentences]
    if True not in is_asked:
        return ""
    first = is_asked.index(True)
    after_last = len(sentences) - is_asked[::-1].index(True)
    return " ".join(sentences[first:after_last])


def is_prose(word: str) -> bool:
    """Whether a word of a problem belongs to a sentence rather than to a formula.

    >>> is_prose("apples"), is_prose("2x"), is_prose("sqrt")
    (True, False, False)
    """
    if len(word) < 3 or not word.isalpha():
        return len(word) == 1 and not word.isascii() and word.isalpha()  # a Chinese character
    return word not in FORMULA_WORDS and f" {word} " not in SIGNS.values()


def is_number_or_variable(word: str) -> bool:
    """Whether a word of a problem is a number or a variable.

    >>> is_number_or_variable("2024"), is_number_or_variable("x"), is_number_or_variable("a")
    (True, True, False)
    """
    if any(character.isdigit() for character in word):
        return True
    return len(word) == 1 and word.isascii() and word not in ("a", "i")
