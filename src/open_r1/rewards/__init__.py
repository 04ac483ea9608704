"""Verifiable rewards, by name.

A reward is a pure function of completions and columns of the data set:

    (completions, <columns>, **kwargs) -> list[float | None]

One with parameters is a class whose instances are called like that. `None` means "cannot be judged". In a recipe:

    reward_funcs:
      - {name: accuracy, domain: [math, stem]}
      - {name: format, weight: 0.5, only_if: accuracy}
      - {name: my_rewards.py:brevity, max_words: 200}

Registered rewards take completions as text or as TRL's messages; in a recipe, the tag of a thought that the prompt
opened is put back. Your own rewards are called exactly as TRL calls them; `text_of` gives the text of a completion.
TRL's (`trl.rewards.…`) get messages. `python -m open_r1.rewards` grades a file. Nothing here imports torch.

Start reading at `composition.py`.
"""

from open_r1.grading import grade, usable_gold
from open_r1.rewards.accuracy import accuracy
from open_r1.rewards.checks import check_columns, check_domains, check_golds
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
    "grade",
    "language_consistency",
    "tag_count",
    "text_of",
    "usable_gold",
]
