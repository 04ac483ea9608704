"""Runs every real-scale recipe, all stages, through its real command line on the CPU, for two steps or a few rows.

A fake Hub serves random models of the published architectures with their real tokenizers, and made rows in the shapes
of the data sets that recipes name; a scripted server answers for models behind `base_urls`. A recipe that reads the
output of another one runs after it. Modules are imported once, by a server that the runs are forked from.
`reductions.py` says what changes and what is left out.

Examples:

  # all recipes, `make smoke`
  python tests/smoke/run.py

  # only some, with what they need
  python tests/smoke/run.py recipes/Qwen2.5-Math-7B/grpo/config_dapo.yaml recipes/DeepSeek-R1
"""

import json
import math
import multiprocessing
import os
import shutil
import signal
import sys
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
sys.path[:0] = [str(TESTS), str(TESTS / "smoke")]

import hub_server  # noqa: E402
from datasets import load_dataset  # noqa: E402
from made_models import UnknownModel, architecture_of, describe_model, model_files  # noqa: E402
from made_rows import DATASETS, FILES, LOADED_BY, UnknownDataset, dataset_files  # noqa: E402
from reductions import LEFT_OUT, RUN_AS_THEY_ARE, SmokeRun, reduce, reduce_generation  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from scripted_server import start_server  # noqa: E402

from open_r1.configs import BENCHMARKS  # noqa: E402
from open_r1.configs.recipes import find_producer, read_recipe, stage_of  # noqa: E402
from open_r1.configs.stages import BUILDERS, TRAINING  # noqa: E402
from open_r1.pipelines.local_runner import PRELOADED_MODULES, run_command  # noqa: E402
from open_r1.pipelines.tasks import texts_in  # noqa: E402
from open_r1.utils.imports import import_object, is_function, is_path  # noqa: E402


TIMEOUT = 240  # seconds for one recipe; three times that for a pipeline
POLL = 0.05
MODEL_KEYS = ("model_name_or_path", "models", "teacher_model_name_or_path")
PRELOADED = [
    *PRELOADED_MODULES,
    "trl.trainer.sft_trainer",
    "trl.trainer.distillation_trainer",
    "open_r1.builders.run",
    "open_r1.builders.rows",
    "open_r1.builders.recipe_filters",
    "open_r1.builders.verification",
    "open_r1.training.rl_prompts",
    "open_r1.training.reward_probe",
]
OK, FAILED, NOT_RUN, ELSEWHERE = "ok", "FAILED", "not run", "elsewhere"


@dataclass
class Result:
    """What became of a run.

    Args:
        run (`SmokeRun`): The run.
        status (`str`): `ok`, `FAILED`, `not run` (it needs one that failed) or `elsewhere` (something else runs it).
        text (`str`): What it made, or why it failed.
        seconds (`float`): Its duration.
    """

    run: SmokeRun
    status: str
    text: str
    seconds: float = 0.0


def real_scale_recipes() -> list[Path]:
    """All recipes and pipelines but the miniature's, which runs as it is."""
    recipes = Path("recipes")
    paths = [*recipes.glob("*/*/*.yaml"), *recipes.glob("*/pipeline*.yaml")]
    return sorted(path for path in paths if path.parts[1] != "tiny" and str(path) not in RUN_AS_THEY_ARE)


def hub_inputs(path: Path) -> tuple[set[str], set[str]]:
    """The models and the data sets of the Hub that a recipe reads, itself or by functions of ours.

    Args:
        path (`Path`): The recipe.

    Raises:
        UnknownModel: If smoke runs cannot make one of the models.
        UnknownDataset: If they cannot make one of the data sets.
    """
    models, names = set(), set()
    for key, value in _pairs(read_recipe(str(path))):
        if key in MODEL_KEYS:
            models |= set(texts_in(value))
        elif key == "dataset_name":
            names.add(value)
        elif key in ("benchmarks", "decontaminate"):
            for entry in value:
                name = entry["name"] if isinstance(entry, dict) else entry
                if name in BENCHMARKS:
                    names.add(BENCHMARKS[name]["dataset_name"])
    models = {name for name in models if not is_function(name) and not is_path(name)}
    for name in models:
        describe_model(name)
    datasets = set()
    for name in names:
        name = LOADED_BY.get(name, name)
        if is_function(name) or name in FILES or is_path(name):
            continue
        if name not in DATASETS:
            dataset_files(name)
        datasets.add(name)
    return models, datasets


def _pairs(value: object) -> Iterator[tuple[str, object]]:
    """All keys of a recipe with their values, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from _pairs(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key, item
            yield from _pairs(item)


def plan_runs(paths: list[Path], urls: list[str], folder: Path) -> list[SmokeRun]:
    """The runs of all recipes: pipelines run their stages, and all other recipes run on their own.

    Args:
        paths (`list[Path]`): Recipes and pipelines.
        urls (`list[str]`): The scripted server.
        folder (`Path`): For reduced copies of recipes.
    """
    pipelines = [path for path in paths if path.name.startswith("pipeline")]
    members = {stage["config"] for path in pipelines for stage in read_recipe(str(path))["stages"]}
    runs = [reduce(path, urls, folder) for path in pipelines]
    for path in paths:
        if path in pipelines:
            continue
        generates_with_vllm = stage_of(path) == "generate" and read_recipe(str(path)).get("backend") == "vllm"
        if str(path) not in members or generates_with_vllm:
            runs.append(reduce(path, urls, folder))
        is_read = any(_is_read(path, read_recipe(str(other))) for other in paths)
        if str(path) not in members and generates_with_vllm and is_read:
            runs.append(reduce_generation(path, urls, serve=True))
    return runs


def needs_of(run: SmokeRun, runs: list[SmokeRun]) -> list[SmokeRun]:
    """The runs whose output a run reads."""
    recipes = [read_recipe(str(run.path))]
    if run.stage == "pipeline":
        recipes = [read_recipe(str(stage.path)) for stage in run.stages.values()]
    needed = []
    for text in texts_in(recipes):
        for other in runs:
            if other is not run and other not in needed and _makes(other, text):
                needed.append(other)
    return needed


def _makes(run: SmokeRun, folder: str) -> bool:
    """Whether a run writes a folder."""
    runs = [*run.stages.values()] or [run]
    return any(folder == other.output_dir or folder.startswith(f"{other.output_dir}/checkpoint-") for other in runs)


def with_needs(paths: list[Path]) -> list[Path]:
    """Recipes with those whose outputs they read, at any depth; a stage of a pipeline comes with the pipeline."""
    everything = real_scale_recipes()
    chosen = dict.fromkeys(paths)
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        recipe = read_recipe(str(path))
        if "stages" in recipe:
            needed = [Path(stage["config"]) for stage in recipe["stages"]]
        else:
            needed = [other for other in everything if _is_read(other, recipe)]
        for pipeline in everything:
            if any(stage["config"] in map(str, needed) for stage in read_recipe(str(pipeline)).get("stages", [])):
                needed.append(pipeline)
        for other in needed:
            if other not in chosen:
                chosen[other] = None
                waiting.append(other)
    return list(chosen)


def _is_read(path: Path, recipe: dict) -> bool:
    output_dir = read_recipe(str(path)).get("output_dir")
    if output_dir is None or output_dir == recipe.get("output_dir"):
        return False
    return any(text == output_dir or text.startswith(f"{output_dir}/checkpoint-") for text in texts_in(recipe))


class Smoke:
    """Runs commands at the same time, each after those that it needs.

    Args:
        runs (`list[SmokeRun]`): All runs.
        jobs (`int`): Number of runs at once.
        folder (`Path`): For logs.
        console (`Console`): Shows the progress.
    """

    def __init__(self, runs: list[SmokeRun], jobs: int, folder: Path, console: Console):
        self.waiting = list(runs)
        self.jobs = jobs
        self.folder = folder
        self.console = console
        self.total = sum(1 + len(run.stages) for run in runs)
        self.needs = {run.name: needs_of(run, runs) for run in runs}
        self.running: list[tuple[SmokeRun, multiprocessing.Process, float]] = []
        self.results: dict[str, Result] = {}
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(PRELOADED)

    def run(self) -> list[Result]:
        """Runs everything, and returns the results in the order in which they came."""
        while self.waiting or self.running:
            self._start_ready_runs()
            time.sleep(POLL)
            for item in list(self.running):
                self._collect(*item)
            if self.waiting and not self.running and not self._start_ready_runs():
                raise RuntimeError(f"these recipes need each other: {[run.name for run in self.waiting]}")
        return list(self.results.values())

    def log_of(self, run: SmokeRun) -> Path:
        """The file with the output of a run."""
        return self.folder / "logs" / f"{run.name.replace('/', '-')}.log"

    def _start_ready_runs(self) -> bool:
        started = False
        for run in list(self.waiting):
            needs = [self.results.get(need.name) for need in self.needs[run.name]]
            failed = [need for need in needs if need is not None and need.status != OK]
            if failed:
                self.waiting.remove(run)
                for unable in [run, *run.stages.values()]:
                    self._record(Result(unable, NOT_RUN, f"needs {failed[0].run.name}"))
                started = True
            elif None not in needs and len(self.running) < self.jobs:
                self.waiting.remove(run)
                self._start(run)
                started = True
        return started

    def _start(self, run: SmokeRun) -> None:
        log = self.log_of(run)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"$ python {' '.join(run.command)}\n")
        process = self.context.Process(
            target=run_command, args=(["python", *run.command], log, log.with_suffix(".lock"))
        )
        process.start()
        self.running.append((run, process, time.monotonic()))

    def _collect(self, run: SmokeRun, process: multiprocessing.Process, started: float) -> None:
        seconds = time.monotonic() - started
        timeout = TIMEOUT * (3 if run.stage == "pipeline" else 1)
        if process.exitcode is None and seconds < timeout:
            return
        self.running.remove((run, process, started))
        if process.exitcode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
            self._record(Result(run, FAILED, f"it still ran after {timeout} s", seconds))
        elif process.exitcode != 0:
            self._record(Result(run, FAILED, last_error(self.log_of(run)), seconds))
        else:
            self._record(check_output(run, seconds))
        for name, stage in run.stages.items():
            self._record(result_of_stage(run, name, stage))
        if not any(run in needed for needed in self.needs.values()):
            shutil.rmtree(run.output_dir, ignore_errors=True)  # hundreds of megabytes each

    def _record(self, result: Result) -> None:
        self.results[result.run.name] = result
        count = f"{len(self.results):3}/{self.total}"
        text = f"{count}  {result.status:7} {result.seconds:5.1f} s  {result.run.name}: {result.text}"
        self.console.print(text, markup=False)


def last_error(log: Path) -> str:
    """The error at the end of a log."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error:") or "Error:" in line]
    return (errors or lines)[-1][:400] + f"  ({log})"


def check_output(run: SmokeRun, seconds: float) -> Result:
    """The result of a run that ended without an error."""
    try:
        return Result(run, OK, describe_output(run), seconds)
    except (AssertionError, OSError, ValueError, KeyError) as error:
        return Result(run, FAILED, f"its output: {type(error).__name__}: {error}", seconds)


def result_of_stage(pipeline: SmokeRun, name: str, stage: SmokeRun) -> Result:
    """The result of one stage of a pipeline that has ended."""
    state = Path(pipeline.output_dir, ".pipeline", f"{name}.json")
    if not state.is_file():
        return Result(stage, NOT_RUN, "an earlier stage of its pipeline failed")
    content = json.loads(state.read_text())
    if "finished" not in content:
        return Result(stage, FAILED, last_error(state.with_suffix(".log")), content["seconds"])
    return check_output(stage, content["seconds"])


def describe_output(run: SmokeRun) -> str:
    """Checks what a run has made, and says what it is.

    Raises:
        AssertionError: If it is not what was asked for.
    """
    folder = Path(run.output_dir)
    if run.stage == "pipeline":
        return f"{len(run.stages)} stages"
    if run.stage in TRAINING:
        return _describe_training(run, folder)
    if run.stage == "generate":
        rows = len(load_completions(folder))
        assert rows, "no completions"
        return f"{rows} completions"
    if run.stage == "evaluation":
        evaluations = [json.loads(path.read_text()) for path in sorted(folder.glob("**/eval.json"))]
        wanted = len(read_recipe(str(run.path)).get("models", [])) or 1
        assert len(evaluations) == wanted, f"{len(evaluations)} evaluations"
        benchmarks = list(evaluations[0]["benchmarks"])
        return f"{wanted} models on {', '.join(benchmarks)}"
    assert run.stage in BUILDERS
    rows = load_dataset("parquet", data_files=str(folder / "train-*.parquet"), split="train")
    for messages in rows["messages"]:
        thoughtful = messages[-1]["content"]
        assert thoughtful.startswith("<think>") and thoughtful.count("<think>") == 1, thoughtful[:80]
    return f"{len(rows)} rows"


def load_completions(folder: Path) -> list[str]:
    """The lines of completions in a folder."""
    lines = []
    for path in folder.glob("completions-*.jsonl"):
        lines += path.read_text().splitlines()
    return lines


def _describe_training(run: SmokeRun, folder: Path) -> str:
    """Steps, loss or reward of a training run; its model must stop where it was taught to."""
    results = json.loads((folder / "train_results.json").read_text())
    assert results["train_steps"] == run.steps, f"{results['train_steps']} steps"
    history = [json.loads(line) for line in (folder / "log_history.jsonl").read_text().splitlines()]
    losses = [entry["loss"] for entry in history if "loss" in entry]
    assert len(losses) >= 2 and all(map(math.isfinite, losses)), losses
    if run.stage == "sft" and not read_recipe(str(run.path)).get("use_peft"):
        _check_end(run, folder)
    rewards = [entry["reward"] for entry in history if "reward" in entry]
    what = f"reward {rewards[-1]:.2f}" if rewards else f"loss {losses[-1]:.2f}"
    return f"{run.steps} steps, {what}"


def _check_end(run: SmokeRun, folder: Path) -> None:
    """The token that ends a turn in training must end generation."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    ends = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    ends = ends if isinstance(ends, list) else [ends]
    end = read_recipe(str(run.path)).get("eos_token", tokenizer.eos_token)
    assert tokenizer.convert_tokens_to_ids(end) in ends, f"{end} does not end generation: {ends}"
    assert tokenizer.eos_token == end, f"eos_token is {tokenizer.eos_token}"


def known_golds(paths: list[Path]) -> dict[str, str]:
    """The answers to the questions that functions of ours make for recipes that generate completions."""
    golds = {}
    for path in paths:
        recipe = read_recipe(str(path))
        name = recipe.get("dataset_name", "")
        if path.parent.name == "generate" and is_function(name) and name not in LOADED_BY:
            rows = import_object(name)(split="train", seed=recipe["seed"], **recipe.get("dataset_params", {}))
            golds |= dict(zip(rows[recipe["dataset_prompt_column"]], rows["solution"], strict=True))
    return golds


def publish(paths: list[Path], hub: hub_server.Hub, folder: Path) -> dict[Path, str]:
    """Puts the models and data sets that recipes name on the fake Hub.

    Returns:
        `dict[Path, str]`: Why recipes cannot run, if they name something unknown.
    """
    unknown = {}
    models, datasets = set(), set()
    for path in paths:
        try:
            more_models, more_datasets = hub_inputs(path)
        except (UnknownModel, UnknownDataset) as error:
            unknown[path] = str(error)
            continue
        models |= more_models
        datasets |= more_datasets
    for name in sorted(models):
        hub.publish(name, model_files(name, folder / "made"))
    for name in sorted(datasets):
        hub.publish(name, dataset_files(name), "datasets")
    return unknown


def model_of(path: Path) -> str:
    """The architecture of a recipe's model, or of the model that the recipes before it start from."""
    recipe = read_recipe(str(path))
    name = recipe.get("model_name_or_path") or recipe.get("models", [""])[0]
    while name and is_path(name):
        producer, _ = find_producer(name)
        name = producer["model_name_or_path"] if producer else ""
    return architecture_of(name) if name else ""


def prepare_folder(folder: Path) -> None:
    """An empty folder that looks like the repository, with the files that users bring."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("recipes", "src"):
        (folder / name).symlink_to(ROOT / name)
    for name, make in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        rows = make()
        if path.suffix == ".parquet":
            rows.to_parquet(path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def show_table(results: list[Result], seconds: float, console: Console) -> None:
    """Prints the results by recipe, and what was left out."""
    table = Table(title="Smoke runs", title_justify="left")
    for column in ("recipe", "model", "result", "what it did, or why not", "s", "left out"):
        table.add_column(column)
    for result in sorted(results, key=lambda result: result.run.name):
        run = result.run
        seconds_of_run = f"{result.seconds:.0f}"
        cells = [run.name, run.model, result.status, result.text, seconds_of_run, ", ".join(run.left_out)]
        table.add_row(*cells)
    console.print(table, markup=False)
    counts = Counter(name for result in results for name in result.run.left_out)
    console.print("Left out, for want of a GPU:" if counts else "")
    for name, reason in LEFT_OUT.items():
        console.print(f"  {name} ({counts[name]} runs): {reason}", markup=False)
    statuses = Counter(result.status for result in results)
    summary = ", ".join(f"{count} {status}" for status, count in statuses.items())
    console.print(f"{len(results)} runs in {seconds:,.0f} s: {summary}", markup=False)


def parse_arguments() -> Namespace:
    """Parses the command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("recipes", nargs="*", type=Path, help="Recipes, or folders of them; by default all but tiny.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="Recipes at once (%(default)s).")
    parser.add_argument(
        "--folder", type=Path, default=Path("outputs/smoke"), help="For everything written (%(default)s)."
    )
    return parser.parse_args()


def main() -> int:
    """Prints a line per run and the table, and returns the exit status."""
    args = parse_arguments()
    os.chdir(ROOT)
    started = time.monotonic()
    folder = args.folder.absolute()
    chosen = real_scale_recipes()
    if args.recipes:
        wanted = [path.absolute() for path in args.recipes]
        chosen = [path for path in chosen if any(path.absolute().is_relative_to(other) for other in wanted)]
        chosen = with_needs(chosen)
    prepare_folder(folder)
    os.chdir(folder)
    console = Console(soft_wrap=True, highlight=False)
    with hub_server.running() as hub, start_server(known_golds(chosen)) as server:
        os.environ |= {
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": hub_server.TOKEN,
            "HF_HOME": str(folder / "hub_cache"),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "OPENAI_API_KEY": "none",
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        unknown = publish(chosen, hub, folder)
        runs = plan_runs([path for path in chosen if path not in unknown], [server.url], folder / "reduced")
        console.print(f"{len(runs)} runs of {len(chosen)} recipes, prepared in {time.monotonic() - started:.0f} s")
        for run in runs:
            for single in [run, *run.stages.values()]:
                single.model = model_of(single.path)
        results = Smoke(runs, args.jobs, folder, console).run()
    for path, reason in RUN_AS_THEY_ARE.items():
        results.append(Result(SmokeRun(Path(path), "", [], "", {}), ELSEWHERE, reason))
    for path, reason in unknown.items():
        run = SmokeRun(path, "", [], "", {})
        results.append(Result(run, FAILED, reason))
    show_table(results, time.monotonic() - started, Console(highlight=False, width=200))
    return int(any(result.status in (FAILED, NOT_RUN) for result in results))


if __name__ == "__main__":
    sys.exit(main())
