"""Finds the program in a completion: the last fenced block of the right language in the final answer."""

import re
import textwrap
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from open_r1.code_judge.languages import LANGUAGES
from open_r1.utils.text import CLOSE, split_answer_blocks, split_thought


# Characters that chat pages put around code: no-break spaces, and byte order marks and others without width.
BLANKS = {"\u00a0": " ", "\u202f": " ", "\ufeff": "", "\u200b": "", "\u2060": ""}
SPACE = rf"[ \t{''.join(BLANKS)}]"
ANY_BLANK = re.compile(f"[{''.join(BLANKS)}]")
FENCE = re.compile(
    rf"(?:^|(?<=<think>)|(?<=</think>)|(?<=<answer>))({SPACE}*)(`{{3,}}|~{{3,}})([^\n`]*)$", re.MULTILINE
)
CLOSING = rf"(?<!`)`{{3,}}(?!`)(?={SPACE}*$)"  # also at the end of a line of code, where no language has backticks
STRINGS = r'"(?:\\.|[^"\\\n])*"?|\'(?:\\.|[^\'\\\n])*\'?'
# What a fence can be part of, by language: strings and comments. `long` opens one of several lines, and `comment` ends
# with its line.
PYTHON_TOKENS = re.compile(
    rf"(?P<comment>#[^\n]*)|(?P<long>\"\"\"|''')|(?P<string>{STRINGS})|(?P<fence>{CLOSING}|`{{3,}}|~{{3,}})",
    re.MULTILINE,
)
CPP_TOKENS = re.compile(
    rf"(?P<comment>//[^\n]*)|(?P<long>/\*)|(?P<string>{STRINGS})|(?P<fence>{CLOSING}|`{{3,}}|~{{3,}})",
    re.MULTILINE,
)
OTHER_TOKENS = re.compile(r"(?P<comment>(?!))|(?P<long>(?!))|(?P<string>(?!))|(?P<fence>`{3,}|~{3,})")
CLOSING_AT_END = re.compile(CLOSING, re.MULTILINE)
LONG_ENDS = {
    '"""': re.compile(r'(?:\\.|[^\\"]|"(?!""))*"""', re.DOTALL),
    "'''": re.compile(r"(?:\\.|[^\\']|'(?!''))*'''", re.DOTALL),
    "/*": re.compile(r"(?:[^*]|\*(?!/))*\*/", re.DOTALL),
}
TAGS = re.compile(r"</?(?:think|[aA]nswer|ANSWER)>")
USUAL_TAGS = 4  # a thought and an answer, opened and closed


def extract_program(completion: str, language: str) -> str | None:
    """Extracts the program from a completion; `None` if there is none.

    It is the last fenced block tagged with the language, else the last block without a tag. Only the text after the
    thought is searched, and only the last `<answer>` block if there is one. A fence that is never closed extends to
    the end. Fences and tags in strings of the program are part of it.

    Args:
        completion (`str`): The text, including the thought.
        language (`str`): A key of `LANGUAGES`.

    >>> answer = "So:\\n```Python3\\nprint(2)\\n```\\nprints\\n```\\n2\\n```"
    >>> extract_program("<think>```python\\n1\\n```</think>" + answer, "python")
    'print(2)\\n'
    """
    completion = completion.replace("\r\n", "\n").replace("\r", "\n")
    text, mask = _mask_quoted_tags(completion)
    answer = split_thought(text).answer
    if answer is None:
        return None
    answer_blocks, _ = split_answer_blocks(answer)
    if answer_blocks:
        answer = answer_blocks[-1]
    if mask:
        answer = answer.replace(mask, "<")

    tagged = None
    untagged = None
    for tag, content in fenced_blocks(answer):
        if not content.strip():
            continue
        if tag in LANGUAGES[language].tags:
            tagged = content
        elif not tag:
            untagged = content
    return untagged if tagged is None else tagged


def fenced_blocks(text: str) -> list[tuple[str, str]]:
    """Tag and content of each fenced block, in order. Takes linear time for any number of fences.

    >>> fenced_blocks("```py\\na\\n```\\n~~~\\nb")
    [('py', 'a\\n'), ('', 'b')]
    """
    return [_make_block(block.opening, text[block.opening.end() : block.end]) for block in _Blocks(text)]


class _Block(NamedTuple):
    """A fenced block.

    Args:
        opening (`re.Match`): The line that opens it.
        end (`int`): Where its content ends.
        is_closed (`bool`): Whether a fence closes it.
        quoted (`list[tuple[int, int, bool]]`):
            Start and end of each string and comment in it, and whether it is a comment.
    """

    opening: re.Match
    end: int
    is_closed: bool
    quoted: list[tuple[int, int, bool]]


class _Blocks:
    """Iterates over the fenced blocks of a text.

    Fences in strings and comments of several lines do not close a block if the language of the block has such.
    """

    def __init__(self, text: str):
        self.text = text
        self.fences = list(FENCE.finditer(text))
        self.fence_at = {fence.start(2): number for number, fence in enumerate(self.fences)}
        # Where searches for the ends of strings have failed. Those that start later would fail too.
        self.unended_from = dict.fromkeys(LONG_ENDS, len(text))

    def __iter__(self) -> Iterator[_Block]:
        number = 0
        while number < len(self.fences):
            block, number = self._read_block(number)
            yield block

    def _read_block(self, number: int) -> tuple[_Block, int]:
        """Reads the block that a fence opens. Returns it and the number of the fence to go on with."""
        opening = self.fences[number]
        tokens = _tokens_of(opening[3])
        position = opening.end()
        quoted = []
        end_in_comment = None
        while True:
            token = tokens.search(self.text, position)
            if token is None:
                break
            position = token.end()
            if token.lastgroup == "comment":
                quoted.append((*token.span(), True))
                closing = CLOSING_AT_END.search(self.text, *token.span())
                if closing and end_in_comment is None:
                    end_in_comment = closing.start()
            elif token.lastgroup == "string":
                if len(token[0]) > 1 and token[0][0] == token[0][-1]:
                    quoted.append((*token.span(), False))
            elif token.lastgroup == "long":
                position = self._skip_long(token, opening)
                if position > token.end():
                    quoted.append((token.start(), position, token[0] == "/*"))
            elif token[0].startswith(opening[2]):
                fence = self.fence_at.get(token.start())
                if fence is None:
                    if tokens is OTHER_TOKENS or not CLOSING_AT_END.match(self.text, token.start()):
                        continue
                    return _Block(opening, token.start(), True, quoted), self._next_fence(position)
                start = self.fences[fence].start()
                opens_block = bool(_strip(self.fences[fence][3]))  # it has a tag: this block was never closed
                if not opens_block:
                    return _Block(opening, start, True, quoted), fence + 1
                if end_in_comment is not None:
                    return _Block(opening, end_in_comment, True, quoted), fence
                return _Block(opening, start, False, quoted), fence
        if end_in_comment is not None:
            return _Block(opening, end_in_comment, True, quoted), len(self.fences)
        return _Block(opening, len(self.text), False, quoted), len(self.fences)

    def _skip_long(self, token: re.Match, opening: re.Match) -> int:
        """The end of a string or comment of several lines; the end of its first token if it is not taken as one.

        If it is never closed, or if a tagged fence follows a closing one inside, as between two blocks of which the
        first has an error, the fences inside count.
        """
        kind = token[0]
        start = token.end()
        if start >= self.unended_from[kind]:
            return start
        end = LONG_ENDS[kind].match(self.text, start)
        if end is None:
            self.unended_from[kind] = start
            return start
        first = self._next_fence(start)
        if first == len(self.fences) or self.fences[first].start() >= end.end():
            return end.end()
        is_open = False
        number = first
        while number < len(self.fences) and self.fences[number].start() < end.end():
            if self.fences[number][2].startswith(opening[2]):
                if is_open and _strip(self.fences[number][3]):
                    return start
                is_open = not is_open
            number += 1
        is_closed_later = number < len(self.fences)
        if not is_closed_later:
            return start
        return end.end()

    def _next_fence(self, position: int) -> int:
        """The number of the first fence that starts at or after a position."""
        return bisect_left(self.fences, position, key=re.Match.start)


def _tokens_of(info: str) -> re.Pattern:
    """What to look for in a block with this info string: a block without a tag may be Python."""
    tag = _tag_of(info)
    if not tag or tag in LANGUAGES["python"].tags:
        return PYTHON_TOKENS
    if tag in LANGUAGES["cpp"].tags:
        return CPP_TOKENS
    return OTHER_TOKENS


def _mask_quoted_tags(text: str) -> tuple[str, str]:
    """Replaces the `<` of tags such as `</think>` in strings of programs, so that they do not end the thought.

    Returns the text, and the character that stands for `<`; an empty string if there is none.
    """
    if not _may_have_quoted_tags(text):
        return text, ""
    mask = next(chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in text)
    pieces = []
    done = 0
    thought_end = text.find(CLOSE)
    for block in _Blocks(text):
        if not block.is_closed:
            continue
        for start, end, is_comment in block.quoted:
            if is_comment and not 0 <= thought_end < block.opening.start():
                continue  # may well be the end of the thought: nothing else tells where it ends
            pieces += [text[done:start], TAGS.sub(lambda tag: mask + tag[0][1:], text[start:end])]
            done = end
    if not pieces:
        return text, ""
    return "".join([*pieces, text[done:]]), mask


def _may_have_quoted_tags(text: str) -> bool:
    """Whether a tag may be in a string of a program: a quick test that few completions pass."""
    tags = list(TAGS.finditer(text))
    if len(tags) > USUAL_TAGS or len({tag[0] for tag in tags}) < len(tags):
        return True
    for tag in tags:
        line_start = text.rfind("\n", 0, tag.start()) + 1
        if re.search("[\"'#]", text[line_start : tag.start()]):
            return True
    return False


def _make_block(opening: re.Match, content: str) -> tuple[str, str]:
    indent, _, info = opening.groups()
    content = content.removeprefix("\n")
    if ANY_BLANK.search(content):
        content = _unindent([_replace_blanks(line) for line in content.split("\n")])
    elif indent:
        content = textwrap.dedent(content)
    return _tag_of(info), content


def _tag_of(info: str) -> str:
    words = re.findall(r"[\w+#]+", info)
    return words[0].lower() if words else ""


def _strip(text: str) -> str:
    return text.strip("".join(BLANKS) + " \t")


def _unindent(lines: list[str]) -> str:
    """Removes the common indentation of lines, and all of the first one: no program starts with an indented line."""
    lengths = [len(line) - len(line.lstrip(" ")) for line in lines if line]
    common = min(lengths, default=0)
    text = "\n".join(line[common:] for line in lines)
    return text.lstrip("\n ")


def _replace_blanks(line: str) -> str:
    """Replaces the blanks at both ends of a line."""
    code = _strip(line)
    if not code:
        return ""
    before, _, after = line.partition(code)
    table = str.maketrans(BLANKS)
    return before.translate(table) + code + after.translate(table)
