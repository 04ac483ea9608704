"""Resolves names in recipes: a function (for rewards, data sets or models), a local path, or a Hub id."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from open_r1.utils.errors import RecipeError, did_you_mean


DATA_SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")


def import_object(path: str) -> Any:
    """Imports a function or class by name.

    Args:
        path (`str`): `package.module:name`, `package.module.name` or `file.py:name`.

    Raises:
        RecipeError: If the module or the name does not exist, or the module cannot be imported.
    """
    separator = ":" if ":" in path else "."
    module_name, _, name = path.rpartition(separator)
    try:
        module = _import_module(module_name)
    except Exception as error:  # importing a user's file may raise anything
        raise RecipeError(f"{path!r}: cannot import {module_name!r}: {type(error).__name__}: {error}") from error
    if not hasattr(module, name):
        raise RecipeError(f"{path!r}: {module_name} has no {name!r}{did_you_mean(name, dir(module))}")
    return getattr(module, name)


def _import_module(name: str) -> ModuleType:
    """Imports a module by its name or by its file."""
    if not name.endswith(".py"):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(Path(name).stem, name)
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(spec.name, module)  # so that its functions and classes can be pickled
    spec.loader.exec_module(module)
    return module


def is_function(name: str) -> bool:
    """Whether a name refers to a function.

    Args:
        name (`str`): Any name; functions are written `package.module:function` or `file.py:function`.
    """
    return ":" in name and not Path(name).exists()


def is_path(name: str) -> bool:
    """Whether a name is a local path rather than a Hub id such as `Qwen/Qwen2.5-1.5B`.

    Args:
        name (`str`):
            A model or a data set. A name that does not exist locally counts as a path if it looks like one.
    """
    if Path(name).expanduser().exists():
        return True
    has_data_suffix = Path(name).suffix in DATA_SUFFIXES
    return has_data_suffix or name.startswith((".", "/", "~")) or name.count("/") > 1
