"""The options of a stage, read without importing torch.

Our own options are fields of dataclasses in this folder. Those of TRL and transformers (`GRPOConfig`,
`TrainingArguments`, `ModelConfig`, ...) are fields of dataclasses too, but importing these takes about ten seconds. So
names, types, defaults and help texts are read from the source files of the installed packages, which remain the only
source of truth. A test compares the result with the real dataclasses.
"""

import ast
import dataclasses
import importlib.util
import types
import typing
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, ClassVar


# Package and file of each dataclass, and of those that they inherit from.
LIBRARY_CLASSES = {
    "TrainingArguments": ("transformers", "training_args.py"),
    "_BaseConfig": ("trl", "trainer/base_config.py"),
    "ModelConfig": ("trl", "trainer/model_config.py"),
    "SFTConfig": ("trl", "trainer/sft_config.py"),
    "GRPOConfig": ("trl", "trainer/grpo_config.py"),
    "RewardConfig": ("trl", "trainer/reward_config.py"),
    "DistillationConfig": ("trl", "trainer/distillation_config.py"),
}
SCALARS = (bool, int, float, str)
ALL_TYPES = {*SCALARS, list, dict}


@dataclass(frozen=True)
class Option:
    """A key of a recipe, which is also an option of the command line.

    Args:
        name (`str`): The key.
        hint (`Any`): The annotation of its field, such as `int | None`.
        default (`Any`): Its default; if that is not a literal in a library's source, its source text.
        help (`str`): One or two sentences.
        choices (`tuple`, *optional*): The only values that are allowed.
        aliases (`tuple[str, ...]`, *optional*): Other spellings on the command line, such as `--from`.
        group (`str`, *optional*): The library's dataclass that it comes from; empty for our own options.
    """

    name: str
    hint: Any
    default: Any = None
    help: str = ""
    choices: tuple = ()
    aliases: tuple[str, ...] = ()
    group: str = ""

    @property
    def types(self) -> set[type]:
        """The Python types of its values; `None` is not among them."""
        return value_types(self.hint)

    @property
    def is_list(self) -> bool:
        """Whether the command line accepts several values for it."""
        return list in self.types and str not in self.types


def value_types(hint: Any) -> set[type]:
    """The Python types that an annotation allows; an enumeration counts as `str`.

    >>> sorted(kind.__name__ for kind in value_types(dict[str, int] | float | None))
    ['dict', 'float']
    """
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return set().union(*(value_types(part) for part in typing.get_args(hint)))
    if origin is typing.Literal:
        return {type(value) for value in typing.get_args(hint)}
    kind = origin or hint
    if kind is type(None):
        return set()
    if kind in ALL_TYPES:
        return {kind}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {str}
    return ALL_TYPES


def type_names(kinds: Collection[type]) -> str:
    """Formats types for a message.

    >>> type_names({int, str})
    'int or str'
    """
    return " or ".join(sorted(kind.__name__ for kind in kinds))


def item_type(hint: Any) -> type:
    """The type of a list's items.

    >>> item_type(list[int] | None)
    <class 'int'>
    """
    for part in (hint, *typing.get_args(hint)):
        arguments = typing.get_args(part)
        if typing.get_origin(part) is list and arguments[0] in SCALARS:
            return arguments[0]
    return str


def options_of(cls: type | str) -> dict[str, Option]:
    """The options of one of our dataclasses, or of a library's dataclass, given by name."""
    if isinstance(cls, str):
        return _library_options(cls)
    hints = typing.get_type_hints(cls)
    options = {}
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        options[field.name] = Option(
            field.name,
            hints[field.name],
            None if default is dataclasses.MISSING else default,
            field.metadata.get("help", ""),
            tuple(field.metadata.get("choices", ())),
            tuple(field.metadata.get("aliases", ())),
        )
    return options


@cache
def _library_options(name: str) -> dict[str, Option]:
    """The options of a library's dataclass, inherited ones first."""
    class_node = _class_node(name)
    options: dict[str, Option] = {}
    for base in class_node.bases:
        options |= _library_options(ast.unparse(base))
    for statement in class_node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            option = _option_of(statement, name)
            if option is not None:
                options[option.name] = option
    return options


def _class_node(name: str) -> ast.ClassDef:
    package, file = LIBRARY_CLASSES[name]
    spec = importlib.util.find_spec(package)  # finds a package without importing it
    if spec is None:
        raise ModuleNotFoundError(f"{package} is not installed")
    source = Path(spec.submodule_search_locations[0], file).read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
    raise LookupError(f"{file} of {package} has no class {name}")


def _option_of(statement: ast.AnnAssign, group: str) -> Option | None:
    """The option that `name: hint = field(default=..., metadata={...})` declares; `None` if recipes cannot set it."""
    hint = _evaluate_hint(statement.annotation)
    arguments = dict(_keyword_arguments(statement.value))
    if typing.get_origin(hint) is ClassVar or arguments.get("init") is False:
        return None
    metadata = arguments.get("metadata", {})
    choices = metadata.get("choices")
    return Option(
        statement.target.id,
        hint,
        arguments.get("default", arguments.get("default_factory")),
        metadata.get("help", ""),
        tuple(choices) if isinstance(choices, list) else (),
        group=group,
    )


def _keyword_arguments(value: ast.expr | None) -> Iterator[tuple[str, Any]]:
    """The arguments of `field(...)`; a plain default value counts as `default`."""
    if isinstance(value, ast.Call):
        for keyword in value.keywords:
            yield keyword.arg, _literal(keyword.value)
    elif value is not None:
        yield "default", _literal(value)


def _literal(node: ast.expr) -> Any:
    """The value of a literal; for any other expression, its source text."""
    if isinstance(node, ast.Dict):
        return {_literal(key): _literal(value) for key, value in zip(node.keys, node.values, strict=True)}
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


class _KnownNames(dict):
    """The names that annotations use; any other name is an enumeration, whose members a recipe gives as text."""

    def __missing__(self, name: str) -> type:
        return str


def _evaluate_hint(node: ast.expr) -> Any:
    names = _KnownNames(vars(typing), **{kind.__name__: kind for kind in ALL_TYPES})
    # The annotation comes from an installed package, whose code is run anyway.
    return eval(ast.unparse(node), {"__builtins__": {}}, names)  # noqa: S307
