"""Checks every recipe: strictly parsed in its stage's class, and dry-run where its inputs are on this machine.

Examples:

  # all recipes
  make validate

  # some
  python src/open_r1/validate.py recipes/tiny/grpo/config_zero.yaml

  # the table in recipes/README.md, written anew from the recipes' first lines
  python src/open_r1/validate.py --table
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from open_r1.configs.parser import RecipeParser
from open_r1.configs.recipes import command_of, find_producer, read_recipe, recipe_table, stage_of
from open_r1.configs.stages import TRAINING
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import write_text_atomically
from open_r1.utils.imports import is_function, is_path


def check(path: Path) -> tuple[str, str | None]:
    """Checks one recipe.

    Returns:
        `tuple[str, str | None]`: What was done (`dry run` or `parsed`), and the error if there was one.
    """
    try:
        stage = stage_of(path)
        recipe = read_recipe(str(path))
        here = ["--use_cpu", "true"] if stage in TRAINING else []  # a GPU recipe is parsed here too
        RecipeParser(stage).parse(["--config", str(path), *here])
    except RecipeError as error:
        return "parsed", str(error)
    if not (_is_here(recipe.get("model_name_or_path", "")) and _is_here(recipe.get("dataset_name", ""))):
        return "parsed", None
    command = [sys.executable, *command_of(path), "--dry_run", "true"]
    run = subprocess.run(command, capture_output=True, text=True)
    return "dry run", None if run.returncode == 0 else run.stderr.strip()[-2000:]


def _is_here(name: str) -> bool:
    return is_function(name) or (is_path(name) and (Path(name).exists() or find_producer(name)[0] is not None))


def write_table():
    """Exchanges the table in recipes/README.md."""
    page = Path("recipes/README.md")
    before, _, rest = page.read_text().partition("| recipe |")
    after = rest.partition("\n\n")[2]
    write_text_atomically(page, f"{before}{recipe_table(sorted(Path('recipes').glob('*/*/*.yaml')))}\n\n{after}")


def main(argv: list[str]) -> int:
    """Prints a line a recipe; returns the number of those that fail."""
    if argv == ["--table"]:
        write_table()
        return 0
    paths = [Path(arg) for arg in argv] or sorted(Path("recipes").glob("*/*/*.yaml"))
    console, failed = Console(soft_wrap=True, highlight=False), 0
    with ThreadPoolExecutor(2) as pool:
        for path, (done, error) in zip(paths, pool.map(check, paths), strict=True):
            failed += error is not None
            console.print(f"{'ok    ' if error is None else 'FAILED'} {done:8} {path}", markup=False)
            if error:
                console.print(error, markup=False)
    console.print(f"{len(paths) - failed} of {len(paths)} recipes are right")
    return failed


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))
