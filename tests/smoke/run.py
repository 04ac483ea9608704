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

import os
import shutil
import signal
import sys
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path


TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
sys.path[:0] = [str(TESTS), str(TESTS / "smoke")]

import datasets  # noqa: E402
import hub_server  # noqa: E402
import transformers  # noqa: E402
from made_hub import known_golds, model_of, publish  # noqa: E402
from made_models import write_copies  # noqa: E402
from made_rows import FILES  # noqa: E402
from reductions import RUN_AS_THEY_ARE, SmokeRun, reduce, reduce_generation  # noqa: E402
from results import ELSEWHERE, FAILED, NOT_RUN, Result, show_table  # noqa: E402
from rich.console import Console  # noqa: E402
from runner import Smoke  # noqa: E402
from scripted_server import start_server  # noqa: E402

from open_r1.configs.recipes import read_recipe, stage_of  # noqa: E402
from open_r1.pipelines.tasks import texts_in  # noqa: E402
from open_r1.utils.jsonl import encode_line  # noqa: E402


def real_scale_recipes() -> list[Path]:
    """All recipes and pipelines but the miniature's, which runs as it is."""
    recipes = Path("recipes")
    paths = [*recipes.glob("*/*/*.yaml"), *recipes.glob("*/pipeline*.yaml")]
    return sorted(path for path in paths if path.parts[1] != "tiny" and str(path) not in RUN_AS_THEY_ARE)


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
            path.write_bytes(b"".join(map(encode_line, rows)))


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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
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
        write_copies(folder, folder / "made")
        runs = plan_runs([path for path in chosen if path not in unknown], [server.url], folder / "reduced")
        console.print(f"{len(runs)} runs of {len(chosen)} recipes, prepared in {time.monotonic() - started:.0f} s")
        for run in runs:
            for single in [run, *run.stages.values()]:
                single.model = model_of(single.path)
        needs = {run.name: needs_of(run, runs) for run in runs}
        results = Smoke(runs, needs, args.jobs, folder, console).run()
    for path, reason in RUN_AS_THEY_ARE.items():
        results.append(Result(SmokeRun(Path(path), "", [], "", {}), ELSEWHERE, reason))
    for path, reason in unknown.items():
        run = SmokeRun(path, "", [], "", {})
        results.append(Result(run, FAILED, reason))
    show_table(results, time.monotonic() - started, Console(highlight=False, width=200))
    return int(any(result.status in (FAILED, NOT_RUN) for result in results))


if __name__ == "__main__":
    sys.exit(main())
