"""Finds matching brackets, and splits text at separators outside of brackets."""

import re


OPENING = "([{"
CLOSING = ")]}"
ESCAPED_OR_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
GAP_BETWEEN_DIGITS = re.compile(r"(?<=\d)\s+(?=\d)")
WORDS = re.compile("«[^»]{2,}»")
BLANKS_AND_WORD_MARKS = re.compile(r"[\s«»]+")
BRACES_AROUND_ONE_CHARACTER = re.compile(r"(?<!\\)\{(\w)\}")


def comparison_key(text: str) -> str:
    """A text without insignificant parts: blanks, marks around words, and braces around a single character.

    >>> comparison_key("x^{2} + {a}"), comparison_key("(1, 2)")
    ('x^2+a', '(1,2)')
    """
    text = GAP_BETWEEN_DIGITS.sub("_", text)  # `1 2` is not `12`
    if "«" in text:
        text = WORDS.sub(_lower, text)
    text = BLANKS_AND_WORD_MARKS.sub("", text)
    return BRACES_AROUND_ONE_CHARACTER.sub(r"\1", text)


def _lower(match: re.Match) -> str:
    return match[0].lower()


def closing_index(text: str, start: int) -> int | None:
    """The index of the bracket that closes the one at `start`. It may be of another kind, as in `[0,1)`.

    Args:
        text (`str`): The text.
        start (`int`): Index of an opening bracket.

    Returns:
        `int`, *optional*: The index, or `None` if the bracket is never closed. Escaped braces do not count.

    >>> closing_index("f([0,1))", 1), closing_index("(1", 0)
    (7, None)
    """
    depth = 0
    for index in range(start, len(text)):
        character = text[index]
        if character in OPENING:
            if not _is_escaped_brace(text, index):
                depth += 1
        elif character in CLOSING:
            if _is_escaped_brace(text, index):
                continue
            depth -= 1
            if depth == 0:
                return index
    return None


def closing_brace(text: str, start: int) -> int | None:
    """The index of the brace that closes the group whose content starts at `start`, whatever other brackets it has.

    >>> closing_brace("{B) {5}}", 1)
    7
    """
    depth = 1
    for match in ESCAPED_OR_BRACE.finditer(text, start):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                return match.start()
    return None


def _is_escaped_brace(text: str, index: int) -> bool:
    return text[index] in "{}" and index > 0 and text[index - 1] == "\\"


def split_outside_brackets(text: str, separator: re.Pattern) -> list[str]:
    """The pieces of a text between the matches of `separator` outside of brackets.

    >>> split_outside_brackets("(1,2),3", re.compile(","))
    ['(1,2)', '3']
    """
    pieces, _ = split_with_separators(text, separator)
    return pieces


def split_with_separators(text: str, separator: re.Pattern) -> tuple[list[str], list[str]]:
    """The pieces of a text between the matches of `separator` outside of brackets, and the matches.

    >>> split_with_separators("1<x=2", re.compile("[<=]"))
    (['1', 'x', '2'], ['<', '='])
    """
    pieces = []
    separators = []
    depth = 0
    start = 0
    index = 0
    while index < len(text):
        if text[index] in OPENING or text.startswith(r"\begin", index):
            depth += 1
        elif text[index] in CLOSING or text.startswith(r"\end{", index):
            depth -= 1
        elif depth <= 0:
            match = separator.match(text, index)
            if match:
                pieces.append(text[start:index].strip())
                separators.append(match[0])
                start = match.end()
                index = start
                continue
        index += 1
    pieces.append(text[start:].strip())
    return pieces, separators
