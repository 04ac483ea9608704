"""Runs benchmarks: generates completions like `generate.py`, scores them with the same rewards as training, and
summarizes the scores.

`check_evaluation` reports problems with any benchmark or model before the first completion is generated.
"""

import copy
import logging
from collections.abc import Iterator
from pathlib import Path

from datasets import Dataset
from rich.console import Console
from trl import ModelConfig

from open_r1.configs import Benchmark, DatasetSpec, EvaluationArguments, GenerateArguments
from open_r1.configs.benchmarks import budget_name
from open_r1.data.load import load_split, rename_columns, require_column, write_rows
from open_r1.evals.codeforces import read_standings
from open_r1.evals.measures import summarize
from open_r1.evals.results import FILE, read_evaluation, write_evaluation
from open_r1.evals.token_budgets import answer_within_budget
from open_r1.generation.driver import LazyBackend, generate_completions, load_prompting_info
from open_r1.grading import usable_gold
from open_r1.models.loading import load_model_info
from open_r1.rewards import Composition
from open_r1.rewards.checks import CHECKED_GOLDS, check_samples
from open_r1.rewards.dataset_scores import check_scorable, score_dataset
from open_r1.utils.errors import MissingInputError, RecipeError
from open_r1.utils.text import open_thought


logger = logging.getLogger(__name__)

MAX_UNUSABLE = 0.99  # of the problems; those that cannot be judged do not count


def evaluate_models(
    args: EvaluationArguments,
    model_args: ModelConfig,
    console: Console,
) -> list[dict]:
    """Evaluates one or several models on all benchmarks.

    The results of a model are written to `output_dir`, or, if the recipe has `models`, to a subfolder with the name of
    the model: the completions of each benchmark, `<benchmark>.parquet` with their scores, `eval.json` and `README.md`.

    Args:
        args (`EvaluationArguments`): Benchmarks, sampling parameters and output folder.
        model_args (`ModelConfig`): The model, unless `args` has several.
        console (`Console`): Console for progress output.

    Returns:
        `list[dict]`: The evaluation of each model, in the format of `read_evaluation`; empty in a dry run.

    Raises:
        RecipeError: If a benchmark or model is invalid, or completions are missing.
    """
    runs = []
    for model in args.models:
        runs.append(_arguments_of_model(args, model_args, model))
    if not args.models:
        runs.append((args, model_args))
    check_evaluation(runs)
    evaluations = []
    for run_args, run_model_args in runs:
        summaries = run_benchmarks(run_args, run_model_args, console)
        if not args.dry_run:
            evaluations.append(_write_results(run_args, run_model_args, summaries))
    return evaluations


def check_evaluation(runs: list[tuple[EvaluationArguments, ModelConfig]]) -> None:
    """Checks all benchmarks and models before anything is generated.

    Args:
        runs (`list[tuple[EvaluationArguments, ModelConfig]]`):
            The arguments for each model; the benchmarks are the same for all models.

    Raises:
        RecipeError: If a benchmark or model is invalid.
    """
    args, _ = runs[0]
    for run_args, _ in runs:
        _check_output_folder(run_args)
    for benchmark in args.suite:
        try:
            _check_benchmark(args, benchmark)
        except MissingInputError:
            raise
        except RecipeError as error:
            raise RecipeError(f"benchmarks: {benchmark.name}: {error}") from error
    for run_args, run_model_args in runs:
        _check_model(run_args, run_model_args)
    if not args.dry_run:  # a dry run generates, and shows, all benchmarks in dry-run mode anyway
        quiet_console = Console(quiet=True)
        dry_run_args = copy.copy(args)
        dry_run_args.dry_run = True
        for benchmark in args.suite:
            generate_completions(_generation_arguments(dry_run_args, benchmark), runs[0][1], quiet_console)


def run_benchmarks(args: EvaluationArguments, model_args: ModelConfig, console: Console) -> dict[str, dict]:
    """Generates the missing completions of a model on all benchmarks, scores all of them and summarizes the scores.

    The model is loaded once. Completions are scored after its memory is free, since rewards may load models, too.

    Args:
        args (`EvaluationArguments`): Benchmarks, sampling parameters and output folder.
        model_args (`ModelConfig`): The model.
        console (`Console`): Console for progress output.

    Returns:
        `dict[str, dict]`: Return value of `summarize` for each benchmark; empty in a dry run.

    Raises:
        RecipeError: If completions are missing or none can be judged.
    """
    completions: dict[str, tuple[Benchmark, Dataset]] = {}  # by name of the result
    with LazyBackend() as backend:
        for benchmark in args.suite:
            generation_args = _generation_arguments(args, benchmark)
            failed = generate_completions(generation_args, model_args, console, backend)
            if failed:
                raise RecipeError(
                    f"{benchmark.name}: {failed:,} completions are missing; run the same command again to generate "
                    "them."
                )
            if args.dry_run:
                continue
            rows = load_split(DatasetSpec(generation_args.output_dir), args.seed)
            completions[benchmark.name] = (benchmark, rows)
            for name, cut_rows in _within_budgets(rows, generation_args, model_args, benchmark, console, backend):
                completions[name] = (benchmark, cut_rows)
    summaries = {}
    for name, (benchmark, rows) in completions.items():
        scored = grade_completions(rows, benchmark, args.thought_opened, console.is_terminal)
        write_rows(scored, Path(args.output_dir, f"{name}.parquet"))
        summaries[name] = summarize(scored, benchmark)
    return summaries


def _within_budgets(
    completions: Dataset,
    args: GenerateArguments,
    model_args: ModelConfig,
    benchmark: Benchmark,
    console: Console,
    backend: LazyBackend,
) -> Iterator[tuple[str, Dataset]]:
    """The name of the result within each budget of tokens, and its completions."""
    tokenizer = None
    if benchmark.forced_answer is not None:
        tokenizer = load_prompting_info(args, model_args).tokenizer
    for budget in benchmark.token_budgets:
        name = budget_name(benchmark.name, budget)
        yield name, answer_within_budget(completions, args, model_args, tokenizer, benchmark, budget, console, backend)


def grade_completions(
    rows: Dataset,
    benchmark: Benchmark,
    thought_opened: bool,
    progress: bool,
) -> Dataset:
    """Scores completions with the benchmark's rewards.

    Args:
        rows (`Dataset`): The completions, as `generate_completions` writes them.
        benchmark (`Benchmark`): The benchmark, which defines the rewards and the column of the gold answers.
        thought_opened (`bool`):
            Whether the prompts end with `<think>`; the tag is then added back to the completions first.
        progress (`bool`): Whether to show a progress bar.

    Returns:
        `Dataset`: The completions with a column `rewards/<name>` per reward.
    """
    rows = _rename_golds(rows, benchmark)
    if thought_opened:
        rows = rows.map(_open_thought)
    rewards = Composition(benchmark.rewards)
    rewards.start()
    return score_dataset(rows, rewards, progress=progress)


def _arguments_of_model(
    args: EvaluationArguments,
    model_args: ModelConfig,
    model: str,
) -> tuple[EvaluationArguments, ModelConfig]:
    """The arguments for one of several models. Its results go to a subfolder with its name."""
    args = copy.copy(args)
    args.output_dir = str(Path(args.output_dir, Path(model).name))
    model_args = copy.copy(model_args)
    model_args.model_name_or_path = model
    return args, model_args


def _generation_arguments(args: EvaluationArguments, benchmark: Benchmark) -> GenerateArguments:
    """The arguments for generating a benchmark's completions with `generate.py`."""
    generation_args = copy.copy(args)
    generation_args.output_dir = str(Path(args.output_dir, benchmark.name))
    generation_args.dataset_name = benchmark.dataset_name
    generation_args.dataset_config = benchmark.dataset_config
    generation_args.dataset_params = benchmark.dataset_params
    generation_args.dataset_train_split = benchmark.dataset_split
    generation_args.dataset_prompt_column = benchmark.dataset_prompt_column
    generation_args.dataset_prefix_column = benchmark.dataset_prefix_column
    generation_args.num_generations = benchmark.num_generations
    generation_args.max_prompts = benchmark.max_prompts
    if benchmark.user_template and not args.prompt_template:
        generation_args.user_template = benchmark.user_template
    return generation_args


def _check_output_folder(args: EvaluationArguments) -> None:
    """Checks that the output folder does not contain results of other benchmarks, such as the miniature's."""
    if not Path(args.output_dir, FILE).is_file():
        return
    existing = read_evaluation(args.output_dir)["benchmarks"]
    names = [benchmark.name for benchmark in args.suite]
    if existing and set(names).isdisjoint(existing):
        raise RecipeError(
            f"output_dir: {args.output_dir}/{FILE} has the results of {', '.join(existing)}, which those of "
            f"{', '.join(names)} would replace. Name another folder (`--output_dir outputs/my-eval`), or remove the "
            "file."
        )


def _check_benchmark(args: EvaluationArguments, benchmark: Benchmark) -> None:
    """Checks the rewards of a benchmark, and the columns and gold answers that the rewards need."""
    rewards = Composition(benchmark.rewards)
    rows = load_split(benchmark.dataset, args.seed, benchmark.max_prompts, args.dry_run)
    require_column(rows, benchmark.dataset_prompt_column, "dataset_prompt_column")
    for budget in benchmark.token_budgets:
        if budget >= args.max_completion_length:
            raise RecipeError(
                f"token_budgets: found {budget}; expected numbers below max_completion_length, which is "
                f"{args.max_completion_length}. The benchmark itself has that budget."
            )
    if benchmark.forced_answer is not None and args.backend == "server":
        raise RecipeError(
            "forced_answer: with `backend: server` there is no tokenizer here to cut thoughts with. Use another back "
            "end, or leave it out: completions that are longer than a budget then count as cut off."
        )
    if benchmark.standings:
        read_standings(rows, benchmark.standings)
    rows = _rename_golds(rows, benchmark)
    needs_golds = any("solution" in reward.columns for reward in rewards.rewards)
    if needs_golds and "solution" not in rows.column_names:
        require_column(rows, benchmark.dataset_solution_column, "dataset_solution_column")
    check_scorable([*rows.column_names, "prompt"], rewards)
    if benchmark.rewards[0].name == "accuracy":
        _check_golds(rows, benchmark)
    check_samples(rewards.rewards, rows, limit=MAX_UNUSABLE)
    if not args.dry_run:
        rewards.check()


def _check_golds(rows: Dataset, benchmark: Benchmark) -> None:
    """Checks that gold answers can be parsed. Warns if some cannot, since these problems do not count.

    Raises:
        RecipeError: If none can be parsed.
    """
    golds = rows[:CHECKED_GOLDS]["solution"]
    unusable = [gold for gold in golds if not usable_gold(gold)]
    if len(unusable) == len(golds):
        raise RecipeError(
            f"none of the gold answers can be parsed, such as {unusable[:3]!r}. Is dataset_solution_column the column "
            "of final answers?"
        )
    if unusable:
        logger.warning(
            "%s: %d of %d gold answers cannot be parsed, their problems do not count: %r",
            benchmark.name,
            len(unusable),
            len(golds),
            unusable[:3],
        )


def _check_model(args: EvaluationArguments, model_args: ModelConfig) -> None:
    """Checks that the model exists, unless it runs on a server."""
    if args.backend == "server":
        return
    key = "models" if args.models else "model_name_or_path"
    info = load_model_info(model_args, args.seed, args.trust_remote_code)
    info.require_checkpoint(key, args.dry_run)


def _open_thought(row: dict) -> dict:
    return {"completion": open_thought(row["completion"])}


def _rename_golds(rows: Dataset, benchmark: Benchmark) -> Dataset:
    """Renames the column of the gold answers to `solution`, if there is one."""
    if benchmark.dataset_solution_column not in rows.column_names:
        return rows
    return rename_columns(rows, {"solution": benchmark.dataset_solution_column})


def _write_results(
    args: EvaluationArguments,
    model_args: ModelConfig,
    summaries: dict[str, dict],
) -> dict:
    """Writes the evaluation of one model, including the recipe keys to reproduce it."""
    folder = Path(args.output_dir)
    keys = dict(args.keys)
    keys.pop("dry_run", None)
    keys.pop("models", None)
    keys["model_name_or_path"] = model_args.model_name_or_path
    keys["output_dir"] = args.output_dir
    evaluation = {
        "name": folder.name,
        "model": model_args.model_name_or_path,
        "benchmarks": summaries,
        "recipe": keys,
    }
    write_evaluation(folder, evaluation, args.published)
    return evaluation
