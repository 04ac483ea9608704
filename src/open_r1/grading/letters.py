"""Letters that may be called anything: parameters of solutions, constants of integration, arguments of functions."""

import re


LETTER = r"(?<![\\a-zA-Z«])%s(?![a-zA-Z]{2}|»)"
PARAMETERS = "knm"
# What makes a letter a parameter of a general solution: it is said to be whole, or so many turns are added.
GENERAL = re.compile(
    r"\\in\s*(?:\\mathbb\{Z\}|Z)|(?:^|=|[+-])\s*\d*\s*[knm]\s*\*?\s*(?:\\pi|360|180)|(?:\\pi|[36]0°?)\s*\*?\s*[knm](?:$|,)"
)
CONSTANT = re.compile(
    r"[+-]\s*([Cc])$|(?:^|=)([A-Zc])\s?\*?(?=e\^|x|\\(?:sin|cos|exp|sqrt|frac)|\()"
)  # `… + C`, `y = C e^{2x}`
ARGUMENT = re.compile(r"^([a-zA-Z])\(([a-z])\)=")


def same_letters(gold: str, answer: str) -> str:
    """The answer with the gold's letters for its parameter, constant and argument.

    >>> same_letters(r"k\\pi", r"n\\pi"), same_letters("x^{2}+C", "x^{2}+c"), same_letters("f(x)=2x", "f(t)=2t"), same_letters("n^{2}", "k^{2}")
    ('k\\\\pi', 'x^{2}+C', 'f(x)=2x', 'k^{2}')
    """
    if GENERAL.search(gold):
        ours, theirs = ([p for p in PARAMETERS if has(text, p)] for text in (gold, answer))
        if len(ours) == len(theirs) == 1 and ours != theirs:
            answer = rename(answer, theirs[0], ours[0])
    match = CONSTANT.search(gold)
    constant = match and (match[1] or match[2])
    if constant and not has(answer, constant) and set(re.findall("[A-Z]", gold)) <= {constant}:
        other = next((c for c in "CcAKk" if has(answer, c) and not has(gold, c)), None)
        answer = rename(answer, other, constant) if other else answer
    function, other = ARGUMENT.match(gold), ARGUMENT.match(answer)
    if function and other and function[1] == other[1] and function[2] != other[2] and not has(answer, function[2]):
        answer = rename(answer, other[2], function[2])
    return answer


def has(text: str, letter: str) -> bool:
    """Whether a letter stands alone in a formula."""
    return re.search(LETTER % letter, text) is not None


def rename(text: str, old: str, new: str) -> str:
    return re.sub(LETTER % old, new, text)
