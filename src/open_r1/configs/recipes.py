"""Recipes as files: reading one, the files that it names, the script that runs it, the recipe that makes a folder."""

import difflib
import re
from pathlib import Path
from typing import Any

import yaml

from open_r1.configs.stages import BUILDERS, STAGES, TRAINING
from open_r1.utils.errors import RecipeError


STAGE_OF_FOLDER = {"eval": "evaluation"}  # folders whose name is not their stage's
RECIPE_FOLDERS = [*TRAINING, "generate", "data", *STAGE_OF_FOLDER]
COLUMNS = ("Hardware", "Expected", "Measured")
OUTPUT_KEYS = ("output_dir", "output_path", "run_dir", "report_dir")  # always relative to the current folder


def recipe_paths() -> list[Path]:
    """The recipes of the repository, as seen from its top."""
    return sorted(Path("recipes").glob("*/*/*.yaml"))


def recipes_of(stage: str) -> list[Path]:
    """The recipes of a stage, those of the miniature first.

    Args:
        stage (`str`): Key of `STAGES`.
    """
    recipes = [path for path in recipe_paths() if stage_of(path) == stage]
    return sorted(recipes, key=lambda path: "tiny" not in path.parts)


def read_recipe(path: str) -> dict[str, Any]:
    """A recipe's keys and values, as they stand in the file.

    Args:
        path (`str`): The file.

    Raises:
        RecipeError: If the file is missing, is not YAML or is not a mapping.
    """
    if not Path(path).is_file():
        raise RecipeError(f"{path}: there is no such recipe (looked in {Path.cwd()}).{_suggest(path)}")
    try:
        recipe = yaml.safe_load(Path(path).read_text())
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: this is not valid YAML: {error}") from error
    if not isinstance(recipe, dict):
        raise RecipeError(f"{path}: found {type(recipe).__name__}; expected keys and values.")
    return recipe


def _suggest(path: str) -> str:
    """The recipes that a wrong path may have meant, as the end of an error."""
    known = [str(recipe) for recipe in recipe_paths()]
    same_name = [recipe for recipe in known if Path(recipe).name == Path(path).name]
    near = difflib.get_close_matches(path, same_name or known, n=3, cutoff=0.3)
    if not near:
        return ""
    return f" Did you mean {' or '.join(near)}?"


def locate_files(recipe: dict[str, Any], path: str) -> dict[str, Any]:
    """A recipe with the files that it names (templates, data, configurations, other recipes) found from any folder.

    A relative name is looked up in the current folder first, as everywhere. If there is no such file, the folders
    above the recipe are tried, the nearest first, so that `recipes/prompts/tiny.jinja` is found also by those who are
    not at the top of the repository. Folders and outputs are always relative to the current folder.

    Args:
        recipe (`dict`): Keys and values.
        path (`str`): The file that they were read from.
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


def stage_of(path: Path) -> str:
    """The stage of a recipe, a key of `STAGES`: the folder that it is in, or for `data` the builder that it names.

    Args:
        path (`Path`): The recipe.

    Raises:
        RecipeError: If there is no such stage.
    """
    stage = STAGE_OF_FOLDER.get(path.parent.name, path.parent.name)
    if stage == "data":
        stage = read_recipe(str(path)).get("builder")
        if stage not in BUILDERS:
            raise RecipeError(f"{path}: builder: found {stage!r}; expected one of {', '.join(BUILDERS)}.")
    if stage not in STAGES:
        raise RecipeError(f"{path}: the folder {stage!r} is not a stage; expected one of {', '.join(RECIPE_FOLDERS)}.")
    return stage


def command_of(path: Path) -> list[str]:
    """The command that runs a recipe, without the interpreter or launcher.

    Args:
        path (`Path`): The recipe.
    """
    return [*STAGES[stage_of(path)].command, "--config", str(path)]


def find_producer(folder: str) -> tuple[dict | None, str | None]:
    """The recipe whose `output_dir` is a folder, and the command that runs it; two `None` if there is none.

    Args:
        folder (`str`): An output folder, existing or not.
    """
    for path in recipe_paths():
        recipe = read_recipe(str(path))
        if "output_dir" in recipe and Path(recipe["output_dir"]) == Path(folder):
            launcher = "accelerate launch" if stage_of(path) in TRAINING else "python"
            return recipe, " ".join([launcher, *command_of(path)])
    return None, None


def recipe_table(paths: list[Path]) -> str:
    """The recipes as a Markdown table, from the comments at their top.

    The first comment says what a recipe is; others start with `Hardware:`, `Expected:` and `Measured:`.

    Args:
        paths (`list[Path]`): The recipes, in order.
    """
    lines = ["| recipe | what it is | hardware | global batch | expected | measured |", "|---|---|---|---|---|---|"]
    for path in paths:
        comments = [line.lstrip("# ") for line in path.read_text().splitlines() if line.startswith("#")]
        columns = {name: _comment_after(f"{name}: ", comments) for name in COLUMNS}
        batch = re.search(r"global batch ([0-9,]+)", columns["Hardware"])
        place = path.relative_to("recipes")
        cells = [
            f"[{place}]({place})",
            comments[0].rstrip("."),
            columns["Hardware"].partition(" · ")[0],
            batch[1] if batch else "–",
            columns["Expected"],
            columns["Measured"],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _comment_after(label: str, comments: list[str]) -> str:
    """What follows a label in the first comment that starts with it, or a dash."""
    for comment in comments:
        if comment.startswith(label):
            return comment.removeprefix(label)
    return "–"
