"""Verifiable rewards, by name.

A reward is a pure function of completions and dataset columns, `(completions, <columns>, **kwargs) -> list[float | None]`;
one with parameters is a class whose instances are called so. `None` means "cannot be judged". In a recipe:

    reward_funcs:
      - accuracy
      - {name: format, weight: 0.5}
      - {name: my_rewards.py:brevity, max_words: 200}

Registered rewards get completions as plain text, thoughts put back where a chat template or a parser took them out. Your own
is called exactly as TRL calls it; `text_of` gives the text of a completion. TRL's own (`trl.rewards.…`) get messages.
"""

import functools
import inspect
import logging
from collections.abc import Callable

from open_r1.configs import RecipeError, RewardSpec, nearest
from open_r1.rewards.accuracy import accuracy, usable_gold
from open_r1.rewards.format import format_reward, tag_count
from open_r1.utils.imports import import_object


logger = logging.getLogger(__name__)

REWARDS: dict[str, Callable] = {"accuracy": accuracy, "format": format_reward, "tag_count": tag_count}
# What TRL passes to every reward beside the dataset's columns (GRPOTrainer._calculate_rewards).
FROM_TRAINER = {"prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric", "environments"}


class Reward:
    """A reward as TRL calls it: named, fed with text, and never the end of a run.

    Args:
        spec (`RewardSpec`): Name, weight and parameters, from the recipe.
        prefill (`str`, *optional*, defaults to `""`): What the prompt already holds of the completion, such as `<think>`.

    Raises:
        RecipeError: If the name is unknown or the parameters do not fit.
    """

    def __init__(self, spec: RewardSpec, prefill: str = ""):
        self.__name__ = spec.label
        self.weight = spec.weight
        self.prefill = prefill
        self.name = spec.name
        self.function = _resolve(spec)
        parameters = inspect.signature(self.function).parameters.values()
        if inspect.iscoroutinefunction(self.function) or not any(p.kind is p.VAR_KEYWORD for p in parameters):
            raise RecipeError(
                f"reward_funcs: {spec.name!r} must be a plain function that takes **kwargs, as TRL passes every column."
            )
        self.columns = {p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD} - FROM_TRAINER
        self.graded = any(p.name == "solution" for p in parameters)

    def __str__(self) -> str:
        return f"{self.weight:g} × {self.__name__}"

    def __call__(self, completions: list, log_metric: Callable | None = None, **kwargs) -> list[float | None]:
        if self.name in REWARDS:
            completions = [self.prefill + text_of(completion) for completion in completions]
        elif self.name.startswith("trl."):
            completions = [[{"role": "assistant", "content": self.prefill + text_of(c)}] for c in completions]
        try:
            rewards = list(self.function(completions=completions, log_metric=log_metric, **kwargs))
            if len(rewards) != len(completions):
                raise ValueError(f"returned {len(rewards)} rewards for {len(completions)} completions")
            rewards = [None if reward is None else float(reward) for reward in rewards]
        except Exception as error:  # a user's reward may raise anything; it must not end a run of days
            logger.warning("reward %r failed, this batch goes without it: %r", self.__name__, error)
            rewards = [None] * len(completions)
        if log_metric is not None:
            log_metric(f"rewards/{self.__name__}/none", sum(reward is None for reward in rewards) / max(1, len(rewards)))
        return rewards


def build_rewards(specs: list[RewardSpec], prefill: str = "") -> list[Reward]:
    """The rewards of a recipe, in order."""
    return [Reward(spec, prefill) for spec in specs]


def text_of(completion: str | list[dict]) -> str:
    """A completion as text, whether TRL hands it over as a string or as messages (with the thought parsed out or not).

    >>> text_of([{"role": "assistant", "content": "4", "reasoning_content": "2+2"}])
    '<think>2+2</think>4'
    """
    if isinstance(completion, str):
        return completion
    parts = []
    for message in completion:
        if message.get("reasoning_content"):
            parts.append(f"<think>{message['reasoning_content']}</think>")
        parts.append(message.get("content") or "")
    return "".join(parts)


def check_columns(rewards: list[Reward], columns: list[str]):
    """Stops before any training if a reward needs a column that the data set does not have.

    Raises:
        RecipeError: Naming reward, column and what there is.
    """
    for reward in rewards:
        for column in sorted(reward.columns - set(columns)):
            option = f" (set `dataset_{column}_column` to the one that holds it)" if column in ("solution", "prompt") else ""
            raise RecipeError(
                f"reward {reward.__name__!r} needs the dataset column {column!r}{option}; found: {', '.join(columns)}"
                f"{nearest(column, columns)}"
            )


def check_golds(golds: list[str], limit: float):
    """Stops before any training if too many of the golds cannot be parsed: their rows would never train.

    Args:
        golds (`list[str]`): Gold answers, a sample of at most a thousand is enough.
        limit (`float`): Largest share of unusable golds to accept, from 0 to 1.

    Raises:
        RecipeError: With the share and some of the golds.
    """
    bad = [gold for gold in golds if not usable_gold(gold)]
    if len(bad) > limit * len(golds):
        raise RecipeError(
            f"reward 'accuracy' cannot parse {len(bad)} of {len(golds)} golds, such as {bad[:3]!r}; at most "
            f"{limit:.0%} may fail (max_unusable_golds). Is dataset_solution_column the column of final answers?"
        )
    if bad:
        logger.warning("%d of %d golds cannot be parsed, their rows get no accuracy reward: %r", len(bad), len(golds), bad[:3])


def _resolve(spec: RewardSpec) -> Callable:
    if spec.name in REWARDS:
        target = REWARDS[spec.name]
    elif "." in spec.name or ":" in spec.name:
        target = import_object(spec.name)
    else:
        raise RecipeError(
            f"reward_funcs: unknown reward {spec.name!r}{nearest(spec.name, REWARDS)} There are {', '.join(REWARDS)}; your own "
            "goes by `package.module.function` or `file.py:function`."
        )
    if not callable(target):
        raise RecipeError(f"reward_funcs: {spec.name!r} is no function or class; found {target!r}.")
    takes = [name for name in inspect.signature(target).parameters if name not in FROM_TRAINER | {"kwargs"}]
    for name in spec.params:
        if name not in takes:
            raise RecipeError(
                f"reward_funcs: {spec.name!r} has no parameter {name!r}; it takes: {', '.join(takes) or 'none'}."
            )
    if not inspect.isclass(target):
        return functools.partial(target, **spec.params) if spec.params else target
    try:
        return target(**spec.params)
    except TypeError as error:
        raise RecipeError(f"reward_funcs: {spec.name!r}: {error}; it takes: {', '.join(takes) or 'none'}.") from error
