"""Finds the files that recipes name, from any folder."""

import re
from pathlib import Path
from typing import Any


REPOSITORY = Path(__file__).resolve().parents[3]  # for an installed wheel, a folder without recipes
OUTPUT_KEYS = ("output_dir", "output_path", "run_dir", "report_dir")  # always relative to the current folder


def locate_files(recipe: dict[str, Any], path: str | Path) -> dict[str, Any]:
    """Resolves the paths of the files that a recipe names (templates, data, configurations, other recipes).

    A relative path is looked up in the current folder first, as usual, and then in the folders above the recipe,
    nearest first. So `recipes/prompts/tiny.jinja` is found even if the current folder is not the root of the
    repository. Paths of folders and of outputs are always relative to the current folder.

    Args:
        recipe (`dict`): Keys and values.
        path (`str` or `Path`): The file that they were read from.
    """
    folders = list(Path(path).resolve().parents)
    located = {}
    for key, value in recipe.items():
        located[key] = value
        if key not in OUTPUT_KEYS:
            located[key] = _locate(value, folders)
    return located


def _locate(value: Any, folders: list[Path]) -> Any:
    if isinstance(value, list):
        return [_locate(item, folders) for item in value]
    if isinstance(value, dict):
        return {key: _locate(item, folders) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    name, colon, rest = value.partition(":")  # `file.py:function` and `file.jsonl:column`
    if not re.fullmatch(r"[\w./ -]+\.\w+", name) or Path(name).is_absolute() or Path(name).exists():
        return value
    for folder in folders:
        if (folder / name).is_file():
            return f"{folder / name}{colon}{rest}"
    return value
