"""Rejection sampling: the correct and readable ones of many completions, for fine-tuning (DeepSeek-R1, §2.3.3).

Completions are verified by the rewards that training uses, and by a model where no reward can tell. Of the correct
ones, those are dropped that mix languages, have long paragraphs or code in the thought, repeat themselves or were cut
off. Beside the set come prompts for reinforcement learning: those that were answered correctly sometimes, but not
always. The set's card says what was dropped and why.

Examples:

  # from the miniature's completions
  python -m open_r1.builders.rejection_sampling --config recipes/tiny/data/config_rejection.yaml

  # what would be done
  python -m open_r1.builders.rejection_sampling --config recipes/tiny/data/config_rejection.yaml --dry_run true

  # any file of completions with gold answers
  python -m open_r1.builders.rejection_sampling --dataset_name my.parquet --output_dir outputs/mine \\
      --dataset_solution_column answer

  # the third of eight parts; the last one to finish writes the card
  ... --shard 2/8
"""

from open_r1.builders.recipe_filters import filters_from_recipe
from open_r1.builders.rows import SAME_COMPLETION, load_completions, to_messages
from open_r1.builders.run import show_plan, start_builder, work_folder, write_dataset
from open_r1.builders.run_filters import run_filters
from open_r1.builders.selection import select_completions, select_prompts
from open_r1.builders.verification import judge_by_model, keep_correct, verification_report, verify
from open_r1.configs import RejectionArguments
from open_r1.configs.parser import parse_command_line, report_user_errors


def main() -> None:
    """Builds the set and the prompts of a recipe."""
    args: RejectionArguments
    (args,) = parse_command_line("rejection_sampling", __doc__)
    console = start_builder(args)
    rows = load_completions(args)
    if args.dry_run:
        show_plan(console, args, {args.dataset_name: len(rows)}, recipes=[args.judge] if args.judge else [])
        return

    folder = work_folder(args)
    correctness = verify(rows, args, folder / "verdicts.jsonl", console.is_terminal)
    if args.judge:
        correctness = judge_by_model(rows, correctness, args.judge, folder / "judge", args.draw, console)
    reports = [verification_report(rows, correctness)]
    prompts = select_prompts(rows, correctness, args.min_pass_rate, args.max_pass_rate)

    kept = keep_correct(rows, correctness)
    filters = [*filters_from_recipe(args, kept.column_names), SAME_COMPLETION]
    kept, filter_reports = run_filters(kept, filters, args.num_proc)
    reports += filter_reports
    kept = select_completions(kept, args.max_per_prompt, args.choose, reports)
    write_dataset(args, console, to_messages(kept, args), reports, prompts)


if __name__ == "__main__":
    with report_user_errors():
        main()
