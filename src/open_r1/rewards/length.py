"""Length and repetition, in tokens. Shaping: added to a verdict, never instead of one.

TRL's where they are right, under the names and parameters of recipes. Its cosine reward grades with its own accuracy reward,
in-process and by another policy than ours, so the formula stands here and the verdict is `accuracy`'s.
"""

import math
from itertools import groupby

from trl.rewards import get_repetition_penalty_reward, get_soft_overlong_punishment

from open_r1.rewards.accuracy import accuracy


class Cosine:
    """Right answers earn more the shorter they are, wrong ones lose less the longer they are (arXiv 2502.03373, eq. 1).

    Args:
        max_len (`int`): Tokens at which the scale ends; longer completions count as so long.
        right (`list[float]`, *optional*, defaults to `[1.0, 0.5]`): Reward of a right answer at no length and at `max_len`.
        wrong (`list[float]`, *optional*, defaults to `[-1.0, -0.5]`): The same of a wrong one.

    >>> Cosine(max_len=4)(["<answer>4</answer>"] * 2, ["4", "5"], [[7, 7], [7, 7, 7, 7, 7]])
    [0.75, -0.5]
    """

    __name__ = "cosine"

    def __init__(self, max_len: int, right: list[float] | None = None, wrong: list[float] | None = None):
        self.max_len, self.right, self.wrong = max_len, right or [1.0, 0.5], wrong or [-1.0, -0.5]

    def __call__(
        self, completions: list[str], solution: list, completion_ids: list[list[int]], **kwargs
    ) -> list[float | None]:
        rewards: list[float | None] = []
        for reward, ids in zip(accuracy(completions, solution), completion_ids, strict=True):
            if reward is None:
                rewards.append(None)
                continue
            short, long = self.right if reward else self.wrong
            share = min(len(ids) / self.max_len, 1.0)
            rewards.append(long + (short - long) * (1 + math.cos(math.pi * share)) / 2)
        return rewards


class GroupLength:
    """Kimi k1.5's length reward (arXiv 2501.12599, §2.3.3): 0.5 for the shortest of a prompt's completions to -0.5 for the
    longest; a wrong one gets at most 0. `None` where a prompt's group is not whole in this process.

    Args:
        num_generations (`int`): Completions of a prompt, as in the recipe.

    >>> GroupLength(2)(["\\\\boxed{4}", "\\\\boxed{5}"], ["4", "4"], [[7], [7, 7]], ["2+2"] * 2)
    [0.5, -0.5]
    """

    __name__ = "group_length"

    def __init__(self, num_generations: int):
        self.num_generations = num_generations

    def __call__(
        self, completions: list[str], solution: list, completion_ids: list[list[int]], prompts: list, **kwargs
    ) -> list[float | None]:
        grades = accuracy(completions, solution)
        lengths, rewards = [len(ids) for ids in completion_ids], []
        for _, run in groupby(range(len(prompts)), key=lambda i: str(prompts[i])):
            rows = list(run)
            for start in range(0, len(rows), self.num_generations):
                rewards += self._group(rows[start : start + self.num_generations], lengths, grades)
        return rewards

    def _group(self, rows: list[int], lengths: list[int], grades: list[float | None]) -> list[float | None]:
        if len(rows) < self.num_generations:
            return [None] * len(rows)
        shortest, longest = min(lengths[i] for i in rows), max(lengths[i] for i in rows)
        if shortest == longest:
            return [0.0] * len(rows)
        scale = [0.5 - (lengths[i] - shortest) / (longest - shortest) for i in rows]
        return [
            None if grades[i] is None else value if grades[i] else min(0.0, value)
            for i, value in zip(rows, scale, strict=True)
        ]


class Repetition:
    """TRL's penalty for repeated n-grams of tokens (arXiv 2502.03373, appendix C.2): 0 to `max_penalty`.

    >>> Repetition(ngram_size=2)([[1, 2, 3, 4], [5, 5, 5, 5, 5]])
    [0.0, -0.75]
    """

    __name__ = "repetition"

    def __init__(self, ngram_size: int = 3, max_penalty: float = -1.0):
        self.reward = get_repetition_penalty_reward(ngram_size, max_penalty)

    def __call__(self, completion_ids: list[list[int]], **kwargs) -> list[float]:
        return self.reward(completion_ids)


class SoftOverlong:
    """TRL's soft punishment of overlong completions (DAPO, arXiv 2503.14476, eq. 13): 0, then down to -1 over the last tokens.

    Args:
        max_len (`int`): Tokens at which the punishment is whole; the recipe's `max_completion_length`.
        cache (`int`): Tokens before that over which it grows.

    >>> SoftOverlong(max_len=100, cache=20)([[1] * 80, [1] * 90])
    [0.0, -0.5]
    """

    __name__ = "soft_overlong"

    def __init__(self, max_len: int, cache: int):
        self.reward = get_soft_overlong_punishment(max_len, cache)

    def __call__(self, completion_ids: list[list[int]], **kwargs) -> list[float]:
        return self.reward(completion_ids)
