"""The run skeleton that all builders share: what they check before their own steps, and what they write after them.

<output_dir>/train-00000-of-00001.parquet     the set, a file per shard
<output_dir>/prompts-00000-of-00001.parquet   prompts with pass rates, if the builder selects some
                                              (`dataset_config: prompts`)
<output_dir>/report-00000-of-00001.json       what was dropped and why, statistics by domain
<output_dir>/README.md                        the card, once all shards are there
<output_dir>/.work/                           which completions are correct, requests to models; only a run that
                                              continues needs it
"""

import json
import logging
from pathlib import Path

from datasets import Dataset, disable_progress_bars
from rich.console import Console

from open_r1.builders.dataset_card import domain_statistics, write_dataset_card
from open_r1.builders.recipe_filters import require_benchmarks
from open_r1.configs import BuilderArguments
from open_r1.configs.parser import RecipeParser
from open_r1.data.filter_report import FilterReport, format_reports
from open_r1.data.load import first_rows, write_rows
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import write_text_atomically
from open_r1.utils.hub import push, require_repo


# Not the folder of work in progress.
PUSHED_FILES = ["train-*.parquet", "prompts-*.parquet", "report-*.json", "README.md"]


def start_builder(args: BuilderArguments) -> Console:
    """Sets up log and console, and checks what can be checked before any row is read.

    Raises:
        RecipeError: If a benchmark is unknown, if `output_dir` holds other shards, or if the set could not be pushed.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:
        disable_progress_bars()
    require_benchmarks(args.decontaminate)
    for path in Path(args.output_dir).glob("report-*.json"):
        if not path.stem.endswith(f"-of-{args.parts:05}"):  # its rows would be read together with the new ones
            raise RecipeError(
                f"shard: {args.output_dir} holds a set of another number of shards ({path.name}). "
                "Use another output_dir."
            )
    if args.push_to_hub and not args.dry_run:
        require_repo(args.hub_dataset_id, args.hub_private, args.hub_revision, "dataset")
    return console


def show_plan(console: Console, args: BuilderArguments, rows: dict[str, int], recipes: list[str]) -> None:
    """Shows what a builder would do.

    Args:
        console (`Console`): Where to show it.
        args (`BuilderArguments`): The recipe.
        rows (`dict[str, int]`): Number of rows to select from, by the name of their data set.
        recipes (`list[str]`): `generate` recipes of the models that would be asked; they are checked.
    """
    for recipe in recipes:
        generate_args, model_args = RecipeParser("generate").parse(
            ["--config", recipe, "--dataset_name", "requests.parquet", "--output_dir", "answers"]
        )
        console.print(f"asks {model_args.model_name_or_path} ({generate_args.backend}) by {recipe}")
    for name, count in rows.items():
        console.print(f"from {name}: {count:,} rows")
    console.print(f"leaves out: {', '.join(args.decontaminate) or 'no benchmark'}")
    console.print(f"into {args.output_dir}")


def work_folder(args: BuilderArguments) -> Path:
    """Where a shard keeps what it needs to continue; hidden, since it is not a part of the set."""
    return Path(args.output_dir, ".work", args.suffix)


def write_dataset(
    args: BuilderArguments,
    console: Console,
    rows: Dataset,
    reports: list[FilterReport],
    prompts: Dataset | None = None,
) -> None:
    """Writes one shard of the set and its report; with the last shard the card, and pushes if the recipe asks for it.

    Args:
        args (`BuilderArguments`): The recipe.
        console (`Console`): Where to show what was written.
        rows (`Dataset`): The set, with `messages`.
        reports (`list[FilterReport]`): What was dropped.
        prompts (`Dataset`, *optional*): Prompts for reinforcement learning.

    Raises:
        RecipeError: If nothing is left.
    """
    if not len(rows) and args.parts == 1:
        name = args.dataset_name or "the sources"
        raise RecipeError(f"nothing is left of {name}: {format_reports(reports)}")
    folder = Path(args.output_dir)
    train_path = folder / f"train-{args.suffix}.parquet"
    prompts_path = folder / f"prompts-{args.suffix}.parquet"
    _write_or_remove(prompts, prompts_path)
    _write_or_remove(rows, train_path)
    _write_report(args, folder / f"report-{args.suffix}.json", rows, reports, prompts)
    console.print(f"{len(rows):,} rows in {train_path}")
    if prompts is not None:
        console.print(f"{len(prompts):,} prompts for reinforcement learning in {prompts_path}")

    card = write_dataset_card(folder, args.parts)
    if card is None:
        return
    console.print(f"the card is {card}")
    if args.push_to_hub:
        repo = require_repo(args.hub_dataset_id, args.hub_private, args.hub_revision, "dataset")
        push(folder, repo, args.hub_revision, "dataset", f"{len(rows):,} rows", PUSHED_FILES)
        console.print(f"pushed to {repo} ({args.hub_revision or 'main'})")


def _write_or_remove(rows: Dataset | None, path: Path) -> None:
    """Writes rows if there are any; a file without columns would make those of the other shards unreadable."""
    if rows is not None and len(rows):
        write_rows(rows, path)
    else:
        path.unlink(missing_ok=True)


def _write_report(
    args: BuilderArguments, path: Path, rows: Dataset, reports: list[FilterReport], prompts: Dataset | None
) -> None:
    """Writes what the card of the set needs to know of one shard."""
    content = {
        "recipe": {"builder": args.builder} | args.keys,
        "prompts": None if prompts is None else len(prompts),
        "statistics": domain_statistics(rows),
        "filters": [vars(report) for report in reports],
        "examples": [row["messages"] for row in first_rows(rows, 2)],
    }
    write_text_atomically(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
