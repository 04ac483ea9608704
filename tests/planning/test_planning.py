"""What a plan says, held against what was measured: peaks of memory on this machine, and the paper's GPU hours."""

import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import memory
import pytest
from transformers import DeepseekV3Config, Qwen2Config
from trl import GRPOConfig, ModelConfig, SFTConfig

from open_r1.planning.generation_time import generation_seconds, smallest_engine
from open_r1.planning.gpus import GPUS, Rates
from open_r1.planning.memory import training_memory
from open_r1.planning.model_shape import ModelShape
from open_r1.planning.recipe import plan_recipe
from open_r1.utils.errors import RecipeError


SEVEN = Qwen2Config(hidden_size=3584, num_hidden_layers=28, intermediate_size=18944, num_attention_heads=28, num_key_value_heads=4,
                    vocab_size=152064, tie_word_embeddings=False)  # fmt: skip


def asked(recipe, **more):
    named = {"recipe": recipe, "nodes": 1, "gpus": 8, "gpu": "H100", "mean_length": None, "rows": None, "from_step": 0}
    return Namespace(**named | more)


@pytest.fixture(scope="module")
def v3(tmp_path_factory) -> str:
    """DeepSeek-V3's configuration, whose values are transformers' defaults."""
    folder = tmp_path_factory.mktemp("v3")
    DeepseekV3Config().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def seven(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("seven")
    SEVEN.save_pretrained(folder)
    return str(folder)


def test_shapes_are_those_of_the_papers():
    dense, mixture = ModelShape.from_config(SEVEN), ModelShape.from_config(DeepseekV3Config())
    assert dense.parameters == dense.active == pytest.approx(7.6e9, rel=0.01)  # Qwen2.5's report
    assert mixture.parameters == pytest.approx(671e9, rel=0.01)  # V3's
    assert mixture.active == pytest.approx(37e9, rel=0.03)
    assert (mixture.experts, mixture.chosen) == (256, 8)
    assert smallest_engine(dense, GPUS["H100"]) == 1 and smallest_engine(mixture, GPUS["H800"]) == 32


@pytest.mark.parametrize("shape", memory.SHAPES[:2], ids=str)
def test_memory_is_within_a_fifth_of_what_was_measured(shape):
    found = memory.run(shape)
    assert found["estimated"] == pytest.approx(found["measured"], rel=0.2), found


def test_r1_zero_takes_the_gpu_hours_that_the_paper_says(v3):
    """101K H800 hours (v2, B.4.4). Mean lengths as read from the curve of its Figure 3: about 4,000 until step 8,192, about 12,000 after."""
    words, paper = ["--model_name_or_path", v3], "recipes/DeepSeek-R1-Zero/grpo/config_paper{}.yaml"
    cluster = {"nodes": 64, "gpu": "H800"}
    first = plan_recipe(asked(paper.format(""), mean_length=4000, **cluster), words)
    second = plan_recipe(asked(paper.format("_64k"), mean_length=12000, from_step=8192, **cluster), words)
    assert first.steps + second.steps == 10400
    assert (first.hours + second.hours) * 512 == pytest.approx(101_000, rel=0.2)


def test_states_are_split_as_zero_says():
    shape, model_args = ModelShape.from_config(SEVEN), ModelConfig()
    args = SFTConfig("unused", use_cpu=True, bf16=True)
    whole, two, three = (training_memory(shape, model_args, args, 0, 8, share) for share in (0, 2, 3))
    billions = shape.parameters
    assert whole["weights"] == 6 * billions and whole["optimizer"] == 8 * billions
    assert two["weights"] == 2 * billions and two["optimizer"] == 12 * billions / 8
    assert three["optimizer"] == two["optimizer"] and three["weights"] < two["weights"] / 3


def test_reference_model_adapter_and_checkpointing_change_what_they_should():
    shape = ModelShape.from_config(SEVEN)

    def total(model=None, **kwargs):
        args = GRPOConfig("unused", use_cpu=True, **{"bf16": True, "gradient_checkpointing": False} | kwargs)
        return sum(training_memory(shape, ModelConfig(**model or {}), args, 16384, 1, 0).values())

    assert total(beta=0.1) > total(beta=0.0) > total(beta=0.0, gradient_checkpointing=True)
    less = {"gradient_checkpointing": True}
    assert total({"use_peft": True, "load_in_4bit": True}, **less) < total({"use_peft": True}, **less) < total(**less)


def test_generation_is_never_faster_than_its_longest_completion_or_its_bandwidth():
    shape, gpu, rates = ModelShape.from_config(SEVEN), GPUS["H100"], Rates()
    one = generation_seconds(shape, gpu, rates, 1, 1, 1, 1e9, 1000)
    assert one >= 1000 * 2 * shape.active / (gpu.bandwidth * 1e12)
    many = generation_seconds(shape, gpu, rates, 1, 1, 512, 1e9, 1000)
    assert one < many < 512 * one
    assert generation_seconds(shape, gpu, rates, 1, 8, 512, 1e9, 1000) < many


def test_engine_that_sleeps_takes_the_place_of_what_training_needs_for_a_moment(seven):
    recipe, words = "recipes/Qwen2.5-7B/grpo/config_zero.yaml", ["--model_name_or_path", seven]
    awake = plan_recipe(asked(recipe), words).memory
    asleep = plan_recipe(asked(recipe), [*words, "--vllm_enable_sleep_mode", "true"]).memory
    assert awake.pop("vLLM") == pytest.approx(0.3 * 80)
    beyond = asleep.pop("vLLM, beyond training")
    assert 0 <= beyond < 0.3 * 80 and awake == asleep
    large = [*words, "--vllm_enable_sleep_mode", "true", "--vllm_gpu_memory_utilization", "0.8"]
    assert (
        plan_recipe(asked(recipe), large).memory["vLLM, beyond training"] == pytest.approx(beyond + 0.5 * 80)
        or not beyond
    )


def test_nodes_that_generate_do_not_train(seven):
    recipe = "recipes/Qwen2.5-32B/grpo/config_paper.yaml"
    words = ["--model_name_or_path", seven]
    split = plan_recipe(asked(recipe, nodes=12), words)
    together = plan_recipe(asked(recipe, nodes=8), [*words, "--vllm_nodes", "0", "--vllm_mode", "colocate"])
    assert split.gpus == 96 and together.gpus == 64
    assert split.tokens == together.tokens and split.seconds["training"] == together.seconds["training"], (
        "as many train"
    )
    assert split.seconds["generation"] > together.seconds["generation"] and "vLLM" not in split.memory
    with pytest.raises(RecipeError, match="none is left to train"):
        plan_recipe(asked(recipe, nodes=4), words)


@pytest.mark.parametrize("path", sorted(Path("recipes").glob("*/grpo/*.yaml")), ids=str)
def test_every_reinforcement_recipe_has_a_plan(path, seven):
    told = str(plan_recipe(asked(str(path), nodes=12), ["--model_name_or_path", seven]))
    assert "GPU hours" in told and "what takes the longest" in told and "nan" not in told


def test_command_prints_the_plan_and_says_what_is_missing(seven):
    recipe = "recipes/DeepSeek-R1-Distill-Qwen-7B/sft/config_distill.yaml"
    command = [sys.executable, "-m", "open_r1.plan", recipe, "--model_name_or_path", seven]
    missing = subprocess.run(command, capture_output=True, text=True)
    assert missing.returncode == 1 and "--rows" in missing.stderr
    done = subprocess.run([*command, "--rows", "350000", "--gpu", "H200"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"memory of a GPU that trains: [\d.]+ of 141 GiB", done.stdout) and "$" in done.stdout


def test_gpu_that_is_not_known_is_an_error():
    done = subprocess.run([sys.executable, "-m", "open_r1.plan", "recipes/tiny/grpo/config_zero.yaml", "--gpu", "H10"],
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 1 and "Did you mean 'H100'" in done.stderr and "RTX4090" in done.stderr


def test_models_yet_to_be_made_have_a_plan():
    tiny = {"nodes": 1, "gpus": 1}
    dev2 = plan_recipe(asked("recipes/tiny/grpo/config_dev2.yaml", **tiny), [])  # from dev1, from base, a function
    assert dev2.hours > 0
    assert "vLLM" not in str(plan_recipe(asked("recipes/tiny/grpo/config_zero.yaml", **tiny), []).memory)
    with pytest.raises(RecipeError, match="is for distillation; expected one of sft"):
        plan_recipe(asked("recipes/tiny/distillation/config_on_policy.yaml", **tiny), [])


@pytest.mark.parametrize("gpu", GPUS)
def test_every_gpu_can_be_planned_for(gpu, seven):
    recipe, words = "recipes/Qwen2.5-7B/grpo/config_zero.yaml", ["--model_name_or_path", seven]
    plan = plan_recipe(asked(recipe, gpu=gpu), words)
    assert plan.capacity == GPUS[gpu].memory and plan.hours > 0
