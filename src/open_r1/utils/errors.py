"""Errors that a user can fix, and how they are worded."""

import difflib
import shlex
from collections.abc import Iterable

import yaml


class RecipeError(ValueError):
    """An error that the user can fix: shown as one message, without a traceback."""


class RunStopped(Exception):
    """A run that was asked to stop has stopped in time, with a checkpoint; the same command continues it.

    Args:
        message (`str`): At which step, and why.
        interrupted (`bool`, *optional*, defaults to `False`): Whether the user has interrupted it (Ctrl-C).
    """

    def __init__(self, message: str, interrupted: bool = False):
        super().__init__(message)
        self.interrupted = interrupted


class MissingInputError(RecipeError):
    """An input that another recipe makes is not there yet. A dry run reports it and succeeds.

    Args:
        key (`str`): The recipe's key that names the input.
        path (`str`): The input, a folder or a file.
        command (`str`): The command that makes it.
        dry_run (`bool`, *optional*, defaults to `False`): Whether this is a dry run.

    >>> str(MissingInputError("model_name_or_path", "outputs/tiny/base", "make base"))
    "model_name_or_path: there is nothing in 'outputs/tiny/base' yet. Make it first:\\n  make base"
    """

    def __init__(self, key: str, path: str, command: str, dry_run: bool = False):
        super().__init__(f"{key}: there is nothing in {path!r} yet. Make it first:\n  {command}")
        self.dry_run = dry_run


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of an error about an unknown name: a suggestion, or just a full stop.

    Args:
        name (`str`): What was found.
        names (`Iterable[str]`): What was possible.

    >>> did_you_mean("learning_rat", ["learning_rate", "seed"])
    ". Did you mean 'learning_rate'?"
    """
    closest = difflib.get_close_matches(name, [str(known) for known in names], n=1)
    if not closest:
        return "."
    return f". Did you mean {closest[0]!r}?"


def parse_mapping(text: str, key: str) -> dict:
    """Reads a mapping that is given as text, in YAML (of which JSON is a part).

    Args:
        text (`str`): The text.
        key (`str`): The recipe's key that it is the value of.

    Raises:
        RecipeError: If it is not a mapping.

    >>> parse_mapping("{size: 3}", "dataset_params")
    {'size': 3}
    """
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = None
    if not isinstance(value, dict):
        raise RecipeError(f"{key}: found {text!r}; expected a mapping such as `{{name: value}}`.")
    return value


def split_shell_words(key: str, text: str) -> list[str]:
    """Splits a text as a shell would.

    Args:
        key (`str`): The recipe's key that it is the value of.
        text (`str`): The text.

    Raises:
        RecipeError: If a quotation mark is missing.

    >>> split_shell_words("slurm", "--nodes 2 --time=1:00:00")
    ['--nodes', '2', '--time=1:00:00']
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise RecipeError(f"{key}: found {text!r}: {error}.") from error
