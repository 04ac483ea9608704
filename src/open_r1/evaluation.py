"""Evaluation: avg@k, pass@k and cons@k on benchmarks, with the graders of training and the paper's protocol (DeepSeek-R1, §3; v2, D.1).

Completions are drawn as by `generate.py`, from a model in this process or from servers, and drawing continues where it was stopped. Writes to
`output_dir`: a folder of completions a benchmark, `<benchmark>.parquet` with their scores, `eval.json`, and `README.md` with the table.

Examples:

  # the miniature, on problems that training never saw
  python src/open_r1/evaluation.py --config recipes/tiny/eval/config_heldout.yaml

  # several checkpoints, each into a folder of its name
  python src/open_r1/evaluation.py --config recipes/tiny/eval/config_heldout.yaml --models outputs/tiny/base outputs/tiny/zero

  # any model that a server serves, on a benchmark by name, beside the paper's figures
  python src/open_r1/evaluation.py --config recipes/DeepSeek-R1-Distill-Qwen-1.5B/eval/config_paper.yaml --base_urls http://localhost:8000/v1

  # your own problems
  ... --benchmarks '{name: mine, dataset_name: my.jsonl, dataset_split: train, dataset_prompt_column: question}'

  # evaluations side by side, and beside published models
  python src/open_r1/evaluation.py --compare outputs/tiny/eval/zero outputs/tiny/eval/dev1
  python src/open_r1/evaluation.py --compare outputs/my-eval --published DeepSeek-R1 OpenAI-o1-1217

  # the same command again continues where it was
"""

import copy
import json
import logging
from pathlib import Path

import transformers
from datasets import Dataset, disable_progress_bars
from rich.console import Console
from trl import ModelConfig

from open_r1.configs import Benchmark, DatasetSpec, EvaluationArguments, GenerateArguments
from open_r1.configs.parser import parse_command_line, report_user_errors
from open_r1.data.load import load_split, rename_columns, write_rows
from open_r1.evals.codeforces import require_contests
from open_r1.evals.results import FILE, read, require_published, statistics_of, table
from open_r1.generation.driver import generate_completions
from open_r1.rewards import Composition
from open_r1.rewards.dataset_scores import score_dataset
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import write_text_atomically


def drawing_of(args: EvaluationArguments, benchmark: Benchmark) -> GenerateArguments:
    """What `generate.py` would be told to draw a benchmark's completions."""
    drawing = copy.copy(args)
    drawing.output_dir = str(Path(args.output_dir, benchmark.name))
    drawing.dataset_name, drawing.dataset_config = benchmark.dataset_name, benchmark.dataset_config
    drawing.dataset_params, drawing.dataset_train_split = benchmark.dataset_params, benchmark.dataset_split
    drawing.dataset_prompt_column = benchmark.dataset_prompt_column
    drawing.num_generations, drawing.max_prompts = benchmark.num_generations, benchmark.max_prompts
    drawing.user_template = (None if args.prompt_template else benchmark.user_template) or args.user_template
    return drawing


def evaluate(
    args: EvaluationArguments, model_args: ModelConfig, benchmark: Benchmark, console: Console
) -> dict | None:
    """Draws what is missing, grades all, and gives the statistics; nothing in a dry run.

    Raises:
        RecipeError: If completions cannot be had or judged.
    """
    drawing = drawing_of(args, benchmark)
    if benchmark.standings:
        problems = load_split(benchmark.dataset, args.seed, benchmark.max_prompts, args.dry_run)
        require_contests(problems, benchmark.standings)
    rewards = Composition(benchmark.rewards)
    missing = generate_completions(drawing, model_args, console)
    if args.dry_run:
        return None
    if missing:
        raise RecipeError(f"{benchmark.name}: {missing:,} completions are missing; the same command asks again.")
    scored = grade(drawing.output_dir, benchmark, rewards, args.thought_opened, console.is_terminal)
    write_rows(scored, Path(f"{drawing.output_dir}.parquet"))
    return statistics_of(scored, benchmark)


def grade(folder: str, benchmark: Benchmark, rewards: Composition, thought_opened: bool, progress: bool) -> Dataset:
    """The completions of a folder, with the tag that their prompts held already, and a column a reward."""
    rows = load_split(DatasetSpec(folder), seed=0)
    if benchmark.dataset_solution_column in rows.column_names:
        rows = rename_columns(rows, {"solution": benchmark.dataset_solution_column})
    if thought_opened:
        rows = rows.map(lambda row: {"completion": "<think>" + row["completion"]})
    rewards.start()
    return score_dataset(rows, rewards, progress=progress)


def main():
    args, model_args = parse_command_line("evaluation", __doc__)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    transformers.utils.logging.disable_progress_bar()
    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:
        disable_progress_bars()
    require_published(args.published)
    if args.compare:
        console.print(table([read(folder) for folder in args.compare], args.published), markup=False)
        return
    if not args.models:
        evaluations = [evaluate_all(args, model_args, console)]
    else:
        evaluations = [evaluate_all(*_one_of(args, model_args, model), console) for model in args.models]
    if not args.dry_run:
        console.print(
            f"{table(evaluations, args.published)}\n\n{FILE} in {args.output_dir} has the rest", markup=False
        )


def _one_of(args: EvaluationArguments, model_args: ModelConfig, model: str) -> tuple[EvaluationArguments, ModelConfig]:
    """The arguments for one of several models, whose results go to a folder of its name."""
    args, model_args = copy.copy(args), copy.copy(model_args)
    args.output_dir, model_args.model_name_or_path = str(Path(args.output_dir, Path(model).name)), model
    return args, model_args


def evaluate_all(args: EvaluationArguments, model_args: ModelConfig, console: Console) -> dict | None:
    """One model on all benchmarks; writes `eval.json` and the table. Nothing in a dry run."""
    results = {each.name: evaluate(args, model_args, each, console) for each in args.suite}
    if args.dry_run:
        return None
    folder = Path(args.output_dir)
    keys = {key: value for key, value in args.keys.items() if key not in ("dry_run", "models")}
    keys |= {"model_name_or_path": model_args.model_name_or_path, "output_dir": args.output_dir}
    found = {"name": folder.name, "model": model_args.model_name_or_path, "benchmarks": results, "recipe": keys}
    write_text_atomically(folder / FILE, json.dumps(found, indent=1, default=str))
    head = f"# {found['model']}\n\nIn percent, with 95% intervals over problems.\n\n"
    left_out = [f"{name} {found['unjudged']:,}" for name, found in results.items() if found["unjudged"]]
    tail = f"\nCompletions that could not be judged, and do not count: {', '.join(left_out)}.\n" if left_out else ""
    write_text_atomically(folder / "README.md", f"{head}{table([found], args.published)}\n{tail}")
    return found


if __name__ == "__main__":
    with report_user_errors():
        main()
