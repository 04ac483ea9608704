"""Scores a file of completions with any rewards, as in training, and prints the means by reward and domain.

Examples:

  # accuracy of the final answers, with columns `completion` and `solution`
  python -m open_r1.rewards --dataset_name completions.jsonl

  # other columns and rewards; writes the scored rows to a file
  python -m open_r1.rewards --dataset_name completions.parquet --dataset_completion_column output \\
      --dataset_solution_column answer --reward_funcs accuracy '{name: format, structure: summary}' \\
      --output_path graded.jsonl

  # the rewards of a recipe
  python -m open_r1.rewards --config my_rewards.yaml --dataset_name completions.jsonl
"""

import logging
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from open_r1.configs.parser import parse_command_line, report_user_errors
from open_r1.data.load import hide_short_progress_bars, load_split, rename_columns, require_column, write_rows
from open_r1.rewards import Composition
from open_r1.rewards.checks import check_columns
from open_r1.rewards.dataset_scores import (
    MeanScore,
    copy_scores,
    mean_scores,
    read_completions,
    score_dataset,
    unjudged_reasons,
)
from open_r1.utils.text import OPEN


SHOWN_REASONS = 10


def main() -> None:
    """Scores a file of completions and prints the means."""
    (args,) = parse_command_line("rewards", __doc__)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("open_r1.code_judge").setLevel(logging.INFO)  # says which interpreter programs run with
    console = Console()
    rewards = Composition(args.rewards, prefill=OPEN if args.thought_opened else "")
    dataset = load_split(args.dataset, seed=0, dry_run=args.dry_run)
    hide_short_progress_bars(dataset)
    require_column(dataset, args.dataset_completion_column, "dataset_completion_column")
    rows = read_completions(rename_columns(dataset, args.dataset.columns))
    if args.thought_opened:
        rows = rows.map(without_opening_tag)
    check_columns(rewards.rewards, rows.column_names)
    if args.dry_run:
        console.print(f"{len(rows):,} completions, {rewards}, columns {', '.join(rows.column_names)}", soft_wrap=True)
        return
    rewards.start()
    scored = score_dataset(rows, rewards, progress=console.is_terminal)
    means = mean_scores(scored, rewards)
    console.print(as_table(means, title=args.dataset_name))
    if any(mean.unjudged for mean in means):
        print_reasons(unjudged_reasons(scored, rewards), console)
    if args.output_path:
        write_rows(copy_scores(scored, dataset), Path(args.output_path))
        console.print(f"wrote {args.output_path}", soft_wrap=True)


def without_opening_tag(row: dict) -> dict:
    """A completion without the `<think>` that some servers put back: rewards add the tag themselves, as in training.

    >>> without_opening_tag({"completion": "<think>2+2</think>4"}), without_opening_tag({"completion": "2+2</think>4"})
    ({'completion': '2+2</think>4'}, {'completion': '2+2</think>4'})
    """
    completion = row["completion"]
    if completion is not None and completion.lstrip().startswith(OPEN):
        completion = completion.lstrip().removeprefix(OPEN)
    return {"completion": completion}


def as_table(means: list[MeanScore], title: str) -> Table:
    """Formats mean scores as a table for the console."""
    table = Table("domain", "reward", "completions", "mean", "not judged", title=title, title_justify="left")
    for row in means:
        mean = "–" if row.mean is None else f"{row.mean:.3f}"
        table.add_row(row.domain, row.reward, f"{row.completions:,}", mean, f"{row.unjudged:,}")
    return table


def print_reasons(reasons: Counter[tuple[str, str]], console: Console) -> None:
    """Prints why completions were not judged, the most frequent reasons first."""
    for (reward, reason), count in reasons.most_common(SHOWN_REASONS):
        console.print(f"{reward}: {count:,} not judged: {reason}", soft_wrap=True, markup=False, highlight=False)
    others = len(reasons) - SHOWN_REASONS
    if others > 0:
        console.print(f"… and {others:,} other reasons")


if __name__ == "__main__":
    with report_user_errors():
        main()
