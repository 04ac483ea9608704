"""The command line of a stage: its arguments, its options and its help."""

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from functools import partial
from typing import Any, NoReturn

from open_r1.configs.options import Option, item_type, type_names
from open_r1.utils.errors import RecipeError, did_you_mean, parse_mapping


TRUE = ("true", "t", "yes", "y", "1")
FALSE = ("false", "f", "no", "n", "0")
HELP_OPTIONS = ("-h", "--help", "--help_all")


def option_name(word: str) -> str:
    """The option that an argument of the command line names; an empty string if the argument is a value.

    >>> option_name("--seed=1"), option_name("1"), option_name("--time=1:00:00 --nodes 2")
    ('--seed', '', '')
    """
    name, _, value = word.partition("=")
    has_several_options = " " in name or " --" in value  # another program's options, given as one value
    return name if name.startswith("--") and not has_several_options else ""


def split_config(words: list[str]) -> tuple[str | None, list[str]]:
    """Splits a command line into its recipe (the last `--config path` or `--config=path`) and all other arguments.

    >>> split_config(["--config=a.yaml", "--seed", "1", "--config", "b.yaml"])
    ('b.yaml', ['--seed', '1'])
    """
    recipe, rest = None, []
    waiting = iter(words)
    for word in waiting:
        if word.startswith("--config="):
            recipe = word.removeprefix("--config=")
        elif word == "--config":
            recipe = next(waiting, None)
            if recipe is None:
                raise RecipeError("--config: found nothing after it; expected the path of a recipe.")
        else:
            rest.append(word)
    return recipe, rest


def recipe_argument(words: list[str]) -> str | None:
    """The recipe that a command line names, if any."""
    try:
        return split_config(words)[0]
    except RecipeError:
        return None


def convert(option: Option, text: str) -> Any:
    """Converts text to the type of an option.

    Args:
        option (`Option`): The option.
        text (`str`): An argument of the command line, or a value that a recipe gives as text.

    Raises:
        RecipeError: If the text cannot be converted.

    >>> convert(Option("learning_rate", float), "1e-5"), convert(Option("bf16", bool | None), "yes")
    (1e-05, True)
    """
    kinds = {item_type(option.hint)} if option.is_list else option.types
    structured = [bool, int, float, dict]
    if str in kinds:
        structured = [bool, int]  # the dataclass parses the rest
    for kind in structured:
        if kind in kinds:
            try:
                return _parse(kind, text, option.name)
            except ValueError:
                continue
    if str not in kinds:
        raise RecipeError(f"{option.name}: found {text!r}; expected {type_names(kinds)}.")
    if option.choices and text not in option.choices:
        known = ", ".join(map(str, option.choices))
        raise RecipeError(f"{option.name}: found {text!r}; expected one of {known}.")
    return text


def _parse(kind: type, text: str, name: str) -> Any:
    """Converts text to a type, or raises `ValueError`."""
    if kind is dict:
        return parse_mapping(text, name)
    if kind is not bool:
        return kind(text)
    if text.lower() not in (*TRUE, *FALSE):
        raise ValueError(text)
    return text.lower() in TRUE


class CommandLine(ArgumentParser):
    """The argparse parser for the options of a stage.

    Args:
        options (`dict[str, Option]`): The options by name.
        program (`str`): What the usage line shows.
        description (`str`, *optional*): What the help shows before the options.
        show_libraries (`bool`, *optional*, defaults to `True`): Whether the help also lists the options of TRL
            and transformers.
    """

    def __init__(
        self, options: dict[str, Option], program: str, description: str | None = None, show_libraries: bool = True
    ):
        super().__init__(
            prog=program,
            usage="%(prog)s --config RECIPE [--key value ...]",
            description=description,
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
            add_help=False,
            argument_default=SUPPRESS,
        )
        start = self.add_argument_group("recipe")
        start.add_argument("--config", metavar="RECIPE", help="YAML file of options; the command line overrides it.")
        groups: dict[str, Any] = {}
        for option in options.values():
            if option.group not in groups:
                groups[option.group] = self.add_argument_group(_group_title(option.group))
            group = start if option.name == "dry_run" else groups[option.group]
            is_shown = show_libraries or not option.group
            _add_option(group, option, _help_text(option) if is_shown else SUPPRESS)
        start.add_argument("--help", action="store_true", help="Show this text.")
        if any(option.group for option in options.values()):
            start.add_argument(
                "--help_all", action="store_true", help="Also show the options of TRL and transformers."
            )

    def read(self, words: list[str]) -> dict[str, Any]:
        """The options that a command line sets, by name.

        Args:
            words (`list[str]`): The command line, without `--config`.

        Raises:
            RecipeError: If an option is unknown, or its value has the wrong type.
        """
        words = [_with_underscores(word) for word in words]
        for word in words:
            name = option_name(word)
            if name and name not in self._option_string_actions:
                raise RecipeError(f"unknown option {name!r}{did_you_mean(name, self._option_string_actions)}")
        values, rest = self.parse_known_args(words)
        if rest:
            hint = (
                f"a recipe is named by `--config {rest[0]}`." if rest[0].endswith((".yaml", ".yml")) else "see --help."
            )
            raise RecipeError(f"found {rest[0]!r} without an option before it; {hint}")
        return vars(values)

    def error(self, message: str) -> NoReturn:
        """Turns argparse's own errors into a `RecipeError`.

        Args:
            message (`str`): What is wrong.

        Raises:
            RecipeError: Always.
        """
        raise RecipeError(f"{message}. See --help.")


def _with_underscores(word: str) -> str:
    """Turns `--learning-rate=1` into `--learning_rate=1`."""
    name = option_name(word)
    if not name:
        return word
    return f"--{name[2:].replace('-', '_')}{word[len(name) :]}"


def _add_option(group: Any, option: Option, help_text: str) -> None:
    names = [f"--{option.name}", *option.aliases]
    arguments: dict[str, Any] = {"dest": option.name, "type": partial(_convert_word, option), "help": help_text}
    arguments["metavar"] = type_names(option.types).replace(" or ", "|").upper()
    if option.is_list:
        arguments["nargs"] = "+"
    elif bool in option.types and str not in option.types:
        arguments |= {"nargs": "?", "const": True}
    group.add_argument(*names, **arguments)
    if option.default is True:
        group.add_argument(f"--no_{option.name}", dest=option.name, action="store_false", help=SUPPRESS)


def _convert_word(option: Option, word: str) -> Any:
    """`convert` for argparse, which expects an error of its own type."""
    try:
        return convert(option, word)
    except RecipeError as error:
        message = str(error).removeprefix(f"{option.name}: ")
        raise ArgumentTypeError(message.rstrip(".")) from error


def _group_title(group: str) -> str:
    if not group:
        return "options of open_r1"
    return f"options of {group}"


def _help_text(option: Option) -> str:
    """An option's help with its default, percent signs escaped for argparse."""
    text = option.help.replace("%%", "%")
    has_default = option.default is not None and option.default != []
    if has_default:
        text = f"{text} (default: {option.default})"
    return text.replace("%", "%%")
