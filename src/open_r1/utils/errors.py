"""Errors that a user can fix, and how they are worded."""

import difflib
import shlex
from collections.abc import Iterable

import yaml


class RecipeError(ValueError):
    """An error that the user can fix: shown as one message, without a traceback."""


class RunStopped(Exception):
    """Raised after a run that was asked to stop has saved a checkpoint. The same command resumes it.

    Args:
        message (`str`): At which step the run stopped, and why.
        interrupted (`bool`, *optional*, defaults to `False`): Whether the user interrupted it with Ctrl-C.
    """

    def __init__(self, message: str, interrupted: bool = False):
        super().__init__(message)
        self.interrupted = interrupted


class MissingInputError(RecipeError):
    """An input that another recipe produces does not exist yet. A dry run reports it and still succeeds.

    Args:
        key (`str`): The recipe's key that names the input.
        path (`str`): Folder or file of the input.
        command (`str`): The command that produces it.
        dry_run (`bool`, *optional*, defaults to `False`): Whether this is a dry run.

    >>> str(MissingInputError("model_name_or_path", "outputs/tiny/base", "make base"))
    "model_name_or_path: there is nothing in 'outputs/tiny/base' yet. Make it first:\\n  make base"
    """

    def __init__(self, key: str, path: str, command: str, dry_run: bool = False):
        super().__init__(f"{key}: there is nothing in {path!r} yet. Make it first:\n  {command}")
        self.dry_run = dry_run


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Ending for an error message about an unknown name: a suggestion, or just a full stop.

    Args:
        name (`str`): The unknown name.
        names (`Iterable[str]`): The valid names.

    >>> did_you_mean("learning_rat", ["learning_rate", "seed"])
    ". Did you mean 'learning_rate'?"
    """
    closest = difflib.get_close_matches(name, [str(known) for known in names], n=1)
    if not closest:
        return "."
    return f". Did you mean {closest[0]!r}?"


def parse_mapping(text: str, key: str) -> dict:
    """Parses a mapping given as YAML or JSON text.

    Args:
        text (`str`): The text.
        key (`str`): Recipe key that the text is the value of, for the error message.

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
    """Splits a text into words as a shell would.

    Args:
        key (`str`): Recipe key that the text is the value of, for the error message.
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
