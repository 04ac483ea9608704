"""Mappings in the lists of a recipe, such as the sets of a mixture or the stages of a pipeline."""

import dataclasses
import typing
from typing import Any, ClassVar, Self

from open_r1.configs.options import type_names, value_types
from open_r1.utils.errors import RecipeError, did_you_mean, parse_mapping
from open_r1.utils.files import require_file


class Entry:
    """One mapping of a list in a recipe: the base of dataclasses whose fields are its keys.

    The first field names the entry.
    """

    option: ClassVar[str] = ""  # the recipe's key of the list

    @classmethod
    def parse(cls, entry: str | dict) -> Self:
        """Reads one entry.

        Args:
            entry (`str` or `dict`):
                A mapping, also as text (`{...}`, on the command line), or the value of the first field alone.

        Raises:
            RecipeError: If a key is unknown, missing or of the wrong type.
        """
        hints = typing.get_type_hints(cls)
        fields = [field.name for field in dataclasses.fields(cls)]
        values = cls._as_mapping(entry, fields[0])
        for key, value in values.items():
            if key not in fields:
                raise RecipeError(f"{cls.option}: unknown key {key!r}{did_you_mean(key, fields)}")
            if not _fits(value, hints[key]):
                expected = type_names(value_types(hints[key]))
                raise RecipeError(f"{cls.option}: {key} is {value!r}; expected {expected}.")
        return cls(**values)

    @classmethod
    def _as_mapping(cls, entry: str | dict, first_key: str) -> dict:
        """The entry as a mapping that has at least the first key."""
        if isinstance(entry, str) and not entry.lstrip().startswith("{"):
            return {first_key: entry}
        if isinstance(entry, str):
            entry = parse_mapping(entry, cls.option)
        if first_key not in entry:
            raise RecipeError(f"{cls.option}: found {entry!r}; expected a mapping with a {first_key}.")
        return entry

    @property
    def label(self) -> Any:
        """What errors call the entry: its first field."""
        first_field = dataclasses.fields(self)[0]
        return getattr(self, first_field.name)

    def require_positive(self, key: str) -> None:
        """Stops if a number is not positive.

        Args:
            key (`str`): The field that holds the number.

        Raises:
            RecipeError: If it is zero or negative.
        """
        value = getattr(self, key)
        if not value > 0:
            raise RecipeError(f"{self.option}: {key} of {self.label!r} is {value!r}; expected a positive number.")

    def require_file(self, key: str) -> None:
        """Stops if a file that the entry names does not exist.

        Args:
            key (`str`): The field that holds the path.

        Raises:
            RecipeError: If there is no such file.
        """
        path = getattr(self, key)
        if path:
            require_file(f"{self.option}: {key} of {self.label!r}", path)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value has the type that an annotation names; an `int` also fits `float`."""
    if value is None:
        return type(None) in typing.get_args(hint)
    kinds = value_types(hint)
    if type(value) is int and float in kinds:
        return True
    return type(value) in kinds
