"""Finds the program in a completion: the last fenced block of the right language in the final answer."""

import re
import textwrap

from open_r1.code_judge.languages import LANGUAGES
from open_r1.utils.text import split_answer_blocks, split_thought


FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})([^\n`]*)$", re.MULTILINE)


def extract_program(completion: str, language: str) -> str | None:
    """Extracts the program from a completion; `None` if there is none.

    It is the last fenced block tagged with the language, else the last block without a tag. Only the text after the
    thought is searched, and only the last `<answer>` block if there is one. A fence that is never closed extends to
    the end.

    Args:
        completion (`str`): The text, including the thought.
        language (`str`): A key of `LANGUAGES`.

    >>> answer = "So:\\n```Python3\\nprint(2)\\n```\\nprints\\n```\\n2\\n```"
    >>> extract_program("<think>```python\\n1\\n```</think>" + answer, "python")
    'print(2)\\n'
    """
    answer = split_thought(completion).answer
    if answer is None:
        return None
    answer = answer.replace("\r\n", "\n").replace("\r", "\n")
    answer_blocks, _ = split_answer_blocks(answer)
    if answer_blocks:
        answer = answer_blocks[-1]

    tagged = None
    untagged = None
    for tag, text in fenced_blocks(answer):
        if not text.strip():
            continue
        if tag in LANGUAGES[language].tags:
            tagged = text
        elif not tag:
            untagged = text
    return untagged if tagged is None else tagged


def fenced_blocks(text: str) -> list[tuple[str, str]]:
    """Tag and content of each fenced block, in order. Takes linear time for any number of fences.

    >>> fenced_blocks("```py\\na\\n```\\n~~~\\nb")
    [('py', 'a\\n'), ('', 'b')]
    """
    blocks: list[tuple[str, str]] = []
    opening: re.Match | None = None
    for fence in FENCE.finditer(text):
        if opening is None:
            opening = fence
            continue
        if not fence[2].startswith(opening[2]):
            continue  # part of the block's content
        blocks.append(_make_block(opening, text[opening.end() : fence.start()]))
        # A fence with a tag opens a new block, so the previous block was never closed.
        opening = fence if fence[3].strip() else None
    if opening is not None:
        blocks.append(_make_block(opening, text[opening.end() :]))
    return blocks


def _make_block(opening: re.Match, content: str) -> tuple[str, str]:
    indent, _, info = opening.groups()
    words = re.findall(r"[\w+#]+", info)
    tag = words[0].lower() if words else ""
    content = content.removeprefix("\n")
    if indent:
        content = textwrap.dedent(content)
    return tag, content
