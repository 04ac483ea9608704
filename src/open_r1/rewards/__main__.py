"""Grades a file of completions with any rewards, as training does, and shows the means by reward and domain.

Examples:

  # is the final answer right? columns `completion` and `solution`
  python -m open_r1.rewards --dataset_name completions.jsonl

  # other columns, other rewards, and the graded rows in a file
  python -m open_r1.rewards --dataset_name completions.parquet --dataset_completion_column output \\
      --dataset_solution_column answer --reward_funcs accuracy '{name: format, structure: summary}' --output_path graded.jsonl

  # the rewards of a recipe
  python -m open_r1.rewards --config my_rewards.yaml --dataset_name completions.jsonl
"""

import logging
from pathlib import Path

from datasets import Dataset
from rich.console import Console
from rich.table import Table

from open_r1.configs import GradeArguments, RecipeError
from open_r1.data import load_split, require_column
from open_r1.parser import RecipeParser, user_errors
from open_r1.rewards import Composition
from open_r1.rewards.composition import check_columns
from open_r1.rewards.scoring import score, table
from open_r1.utils.files import whole


WRITERS = {".jsonl": Dataset.to_json, ".parquet": Dataset.to_parquet}


def prepare_rows(args: GradeArguments, rewards: Composition) -> Dataset:
    """The rows, their columns under the names that rewards know."""
    rows = load_split(args, args.dataset_train_split, seed=0)
    require_column(rows, args.dataset_completion_column, "dataset_completion_column")
    for name in ("completion", "solution", "prompt", "domain"):
        column = getattr(args, f"dataset_{name}_column")
        if column != name:
            require_column(rows, column, f"dataset_{name}_column")
            rows = rows.remove_columns([name] if name in rows.column_names else []).rename_column(column, name)
    check_columns(rewards.rewards, rows.column_names)
    return rows


def write(rows: Dataset, path: Path):
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part:
        WRITERS[path.suffix](rows, str(part))


def main():
    (args,) = RecipeParser("rewards", __doc__).parse()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    rewards = Composition(args.rewards, prefill="<think>" if args.thought_opened else "")
    output = Path(args.output_path) if args.output_path else None
    if output and (output.suffix not in WRITERS or output.is_dir()):
        raise RecipeError(
            f"output_path: found {args.output_path!r}; expected the name of a file that ends in {' or '.join(WRITERS)}."
        )
    rows = prepare_rows(args, rewards)
    console = Console()
    if args.dry_run:
        console.print(f"{len(rows):,} completions, {rewards}, columns {', '.join(rows.column_names)}", soft_wrap=True)
        return
    rewards.start()
    scored = score(rows, rewards, progress=console.is_terminal)
    shown = Table("domain", "reward", "completions", "mean", "not judged", title=f"{args.dataset_name}", title_justify="left")
    for domain, name, count, mean, none in table(scored, rewards):
        shown.add_row(domain, name, f"{count:,}", "–" if mean is None else f"{mean:.3f}", f"{none:,}")
    console.print(shown)
    if output:
        write(scored, output)
        console.print(f"wrote {output}", soft_wrap=True)


if __name__ == "__main__":
    with user_errors():
        main()
