"""Merges the shards of `generate.py` or of a data builder into one file, after checking that all are complete.

Examples:

  # completions, each with the columns of its prompt
  python -m open_r1.generation.merge --dataset_name outputs/tiny/generate/zero --output_path zero.parquet

  # only check, as the job after an array would
  python -m open_r1.generation.merge --dataset_name outputs/tiny/generate/zero
"""

from pathlib import Path

from datasets import Dataset
from rich.console import Console

from open_r1.configs import MergeArguments
from open_r1.configs.parser import parse_command_line, report_user_errors
from open_r1.data.load import hide_short_progress_bars, load_split, write_rows
from open_r1.utils.errors import RecipeError


def main() -> None:
    """Checks that a folder of completions is complete, and writes it as one file."""
    args: MergeArguments
    (args,) = parse_command_line("merge", __doc__)
    console = Console(soft_wrap=True)
    rows = load_split(args.dataset, seed=0, dry_run=args.dry_run)
    hide_short_progress_bars(rows)
    require_unique_completions(rows, args.dataset_name)
    console.print(f"{args.dataset_name} is complete: {len(rows):,} rows, columns {', '.join(rows.column_names)}")
    if args.output_path and not args.dry_run:
        write_rows(rows, Path(args.output_path))
        console.print(f"wrote {args.output_path}")


def require_unique_completions(rows: Dataset, name: str) -> None:
    """Checks that no completion occurs twice. Rows that are not completions are not checked.

    Args:
        rows (`Dataset`): The rows of all shards.
        name (`str`): Name of the data set, for the error.

    Raises:
        RecipeError: If some occur twice, with their number.
    """
    if "prompt_id" not in rows.column_names or "sample" not in rows.column_names:
        return
    keys = list(zip(rows["prompt_id"], rows["sample"], strict=True))
    duplicates = len(keys) - len(set(keys))
    if duplicates:
        raise RecipeError(f"{name}: {duplicates:,} completions occur twice.")


if __name__ == "__main__":
    with report_user_errors():
        main()
