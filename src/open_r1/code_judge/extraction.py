"""The program in a completion: the last fenced block of the right language in the final answer."""

import re
import textwrap

from open_r1.code_judge.languages import LANGUAGES
from open_r1.utils.text import split_answer_blocks, split_thought


FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})([^\n`]*)$", re.MULTILINE)


def program_of(completion: str, language: str) -> str | None:
    """The program that a completion answers with; `None` if there is none.

    The last block tagged as the language, else the last one without a tag; after the thought only, within `<answer>` if there is
    one. A fence that never closes reaches to the end.

    Args:
        completion (`str`): The text, thought included.
        language (`str`): A key of `LANGUAGES`.

    >>> program_of("<think>```python\\n1\\n```</think>So:\\n```Python3\\nprint(2)\\n```\\nwhich prints\\n```\\n2\\n```", "python")
    'print(2)\\n'
    """
    part = split_thought(completion).answer
    if part is None:
        return None
    part = part.replace("\r\n", "\n").replace("\r", "\n")
    answers, _ = split_answer_blocks(part)
    tags = LANGUAGES[language].tags
    blocks = [block for block in fenced(answers[-1] if answers else part) if block[1].strip()]
    named = [text for tag, text in blocks if tag in tags]
    unnamed = [text for tag, text in blocks if not tag]
    return (named or unnamed or [None])[-1]


def fenced(text: str) -> list[tuple[str, str]]:
    """Tag and text of each fenced block, in order; linear in the length, however many fences there are.

    >>> fenced("```py\\na\\n```\\n~~~\\nb")
    [('py', 'a\\n'), ('', 'b')]
    """
    blocks: list[tuple[str, str]] = []
    opened: re.Match | None = None
    for fence in FENCE.finditer(text):
        tag = fence[3].strip()
        if opened is not None and not fence[2].startswith(opened[2]):
            continue  # a line of the block
        closes = opened is not None and not tag
        if opened is not None:  # with a tag, the block before was never closed
            blocks.append(_block(opened, text[opened.end() : fence.start()]))
        opened = None if closes else fence
    if opened is not None:
        blocks.append(_block(opened, text[opened.end() :]))
    return blocks


def _block(opening: re.Match, text: str) -> tuple[str, str]:
    words = re.findall(r"[\w+#]+", opening[3])
    return words[0].lower() if words else "", textwrap.dedent(text.removeprefix("\n")) if opening[
        1
    ] else text.removeprefix("\n")
