"""What a name in a recipe stands for: a function (of rewards, data, models), a path on this machine, or a Hub id."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from open_r1.utils.errors import RecipeError, did_you_mean


FILES = (".jsonl", ".json", ".csv", ".parquet")


def import_object(path: str) -> Callable:
    """The function or class at `package.module:name`, `package.module.name` or `file.py:name`.

    Raises:
        RecipeError: If the module or the name does not exist.
    """
    module_name, _, name = path.rpartition(":" if ":" in path else ".")
    try:
        if module_name.endswith(".py"):
            spec = importlib.util.spec_from_file_location(Path(module_name).stem, module_name)
            module = importlib.util.module_from_spec(spec)
            sys.modules.setdefault(spec.name, module)  # so that what it defines can be pickled
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(module_name)
    except Exception as error:  # whatever the user's file does while it is read
        raise RecipeError(f"{path!r}: cannot import {module_name!r}: {type(error).__name__}: {error}") from error
    if not hasattr(module, name):
        raise RecipeError(f"{path!r}: {module_name} has no {name!r}{did_you_mean(name, dir(module))}")
    return getattr(module, name)


def is_function(name: str) -> bool:
    """Whether a name is that of a function, `package.module:function` or `file.py:function`."""
    return ":" in name and not Path(name).exists()


def is_path(name: str) -> bool:
    """Whether a name is a path on this machine rather than a Hub id such as `Qwen/Qwen2.5-1.5B`."""
    return Path(name).expanduser().exists() or Path(name).suffix in FILES or name[:1] in "./~" or name.count("/") > 1
