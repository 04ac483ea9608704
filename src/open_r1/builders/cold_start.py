"""Cold start: a few thousand long thoughts that are pleasant to read (DeepSeek-R1, §2.3.1; v2, B.3.2).

The paper's ways to get them are recipes of `generate.py`: a model that is shown a few long thoughts
(recipes/prompts/few_shot.jinja), a model that is asked to reflect and to verify (reflection.jinja), or R1-Zero itself,
whose completions another model then rewrites into a thought in the question's language and a summary (`rewriter`,
rewrite.jinja). This builder takes the completions, verifies them by the rewards that training uses, drops what is
unreadable, has the rest rewritten if the recipe asks for it, verifies again, and writes `messages`.

One simplification: in the paper, annotators also edit the result by hand.

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

from open_r1.builders.filters import CutOff
from open_r1.builders.recipe_filters import filters_from_recipe
from open_r1.builders.rows import SAME_COMPLETION, load_completions, to_messages
from open_r1.builders.run import show_plan, start_builder, work_folder, write_dataset
from open_r1.builders.run_filters import run_filters
from open_r1.builders.selection import select_completions
from open_r1.builders.verification import keep_correct, verification_report, verify
from open_r1.configs import ColdStartArguments
from open_r1.configs.parser import parse_command_line, report_user_errors
from open_r1.data.filter_report import FilterReport, format_reports
from open_r1.data.load import existing_columns
from open_r1.generation.completion_store import COMPLETION_COLUMNS
from open_r1.generation.driver import answer_requests
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import conversation_text, split_thought


def main() -> None:
    """Builds the cold-start set of a recipe."""
    args: ColdStartArguments
    (args,) = parse_command_line("cold_start", __doc__)
    console = start_builder(args)
    rows = load_completions(args)
    if args.dry_run:
        show_plan(console, args, {args.dataset_name: len(rows)}, recipes=[args.rewriter] if args.rewriter else [])
        return

    reports: list[FilterReport] = []
    if args.rewriter:
        rows = select_to_rewrite(rows, args, console, reports)
        rows = rewrite(rows, args, work_folder(args) / "rewrite", console)
    verified = work_folder(args) / "verdicts.jsonl"
    correctness = verify(rows, args, verified, console.is_terminal)
    reports.append(verification_report(rows, correctness))

    rows = keep_correct(rows, correctness)
    filters = [*filters_from_recipe(args, rows.column_names), SAME_COMPLETION]
    rows, filter_reports = run_filters(rows, filters, args.num_proc)
    reports += filter_reports
    rows = select_completions(rows, args.max_per_prompt, args.choose, reports)
    write_dataset(args, console, to_messages(rows, args), reports)


def select_to_rewrite(
    rows: Dataset, args: ColdStartArguments, console: Console, reports: list[FilterReport]
) -> Dataset:
    """Selects the completions to rewrite, which must be correct and complete, but not yet readable.

    Args:
        rows (`Dataset`): All completions.
        args (`ColdStartArguments`): The recipe.
        console (`Console`): Tells whether to show progress bars.
        reports (`list[FilterReport]`): Receives what was dropped.

    Raises:
        RecipeError: If nothing is left.
    """
    verified = work_folder(args) / "verdicts-before.jsonl"
    correctness = verify(rows, args, verified, console.is_terminal)
    reports.append(verification_report(rows, correctness, "verification before"))
    rows = keep_correct(rows, correctness)
    if "finish_reason" in rows.column_names:
        rows, filter_reports = run_filters(rows, [CutOff()], args.num_proc)
        reports += filter_reports
    rows = select_completions(rows, args.max_per_prompt, args.choose, reports)
    if not len(rows):
        raise RecipeError(f"nothing is left of {args.dataset_name} to rewrite: {format_reports(reports)}")
    return rows


def rewrite(rows: Dataset, args: ColdStartArguments, folder: Path, console: Console) -> Dataset:
    """Lets the rewriter write new completions, given `prompt`, `thought`, `answer` and the other columns.

    Args:
        rows (`Dataset`): Completions to rewrite.
        args (`ColdStartArguments`): The recipe, which names the rewriter.
        folder (`Path`): Where requests and new completions are kept.
        console (`Console`): Shows what happens.
    """
    requests = rows.map(_write_request, remove_columns=existing_columns(rows, ["completion", *COMPLETION_COLUMNS]))
    requests = requests.add_column("group", rows["prompt_id"])
    rewritten = answer_requests(args.rewriter, requests, folder, args.draw, console)
    rewritten = rewritten.remove_columns(["prompt", "prompt_id", "thought", "answer"])
    return rewritten.rename_columns({"question": "prompt", "group": "prompt_id"})


def _write_request(row: dict) -> dict:
    """What the rewriter's template is given."""
    thought, answer = split_thought(row["completion"])
    if thought is None or answer is None:  # all of it is to be rewritten
        thought = row["completion"]
        answer = ""
    else:
        thought = thought.strip()
        answer = answer.strip()
    return {
        "question": row["prompt"],
        "prompt": conversation_text(row["prompt"]),
        "thought": thought,
        "answer": answer,
    }


if __name__ == "__main__":
    with report_user_errors():
        main()
