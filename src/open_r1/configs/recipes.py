"""Recipes as files: which script one is for, and which one makes a folder."""

import re
from pathlib import Path

from open_r1.configs.parser import BUILDERS, STAGES, TRAINING, read_recipe
from open_r1.utils.errors import RecipeError


FOLDERS = {"eval": "evaluation"}  # folders of another name than their script
KEYS = ("Hardware", "Expected", "Measured")


def stage_of(path: Path) -> str:
    """Key of `STAGES`: the folder that a recipe is in, or for `data` the builder that it names.

    Raises:
        RecipeError: If there is no such stage.
    """
    stage = FOLDERS.get(path.parent.name, path.parent.name)
    if stage == "data":
        stage = read_recipe(str(path)).get("builder")
        if stage not in BUILDERS:
            raise RecipeError(f"{path}: builder: found {stage!r}; expected one of {', '.join(BUILDERS)}.")
    if stage not in STAGES:
        known = [*TRAINING, "generate", "data", *FOLDERS]
        raise RecipeError(f"{path}: the folder {stage!r} is no stage; expected one of {', '.join(known)}.")
    return stage


def command_of(path: Path) -> list[str]:
    """The command that runs a recipe, without the interpreter or launcher."""
    stage = stage_of(path)
    script = ["-m", f"open_r1.builders.{stage}"] if stage in BUILDERS else [f"src/open_r1/{stage}.py"]
    return [*script, "--config", str(path)]


def find_producer(folder: str) -> tuple[dict | None, str | None]:
    """The recipe whose `output_dir` is a folder, and the command that runs it; two `None` if there is none."""
    for path in sorted(Path("recipes").glob("*/*/*.yaml")):
        recipe = read_recipe(str(path))
        if "output_dir" in recipe and Path(recipe["output_dir"]) == Path(folder):
            launcher = "accelerate launch" if stage_of(path) in TRAINING else "python"
            return recipe, " ".join([launcher, *command_of(path)])
    return None, None


def recipe_table(paths: list[Path]) -> str:
    """The recipes as a Markdown table, from the comments at their top: what it is, `Hardware:`, global batch, `Expected:`, `Measured:`."""
    lines = ["| recipe | what it is | hardware | global batch | expected | measured |", "|---|---|---|---|---|---|"]
    for path in paths:
        head = [line.lstrip("# ") for line in path.read_text().splitlines() if line.startswith("#")]
        told = {key: next((line[len(key) + 2 :] for line in head if line.startswith(f"{key}: ")), "–") for key in KEYS}
        batch = re.search(r"global batch ([0-9,]+)", told["Hardware"])
        place = path.relative_to("recipes")
        cells = [
            f"[{place}]({place})",
            head[0].rstrip("."),
            told["Hardware"].partition(" · ")[0],
            batch[1] if batch else "–",
        ]
        lines.append("| " + " | ".join([*cells, told["Expected"], told["Measured"]]) + " |")
    return "\n".join(lines)
