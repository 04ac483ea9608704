"""The shards of `generate.py` or of a builder as one file; fails, naming it, if one is missing or not complete.

Examples:

  # completions, each with its prompt's columns
  python -m open_r1.generation.merge --dataset_name outputs/tiny/generate/zero --output_path zero.parquet

  # only check, as the job after an array would
  python -m open_r1.generation.merge --dataset_name outputs/tiny/generate/zero
"""

from pathlib import Path

from rich.console import Console

from open_r1.configs import MergeArguments
from open_r1.configs.parser import parse_command_line, report_user_errors
from open_r1.data.load import hide_short_progress_bars, load_split, write_rows
from open_r1.utils.errors import RecipeError


def main():
    args: MergeArguments
    (args,) = parse_command_line("merge", __doc__)
    rows = load_split(args.dataset, seed=0, dry_run=args.dry_run)
    hide_short_progress_bars(rows)
    if {"prompt_id", "sample"} <= set(rows.column_names):
        keys = list(zip(rows["prompt_id"], rows["sample"], strict=True))
        if len(set(keys)) < len(keys):
            raise RecipeError(f"{args.dataset_name}: {len(keys) - len(set(keys)):,} completions are there twice.")
    console = Console(soft_wrap=True)
    console.print(f"{args.dataset_name} is complete: {len(rows):,} rows, columns {', '.join(rows.column_names)}")
    if args.output_path and not args.dry_run:
        write_rows(rows, Path(args.output_path))
        console.print(f"wrote {args.output_path}")


if __name__ == "__main__":
    with report_user_errors():
        main()
