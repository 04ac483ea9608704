"""Registry of the rewards that recipes can use by name."""

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
# These score the form of a completion, not whether it is right. If one of them returns `None` (for example for a
# thought without words), the row is still trained on.
SHAPING = {"format", "tag_count", "language_consistency", "group_length", "repetition", "soft_overlong"}
# Arguments that TRL passes to every reward besides the data set columns (GRPOTrainer._calculate_rewards).
FROM_TRAINER = {"prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric", "environments"}


def resolve(spec: RewardSpec) -> Callable:
    """Creates the function of a reward from its name and parameters.

    Args:
        spec (`RewardSpec`): Name and parameters, from the recipe.

    Returns:
        `Callable`: A registered reward, a function, or an instance of a class.

    Raises:
        RecipeError: If the reward does not exist or a parameter is invalid.
    """
    target = _find(spec.name)
    _check_params(spec, target)
    if inspect.isclass(target):
        function = _instantiate(spec, target)
    elif spec.params:
        function = functools.partial(target, **spec.params)
    else:
        function = target
    if inspect.getfullargspec(function).varkw is None:
        raise RecipeError(f"reward_funcs: {spec.name!r} must take **kwargs, since TRL passes every column.")
    return function


def required_parameters(function: Callable) -> set[str]:
    """The names of the parameters without a default value; for a class, those of its `__init__`.

    Args:
        function (`Callable`): A reward function or class.
    """
    names = set()
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            names.add(name)
    return names


def _find(name: str) -> Callable:
    """The registered or user-defined function or class with this name."""
    if name in REWARDS:
        return REWARDS[name]
    if "." not in name and ":" not in name:
        raise RecipeError(
            f"reward_funcs: unknown reward {name!r}{did_you_mean(name, REWARDS)} There are {', '.join(REWARDS)}. "
            "Name your own reward as `package.module.function` or `file.py:function`."
        )
    target = import_object(name)
    if not callable(target):
        raise RecipeError(f"reward_funcs: {name!r} is not a function or class; found {target!r}.")
    return target


def _check_params(spec: RewardSpec, target: Callable) -> None:
    """Checks that the reward accepts all parameters of the recipe, and that no required one is missing."""
    accepted = _accepted_params(target)
    for name in spec.params:
        if name not in accepted:
            raise RecipeError(
                f"reward_funcs: {spec.name!r} has no parameter {name!r}; it takes: {', '.join(accepted) or 'none'}."
            )
    if not inspect.isclass(target):
        return
    for name in inspect.signature(target).parameters:
        if name in required_parameters(target) and name not in spec.params:
            raise RecipeError(f"reward_funcs: {spec.name!r} needs {name!r}, as in `{{name: {spec.name}, {name}: …}}`.")


def _accepted_params(target: Callable) -> list[str]:
    """The parameters that a recipe may set: all except the arguments that TRL passes."""
    accepted = []
    for name in inspect.signature(target).parameters:
        if name not in FROM_TRAINER and name not in ("kwargs", "solution"):
            accepted.append(name)
    return accepted


def _instantiate(spec: RewardSpec, target: type) -> Callable:
    try:
        return target(**spec.params)
    except (TypeError, ValueError) as error:
        accepted = ", ".join(_accepted_params(target)) or "none"
        raise RecipeError(f"reward_funcs: {spec.name!r}: {error}; it takes: {accepted}.") from error
