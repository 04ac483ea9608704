"""Length and repetition rewards, in tokens. Use them in addition to an accuracy reward, not instead of it.

They wrap TRL's rewards where possible. The exception is `Cosine`: TRL's cosine reward grades answers with TRL's own
accuracy reward, which runs in the training process and has different rules for what is equal. `Cosine` therefore
implements the formula itself and grades with `accuracy`.
"""

import math
from itertools import groupby

from trl.rewards import get_repetition_penalty_reward, get_soft_overlong_punishment

from open_r1.rewards.accuracy import accuracy


class Cosine:
    """Cosine length reward: the shorter a right answer and the longer a wrong one, the higher the reward.

    The formula is equation 1 of arXiv 2502.03373.

    Args:
        max_len (`int`): Maximum length in tokens; longer completions are treated as if they had this length.
        right (`list[float]`, *optional*, defaults to `[1.0, 0.5]`):
            Rewards of a right answer of length 0 and of `max_len`.
        wrong (`list[float]`, *optional*, defaults to `[-1.0, -0.5]`):
            Rewards of a wrong answer of length 0 and of `max_len`.

    >>> Cosine(max_len=4)(["<answer>4</answer>"] * 2, ["4", "5"], [[7, 7], [7, 7, 7, 7, 7]])
    [0.75, -0.5]
    """

    __name__ = "cosine"

    def __init__(
        self,
        max_len: int,
        right: list[float] | None = None,
        wrong: list[float] | None = None,
    ):
        self.max_len = max_len
        self.right = right or [1.0, 0.5]
        self.wrong = wrong or [-1.0, -0.5]

    def __call__(
        self,
        completions: list,
        solution: list,
        completion_ids: list[list[int]],
        **kwargs,
    ) -> list[float | None]:
        rewards: list[float | None] = []
        for grade, ids in zip(accuracy(completions, solution), completion_ids, strict=True):
            if grade is None:
                rewards.append(None)
                continue
            shortest, longest = self.right if grade else self.wrong
            progress = min(len(ids) / self.max_len, 1.0)
            rewards.append(longest + (shortest - longest) * (1 + math.cos(math.pi * progress)) / 2)
        return rewards


class GroupLength:
    """Kimi k1.5's length reward (arXiv 2501.12599, §2.3.3).

    It decreases from 0.5 for the shortest completion of a prompt to -0.5 for the longest. Wrong completions get at
    most 0. If a prompt's completions are not all in this process, they get `None`.

    Args:
        num_generations (`int`): Number of completions per prompt, as in the recipe.

    >>> GroupLength(2)(["\\\\boxed{4}", "\\\\boxed{5}"], ["4", "4"], [[7], [7, 7]], ["2+2"] * 2)
    [0.5, -0.5]
    """

    __name__ = "group_length"

    def __init__(self, num_generations: int):
        self.num_generations = num_generations

    def __call__(
        self,
        completions: list,
        solution: list,
        completion_ids: list[list[int]],
        prompts: list,
        **kwargs,
    ) -> list[float | None]:
        grades = accuracy(completions, solution)
        lengths = list(map(len, completion_ids))
        rewards: list[float | None] = []
        start = 0
        for _, same_prompt in groupby(map(str, prompts)):
            end = start + len(list(same_prompt))
            while start < end:
                group = slice(start, min(start + self.num_generations, end))
                rewards += self._rewards_of_group(lengths[group], grades[group])
                start = group.stop
        return rewards

    def _rewards_of_group(self, lengths: list[int], grades: list[float | None]) -> list[float | None]:
        if len(lengths) < self.num_generations:
            return [None] * len(lengths)
        shortest = min(lengths)
        spread = max(lengths) - shortest
        rewards: list[float | None] = []
        for length, grade in zip(lengths, grades, strict=True):
            reward = 0.0
            if spread > 0:
                reward = 0.5 - (length - shortest) / spread
            if grade is None:
                rewards.append(None)
            elif grade:
                rewards.append(reward)
            else:
                rewards.append(min(0.0, reward))
        return rewards


class Repetition:
    """TRL's penalty for repeated n-grams of tokens (arXiv 2502.03373, appendix C.2), from 0 to `max_penalty`.

    Args:
        ngram_size (`int`, *optional*, defaults to `3`): Number of tokens per n-gram.
        max_penalty (`float`, *optional*, defaults to `-1.0`): Reward of a completion that only repeats itself.

    >>> Repetition(ngram_size=2)(["a b c d", "e e e e e"], [[1, 2, 3, 4], [5, 5, 5, 5, 5]])
    [0.0, -0.75]
    """

    __name__ = "repetition"

    def __init__(self, ngram_size: int = 3, max_penalty: float = -1.0):
        self.reward = get_repetition_penalty_reward(ngram_size, max_penalty)

    def __call__(
        self,
        completions: list,
        completion_ids: list[list[int]],
        **kwargs,
    ) -> list[float | None]:
        return _without_missing(self.reward(completion_ids), completions)


class SoftOverlong:
    """TRL's soft punishment of overlong completions (DAPO, arXiv 2503.14476, eq. 13).

    It is 0 up to `max_len - cache` tokens and then decreases linearly to -1.

    Args:
        max_len (`int`): Length in tokens with the full punishment, usually the recipe's `max_completion_length`.
        cache (`int`): Number of tokens before `max_len` over which the punishment grows.

    >>> SoftOverlong(max_len=100, cache=20)(["short", "long"], [[1] * 80, [1] * 90])
    [0.0, -0.5]
    """

    __name__ = "soft_overlong"

    def __init__(self, max_len: int, cache: int):
        self.reward = get_soft_overlong_punishment(max_len, cache)

    def __call__(
        self,
        completions: list,
        completion_ids: list[list[int]],
        **kwargs,
    ) -> list[float | None]:
        return _without_missing(self.reward(completion_ids), completions)


def _without_missing(rewards: list[float], completions: list) -> list[float | None]:
    """Sets the rewards of missing completions to `None`."""
    kept: list[float | None] = list(rewards)
    for row, completion in enumerate(completions):
        if completion is None:
            kept[row] = None
    return kept
