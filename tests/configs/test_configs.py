"""The recipe parser is strict, and its error messages are clear."""

import os
import subprocess
import sys

import pytest
import yaml

from open_r1.configs import RewardSpec
from open_r1.configs.parser import COUNTS, RecipeParser
from open_r1.configs.recipes import read_recipe
from open_r1.utils.errors import RecipeError


CPU = "use_cpu: true\nbf16: false\ndataset_name: a.jsonl\n"


@pytest.fixture
def recipe(tmp_path):
    def write(text: str, head: str = CPU) -> str:
        path = tmp_path / "recipe.yaml"
        path.write_text(head + text)
        return str(path)

    return write


def error_of(stage: str, *argv: str) -> str:
    with pytest.raises(RecipeError) as error:
        RecipeParser(stage).parse(list(argv))
    return str(error.value)


def test_command_line_overrides_recipe(recipe):
    path = recipe("learning_rate: 1e-5\nseed: 3")
    script_args, args, _ = RecipeParser("grpo").parse(["--config", path, "--seed", "4"])
    assert (args.learning_rate, args.seed, script_args.dataset_name) == (1e-5, 4, "a.jsonl")


def test_config_can_be_given_with_an_equals_sign(recipe):
    path = recipe("seed: 7")
    assert RecipeParser("sft").parse([f"--config={path}"])[1].seed == 7
    assert RecipeParser("sft").parse([f"--config={path}"])[0].recipe == path


def test_unknown_key_names_the_file_and_suggests_a_key(recipe):
    path = recipe("learning_rat: 1e-5")
    message = error_of("sft", "--config", path)
    assert path in message and "'learning_rat'" in message and "Did you mean 'learning_rate'?" in message


def test_key_of_another_stage_is_unknown(recipe):
    assert "unknown key 'num_generations'" in error_of("sft", "--config", recipe("num_generations: 8"))


def test_unknown_option_and_abbreviation_are_refused(recipe):
    path = recipe("")
    assert "unknown option '--learning_rat'" in error_of("sft", "--config", path, "--learning_rat", "1")
    assert "unknown option '--learning'" in error_of("sft", "--config", path, "--learning", "1")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("max_steps: 1.5", "max_steps: found 1.5; expected int"),
        ("max_steps: [1]", "max_steps: found [1]; expected int"),
        ("learning_rate: fast", "learning_rate"),
        ("learning_rate: {a: 1}", "learning_rate: found {'a': 1}; expected float"),
        ("reward_funcs: [{weight: 1}]", "expected a name or a mapping with a name"),
        ("reward_funcs: [{name: format, weight: much}]", "weight of 'format' is 'much'; expected a number"),
        ("reward_funcs: [format, format]", "each named once"),
        ("output_dir: 5", "output_dir: found 5; expected str"),
        ("fp16: 3", "fp16: found 3; expected bool"),
        ("eval_strategy: no", "put quotes around it"),
        ("dataset_params: [1]", "dataset_params: found [1]; expected dict"),
        ("dataset_params: abc", "dataset_params: found 'abc'; expected a mapping"),
        ("max_steps: .inf", "max_steps: found inf; expected int"),
        ("1: 2", "unknown key 1"),
        ("reward_funcs: ['{name: format, weight']", "expected a mapping"),
        ("system_prompt: x\nprompt_template: recipes/prompts/tiny.jinja", "choose one"),
        ("prompt_template: nowhere.jinja", "prompt_template: no file 'nowhere.jinja'"),
        ("max_prompt_length: 0", "expected at least 1"),
        ("max_unusable_golds: 2", "expected a share from 0 to 1"),
        ("num_generations: 16\nper_device_train_batch_size: 6", "must be divisible by num_generations"),
        ("num_generations: 1\nper_device_train_batch_size: 8", "at least 2 generations"),
    ],
)
def test_invalid_values_are_refused(recipe, line, says):
    path = recipe(line)
    message = error_of("grpo", "--config", path)
    assert says in message and path in message


def test_single_reward_needs_no_list(recipe):
    parsed = RecipeParser("grpo").parse(["--config", recipe("reward_funcs: {name: format, weight: 2}")])[0]
    assert parsed.rewards == [RewardSpec("format", 2.0)]


def test_files_are_searched_in_the_folders_above_the_recipe(recipe, tmp_path, monkeypatch):
    path = recipe(
        "prompt_template: prompts/mine.jinja\nreward_funcs: [my_rewards.py:brevity]\noutput_dir: out.d/run.1"
    )
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/mine.jinja").write_text("{{ prompt }}")
    (tmp_path / "my_rewards.py").write_text("")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    script_args, args, _ = RecipeParser("grpo").parse(["--config", path])
    assert script_args.prompt_template == str(tmp_path / "prompts/mine.jinja")
    assert script_args.rewards[0].name == f"{tmp_path}/my_rewards.py:brevity"
    assert args.output_dir == "out.d/run.1" and script_args.dataset_name == "a.jsonl"  # no such file exists
    (elsewhere / "prompts").mkdir()
    (elsewhere / "prompts/mine.jinja").write_text("{{ prompt }}!")
    assert RecipeParser("grpo").parse(["--config", path])[0].prompt_template == "prompts/mine.jinja"


def test_config_without_a_path():
    assert "expected the path of a recipe" in error_of("sft", "--config")
    assert "no such recipe" in error_of("sft", "--config=")


def test_missing_or_invalid_recipe(recipe, tmp_path):
    assert "no such recipe" in error_of("sft", "--config", str(tmp_path / "none.yaml"))
    suggestion = error_of("grpo", "--config", "grpo/config_zero.yaml")
    assert "Did you mean recipes/tiny/grpo/config_zero.yaml or recipes/" in suggestion
    assert "not valid YAML" in error_of("sft", "--config", recipe("a: [1", head=""))
    assert "found list; expected keys and values" in error_of("sft", "--config", recipe("- a", head=""))


def test_key_that_occurs_twice_is_an_error(recipe):
    """PyYAML uses the last value without a word."""
    message = error_of("sft", "--config", recipe("seed: 1\nlogging_steps: 1\nseed: 1", head=""))
    assert "found 'seed' a second time" in message and "line 3" in message
    assert "found 'a' a second time" in error_of("sft", "--config", recipe("dataset_params: {a: 1, a: 2}", head=""))
    nested = "dataset_params: {seed: 1, more: {seed: 2}, rows: [{seed: 3}, {seed: 4}]}\nseed: 5"
    assert read_recipe(recipe(nested, head=""))["seed"] == 5


def test_bf16_without_a_gpu_explains_the_fix(recipe):
    path = recipe("", head="dataset_name: a.jsonl\nbf16: true\n")
    assert "set `bf16: false` and `use_cpu: true`" in error_of("grpo", "--config", path)


def test_reward_specs():
    assert RewardSpec.parse("accuracy") == RewardSpec("accuracy")
    cosine = RewardSpec.parse("{name: cosine, max_len: 8192, weight: 0.5}")
    assert cosine == RewardSpec("cosine", 0.5, params={"max_len": 8192})


def test_domain_and_only_if_of_a_reward(recipe):
    specs = RewardSpec.parse_all(["accuracy", {"name": "format", "only_if": "accuracy", "domain": "math"}])
    assert specs[1] == RewardSpec("format", domain=["math"], only_if="accuracy")
    path = recipe("reward_funcs: [{name: format, only_if: accuracy}]")
    assert "expected another reward" in error_of("grpo", "--config", path)
    assert "max_unjudged: found 0" in error_of("grpo", "--config", recipe("max_unjudged: 0"))


def test_parsing_does_not_change_the_environment(recipe, monkeypatch):
    monkeypatch.delenv("OPEN_R1_TEST", raising=False)
    before = dict(os.environ)
    args = RecipeParser("sft").parse(["--config", recipe("env: {OPEN_R1_TEST: 5}")])[0]
    assert args.env == {"OPEN_R1_TEST": "5"} and "env" not in args.keys
    assert dict(os.environ) == before


def test_env_of_a_recipe_is_set_before_torch_is_imported(recipe, tmp_path):
    """A script sets it, so this runs in a subprocess."""
    path = recipe("env: {OMP_NUM_THREADS: 3}", head="run_dir: x\n")
    program = (
        "import os, sys; from open_r1.configs.parser import parse_command_line; parse_command_line('report', None); "
        "print(os.environ['OMP_NUM_THREADS'], 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program, "--config", path], capture_output=True, text=True)
    assert run.stdout.split() == ["3", "False"], run.stderr


def test_env_must_be_a_mapping(recipe):
    assert "env: found 'A=1'; expected a mapping" in error_of("sft", "--config", recipe("env: A=1"))


def test_keys_contains_the_values_that_were_set_and_parses_again(recipe, tmp_path):
    """`keys` becomes the `recipe.yaml` of the run. It omits the values that TRL derives, which exclude each other."""
    rewards = "reward_funcs: [accuracy, {name: format, weight: 0.5}]"
    path = recipe(f"num_generations: 4\nper_device_train_batch_size: 8\n{rewards}")
    keys = RecipeParser("grpo").parse(["--config", path, "--seed", "4", "--max_steps=3", "--bf16", "false"])[0].keys
    assert keys["seed"] == 4 and keys["max_steps"] == 3 and keys["num_generations"] == 4
    assert "generation_batch_size" not in keys
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(keys))
    assert RecipeParser("grpo").parse(["--config", str(again)])[0].keys == keys


@pytest.mark.parametrize(
    "keys, message",
    [
        ("save_steps: 10\nsteps_per_generation: 16", "takes 16 steps .* expected a multiple, such as 16"),
        ("save_steps: 100\nsteps_per_generation: 16\nnum_iterations: 2", "takes 32 steps .* such as 96"),
        ("save_strategy: epoch\nsteps_per_generation: 4", "save_strategy: epoch, but .* takes 4 steps"),
        ("save_steps: 12\nsteps_per_generation: 16\ngradient_accumulation_steps: 4", None),
        ("save_steps: 7\nsteps_per_generation: 2\ngradient_accumulation_steps: 4", None),
        ("save_strategy: 'no'\nsteps_per_generation: 4", None),
    ],
)
def test_checkpoints_must_fall_between_rounds_of_generation(recipe, keys, message):
    batch = "\nper_device_train_batch_size: 8\nnum_generations: 8"
    script_args, args, _ = RecipeParser("grpo").parse(["--config", recipe(keys + batch)])
    if message is None:
        script_args.require_whole_rounds(args)
    else:
        with pytest.raises(RecipeError, match=message):
            script_args.require_whole_rounds(args)


@pytest.mark.parametrize(
    ("stage", "line", "message"),
    [
        ("sft", "gradient_accumulation_steps: 0", "gradient_accumulation_steps: found 0; expected at least 1"),
        ("sft", "per_device_train_batch_size: -1", "per_device_train_batch_size: found -1; expected at least 1"),
        ("sft", "seed: -1", "seed: found -1; expected a number from 0 to 4294967295"),
        ("sft", "max_eval_samples: 0", "max_eval_samples: found 0; expected at least 1"),
        ("grpo", "num_generations: 0", "num_generations: found 0; expected at least 1"),
        ("grpo", "num_iterations: '0'", "num_iterations: found 0; expected at least 1"),
        ("grpo", "max_completion_length: 0", "max_completion_length: found 0; expected at least 1"),
        ("grpo", "temperature: 0", "temperature: found 0; expected a number above 0"),
        ("reward_model", f"seed: {2**32}", "seed: found 4294967296"),
    ],
)
def test_numbers_with_which_trainers_would_fail(recipe, stage, line, message):
    assert message in error_of(stage, "--config", recipe(line))


def test_counts_are_options_of_trainers():
    assert set(COUNTS) < set(RecipeParser("grpo").options)


def test_options_of_a_run(recipe):
    for line, message in (
        ("when_disk_is_full: ask", "when_disk_is_full: found 'ask'; expected stop or skip"),
        ("max_non_finite: 0", "max_non_finite: found 0"),
        ("accelerate_config: zero4.yaml", "accelerate_config: no file 'zero4.yaml'"),
    ):
        assert message in error_of("sft", "--config", recipe(line))


@pytest.mark.parametrize("recipe, mode", [
    ("recipes/Qwen2.5-Math-7B/grpo/config_zero.yaml", "sequence_mask, at most 3"),  # 3,072 tokens
    ("recipes/DeepSeek-R1-Zero/grpo/config_paper.yaml", "token_truncate, at most 3"),  # 32,768
    ("recipes/tiny/grpo/config_zero.yaml", None),  # without vLLM
])  # fmt: skip
def test_long_completions_use_token_level_importance_sampling(recipe, mode):
    script_args, args, _ = RecipeParser("grpo").parse(["--config", recipe, "--use_cpu", "true"])
    assert script_args.choose_importance_sampling(args) == mode
    if mode:
        argv = ["--config", recipe, "--use_cpu", "true", "--vllm_importance_sampling_mode", "token_mask"]
        script_args, args, _ = RecipeParser("grpo").parse(argv)
        assert script_args.choose_importance_sampling(args) == "token_mask, at most 3", "an explicit mode is kept"
