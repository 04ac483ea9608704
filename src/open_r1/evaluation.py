"""Evaluates models on benchmarks: avg@k, pass@k and cons@k with the paper's protocol (DeepSeek-R1, §3; v2, D.1).

Completions are generated as in `generate.py`, by a model in this process or by servers, and graded with the rewards
used in training. Results are written to `output_dir`: a folder of completions per benchmark, `<benchmark>.parquet`
with their scores, `eval.json`, and `README.md` with the table. All accuracies are from 0 to 1.

Examples:

  # the miniature, on held-out problems
  python src/open_r1/evaluation.py --config recipes/tiny/eval/config_heldout.yaml

  # several checkpoints, each in a folder with its name
  python src/open_r1/evaluation.py --config recipes/tiny/eval/config_heldout.yaml \\
      --models outputs/tiny/base outputs/tiny/zero

  # a served model on known benchmarks, next to the paper's scores
  python src/open_r1/evaluation.py --config recipes/DeepSeek-R1-Distill-Qwen-1.5B/eval/config_paper.yaml \\
      --base_urls http://localhost:8000/v1

  # your own problems, with the question and the gold answer in columns of any name
  python src/open_r1/evaluation.py --config recipes/tiny/eval/config_heldout.yaml \\
      --model_name_or_path outputs/tiny/zero --output_dir outputs/my-eval \\
      --benchmarks '{name: mine, dataset_name: my.jsonl, dataset_split: train,
      dataset_prompt_column: question, dataset_solution_column: gold}'

  # evaluations side by side, and next to published models
  python src/open_r1/evaluation.py --compare outputs/tiny/eval/zero outputs/tiny/eval/dev1
  python src/open_r1/evaluation.py --compare outputs/my-eval --published DeepSeek-R1 OpenAI-o1-1217

  # to resume, run the same command again
"""

import logging
from pathlib import Path

from rich.console import Console

from open_r1.configs.parser import parse_command_line, report_user_errors


def main() -> None:
    """Evaluates the models of a recipe, or compares evaluations."""
    args, model_args = parse_command_line("evaluation", __doc__)
    # Imported after parsing: these take seconds, and a mistake in the command line is reported at once.
    from open_r1.evals.results import FILE, comparison_table, read_evaluation, require_published

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    console = Console(soft_wrap=True, highlight=False)
    require_published(args.published)
    if args.compare:
        evaluations = [read_evaluation(folder) for folder in args.compare]
        console.print(comparison_table(evaluations, args.published), markup=False)
        return

    import datasets
    import transformers

    from open_r1.evals.run_benchmarks import evaluate_models

    transformers.utils.logging.disable_progress_bar()
    if not console.is_terminal:
        datasets.disable_progress_bars()
    evaluations = evaluate_models(args, model_args, console)
    if args.dry_run:
        return
    console.print(comparison_table(evaluations, args.published), markup=False)
    for evaluation in evaluations:
        path = Path(evaluation["recipe"]["output_dir"], FILE)
        console.print(f"all results of {evaluation['name']}: {path}", markup=False)


if __name__ == "__main__":
    with report_user_errors():
        main()
