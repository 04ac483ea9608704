"""Recipe files: reads them, and finds the script that runs one or the recipe that produces a folder."""

import difflib
import re
from pathlib import Path
from typing import Any

import yaml

from open_r1.configs.locate import REPOSITORY
from open_r1.configs.stages import BUILDERS, STAGES, TRAINING
from open_r1.utils.errors import RecipeError


STAGE_OF_FOLDER = {"eval": "evaluation"}  # folders that are not named after their stage
RECIPE_FOLDERS = [*TRAINING, "generate", "data", *STAGE_OF_FOLDER]
COLUMNS = ("Hardware", "Expected", "Measured")


class RecipeLoader(yaml.SafeLoader):
    """Loads YAML in which no key occurs twice. PyYAML would silently use the last value."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """Reads a mapping.

        Raises:
            yaml.composer.ComposerError: If a key occurs twice.
        """
        mapping = super().compose_mapping_node(anchor)
        names = set()
        for key, _ in mapping.value:
            name = str(key.value)
            if name in names:
                message = f"found {name!r} a second time; expected each key once"
                raise yaml.composer.ComposerError(None, None, message, key.start_mark)
            names.add(name)
        return mapping


def recipe_folder() -> Path:
    """The folder `recipes` in the current folder or, failing that, in the checkout that this package belongs to."""
    folder = Path("recipes")
    return folder if folder.is_dir() else REPOSITORY / folder


def recipe_paths() -> list[Path]:
    """The recipes of all stages except pipelines."""
    return sorted(recipe_folder().glob("*/*/*.yaml"))


def find_example(stage: str) -> Path | None:
    """An example recipe for a stage, if there is one.

    Args:
        stage (`str`): Key of `STAGES`.
    """
    example = STAGES[stage].example
    if not example or not (recipe_folder() / example).is_file():
        return None
    return recipe_folder() / example


def read_recipe(path: str) -> dict[str, Any]:
    """Reads a recipe's keys and values, as written in the file.

    Args:
        path (`str`): The file.

    Raises:
        RecipeError: If the file is missing, is not YAML, is not a mapping or has a key twice.
    """
    if not Path(path).is_file():
        raise RecipeError(f"{path}: there is no such recipe (looked in {Path.cwd()}).{_suggest(path)}")
    try:
        recipe = yaml.load(Path(path).read_text(), RecipeLoader)
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
    """Finds the recipe with a given `output_dir`, and the command that runs it; `(None, None)` if there is none.

    Args:
        folder (`str`): An output folder, existing or not.
    """
    for path in recipe_paths():
        recipe = read_recipe(str(path))
        if "output_dir" in recipe and Path(recipe["output_dir"]) == Path(folder):
            launcher = "accelerate launch" if stage_of(path) in TRAINING else "python"
            return recipe, " ".join([launcher, *command_of(path)])
    return None, None


def recipe_table(paths: list[Path], fits: dict[Path, str]) -> str:
    """Builds a Markdown table of recipes from the comments at the top of each file.

    The first comment says what the recipe is; others start with `Hardware:`, `Expected:` and `Measured:`.

    Args:
        paths (`list[Path]`): The recipes, in order.
        fits (`dict[Path, str]`): The smallest GPUs that a training recipe fits, by `planning.fit.describe_fit`.
    """
    lines = [
        "| recipe | what it is | hardware | fits GPUs from | global batch | expected | measured |",
        "|---|---|---|---|---|---|---|",
    ]
    for path in paths:
        comments = [line.lstrip("# ") for line in path.read_text().splitlines() if line.startswith("#")]
        columns = {name: _comment_after(f"{name}: ", comments) for name in COLUMNS}
        batch = re.search(r"global batch ([0-9,]+)", columns["Hardware"])
        place = path.relative_to(recipe_folder())
        cells = [
            f"[{place}]({place})",
            comments[0].rstrip("."),
            columns["Hardware"].partition(" · ")[0],
            fits.get(path, "–"),
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
