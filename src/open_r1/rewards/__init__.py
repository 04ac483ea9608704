"""Rewards for GRPO and evaluation, referred to by name in recipes.

A reward is a pure function of completions and data set columns:

    (completions, <columns>, **kwargs) -> list[float | None]

A reward with parameters is a class whose instances have this signature. `None` means "cannot be judged". In a recipe:

    reward_funcs:
      - {name: accuracy, domain: [math, stem]}
      - {name: format, weight: 0.5, only_if: accuracy}
      - {name: my_rewards.py:brevity, max_words: 200}

Registered rewards take completions as text or as TRL's messages; if the prompt ends with `<think>`, the tag is added
back to the completion first. Your own rewards are called exactly as TRL would call them; use `text_of` to get the text
of a completion. TRL's rewards (`trl.rewards.…`) get messages. `python -m open_r1.rewards` grades a file. Importing
this package does not import torch.

Start reading at `composition.py`.
"""

from open_r1.grading import grade, usable_gold
from open_r1.rewards.accuracy import accuracy
from open_r1.rewards.checks import check_columns, check_domains, check_golds, check_samples
from open_r1.rewards.composition import Composition, Reward
from open_r1.rewards.format import Format, tag_count
from open_r1.rewards.language import language_consistency
from open_r1.rewards.registry import REWARDS
from open_r1.utils.text import text_of


__all__ = [
    "REWARDS",
    "Composition",
    "Format",
    "Reward",
    "accuracy",
    "check_columns",
    "check_domains",
    "check_golds",
    "check_samples",
    "grade",
    "language_consistency",
    "tag_count",
    "text_of",
    "usable_gold",
]
