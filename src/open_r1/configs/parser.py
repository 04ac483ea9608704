"""The strict recipe parser.

A recipe is a YAML file of flat keys; `--config recipe.yaml` reads it, and command-line options override it.
Every key belongs to one of the dataclasses of its stage (`STAGES`); an unknown key or a value of the wrong type is
an error that names the file and the key.

Parsing has two halves. `RecipeParser.read` checks keys, types and our own options within a second, without importing
torch. `Recipe.build` then imports TRL and fills its dataclasses, which have checks of their own. A script calls
`parse_command_line`, which in between sets the environment variables that the recipe asks for.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from open_r1.configs.command_line import HELP_OPTIONS, CommandLine, convert, recipe_argument, split_config
from open_r1.configs.locate import locate_files
from open_r1.configs.options import Option, options_of, type_names
from open_r1.configs.recipes import RECIPE_FOLDERS, find_example, read_recipe, stage_of
from open_r1.configs.stages import STAGES
from open_r1.utils.errors import MissingInputError, RecipeError, RunStopped, did_you_mean
from open_r1.utils.hardware import cpu_computes_in_bf16


# Options of TRL's trainers that must be at least 1: the trainers divide by them, or would train on nothing.
COUNTS = (
    "generation_batch_size",
    "gradient_accumulation_steps",
    "max_completion_length",
    "num_generations",
    "num_iterations",
    "per_device_train_batch_size",
    "ref_model_sync_steps",
    "steps_per_generation",
)
SEEDS = range(2**32)  # that numpy takes
STATUS_STOPPED = 85  # exit status of a run that was asked to stop: it neither finished nor failed
COMMAND_LINE = "command line"  # named in errors where there is no recipe
STATUS_INTERRUPTED = 130  # exit status after Ctrl-C, as shells expect it


@contextmanager
def report_user_errors() -> Iterator[None]:
    """Ends the program with one clear message and status 1 on an error that the user can fix."""
    try:
        yield
    except RecipeError as error:
        recipe, message = recipe_argument(sys.argv[1:]), str(error)
        if isinstance(error, MissingInputError) and error.dry_run:
            sys.stdout.write(f"the recipe is right, but {message}\n")
            sys.exit(0)
        if recipe is not None and not message.startswith((recipe, COMMAND_LINE)):
            message = f"{recipe}: {message}"
        sys.stderr.write(f"\nerror: {message}\n")
        sys.exit(1)
    except RunStopped as stopped:
        sys.stderr.write(f"\n{stopped}; the same command continues\n")
        sys.exit(STATUS_INTERRUPTED if stopped.interrupted else STATUS_STOPPED)
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; the same command continues from the last complete checkpoint, if there is one\n")
        sys.exit(STATUS_INTERRUPTED)


def parse_command_line(stage: str, description: str | None) -> tuple:
    """Reads a script's command line, sets the recipe's `env`, and fills the dataclasses of the stage.

    A script calls this first. Torch is only imported in the last step, so that mistakes are reported at once, and
    variables such as `CUDA_VISIBLE_DEVICES` are set before anything reads them. For the same reasons, scripts import
    whatever needs torch after this call.

    Args:
        stage (`str`): Key of `STAGES`.
        description (`str`): The script's docstring, which `--help` shows.

    Returns:
        `tuple`: The same as `RecipeParser.parse` returns.
    """
    recipe = RecipeParser(stage, description).read()
    os.environ.update(recipe.arguments.env)
    return recipe.build()


@dataclass
class Recipe:
    """A recipe and a command line whose keys and types have been checked.

    Args:
        stage (`str`): Key of `STAGES`.
        source (`str`): What errors name: the path of the recipe, or `command line`.
        arguments (`Any`): The dataclass of our own options.
        values (`dict`): The values that the recipe and the command line set, by key.
    """

    stage: str
    source: str
    arguments: Any
    values: dict[str, Any]

    def build(self) -> tuple:
        """Imports TRL and fills its dataclasses as well.

        Returns:
            `tuple`: Our options, then those of TRL's trainer and those of the model, if the stage has them.

        Raises:
            RecipeError: If values do not fit together, or do not fit this machine.
        """
        stage = STAGES[self.stage]
        if not stage.library_classes:
            return (self.arguments,)
        import torch
        import trl

        values = stage.model_defaults | self.values
        if self.arguments.dry_run and not torch.accelerator.is_available():
            values["use_cpu"] = True  # nothing is computed: a recipe for GPUs can be checked on any machine
        if getattr(self.arguments, "bf16_on_cpu", False) and values.get("use_cpu"):
            values.setdefault("bf16", cpu_computes_in_bf16())
        built = [self.arguments]
        with _errors_name(self.source):
            for name in stage.library_classes:
                built.append(_fill(getattr(trl, name), options_of(name), values))
        return tuple(built)


class RecipeParser:
    """Reads recipes and command lines of a stage; see the module docstring.

    Args:
        stage (`str`): Key of `STAGES`; it decides which keys a recipe may have.
        description (`str`, *optional*): What `--help` shows before the options.
    """

    def __init__(self, stage: str, description: str | None = None):
        self.stage = stage
        self.description = description
        self.options = STAGES[stage].options()

    def parse(self, argv: list[str] | None = None) -> tuple:
        """`read` and `build` in one, for callers that have already imported torch. The environment is not changed.

        Args:
            argv (`list[str]`, *optional*): The command line; by default that of the process.

        Returns:
            `tuple`: The stage's dataclasses: our options, the trainer's, the model's. The first one has `recipe` (the
            path or `None`), `keys` (everything that was set, which is enough to repeat the run) and `env`.

        Raises:
            RecipeError: Naming the recipe, the key, what was found and what was expected.
        """
        return self.read(argv).build()

    def read(self, argv: list[str] | None = None) -> Recipe:
        """Checks keys and types of the recipe and the command line, and our own options, without importing torch.

        Args:
            argv (`list[str]`, *optional*): The command line; by default that of the process.

        Raises:
            RecipeError: Naming the recipe, the key, what was found and what was expected.
        """
        words = argv
        if words is None:
            words = sys.argv[1:]
        if not set(HELP_OPTIONS).isdisjoint(words):
            self._show_help(show_libraries="--help_all" in words)
        path, words = split_config(words)
        source = path or COMMAND_LINE
        with _errors_name(source):
            keys, env = self._read_recipe(path)
        with _errors_name(COMMAND_LINE):
            given = CommandLine(self.options, self._program()).read(words)
        with _errors_name(source):
            _refuse_token({**keys, **given})
            if "model_name_or_path" in given and "models" not in given:
                keys.pop("models", None)  # this model replaces the recipe's list of models
            values = {key: self._converted(key, value) for key, value in keys.items()} | given
            if STAGES[self.stage].trainer_config:
                _check_numbers(values)
            arguments = self._fill_own_options(values, path)
        arguments.recipe = path
        arguments.keys = keys | given
        arguments.env = env
        return Recipe(self.stage, source, arguments, values)

    def _read_recipe(self, path: str | None) -> tuple[dict[str, Any], dict[str, str]]:
        """The keys of a recipe of this stage, known and of the right type, and its environment variables."""
        if path is None:
            return {}, {}
        recipe = read_recipe(path)
        self._require_own_stage(path, recipe)
        env = _read_env(recipe.pop("env", None))
        recipe.pop("builder", None)
        keys = {}
        for key, value in locate_files(recipe, path).items():
            option = self.options.get(key)
            if option is None:
                raise RecipeError(f"unknown key {key!r}{did_you_mean(str(key), self.options)}{_stages_with(key)}")
            keys[key] = _checked(option, value)
        return keys, env

    def _require_own_stage(self, path: str, recipe: dict[str, Any]) -> None:
        """Stops if the recipe is in another stage's folder, or names another builder."""
        stage = recipe.get("builder", self.stage)
        file = Path(path)
        if file.match("config_*.yaml") and file.parent.name in RECIPE_FOLDERS:
            stage = stage_of(file)
        if stage == self.stage:
            return
        if stage not in STAGES:
            raise RecipeError(f"builder: found {stage!r}{did_you_mean(str(stage), STAGES)}")
        command = " ".join(["python", *STAGES[stage].command, "--config", path])
        raise RecipeError(f"this is a recipe for {stage}, not for {self.stage}; run it with `{command}`.")

    def _converted(self, key: str, value: Any) -> Any:
        """A recipe's value, with text converted as on the command line."""
        option = self.options[key]
        if isinstance(value, str) and not option.is_list:
            return convert(option, value)
        return value

    def _fill_own_options(self, values: dict[str, Any], path: str | None) -> Any:
        """Fills our own dataclass. If something is missing because no recipe was given, the error says so."""
        arguments = STAGES[self.stage].arguments
        try:
            return _fill(arguments, options_of(arguments), values)
        except RecipeError as error:
            if path is not None or "missing" not in str(error):
                raise
            message = f"{error}\nNo recipe was given; name one with --config"
            example = find_example(self.stage)
            if example:
                message += f", such as {example}"
            raise RecipeError(f"{message}.") from error

    def _program(self) -> str:
        """The command that runs the stage, for the help."""
        if sys.argv[0].startswith("open-r1"):
            return sys.argv[0]
        return " ".join(["python", *STAGES[self.stage].command])

    def _show_help(self, show_libraries: bool) -> NoReturn:
        """Prints the help and ends the program."""
        stage = STAGES[self.stage]
        show_libraries = show_libraries or stage.trainer_config is None
        options = {name: option for name, option in self.options.items() if name not in stage.unused}
        command_line = CommandLine(options, self._program(), self.description, show_libraries)
        sys.stdout.write(command_line.format_help())
        if not show_libraries:
            sys.stdout.write(f"\nAll options of {' and '.join(stage.library_classes)} may be set, too: --help_all.\n")
        sys.exit(0)


def _fill(cls: type, options: dict[str, Option], values: dict[str, Any]) -> Any:
    """Fills a dataclass with those of the values that are its options."""
    own = {key: value for key, value in values.items() if key in options}
    return cls(**own)


@contextmanager
def _errors_name(source: str) -> Iterator[None]:
    """Prefixes errors with their source, and turns those of TRL and transformers into a `RecipeError`."""
    try:
        yield
    except RecipeError as error:
        if str(error).startswith(source):
            raise
        raise RecipeError(f"{source}: {error}") from error
    except (ValueError, TypeError, ImportError, OverflowError) as error:
        raise RecipeError(f"{source}: {_explain(str(error))}") from error


def _read_env(env: Any) -> dict[str, str]:
    """The key `env`: environment variables as text."""
    if env is None:
        return {}
    if not isinstance(env, dict):
        raise RecipeError(f"env: found {env!r}; expected a mapping such as `{{NAME: value}}`.")
    return {str(name): str(value) for name, value in env.items()}


def _checked(option: Option, value: Any) -> Any:
    """Checks that a recipe's value has the type of its key. Text is converted later."""
    if option.is_list and isinstance(value, str | dict):
        return [value]
    if value is None or isinstance(value, str) or type(value) in option.types:
        return value
    is_whole = isinstance(value, float) and value.is_integer()
    if is_whole and int in option.types:
        return int(value)
    if type(value) is int and float in option.types:
        return value
    hint = ""
    if isinstance(value, bool):
        hint = " (YAML reads no, off, yes and on as booleans: put quotes around it)"
    raise RecipeError(f"{option.name}: found {value!r}; expected {type_names(option.types)}{hint}.")


def _check_numbers(values: dict[str, Any]) -> None:
    """Stops at numbers with which a trainer would fail in its own code."""
    for name in COUNTS:
        value = values.get(name)
        if value is not None and value < 1:
            raise RecipeError(f"{name}: found {value}; expected at least 1.")
    temperature = values.get("temperature")
    if temperature is not None and temperature <= 0:
        raise RecipeError(f"temperature: found {temperature}; expected a number above 0.")
    seed = values.get("seed")
    if seed is not None and seed not in SEEDS:
        raise RecipeError(f"seed: found {seed}; expected a number from 0 to {SEEDS[-1]}.")


def _stages_with(key: str) -> str:
    """The stages that have a key, as the end of an error."""
    names = ", ".join(name for name, stage in STAGES.items() if key in stage.options())
    if not names:
        return ""
    return f" It is a key of {names}."


def _refuse_token(keys: dict[str, Any]) -> None:
    if "hub_token" in keys:
        raise RecipeError(
            "hub_token: anybody on this machine can read a command line, and a recipe goes to the Hub with the model; "
            "log in instead (`hf auth login`), or set HF_TOKEN."
        )


def _explain(message: str) -> str:
    """Explains how to fix the most common errors of TRL and transformers."""
    if "bf16/gpu" in message:
        return "bf16 needs a GPU and there is none here. For the CPU set `bf16: false` and `use_cpu: true`."
    if "must be divisible by num_generations" in message:
        return (
            f"{message} generation_batch_size is per_device_train_batch_size × processes × steps_per_generation "
            "(by default gradient_accumulation_steps); change one of them or num_generations."
        )
    return message
