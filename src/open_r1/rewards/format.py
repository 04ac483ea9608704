"""Format: does the completion think between tags and then answer? (DeepSeek-R1, §2.2.2 and Table 1)"""

import re


TAGS = ("<think>", "</think>", "<answer>", "</answer>")
# Each tag once, in order, nothing but white space around the two blocks, and neither of them blank.
STRUCTURE = re.compile(
    r"\s*<think>(?!\s*</)(?:(?!</?think>|</?answer>).)*</think>"
    r"\s*<answer>(?!\s*</)(?:(?!</?think>|</?answer>).)*</answer>\s*",
    re.DOTALL,
)


def format_reward(completions: list[str], **kwargs) -> list[float]:
    """1.0 if the whole completion is `<think>…</think><answer>…</answer>`, else 0.0.

    Where the prompt already opens the thought (as the templates of the distilled models do), the completion arrives here
    with its `<think>` put back.

    >>> format_reward(["<think>2+2</think><answer>4</answer>", "<answer>4</answer>"])
    [1.0, 0.0]
    """
    return [float(STRUCTURE.fullmatch(completion) is not None) for completion in completions]


def tag_count(completions: list[str], **kwargs) -> list[float]:
    """A quarter for each of the four tags that occurs exactly once: a gentler slope towards the format.

    >>> tag_count(["<think>2+2</think>4", "<think><think>"])
    [0.5, 0.0]
    """
    return [sum(completion.count(tag) == 1 for tag in TAGS) / len(TAGS) for completion in completions]
