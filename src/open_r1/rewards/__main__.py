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

from open_r1.configs import GradeArguments
from open_r1.configs.parser import parse_command_line, report_user_errors
from open_r1.data.load import hide_short_progress_bars, load_split, rename_columns, require_column, write_rows
from open_r1.rewards import Composition
from open_r1.rewards.checks import check_columns
from open_r1.rewards.dataset_scores import score, table


def prepare_rows(args: GradeArguments, rewards: Composition) -> Dataset:
    """The rows, their columns under the names that rewards know."""
    rows = load_split(args.dataset, seed=0, dry_run=args.dry_run)
    hide_short_progress_bars(rows)
    require_column(rows, args.dataset_completion_column, "dataset_completion_column")
    rows = rename_columns(rows, args.dataset.columns)
    check_columns(rewards.rewards, rows.column_names)
    return rows


def main():
    (args,) = parse_command_line("rewards", __doc__)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    rewards = Composition(args.rewards, prefill="<think>" if args.thought_opened else "")
    rows = prepare_rows(args, rewards)
    console = Console()
    if args.dry_run:
        console.print(f"{len(rows):,} completions, {rewards}, columns {', '.join(rows.column_names)}", soft_wrap=True)
        return
    rewards.start()
    scored = score(rows, rewards, progress=console.is_terminal)
    shown = Table(
        "domain", "reward", "completions", "mean", "not judged", title=f"{args.dataset_name}", title_justify="left"
    )
    for domain, name, count, mean, none in table(scored, rewards):
        shown.add_row(domain, name, f"{count:,}", "–" if mean is None else f"{mean:.3f}", f"{none:,}")
    console.print(shown)
    if args.output_path:
        write_rows(scored, Path(args.output_path))
        console.print(f"wrote {args.output_path}", soft_wrap=True)


if __name__ == "__main__":
    with report_user_errors():
        main()
