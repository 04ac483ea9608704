"""The rewards that a recipe may name, and how a name becomes a function."""

import functools
import inspect
from collections.abc import Callable

from open_r1.configs import RewardSpec
from open_r1.rewards.accuracy import accuracy
from open_r1.rewards.code import Code
from open_r1.rewards.format import Format, tag_count
from open_r1.rewards.language import LanguageConsistency
from open_r1.rewards.length import Cosine, GroupLength, Repetition, SoftOverlong
from open_r1.rewards.preference import Harmlessness, Helpfulness
from open_r1.utils.errors import RecipeError, did_you_mean
from open_r1.utils.imports import import_object


REWARDS: dict[str, Callable] = {
    "accuracy": accuracy,
    "code": Code,
    "format": Format,
    "tag_count": tag_count,
    "language_consistency": LanguageConsistency,
    "cosine": Cosine,
    "group_length": GroupLength,
    "repetition": Repetition,
    "soft_overlong": SoftOverlong,
    "helpfulness": Helpfulness,
    "harmlessness": Harmlessness,
}
# These say how, not whether: where one has nothing to say (a thought without words), the row still trains.
SHAPING = {"format", "tag_count", "language_consistency", "group_length", "repetition", "soft_overlong"}
# What TRL passes to every reward beside the dataset's columns (GRPOTrainer._calculate_rewards).
FROM_TRAINER = {"prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric", "environments"}


def resolve(spec: RewardSpec) -> Callable:
    """The function of a reward, its parameters filled in.

    Raises:
        RecipeError: If there is no such reward or a parameter does not fit.
    """
    if spec.name in REWARDS:
        target = REWARDS[spec.name]
    elif "." in spec.name or ":" in spec.name:
        target = import_object(spec.name)
    else:
        raise RecipeError(
            f"reward_funcs: unknown reward {spec.name!r}{did_you_mean(spec.name, REWARDS)} There are {', '.join(REWARDS)}; your own "
            "goes by `package.module.function` or `file.py:function`."
        )
    if not callable(target):
        raise RecipeError(f"reward_funcs: {spec.name!r} is no function or class; found {target!r}.")
    parameters = inspect.signature(target).parameters
    takes = [name for name in parameters if name not in FROM_TRAINER | {"kwargs", "solution"}]
    for name in spec.params:
        if name not in takes:
            raise RecipeError(
                f"reward_funcs: {spec.name!r} has no parameter {name!r}; it takes: {', '.join(takes) or 'none'}."
            )
    if not inspect.isclass(target):
        return _checked(spec, functools.partial(target, **spec.params) if spec.params else target)
    missing = [name for name, p in parameters.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    if missing := [name for name in missing if name not in spec.params]:
        raise RecipeError(
            f"reward_funcs: {spec.name!r} needs {missing[0]!r}, as in `{{name: {spec.name}, {missing[0]}: …}}`."
        )
    try:
        return _checked(spec, target(**spec.params))
    except (TypeError, ValueError) as error:
        raise RecipeError(f"reward_funcs: {spec.name!r}: {error}; it takes: {', '.join(takes) or 'none'}.") from error


def _checked(spec: RewardSpec, function: Callable) -> Callable:
    if not any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values()):
        raise RecipeError(f"reward_funcs: {spec.name!r} must take **kwargs, as TRL passes every column.")
    return function
