"""Rejection sampling: of many completions, the right and readable ones for fine-tuning (DeepSeek-R1, §2.3.3, the 600k samples).

Completions are verified by the rewards that training uses, and by a model where no reward can say. Of the right ones those go that mix
languages, run into long paragraphs, hold code in the thought, repeat themselves or were cut off. Beside the set come prompts for
reinforcement learning: those that were answered right sometimes, but not always. Nothing is dropped in silence: see the set's card.

Examples:

  # from the miniature's completions
  python -m open_r1.builders.rejection_sampling --config recipes/tiny/data/config_rejection.yaml

  # what would be done
  python -m open_r1.builders.rejection_sampling --config recipes/tiny/data/config_rejection.yaml --dry_run true

  # any file of completions with gold answers
  python -m open_r1.builders.rejection_sampling --dataset_name my.parquet --output_dir outputs/mine --dataset_solution_column answer

  # the third of eight parts; the last one to finish writes the card
  ... --shard 2/8
"""

from open_r1.builders.common import (
    COMPLETION,
    DUPLICATES,
    begin,
    filters_of,
    finish,
    load_completions,
    show_plan,
    to_messages,
    work_of,
)
from open_r1.builders.run_filters import run_filters
from open_r1.builders.selection import chosen, prompts_between
from open_r1.builders.verification import judge_by_model, report_of, verify
from open_r1.configs import RejectionArguments
from open_r1.configs.parser import parse_command_line, report_user_errors


def main():
    args: RejectionArguments
    (args,) = parse_command_line("rejection_sampling", __doc__)
    console = begin(args)
    rows = load_completions(args)
    if args.dry_run:
        show_plan(console, args, {args.dataset_name: len(rows)}, [args.judge] if args.judge else [])
        return
    work = work_of(args)
    verdicts = verify(rows, args, work / "verdicts.jsonl", console.is_terminal)
    if args.judge:
        verdicts = judge_by_model(rows, verdicts, args.judge, work / "judge", args.draw, console)
    right = rows.select([i for i, verdict in enumerate(verdicts) if verdict])
    kept, reports = run_filters(right, [*filters_of(args, right.column_names), DUPLICATES], args.num_proc)
    kept = chosen(kept, args.max_per_prompt, args.choose, reports)
    prompts = prompts_between(rows, verdicts, args.min_pass_rate, args.max_pass_rate, COMPLETION)
    finish(args, console, to_messages(kept, args), [report_of(rows, verdicts), *reports], prompts)


if __name__ == "__main__":
    with report_user_errors():
        main()
