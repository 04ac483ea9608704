"""Renames letters whose names are arbitrary: parameters of solutions, constants of integration, function arguments."""

import re


PARAMETERS = "knm"
CONSTANTS = "CcAKk"
# A letter is the parameter of a general solution if it is declared an integer, or is a multiple of full or half turns.
GENERAL_SOLUTION = re.compile(
    r"\\in\s*(?:\\mathbb\{Z\}|Z)"  # k ∈ ℤ
    r"|(?:^|=|[+-])\s*\d*\s*[knm]\s*\*?\s*(?:\\pi|360|180)"  # + 2kπ
    r"|(?:\\pi|[36]0°?)\s*\*?\s*[knm](?:$|,)"  # 360° k
)
CONSTANT = re.compile(
    r"[+-]\s*([Cc])$"  # … + C
    r"|(?:^|=)([A-Zc])\s?\*?(?=e\^|x|\\(?:sin|cos|exp|sqrt|frac)|\()"  # y = C e^{2x}
)
ARGUMENT = re.compile(r"^([a-zA-Z])\(([a-z])\)=")  # f(x) = …
CAPITAL = re.compile("[A-Z]")
_LETTER_ALONE = r"(?<![\\a-zA-Z«])%s(?![a-zA-Z]{2}|»)"


def use_letters_of(gold: str, answer: str) -> str:
    """Renames the parameter, constant and argument in an answer as in the gold.

    >>> use_letters_of(r"k\\pi", r"n\\pi"), use_letters_of("x^{2}+C", "x^{2}+c"), use_letters_of("f(x)=2x", "f(t)=2t")
    ('k\\\\pi', 'x^{2}+C', 'f(x)=2x')
    >>> use_letters_of("n^{2}", "k^{2}")
    'k^{2}'
    """
    answer = _rename_imaginary_unit(gold, answer)
    answer = _rename_parameter(gold, answer)
    answer = _rename_constant(gold, answer)
    return _rename_argument(gold, answer)


def _rename_imaginary_unit(gold: str, answer: str) -> str:
    """`3+4j` as `3+4i`, unless both letters occur, as in `3i+4j`, a vector."""
    if _has_letter(gold, "i") and _has_letter(answer, "j"):
        if not _has_letter(gold, "j") and not _has_letter(answer, "i"):
            return _rename_letter(answer, "j", "i")
    return answer


def _rename_parameter(gold: str, answer: str) -> str:
    if not GENERAL_SOLUTION.search(gold):
        return answer
    gold_parameters = [letter for letter in PARAMETERS if _has_letter(gold, letter)]
    parameters = [letter for letter in PARAMETERS if _has_letter(answer, letter)]
    if len(gold_parameters) == 1 and len(parameters) == 1 and gold_parameters != parameters:
        return _rename_letter(answer, parameters[0], gold_parameters[0])
    return answer


def _rename_constant(gold: str, answer: str) -> str:
    match = CONSTANT.search(gold)
    if not match:
        return answer
    constant = match[1] or match[2]
    other_capitals = set(CAPITAL.findall(gold)) - {constant}
    if other_capitals or _has_letter(answer, constant):
        return answer
    for letter in CONSTANTS:
        if _has_letter(answer, letter) and not _has_letter(gold, letter):
            return _rename_letter(answer, letter, constant)
    return answer


def _rename_argument(gold: str, answer: str) -> str:
    gold_match = ARGUMENT.match(gold)
    match = ARGUMENT.match(answer)
    if not gold_match or not match:
        return answer
    gold_function, gold_argument = gold_match.groups()
    function, argument = match.groups()
    if function != gold_function or argument == gold_argument or _has_letter(answer, gold_argument):
        return answer
    return _rename_letter(answer, argument, gold_argument)


def _has_letter(text: str, letter: str) -> bool:
    return re.search(_LETTER_ALONE % letter, text) is not None


def _rename_letter(text: str, old: str, new: str) -> str:
    return re.sub(_LETTER_ALONE % old, new, text)
