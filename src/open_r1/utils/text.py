"""Text of completions and conversations: what the model wrote, and where its thought ends and its answer begins."""

import re
from typing import NamedTuple


OPEN, CLOSE = "<think>", "</think>"
ANSWER_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)


class SplitCompletion(NamedTuple):
    """A completion split into thought and answer.

    Args:
        thought (`str`, *optional*): Text of the thought without its tags; `None` if the completion has no tags.
        answer (`str`, *optional*): Text after the thought; `None` if the thought is never closed.
    """

    thought: str | None
    answer: str | None


def split_thought(completion: str) -> SplitCompletion:
    """Splits a completion at its last `</think>`.

    The opening tag may be missing, since some chat templates put it at the end of the prompt.

    >>> split_thought("<think>2+2</think>4")
    SplitCompletion(thought='2+2', answer='4')
    >>> split_thought("2+2</think>4")
    SplitCompletion(thought='2+2', answer='4')
    >>> split_thought("<think>2+2"), split_thought("4")
    (SplitCompletion(thought='2+2', answer=None), SplitCompletion(thought=None, answer='4'))
    """
    before, closed, after = completion.rpartition(CLOSE)
    if OPEN in after:  # a thought that is never closed
        _, _, unclosed = completion.partition(OPEN)
        return SplitCompletion(unclosed, None)
    if not closed:
        return SplitCompletion(None, after)
    _, opened, inside = before.partition(OPEN)
    if not opened:
        return SplitCompletion(before, after)
    return SplitCompletion(inside, after)


def join_thought(thought: str, answer: str) -> str:
    """A completion whose thought was kept apart from its answer.

    >>> join_thought("2+2", "4")
    '<think>2+2</think>4'
    """
    return f"{OPEN}{thought}{CLOSE}{answer}"


def open_thought(completion: str) -> str:
    """A completion of a prompt that ends with `<think>`, with that tag, unless the completion has it already.

    Some servers put the tag back, and some copies of a model have a template without it.

    >>> open_thought("2+2</think>4"), open_thought("<think>2+2</think>4")
    ('<think>2+2</think>4', '<think>2+2</think>4')
    """
    if completion.lstrip().startswith(OPEN):
        return completion
    return OPEN + completion


def split_answer_blocks(text: str) -> tuple[list[str], str]:
    """The contents of all non-blank `<answer>` blocks of a text, and the text around the blocks.

    >>> split_answer_blocks("a<answer>4</answer>b")
    (['4'], 'a\\n\\nb')
    """
    pieces = ANSWER_TAG.sub(r"<\1answer>", text).split("</answer>")
    blocks = []
    outside = []
    for piece in pieces[:-1]:
        before, opened, block = piece.rpartition("<answer>")
        if not opened:
            outside.append(piece)
            continue
        outside.append(before)
        if block.strip():
            blocks.append(block)
    return blocks, "\n\n".join([*outside, pieces[-1]])


def shorten(text: str, length: int) -> str:
    """The beginning of a text that is too long to be shown, with an ellipsis.

    >>> shorten("abcdef", 4), shorten("abc", 4)
    ('abc…', 'abc')
    """
    if len(text) <= length:
        return text
    return text[: length - 1] + "…"


def text_of(completion: str | list[dict] | None) -> str | None:
    """The text of a completion, which TRL passes as a string or as messages (with or without the thought parsed out).

    >>> text_of([{"role": "assistant", "content": "4", "reasoning_content": "2+2"}])
    '<think>2+2</think>4'
    """
    if completion is None or isinstance(completion, str):
        return completion
    texts = []
    for message in completion:
        if message.get("role", "assistant") == "assistant":  # tool and user messages are not the model's
            texts.append(_message_text(message))
    return "".join(texts)


def prompt_messages(prompt: str | list[dict]) -> list[dict]:
    """Converts a prompt to messages.

    >>> prompt_messages("1+1?")
    [{'role': 'user', 'content': '1+1?'}]
    """
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return prompt


def conversation_text(value: str | list[dict] | None) -> str:
    """All text of a conversation, from every role; a string is returned unchanged.

    >>> conversation_text([{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}])
    '1+1? 2'
    """
    if isinstance(value, list):
        return " ".join(_message_text(message) for message in value)
    return value or ""


def _message_text(message: dict) -> str:
    """The text of a message, with the thought that a parser may have taken out of it."""
    content = _content(message)
    thought = message.get("reasoning_content")
    if thought:
        return join_thought(thought, content)
    return content


def _content(message: dict) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content)
