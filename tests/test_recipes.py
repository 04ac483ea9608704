"""Every recipe parses in its stage, names files that exist, and agrees with its comments and the documentation."""

import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import jinja2
import pytest
import yaml
from jinja2 import meta
from transformers.utils.chat_template_utils import _compile_jinja_template

from open_r1.configs import steps_of_a_round
from open_r1.configs.benchmarks import Benchmark
from open_r1.configs.locate import REPOSITORY
from open_r1.configs.parser import RecipeParser
from open_r1.configs.recipes import find_example, find_producer, read_recipe, recipe_table, stage_of
from open_r1.configs.stages import STAGES, TRAINING
from open_r1.data.prompts import read_template
from open_r1.pipelines.tasks import build_tasks
from open_r1.planning.fit import count_gpus, describe_fit
from open_r1.planning.generation_time import generation_seconds, smallest_engine
from open_r1.planning.gpus import GPUS, Rates
from open_r1.planning.recipe import plan_recipe, read_shape
from open_r1.utils.errors import RecipeError


RECIPES = sorted((Path(__file__).parent.parent / "recipes").glob("*/*/*.yaml"))
IDS = [str(path.relative_to(path.parents[2])) for path in RECIPES]
TRAINED = [path for path in RECIPES if path.parent.name in TRAINING]
TRAINED_IDS = [str(path.relative_to(path.parents[2])) for path in TRAINED]


@pytest.mark.parametrize("path", RECIPES, ids=IDS)
def test_recipe_parses_in_its_stage(path):
    assert path.name.startswith("config_")
    stage = stage_of(path)
    trains = stage in TRAINING
    parsed = RecipeParser(stage).parse(["--config", str(path), *(["--use_cpu", "true"] if trains else [])])
    assert Path(parsed[trains].output_dir).parts[0] == "outputs"
    assert not trains or parsed[1].push_to_hub is False, "recipes do not push by default"


@pytest.mark.parametrize("path", TRAINED, ids=TRAINED_IDS)
def test_head_comment_names_hardware_and_global_batch(path):
    head = "".join(line for line in path.read_text().splitlines(True)[:4] if line.startswith("#"))
    assert "Hardware:" in head and "global batch" in head
    recipe = read_recipe(str(path))
    processes = 1
    if "GPU" in head or "H800" in head:
        nodes, gpus = count_gpus(head)
        processes = (nodes - recipe.get("vllm_nodes", 0)) * gpus
    batch = recipe["per_device_train_batch_size"] * recipe.get("gradient_accumulation_steps", 1) * processes
    assert f"global batch {batch:,}" in head


@pytest.mark.parametrize("path", TRAINED, ids=TRAINED_IDS)
def test_accelerate_config_agrees_with_the_head_comment(path):
    spread = re.search(r"ZeRO-(\d)", path.read_text().partition("\n\n")[0])
    config = read_recipe(str(path)).get("accelerate_config")
    assert not spread or config == f"recipes/accelerate_configs/zero{spread[1]}.yaml"


def test_checkpoints_fall_between_rounds_of_generation():
    """A round ends after each of its batches was trained on `num_iterations` times."""
    for path in RECIPES:
        if path.parent.name == "grpo":
            script_args, args, _ = RecipeParser("grpo").parse(["--config", str(path), "--use_cpu", "true"])
            batches = args.save_steps * args.gradient_accumulation_steps  # between two checkpoints
            assert batches % (args.steps_per_generation * args.num_iterations) == 0, path
            script_args.require_whole_rounds(args)


def test_packed_batches_are_as_large_as_the_papers():
    """The 800k samples have 5,355 tokens on average (v2, Table 5), and the paper's batches 64 or 128 samples."""
    for path in TRAINED:
        recipe = read_recipe(str(path))
        if recipe.get("packing"):
            packs = int(re.search(r"global batch (\d+) packs", path.read_text())[1])
            assert 0.7 * 64 * 5355 < packs * recipe["max_length"] < 1.1 * 128 * 5355, path


def test_checkpoints_the_kl_term_and_bases():
    for path in TRAINED:
        recipe = read_recipe(str(path))
        assert recipe["save_total_limit"] <= 2, path
        assert recipe["model_name_or_path"] != "deepseek-ai/DeepSeek-V3-Base", "in FP8, which cannot be trained"
        if path.parent.name == "grpo" and recipe["beta"]:
            assert recipe["use_bias_correction_kl"] is False, "the paper's KL term"


SFT = [path for path in TRAINED if path.parent.name == "sft" and "of 8 GPUs" in path.read_text()]
SECONDS_PER_TOKEN = 2.4e-6  # measured: 15.5 ms for a row of 6,400 tokens
TOKENS = 800_000 * 6_400  # of the largest data set


@pytest.mark.parametrize("path", SFT, ids=[str(path.relative_to(path.parents[2])) for path in SFT])
def test_tokenizing_is_over_before_the_other_processes_give_up(path):
    _, args, _ = RecipeParser("sft").parse(["--config", str(path), "--use_cpu", "true"])
    assert args.dataset_num_proc >= 16
    assert args.ddp_timeout > TOKENS * SECONDS_PER_TOKEN, "even where a node has only one core to spare"


GRPO = [path for path in TRAINED if path.parent.name == "grpo" and re.search("nodes? of|H800", path.read_text())]


@pytest.mark.parametrize("path", GRPO, ids=[str(path.relative_to(path.parents[2])) for path in GRPO])
def test_rollouts_end_before_the_other_processes_give_up(path):
    """Even if generation takes twice as long as planned."""
    nodes, gpus = count_gpus(path.read_text().partition("\n\n")[0])
    options = Namespace(recipe=str(path), nodes=nodes, gpus=gpus, gpu="H100", mean_length=None, from_step=0, rows=1)
    _, args, _ = RecipeParser("grpo").parse(["--config", str(path), "--use_cpu", "true"])
    seconds = plan_recipe(options, []).seconds["generation"] * steps_of_a_round(args)
    assert 2 * seconds < args.ddp_timeout


EXTENDED = [path for path in TRAINED if "max_position_embeddings" in path.read_text()]


@pytest.mark.parametrize("path", EXTENDED, ids=[str(path.relative_to(path.parents[2])) for path in EXTENDED])
def test_extended_models_can_be_evaluated_with_the_papers_lengths(path):
    """vLLM refuses requests of as many tokens as the model has positions, since no prompt would fit."""
    evaluation = read_recipe(str(path.parent.parent / "eval/config_paper.yaml"))
    positions = read_recipe(str(path))["model_init_kwargs"]["max_position_embeddings"]
    assert positions >= evaluation["max_completion_length"] + 1024


SERVED = [path for path in RECIPES if read_recipe(str(path)).get("backend") == "server"]


@pytest.mark.parametrize("path", SERVED, ids=[str(path.relative_to(path.parents[2])) for path in SERVED])
def test_requests_may_take_as_long_as_their_completions(path):
    """On the smallest H100 server that holds the model, which has no room for the keys of all requests at once."""
    args, model_args = RecipeParser(stage_of(path)).parse(["--config", str(path)])
    shape = read_shape(model_args, args.seed)
    gpu = GPUS["H100"]
    seconds = generation_seconds(
        shape,
        gpu,
        Rates(),
        gpus=smallest_engine(shape, gpu),
        replicas=1,
        sequences=args.concurrency,
        mean_length=args.max_completion_length / 4,
        longest=args.max_completion_length,
    )
    assert 2 * seconds < args.request_timeout


def test_table_of_recipes_agrees_with_the_recipes():
    page = Path("recipes/README.md").read_text()
    paths = sorted(Path("recipes").glob("*/*/*.yaml"))
    table = recipe_table(paths, {path: describe_fit(path) for path in paths})
    assert table in page, "python src/open_r1/validate.py --table"
    assert all("# Hardware:" in path.read_text() for path in RECIPES)


@pytest.mark.parametrize(
    "path",
    sorted(Path(__file__).parent.parent.glob("recipes/*/pipeline*.yaml")),
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_stages_of_pipelines_read_only_outputs_of_stages(path):
    (args,) = RecipeParser("pipeline").parse(["--config", str(path.relative_to(Path.cwd()))])
    tasks = build_tasks(args, args.seeds[0])
    outputs = {str(task.output_dir) for task in tasks}
    for task in tasks:
        for key in ("model_name_or_path", "dataset_name"):
            source = str(task.keys.get(key, ""))
            is_packaged = source.startswith("outputs/packaged/")  # open_r1.models.packaged_smollm2 makes it
            if source.startswith("outputs/") and not is_packaged:
                assert source in outputs, f"{task.name} reads {source}, which is not the output of a stage"


@pytest.mark.parametrize("path", TRAINED, ids=TRAINED_IDS)
def test_chat_templates_mark_the_assistant_turns_for_assistant_only_loss(path):
    recipe = read_recipe(str(path))
    if recipe.get("assistant_only_loss"):
        assert "{%- generation %}" in Path(recipe["chat_template_path"]).read_text()


def test_examples_are_recipes_of_their_stage():
    for name, stage in STAGES.items():
        if name == "pipeline":
            assert Path("recipes", stage.example).is_file()
        elif stage.example:
            assert stage_of(find_example(name)) == name


def test_recipes_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_example("grpo") == REPOSITORY / "recipes/tiny/grpo/config_zero.yaml"
    _, command = find_producer("outputs/tiny/base")
    assert command.endswith(str(REPOSITORY / "recipes/tiny/sft/config_base.yaml"))
    with pytest.raises(RecipeError, match="Did you mean /.*/recipes/tiny/sft/config_base.yaml"):
        read_recipe("recipes/tiny/sft/config_bases.yaml")
    assert Path(Benchmark.parse("gpqa").user_template) == REPOSITORY / "recipes/prompts/multiple_choice.jinja"


def test_wide_clipping_is_bounded_where_the_advantage_is_negative_too():
    """With epsilon of 1 or more the lower bound of the ratio is never reached, and nothing bounds it from above."""
    for path in RECIPES:
        recipe = read_recipe(str(path)) if path.parent.name == "grpo" else {}
        if recipe.get("epsilon", 0.2) >= 1:
            assert recipe["delta"] >= 1 + recipe["epsilon"], path


@pytest.mark.parametrize("path", TRAINED, ids=TRAINED_IDS)
def test_expected_aime_scores_say_how_they_were_sampled(path):
    for line in path.read_text().splitlines():
        if line.startswith("# Expected:") and "AIME" in line:
            assert re.search(r"(pass|avg|mean|cons)@\d+|greedy|one sample", line), line
            assert "(" in line, f"no source: {line}"


def test_dr_grpo_uses_the_official_template_of_qwen_math():
    prompt = read_template("recipes/prompts/qwen_math.jinja", "prompt_template").render(prompt="1+1?")
    system = "Please reason step by step, and put your final answer within \\boxed{}."
    turns = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"
    assert prompt == turns


def test_reward_recipes_resolve():
    from open_r1.rewards import Composition

    for path in RECIPES:
        if path.parent.name == "grpo":
            assert Composition(RecipeParser("grpo").parse(["--config", str(path), "--use_cpu", "true"])[0].rewards)


def test_templates_compile():
    for path in Path("recipes/chat_templates").glob("*.jinja"):
        assert _compile_jinja_template(path.read_text()).root_render_func
    for path in Path("recipes/prompts").glob("*.jinja"):
        names = meta.find_undeclared_variables(jinja2.Environment().parse(path.read_text()))
        builders = {"prompt", "domain", "conversation", "thought", "answer", "solution"}
        benchmarks = {"question", "choices", "question_content", "starter_code"}
        assert names <= builders | benchmarks


def test_accelerate_configs_have_the_expected_distributed_type():
    kinds = {
        p.stem: yaml.safe_load(p.read_text())["distributed_type"]
        for p in Path("recipes/accelerate_configs").glob("*.yaml")
    }
    assert kinds == {"cpu": "NO", "ddp": "MULTI_GPU", "zero2": "DEEPSPEED", "zero3": "DEEPSPEED", "fsdp2": "FSDP"}


def test_validate_works_without_outputs_and_offline(tmp_path):
    """An invalid recipe, one with missing inputs, and one that can be dry-run in a fresh clone."""
    wrong = tmp_path / "grpo" / "config_x.yaml"
    wrong.parent.mkdir()
    wrong.write_text("dataset_name: a.jsonl\nnum_generation: 8\n")
    elsewhere, tiny = "recipes/Qwen2.5-1.5B/grpo/config_r1.yaml", "recipes/tiny/grpo/config_zero.yaml"
    command = [sys.executable, "src/open_r1/validate.py", wrong, elsewhere, tiny]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1
    lines = run.stdout.splitlines()
    assert lines[0].split() == ["1/3", "FAILED", "parsed", str(wrong)]
    assert lines[1].startswith(f"{wrong}: unknown key 'num_generation'. Did you mean 'num_generations'?")
    assert lines[2].startswith(f"  2/3  ok      parsed   {elsewhere}  (outputs/Qwen2.5-1.5B/dev3, ")
    assert lines[2].endswith("and 3 more not on this machine)")
    assert lines[3].split(maxsplit=2) == ["3/3", "ok", f"dry run  {tiny}"]
    assert re.fullmatch(r"2 of 3 recipes are right, in \d+ s: 1 dry-run, 2 parsed only", lines[4])


def test_validate_has_a_help_message():
    run = subprocess.run([sys.executable, "src/open_r1/validate.py", "--help"], capture_output=True, text=True)
    assert run.returncode == 0 and "usage: python src/open_r1/validate.py" in run.stdout and "--table" in run.stdout
