"""Every real-scale recipe has a smoke run, whose command line is right. `make smoke` runs them all."""

from pathlib import Path

import pytest
import yaml
from made_hub import hub_inputs, model_of
from made_models import UnknownModel
from made_rows import DATASETS, UnknownDataset, dataset_files
from reductions import LEFT_OUT, SmokeRun, reduce
from results import FAILED, OK, Result, show_table
from rich.console import Console
from run import needs_of, plan_runs, real_scale_recipes

from open_r1.configs.parser import RecipeParser
from open_r1.configs.recipes import read_recipe, stage_of
from open_r1.configs.stages import STAGES, TRAINING


URLS = ["http://127.0.0.1:1/v1"]
RECIPES = [path for path in real_scale_recipes() if not path.name.startswith("pipeline")]
PIPELINES = [path for path in real_scale_recipes() if path.name.startswith("pipeline")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[SmokeRun]:
    return plan_runs(real_scale_recipes(), URLS, tmp_path_factory.mktemp("reduced"))


def options_of(run: SmokeRun) -> list[str]:
    """The command line without what starts the script."""
    return run.command[run.command.index("--config") :]


@pytest.mark.parametrize("path", RECIPES, ids=str)
def test_recipe_has_a_smoke_run(path, runs):
    """Its models and data sets can be made, and it runs on its own or as a stage of a pipeline."""
    hub_inputs(path)
    alone = [run for run in runs if run.path == path]
    stages = [stage.path for run in runs for stage in run.stages.values()]
    assert alone or path in stages


@pytest.mark.parametrize("path", RECIPES, ids=str)
def test_reduced_recipe_is_right(path, tmp_path):
    run = reduce(path, URLS, tmp_path)
    RecipeParser(run.stage).parse(options_of(run))
    assert set(run.left_out) <= set(LEFT_OUT)
    assert set(run.options) <= set(STAGES[run.stage].options())


@pytest.mark.parametrize("path", [path for path in RECIPES if stage_of(path) in TRAINING], ids=str)
def test_reduction_keeps_what_a_recipe_is_about(path, tmp_path):
    """Models, data, templates, rewards and the optimizer stay; rollouts that serve several steps still do."""
    run = reduce(path, URLS, tmp_path)
    recipe = read_recipe(str(path))
    kept = ("model_name_or_path", "dataset_name", "reward_funcs", "chat_template_path", "loss_type", "learning_rate")
    assert not set(kept) & set(run.options)
    assert run.steps in (2, 4)
    if run.stage != "grpo":
        return
    was = recipe.get("steps_per_generation", 0) > recipe.get("gradient_accumulation_steps", 1)
    now = run.options.get("steps_per_generation", 0) > run.options["gradient_accumulation_steps"]
    assert was == now
    for before, after in zip(recipe.get("sources", []), run.options.get("sources", []), strict=False):
        assert bool(before.get("from_step")) == bool(after.get("from_step"))
        assert after.get("from_step", 0) < run.steps


@pytest.mark.parametrize("path", PIPELINES, ids=str)
def test_reduced_pipeline_has_all_stages(path, tmp_path):
    run = reduce(path, URLS, tmp_path)
    (args,) = RecipeParser("pipeline").parse(options_of(run))
    assert [stage.name for stage in args.steps] == list(run.stages)
    assert list(run.stages) == [stage["name"] for stage in read_recipe(str(path))["stages"]]


def test_recipes_run_after_those_whose_output_they_read(runs):
    by_name = {run.name: run for run in runs}
    third = by_name["DeepSeek-R1-Distill-Qwen-1.5B/grpo/config_deepscaler_24k.yaml"]
    (second,) = needs_of(third, runs)
    (first,) = needs_of(second, runs)
    assert first.name == "DeepSeek-R1-Distill-Qwen-1.5B/grpo/config_deepscaler_8k.yaml"
    mixture = by_name["DeepSeek-R1-Distill/data/config_800k.yaml"]
    assert by_name["DeepSeek-R1/data/config_rejection.yaml"] in needs_of(mixture, runs)
    assert mixture in needs_of(by_name["DeepSeek-R1/sft/config_dev3.yaml"], runs)


def test_table_shows_the_architecture_that_a_chain_of_recipes_starts_from():
    assert model_of(Path("recipes/Qwen2.5-1.5B/grpo/config_r1.yaml")).startswith("Qwen2")
    assert model_of(Path("recipes/DeepSeek-R1/reward_model/config_helpfulness.yaml")).startswith("DeepseekV3")
    assert model_of(Path("recipes/Qwen2.5-7B/eval/config_stages.yaml")).startswith("Qwen2")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model_name_or_path": "nobody/Model-7B"}, UnknownModel, "'nobody/Model-7B' is unknown to MODELS"),
        ({"model_name_or_path": "outputs/by/nobody"}, UnknownModel, "'outputs/by/nobody' is unknown to MODELS"),
        ({"dataset_name": "nobody/rows"}, UnknownDataset, "'nobody/rows' is unknown to DATASETS"),
        ({"dataset_name": "rows.jsonl"}, UnknownDataset, "'rows.jsonl' is unknown to DATASETS"),
    ],
)
def test_recipe_that_smoke_runs_cannot_make_is_an_error(changes, error, message, tmp_path):
    recipe = read_recipe("recipes/Qwen2.5-Math-7B/grpo/config_zero.yaml") | changes
    path = tmp_path / "config_new.yaml"
    path.write_text(yaml.safe_dump(recipe))
    with pytest.raises(error, match=message):
        hub_inputs(path)


@pytest.mark.parametrize("name", DATASETS)
def test_made_rows_are_published_as_on_the_hub(name):
    files = dataset_files(name)
    card = yaml.safe_load(files["README.md"].decode().split("---")[1])
    for config in card["configs"]:
        for data_file in config["data_files"]:
            assert files[data_file["path"]].startswith(b"PAR1")


def test_table_names_failures_and_what_is_left_out(capsys):
    recipe = Path("recipes/Qwen2.5-Math-7B/grpo/config_zero.yaml")
    run = SmokeRun(recipe, "grpo", [], "outputs/x", {}, ["vLLM"])
    other = SmokeRun(recipe, "grpo", [], "outputs/x", {}, ["vLLM", "bf16"], label="again")
    results = [Result(run, OK, "2 steps", 3.0), Result(other, FAILED, "no such column", 1.0)]
    show_table(results, 4.0, Console(width=200))
    out = capsys.readouterr().out
    assert "Qwen2.5-Math-7B/grpo/config_zero.yaml (again)" in out and "no such column" in out
    assert "vLLM (2 runs): needs a GPU" in out
    assert "2 runs in 4 s: 1 ok, 1 FAILED" in out
