"""Checks recipes: each is parsed strictly, and dry-run if its model and its data are on this machine.

Examples:

  # all recipes
  python src/open_r1/validate.py

  # only some recipes
  python src/open_r1/validate.py recipes/tiny/grpo/config_zero.yaml

  # rewrite the table in recipes/README.md from the comments at the top of the recipes
  python src/open_r1/validate.py --table
"""

import io
import multiprocessing
import os
import runpy
import sys
import time
import warnings
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from open_r1.configs import BENCHMARKS
from open_r1.configs.parser import RecipeParser
from open_r1.configs.recipes import command_of, find_producer, read_recipe, recipe_paths, recipe_table, stage_of
from open_r1.pipelines.local_runner import PRELOADED_MODULES
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import write_text_atomically
from open_r1.utils.imports import is_function


# Imported once, by the server that the checks are forked from, which saves seconds per check.
PRELOADED = [*PRELOADED_MODULES, "trl.trainer.sft_trainer", "trl.trainer.distillation_trainer"]
INPUT_KEYS = ("model_name_or_path", "models", "model", "teacher_model_name_or_path", "dataset_name")
SHOWN_INPUTS = 2  # number of missing inputs to name
LAST_CHARACTERS = 2000  # of a failed dry run's output


@dataclass
class Check:
    """The result of checking a recipe.

    Args:
        path (`Path`): The recipe.
        kind (`str`): `dry run`, or `parsed` if it was only parsed because inputs are missing.
        missing (`list[str]`): Models and data sets that are not on this machine.
        error (`str`, *optional*): What is wrong with the recipe.
    """

    path: Path
    kind: str
    missing: list[str]
    error: str | None = None

    def __str__(self) -> str:
        if self.error is not None:
            return f"FAILED  {self.kind:7}  {self.path}\n{self.error}"
        line = f"ok      {self.kind:7}  {self.path}"
        if self.missing:
            line += f"  ({_in_words(self.missing)} not on this machine)"
        return line


def check(path: Path) -> Check:
    """Checks one recipe.

    Args:
        path (`Path`): The recipe.
    """
    try:
        RecipeParser(stage_of(path)).parse(["--config", str(path), "--dry_run", "true"])
        inputs = dict.fromkeys(inputs_of(read_recipe(str(path))))
        missing = [name for name in inputs if not is_available(name)]
    except RecipeError as error:
        return Check(path, "parsed", [], str(error))
    if missing:
        return Check(path, "parsed", missing)
    return Check(path, "dry run", [], dry_run(path))


def inputs_of(value: Any) -> Iterator[str]:
    """The models and data sets that a recipe reads, at any depth.

    Args:
        value (`Any`): The recipe, or a part of it.

    >>> list(inputs_of({"models": ["a", "b"], "sources": [{"dataset_name": "c.jsonl"}], "benchmarks": ["aime24"]}))
    ['a', 'b', 'c.jsonl', 'HuggingFaceH4/aime_2024']
    """
    if isinstance(value, list):
        for item in value:
            yield from inputs_of(item)
    if not isinstance(value, dict):
        return
    for key, part in value.items():
        if key in INPUT_KEYS and isinstance(part, str):
            yield part
        elif key in INPUT_KEYS:
            yield from part
        elif key == "benchmarks":
            for benchmark in part:
                yield from inputs_of(_benchmark(benchmark))
        else:
            yield from inputs_of(part)


def _benchmark(entry: str | dict) -> dict:
    """An entry of `benchmarks` as a mapping, completed by the benchmark of that name."""
    if isinstance(entry, str):
        entry = {"name": entry}
    return {**BENCHMARKS.get(entry["name"], {}), **entry}


def is_available(name: str) -> bool:
    """Whether this machine has a model or data set, as far as a dry run needs it.

    The output of another recipe need not exist yet, since a dry run names the command that produces it. But the model
    that such a chain of recipes starts from must exist.

    Args:
        name (`str`): A function, a path or a Hub id.
    """
    if is_function(name):
        return not name.startswith("open_r1.evals.benchmark_data:")  # these download
    if Path(name).exists():
        return True
    recipe, _ = find_producer(name)
    return recipe is not None and is_available(recipe.get("model_name_or_path", ""))


def dry_run(path: Path) -> str | None:
    """Runs a recipe's script with `--dry_run true` in this process.

    Args:
        path (`Path`): The recipe.

    Returns:
        `str`: The end of its output if it failed, otherwise `None`.
    """
    command = [*command_of(path), "--dry_run", "true"]
    output = io.StringIO()
    status = None
    with redirect_stdout(output), redirect_stderr(output), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if command[0] == "-m":
                sys.argv = command[1:]
                runpy.run_module(command[1], run_name="__main__")
            else:
                sys.argv = command
                runpy.run_path(command[0], run_name="__main__")
        except SystemExit as end:
            status = end.code
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    if not status:
        return None
    return output.getvalue().strip()[-LAST_CHARACTERS:]


def write_table() -> None:
    """Replaces the table in recipes/README.md."""
    from open_r1.planning.fit import describe_fit  # imports torch, which checking recipes does in other processes

    paths = recipe_paths()
    fits = {path: describe_fit(path) for path in paths}
    page = Path("recipes/README.md")
    before, _, rest = page.read_text().partition("| recipe |")
    after = rest.partition("\n\n")[2]
    write_text_atomically(page, f"{before}{recipe_table(paths, fits)}\n\n{after}")


def _in_words(names: list[str]) -> str:
    """The first names of a list, and the number of further ones."""
    shown = ", ".join(names[:SHOWN_INPUTS])
    if len(names) > SHOWN_INPUTS:
        shown += f" and {len(names) - SHOWN_INPUTS} more"
    return shown


def parse_arguments() -> Namespace:
    """Parses the command line."""
    parser = ArgumentParser(
        prog="python src/open_r1/validate.py",
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("recipes", nargs="*", type=Path, help="Recipes to check; by default all in recipes/.")
    parser.add_argument("--table", action="store_true", help="Rewrite the table in recipes/README.md instead.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="Recipes to check at once (%(default)s).")
    return parser.parse_args()


def main() -> int:
    """Prints a line per recipe and a summary, and returns the exit status."""
    args = parse_arguments()
    if args.table:
        write_table()
        return 0
    paths = args.recipes or recipe_paths()
    console = Console(soft_wrap=True, highlight=False)
    started = time.monotonic()
    checks = []
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with context.Pool(args.jobs, maxtasksperchild=1) as pool:
        for result in pool.imap(check, paths):
            checks.append(result)
            console.print(f"{len(checks):3}/{len(paths)}  {result}", markup=False)
    correct = sum(result.error is None for result in checks)
    dry_runs = sum(result.kind == "dry run" for result in checks)
    console.print(
        f"{correct} of {len(checks)} recipes are right, in {time.monotonic() - started:,.0f} s: {dry_runs} dry-run, "
        f"{len(checks) - dry_runs} parsed only"
    )
    return int(correct < len(checks))


if __name__ == "__main__":
    sys.exit(main())
