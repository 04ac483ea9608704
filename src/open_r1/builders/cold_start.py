"""Cold start: a few thousand long thoughts that people like to read (DeepSeek-R1, §2.3.1; v2, B.3.2).

The paper's ways to get them are recipes of `generate.py`: a model that is shown a few long thoughts (recipes/prompts/few_shot.jinja), one that
is asked to reflect and to verify (reflection.jinja), or R1-Zero itself, whose completions a model then rewrites into a thought in the
question's language and a summary (`rewriter`, rewrite.jinja). This takes the completions, verifies them by the rewards that training uses,
drops what is unreadable, has the rest rewritten if asked, verifies again, and writes `messages`.

What it simplifies: nobody edits by hand, which the paper's annotators did.

Examples:

  # from the readable outputs of the miniature's R1-Zero
  python -m open_r1.builders.cold_start --config recipes/tiny/data/config_cold_start.yaml

  # what would be done
  python -m open_r1.builders.cold_start --config recipes/tiny/data/config_cold_start.yaml --dry_run true

  # write the requests to the rewriter, which a cluster then answers in parts
  ... --draw false
"""

from pathlib import Path

from datasets import Dataset
from rich.console import Console

from open_r1.builders.common import (
    DUPLICATES,
    begin,
    filters_of,
    finish,
    load_completions,
    show_plan,
    to_messages,
    work_of,
)
from open_r1.builders.filters import CutOff
from open_r1.builders.run_filters import run_filters
from open_r1.builders.selection import chosen
from open_r1.builders.verification import report_of, verify
from open_r1.configs import ColdStartArguments
from open_r1.configs.parser import parse_command_line, report_user_errors
from open_r1.data.filter_report import FilterReport
from open_r1.generation.driver import answer_requests
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import conversation_text


def main():
    args: ColdStartArguments
    (args,) = parse_command_line("cold_start", __doc__)
    console = begin(args)
    rows = load_completions(args)
    if args.dry_run:
        show_plan(console, args, {args.dataset_name: len(rows)}, [args.rewriter] if args.rewriter else [])
        return
    work = work_of(args)
    reports: list[FilterReport] = []
    if args.rewriter:  # what is rewritten need not be readable yet, only right and whole
        rows = _right(rows, args, work / "verdicts-before.jsonl", console, reports, "verification before")
        rows, dropped = run_filters(rows, [CutOff()] if "finish_reason" in rows.column_names else [], args.num_proc)
        reports += dropped
        rows = chosen(rows, args.max_per_prompt, args.choose, reports)
        if not len(rows):
            raise RecipeError(f"nothing is left of {args.dataset_name} to rewrite: {'; '.join(map(str, reports))}")
        rows = rewrite(rows, args, work / "rewrite", console)
    rows = _right(rows, args, work / "verdicts.jsonl", console, reports, "verification")
    rows, dropped = run_filters(rows, [*filters_of(args, rows.column_names), DUPLICATES], args.num_proc)
    reports += dropped
    rows = chosen(rows, args.max_per_prompt, args.choose, reports)
    finish(args, console, to_messages(rows, args), reports)


def _right(
    rows: Dataset, args: ColdStartArguments, path: Path, console: Console, reports: list[FilterReport], name: str
) -> Dataset:
    """The rows whose completion is right."""
    verdicts = verify(rows, args, path, console.is_terminal)
    reports.append(report_of(rows, verdicts, name))
    return rows.select([i for i, verdict in enumerate(verdicts) if verdict])


def rewrite(rows: Dataset, args: ColdStartArguments, folder: Path, console: Console) -> Dataset:
    """The rows with new completions by the rewriter, which is given `prompt`, `thought`, `answer` and the other columns."""

    def request_of(row: dict) -> dict:
        thought, closed, answer = row["completion"].partition("</think>")
        return {
            "question": row["prompt"],
            "prompt": conversation_text(row["prompt"]),
            "thought": thought.partition("<think>")[2].strip() if closed else row["completion"],
            "answer": answer.strip(),
        }

    drop = [
        "completion",
        "prompt_id",
        "sample",
        "seed",
        "finish_reason",
        "prompt_tokens",
        "completion_tokens",
        "model",
    ]
    groups = rows["prompt_id"]
    requests = rows.map(request_of, remove_columns=[name for name in rows.column_names if name in drop])
    requests = requests.add_column("group", groups)
    new = answer_requests(args.rewriter, requests, folder, args.draw, console)
    return new.remove_columns(["prompt", "prompt_id", "thought", "answer"]).rename_columns(
        {"question": "prompt", "group": "prompt_id"}
    )


if __name__ == "__main__":
    with report_user_errors():
        main()
