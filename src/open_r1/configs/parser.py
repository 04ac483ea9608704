"""The strict parser that reads recipes.

A recipe is a YAML file of flat keys; `--config recipe.yaml` reads it and the command line overrides it. Every key belongs to
one of the dataclasses of its stage; what fits none of them, or has the wrong type, is an error that names file and key.
`STAGES` says which dataclasses the recipes of a stage fill: ours, TRL's trainer config and TRL's `ModelConfig`.
"""

import dataclasses
import os
import sys
import types
import typing
from argparse import ArgumentDefaultsHelpFormatter, RawDescriptionHelpFormatter
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from transformers import TrainingArguments
from trl import DistillationConfig, GRPOConfig, ModelConfig, RewardConfig, SFTConfig, TrlParser

from open_r1.configs import (
    BuilderArguments,
    ColdStartArguments,
    DistillArguments,
    DistillationScriptArguments,
    EvaluationArguments,
    GenerateArguments,
    GradeArguments,
    GRPOScriptArguments,
    MergeArguments,
    PipelineArguments,
    RejectionArguments,
    ReportArguments,
    RewardModelScriptArguments,
    SFTScriptArguments,
)
from open_r1.utils.errors import MissingInputError, RecipeError, RunStopped, did_you_mean


STAGES = {
    "sft": (SFTScriptArguments, SFTConfig, ModelConfig),
    "grpo": (GRPOScriptArguments, GRPOConfig, ModelConfig),
    "reward_model": (RewardModelScriptArguments, RewardConfig, ModelConfig),
    "distillation": (DistillationScriptArguments, DistillationConfig, ModelConfig),
    "generate": (GenerateArguments, ModelConfig),
    "evaluation": (EvaluationArguments, ModelConfig),
    "cold_start": (ColdStartArguments,),
    "rejection_sampling": (RejectionArguments,),
    "distill": (DistillArguments,),
    "merge": (MergeArguments,),
    "rewards": (GradeArguments,),
    "pipeline": (PipelineArguments,),
    "report": (ReportArguments,),
}

TRAINING = [stage for stage, classes in STAGES.items() if any(issubclass(cls, TrainingArguments) for cls in classes)]
STATUS_STOPPED = 85  # exit status of a run that was asked to end: neither done nor failed
BUILDERS = [
    stage for stage, classes in STAGES.items() if issubclass(classes[0], BuilderArguments)
]  # recipes in `data`


@contextmanager
def report_user_errors():
    """Ends the program with one clear message, recipe first, when the user can mend the error, and with status 1."""
    try:
        yield
    except RecipeError as error:
        recipe, message = recipe_argument(sys.argv[1:]), str(error)
        if isinstance(error, MissingInputError) and error.dry_run:
            sys.stdout.write(f"the recipe is right, but {message}\n")
            sys.exit(0)
        named = recipe is None or message.startswith(recipe)
        sys.stderr.write(f"\nerror: {message if named else f'{recipe}: {message}'}\n")
        sys.exit(1)
    except RunStopped as stopped:
        sys.stderr.write(f"\n{stopped}; the same command continues\n")
        sys.exit(STATUS_STOPPED)
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; the same command continues from the last complete checkpoint, if there is one\n")
        sys.exit(130)


class _HelpFormatter(RawDescriptionHelpFormatter, ArgumentDefaultsHelpFormatter):
    pass


class RecipeParser(TrlParser):
    """`TrlParser` that forgives nothing: see the module docstring.

    Args:
        stage (`str`): Key of `STAGES`; it decides which dataclasses a recipe may fill.
        description (`str`, *optional*): Text of the first screen of `--help`.
    """

    def __init__(self, stage: str, description: str | None = None):
        self.stage = stage
        self.types = {key: _kinds(hint) for cls in STAGES[stage] for key, hint in _fields(cls).items()}
        super().__init__(
            STAGES[stage],
            usage="%(prog)s --config RECIPE [--key value ...]",
            description=description,
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
        )

    def parse(self, argv: list[str] | None = None) -> tuple:
        """Reads `--config` and the command line into the stage's dataclasses.

        Returns:
            `tuple`: (script arguments, trainer config, model config); the first has `recipe` (the path or `None`) and `keys`
            (all that was set, enough to run it again).

        Raises:
            RecipeError: Naming the recipe, the key, what was found and what was expected.
        """
        recipe, argv = split_config(sys.argv[1:] if argv is None else argv)
        where = recipe or "command line"
        try:
            keys = read_recipe(recipe) if recipe is not None else {}
            os.environ |= {str(name): str(value) for name, value in (keys.pop("env", None) or {}).items()}
            self._check_builder(keys)
            keys = {key: self._checked(key, value) for key, value in keys.items()}
            self._check_flags(argv)
            given = {option_name(arg).lstrip("-").replace("-", "_") for arg in argv if option_name(arg)}
            self._check_secrets(given | set(keys))
            if (
                "model_name_or_path" in given and "models" not in given
            ):  # one model instead of the several of the recipe
                keys.pop("models", None)
            self.set_defaults_with_config(**keys)
            parsed = self.parse_args_into_dataclasses(args=argv)
        except RecipeError as error:
            raise error if str(error).startswith(where) else RecipeError(f"{where}: {error}") from error
        except (
            ValueError,
            TypeError,
            ImportError,
            OverflowError,
        ) as error:  # from TRL's and transformers' __post_init__
            raise RecipeError(f"{where}: {_explain(str(error))}") from error
        parsed[0].recipe = recipe
        parsed[0].keys = keys | self._given(argv)
        return parsed

    def _check_builder(self, keys: dict):
        """Takes `builder` out of a builder's recipe, which must be this one."""
        if self.stage in BUILDERS and (builder := keys.pop("builder", self.stage)) != self.stage:
            raise RecipeError(
                f"builder: the recipe is for {builder!r}; run it by `python -m open_r1.builders.{builder}`."
            )

    def error(self, message: str):
        """Argparse's own complaints (a word where a number belongs) join ours."""
        raise RecipeError(f"{message}. See --help.")

    def _given(self, argv: list[str]) -> dict[str, Any]:
        """The keys that the command line itself sets."""
        flags = {self._option_string_actions[option_name(arg)].dest for arg in argv if option_name(arg)}
        values = vars(self.parse_known_args(argv)[0])
        return {key: values[key] for key in values if key in flags}

    def _checked(self, key: str, value: Any) -> Any:
        """A recipe's value, known to be of its key's type; text is left to argparse, which converts it or refuses."""
        if key not in self.types:
            raise RecipeError(f"unknown key {key!r}{did_you_mean(str(key), self.types)}")
        kinds = self.types[key]
        if list in kinds and str not in kinds and isinstance(value, str | dict):
            return [value]
        whole = isinstance(value, float) and value.is_integer() and int in kinds
        number = isinstance(value, int) and not isinstance(value, bool) and float in kinds
        if value is None or isinstance(value, str) or type(value) in kinds or whole or number:
            return int(value) if whole and float not in kinds else value
        names = " or ".join(sorted(kind.__name__ for kind in kinds))
        quote = (
            " (YAML reads no, off, yes and on as booleans: put quotes around it)" if isinstance(value, bool) else ""
        )
        raise RecipeError(f"{key}: found {value!r}; expected {names}{quote}.")

    def _check_flags(self, argv: list[str]):
        known = {option for action in self._actions for option in action.option_strings} | {"--config"}
        for arg in argv:
            if (flag := option_name(arg)) and flag not in known:
                raise RecipeError(f"unknown option {flag!r}{did_you_mean(flag, known)}")

    def _check_secrets(self, given: set[str]):
        if "hub_token" in given:
            raise RecipeError(
                "hub_token: everybody on this machine can read a command line, and a recipe goes to the Hub with the model; "
                "log in instead (`hf auth login`), or set HF_TOKEN."
            )


def option_name(word: str) -> str:
    """The option that a word of a command line names; nothing if it is a value.

    >>> option_name("--seed=1"), option_name("1"), option_name("--time=1:00:00 --nodes 2")
    ('--seed', '', '')
    """
    flag, _, value = word.partition("=")
    several = " " in flag or " --" in value  # options of another program, in one word
    return flag if flag.startswith("--") and not several else ""


def _fields(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def _kinds(hint: Any) -> set[type]:
    """The Python types that a field's annotation admits; an enumeration or literal is given as text.

    >>> sorted(kind.__name__ for kind in _kinds(dict[str, int] | float | None))
    ['dict', 'float']
    """
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return set().union(*(_kinds(part) for part in typing.get_args(hint)))
    if origin is typing.Literal:
        return {type(value) for value in typing.get_args(hint)}
    kind = origin or hint
    if kind is type(None):
        return set()
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {str}
    return {kind} if kind in (bool, int, float, str, list, dict) else {str, bool, int, float, list, dict}


def split_config(argv: list[str]) -> tuple[str | None, list[str]]:
    """The recipe that `--config path` or `--config=path` names (the last, of several) and the rest of a command line.

    >>> split_config(["--config=a.yaml", "--seed", "1", "--config", "b.yaml"])
    ('b.yaml', ['--seed', '1'])
    """
    words = [word for arg in argv for word in (arg.split("=", 1) if arg.startswith("--config=") else [arg])]
    at = [i for i, word in enumerate(words) if word == "--config"]
    if at and at[-1] + 1 == len(words):
        raise RecipeError("--config: found nothing after it; expected the path of a recipe.")
    rest = [word for i, word in enumerate(words) if i not in at and i - 1 not in at]
    return (words[at[-1] + 1] if at else None), rest


def recipe_argument(argv: list[str]) -> str | None:
    """The recipe that a command line names, if any."""
    try:
        return split_config(argv)[0]
    except RecipeError:
        return None


def read_recipe(path: str) -> dict:
    """A recipe's raw keys.

    Raises:
        RecipeError: If the file is missing, is not YAML or is not a mapping.
    """
    if not Path(path).is_file():
        near = [str(p) for p in Path("recipes").glob("*/*/*.yaml") if p.name == Path(path).name]
        raise RecipeError(f"{path}: no such recipe.{' There is ' + ', '.join(near) + '.' if near else ''}")
    try:
        recipe = yaml.safe_load(Path(path).read_text())
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(recipe, dict):
        raise RecipeError(f"{path}: found {type(recipe).__name__}; expected keys and values.")
    return recipe


def _explain(message: str) -> str:
    """TRL's and transformers' complaints, with how to mend the ones that people meet."""
    if "bf16/gpu" in message:
        return "bf16 needs a GPU and there is none here. For the CPU set `bf16: false` and `use_cpu: true`."
    if "must be divisible by num_generations" in message:
        return (
            f"{message} generation_batch_size is per_device_train_batch_size × processes × steps_per_generation "
            "(by default gradient_accumulation_steps); change one of them or num_generations."
        )
    return message
