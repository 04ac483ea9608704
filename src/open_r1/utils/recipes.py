"""Recipes as files: which script one is for, and which one makes a folder."""

from pathlib import Path

from open_r1.configs import RecipeError
from open_r1.parser import BUILDERS, STAGES, TRAINING, read_recipe


def stage_of(path: Path) -> str:
    """Key of `STAGES`: the folder that a recipe is in, or for `data` the builder that it names.

    Raises:
        RecipeError: If there is no such stage.
    """
    stage = path.parent.name
    if stage == "data":
        stage = read_recipe(str(path)).get("builder")
        if stage not in BUILDERS:
            raise RecipeError(f"{path}: builder: found {stage!r}; expected one of {', '.join(BUILDERS)}.")
    if stage not in STAGES:
        raise RecipeError(
            f"{path}: the folder {stage!r} is no stage; expected one of data, {', '.join(set(STAGES) - set(BUILDERS))}."
        )
    return stage


def command_of(path: Path) -> list[str]:
    """The command that runs a recipe, without the interpreter or launcher."""
    stage = stage_of(path)
    script = ["-m", f"open_r1.data.{stage}"] if stage in BUILDERS else [f"src/open_r1/{stage}.py"]
    return [*script, "--config", str(path)]


def maker(folder: str) -> tuple[dict | None, str | None]:
    """The recipe whose `output_dir` is a folder, and the command that runs it; two `None` if there is none."""
    for path in sorted(Path("recipes").glob("*/*/*.yaml")):
        recipe = read_recipe(str(path))
        if "output_dir" in recipe and Path(recipe["output_dir"]) == Path(folder):
            launcher = "accelerate launch" if stage_of(path) in TRAINING else "python"
            return recipe, " ".join([launcher, *command_of(path)])
    return None, None
