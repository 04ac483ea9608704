"""Brackets: which closes which, and what stands outside of all."""

import re


def key(text: str) -> str:
    """A text without what makes no difference: blanks, marks of words, braces around one character.

    >>> key("x^{2} + {a}"), key("(1, 2)")
    ('x^2+a', '(1,2)')
    """
    return re.sub(r"(?<!\\)\{(\w)\}", r"\1", re.sub(r"[\s«»]+", "", re.sub(r"(?<=\d)\s+(?=\d)", "_", text)))


def closing(text: str, start: int) -> int | None:
    """Index of the bracket that closes the one at `start`, of whatever kind (as in `[0,1)`); braces must match braces."""
    depth = 0
    for i in range(start, len(text)):
        if i and text[i - 1] == "\\" and text[i] in "{}":
            continue
        if text[i] in "([{":
            depth += 1
        elif text[i] in ")]}":
            depth -= 1
            if depth == 0:
                return i
    return None


def split(text: str, separator: re.Pattern) -> list[str]:
    """The pieces of a text between matches of `separator` that stand in no bracket.

    >>> split("(1,2),3", re.compile(","))
    ['(1,2)', '3']
    """
    return split_at(text, separator)[0]


def split_at(text: str, separator: re.Pattern) -> tuple[list[str], list[str]]:
    """The pieces, and what stands between them.

    >>> split_at("1<x=2", re.compile("[<=]"))
    (['1', 'x', '2'], ['<', '='])
    """
    pieces, found, depth, start, i = [], [], 0, 0, 0
    while i < len(text):
        if text[i] in "([{" or text.startswith(r"\begin", i):
            depth += 1
        elif text[i] in ")]}" or text.startswith(r"\end{", i):
            depth -= 1
        elif depth <= 0 and (match := separator.match(text, i)):
            pieces.append(text[start:i])
            found.append(match[0])
            start = i = match.end()
            continue
        i += 1
    return [piece.strip() for piece in [*pieces, text[start:]]], found
