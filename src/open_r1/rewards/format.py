"""Format reward: whether the completion puts its thought between tags and then answers.

Follows DeepSeek-R1, §2.2.2 and Table 1; for summaries, §2.3.1.
"""

import re

from open_r1.utils.text import text_of


TAGS = ("<think>", "</think>", "<answer>", "</answer>")
# Each tag occurs once and in order, with only white space around the parts, and neither part is blank.
TEXT = r"(?:(?!</?think>|</?answer>).)*"
THOUGHT = rf"\s*<think>(?!\s*</){TEXT}</think>\s*"
STRUCTURES = {
    "answer": re.compile(rf"{THOUGHT}<answer>(?!\s*</){TEXT}</answer>\s*", re.DOTALL),
    "summary": re.compile(rf"{THOUGHT}(?=\S){TEXT}", re.DOTALL),
    "either": re.compile(rf"{THOUGHT}(?:(?=\S){TEXT}|<answer>(?!\s*</){TEXT}</answer>\s*)", re.DOTALL),
}


class Format:
    """1.0 if the whole completion has the required structure, else 0.0.

    If the prompt ends with `<think>`, as with the templates of the distilled models, `Composition` adds the tag back
    first. If TRL has parsed the thought out of a message, `text_of` adds its tags back.

    Args:
        structure (`str`, *optional*, defaults to `"answer"`):
            `"answer"` for `<think>…</think><answer>…</answer>` (R1-Zero), `"summary"` for `<think>…</think>` followed
            by a summary without tags (R1), `"either"` for any of the two.

    Raises:
        ValueError: If the structure is unknown.

    >>> Format()(["<think>2+2</think><answer>4</answer>", "<answer>4</answer>"])
    [1.0, 0.0]
    >>> Format("summary")(["<think>2+2</think>It is 4.", "<think>2+2</think>"])
    [1.0, 0.0]
    """

    __name__ = "format"

    def __init__(self, structure: str = "answer"):
        if structure not in STRUCTURES:
            raise ValueError(f"structure: found {structure!r}; expected {' or '.join(STRUCTURES)}")
        self.structure = structure

    def __call__(self, completions: list, **kwargs) -> list[float | None]:
        pattern = STRUCTURES[self.structure]
        rewards: list[float | None] = []
        for completion in completions:
            text = text_of(completion)
            if text is None:
                rewards.append(None)
            else:
                rewards.append(1.0 if pattern.fullmatch(text) else 0.0)
        return rewards


def tag_count(completions: list, **kwargs) -> list[float | None]:
    """0.25 for each of the four tags that occurs exactly once: a denser signal than `Format`.

    Args:
        completions (`list`): Completions as text or messages.

    >>> tag_count(["<think>2+2</think>4", "<think><think>"])
    [0.5, 0.0]
    """
    rewards: list[float | None] = []
    for completion in completions:
        text = text_of(completion)
        if text is None:
            rewards.append(None)
        else:
            reward = 0.0
            for tag in TAGS:
                if text.count(tag) == 1:
                    reward += 1 / len(TAGS)
            rewards.append(reward)
    return rewards
