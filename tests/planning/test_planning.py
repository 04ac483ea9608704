"""Plans agree with measurements: peak memory on this machine and the GPU hours reported in the paper."""

import json
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import memory
import memory_on_cpu
import pytest
import yaml
from transformers import DeepseekV3Config, Qwen2Config
from trl import GRPOConfig, ModelConfig, SFTConfig

from open_r1.configs.recipes import read_recipe
from open_r1.planning.fit import describe_fit
from open_r1.planning.generation_time import generation_seconds, smallest_engine
from open_r1.planning.gpus import GPUS, Rates
from open_r1.planning.known_models import known_shape
from open_r1.planning.memory import is_offloaded, sharding, training_memory
from open_r1.planning.model_shape import ModelShape
from open_r1.planning.recipe import STAGES as PLANNED
from open_r1.planning.recipe import plan_recipe
from open_r1.utils.errors import RecipeError


QWEN_7B = Qwen2Config(
    hidden_size=3584,
    num_hidden_layers=28,
    intermediate_size=18944,
    num_attention_heads=28,
    num_key_value_heads=4,
    vocab_size=152064,
    tie_word_embeddings=False,
)


def plan_args(recipe, **options):
    defaults = {
        "recipe": recipe,
        "nodes": 1,
        "gpus": 8,
        "gpu": "H100",
        "mean_length": None,
        "rows": None,
        "from_step": 0,
    }
    return Namespace(**defaults | options)


@pytest.fixture(scope="module")
def v3(tmp_path_factory) -> str:
    """A folder with DeepSeek-V3's configuration, which is the default of transformers."""
    folder = tmp_path_factory.mktemp("v3")
    DeepseekV3Config().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def qwen_7b(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("qwen_7b")
    QWEN_7B.save_pretrained(folder)
    return str(folder)


def test_model_shapes_match_the_papers():
    dense, mixture = ModelShape.from_config(QWEN_7B), ModelShape.from_config(DeepseekV3Config())
    assert dense.parameters == dense.active == pytest.approx(7.6e9, rel=0.01)  # Qwen2.5 technical report
    assert mixture.parameters == pytest.approx(671e9, rel=0.01)  # DeepSeek-V3 technical report
    assert mixture.active == pytest.approx(37e9, rel=0.03)
    assert (mixture.experts, mixture.chosen) == (256, 8)
    assert smallest_engine(dense, GPUS["H100"]) == 1 and smallest_engine(mixture, GPUS["H800"]) == 32


@pytest.mark.parametrize("shape", memory_on_cpu.SHAPES[:2], ids=str)
def test_estimated_memory_is_within_20_percent_of_the_measured_peak(shape):
    result = memory_on_cpu.run(shape)
    assert result["estimated"] == pytest.approx(result["measured"], rel=0.2), result


UNSHARDED = [case for case in memory.CASES if case.gpus == 1 and case.dtype == "bfloat16"]
SHARDED = [case for case in memory.CASES if case.gpus == 8]


@pytest.mark.parametrize("case", UNSHARDED + SHARDED, ids=str)
def test_estimated_memory_of_large_models_is_within_15_percent_of_the_simulated_peak(case):
    result = memory.compare(case)
    assert result["planned"] == pytest.approx(result["simulated"], rel=0.15)


def test_extrapolated_peaks_are_those_of_the_whole_model(monkeypatch):
    case = memory.Case("Qwen/Qwen2.5-1.5B", "bfloat16", 1, 4096)
    monkeypatch.setattr(memory.Case, "layers", 10)
    whole = memory.compare(case, whole=True)
    assert memory.compare(case)["simulated"] == pytest.approx(whole["simulated"], rel=0.001)


def test_r1_zero_takes_about_as_many_gpu_hours_as_in_the_paper(v3):
    """101K H800 hours (v2, B.4.4).

    Mean lengths read off Figure 3: about 4,000 tokens until step 8,192, about 12,000 after.
    """
    argv, paper = ["--model_name_or_path", v3], "recipes/DeepSeek-R1-Zero/grpo/config_paper{}.yaml"
    cluster = {"nodes": 64, "gpu": "H800"}
    first = plan_recipe(plan_args(paper.format(""), mean_length=4000, **cluster), argv)
    second = plan_recipe(plan_args(paper.format("_64k"), mean_length=12000, from_step=8192, **cluster), argv)
    assert first.steps + second.steps == 10400
    assert (first.hours + second.hours) * 512 == pytest.approx(101_000, rel=0.2)


def test_zero_stages_shard_the_expected_states():
    shape, model_args = ModelShape.from_config(QWEN_7B), ModelConfig()
    args = SFTConfig("unused", use_cpu=True, bf16=True)
    unsharded, zero2, zero3 = (training_memory(shape, model_args, args, 0, 8, stage) for stage in (0, 2, 3))
    parameters = shape.parameters
    assert unsharded["weights"] == 4 * parameters and unsharded["optimizer"] == 8 * parameters
    assert unsharded["gradients and activations"] >= 4 * parameters, "at the end of a step, all gradients are there"
    assert zero2["weights"] == 2 * parameters and zero2["optimizer"] == 12 * parameters / 8
    assert zero3["optimizer"] == zero2["optimizer"] and zero3["weights"] < zero2["weights"] / 3


def test_reference_model_adds_memory_and_checkpointing_and_adapters_save_it():
    shape = ModelShape.from_config(QWEN_7B)

    def total(model=None, **kwargs):
        args = GRPOConfig("unused", use_cpu=True, **{"bf16": True, "gradient_checkpointing": False} | kwargs)
        return sum(training_memory(shape, ModelConfig(**model or {}), args, 16384, 1, 0).values())

    assert total(beta=0.1) > total(beta=0.0) > total(beta=0.0, gradient_checkpointing=True)
    checkpointed = {"gradient_checkpointing": True}
    qlora, lora = {"use_peft": True, "load_in_4bit": True}, {"use_peft": True}
    assert total(qlora, **checkpointed) < total(lora, **checkpointed) < total(**checkpointed)


def test_generation_time_is_bounded_by_memory_bandwidth_and_grows_slower_than_the_batch():
    shape, gpu, rates = ModelShape.from_config(QWEN_7B), GPUS["H100"], Rates()
    one = generation_seconds(shape, gpu, rates, 1, 1, 1, 1e9, 1000)
    assert one >= 1000 * 2 * shape.active / (gpu.bandwidth * 1e12)
    many = generation_seconds(shape, gpu, rates, 1, 1, 512, 1e9, 1000)
    assert one < many < 512 * one
    assert generation_seconds(shape, gpu, rates, 1, 8, 512, 1e9, 1000) < many


def test_gradients_stay_while_further_batches_are_accumulated():
    shape = ModelShape.from_config(QWEN_7B)

    def activations(steps):
        args = SFTConfig("unused", use_cpu=True, bf16=True, gradient_accumulation_steps=steps)
        return training_memory(shape, ModelConfig(dtype="bfloat16"), args, 32768, 1, 0)["gradients and activations"]

    assert activations(2) == activations(8) > activations(1)


def test_unchecked_parts_of_the_memory_are_named(qwen_7b, v3):
    def unchecked(recipe, model, *argv):
        return plan_recipe(plan_args(recipe, rows=1000), ["--model_name_or_path", model, *argv]).unchecked

    dense = "recipes/DeepSeek-R1-Distill-Qwen-7B/sft/config_distill.yaml"
    assert unchecked(dense, qwen_7b) == [], "ZeRO-3 has the same shards as FSDP2, which is simulated"
    assert unchecked(dense, v3) == ["mixtures of experts"]
    zero2 = unchecked(dense, qwen_7b, "--accelerate_config", "recipes/accelerate_configs/zero2.yaml")
    assert zero2 == ["ZeRO-2, which cannot be simulated"]
    preference = unchecked("recipes/Qwen2.5-1.5B/grpo/config_r1.yaml", qwen_7b)
    assert any("preference rewards" in part for part in preference)
    plan = str(plan_recipe(plan_args(dense, rows=1000), ["--model_name_or_path", v3]))
    assert "not checked: mixtures of experts" in plan


@pytest.mark.parametrize(
    ("config", "share", "offloads"),
    [
        ({"distributed_type": "DEEPSPEED", "deepspeed_config": {"zero_stage": 3}}, 3, False),
        ({"distributed_type": "DEEPSPEED", "deepspeed_config": {"gradient_clipping": 1.0}}, 2, False),
        ({"distributed_type": "DEEPSPEED", "deepspeed_config": {"offload_optimizer_device": "cpu"}}, 2, True),
        ({"distributed_type": "DEEPSPEED", "deepspeed_config": {"deepspeed_config_file": "ds.json"}}, 3, True),
        ({"distributed_type": "FSDP", "fsdp_config": {"fsdp_offload_params": True}}, 3, True),
        ({"distributed_type": "FSDP", "fsdp_config": {"fsdp_version": 2}}, 3, False),
        ({"distributed_type": "MULTI_GPU"}, 0, False),
        ({"distributed_type": "NO"}, 0, False),
    ],
)
def test_accelerate_configs_of_users(tmp_path, monkeypatch, config, share, offloads):
    monkeypatch.chdir(tmp_path)
    zero = {"stage": 3, "offload_param": {"device": "nvme"}}
    Path("ds.json").write_text(json.dumps({"zero_optimization": zero}))
    Path("mine.yaml").write_text(yaml.safe_dump(config))
    assert sharding("mine.yaml") == share
    assert is_offloaded("mine.yaml") == offloads
    assert sharding(None) == 0 and not is_offloaded(None)


def test_plan_does_not_take_offloading_into_account(tmp_path, qwen_7b):
    path = tmp_path / "offload.yaml"
    config = yaml.safe_load(Path("recipes/accelerate_configs/zero3.yaml").read_text())
    config["deepspeed_config"]["offload_optimizer_device"] = "cpu"
    path.write_text(yaml.safe_dump(config))
    recipe = "recipes/DeepSeek-R1-Distill-Qwen-7B/sft/config_distill.yaml"
    plan = plan_recipe(
        plan_args(recipe, rows=1000), ["--model_name_or_path", qwen_7b, "--accelerate_config", str(path)]
    )
    assert plan.unchecked == ["offloading, which is not taken into account"]


def test_reward_models_that_stay_on_the_gpu_are_counted():
    kept = plan_recipe(plan_args("recipes/Qwen2.5-1.5B/grpo/config_r1.yaml"), []).memory
    parameters = 2 * known_shape("Qwen/Qwen2.5-1.5B").parameters  # of helpfulness and of harmlessness
    assert kept["reward models"] == pytest.approx(2 * parameters / 2**30)
    assert "reward models" not in plan_recipe(plan_args("recipes/Qwen2.5-7B/grpo/config_r1.yaml"), []).memory


def test_vllm_needs_room_for_the_weights(qwen_7b):
    recipe = "recipes/Qwen2.5-7B/grpo/config_zero.yaml"
    large = plan_recipe(plan_args(recipe, gpu="H100"), ["--model_name_or_path", qwen_7b])
    small = plan_recipe(plan_args(recipe, gpu="L40S"), ["--model_name_or_path", qwen_7b])
    assert large.engine_fits and large.fits
    assert not small.engine_fits and not small.fits
    assert "vllm_gpu_memory_utilization: allows 13.5 GiB" in str(small)
    halves = [*["--model_name_or_path", qwen_7b], "--vllm_tensor_parallel_size", "2"]
    assert plan_recipe(plan_args(recipe, gpu="L40S"), halves).engine_fits


def test_table_of_recipes_says_which_gpus_they_fit():
    recipes = Path("recipes")
    assert describe_fit(recipes / "DeepSeek-R1-Distill-Llama-70B/sft/config_distill.yaml") == "141 GB"
    assert (
        describe_fit(recipes / "DeepSeek-R1-Distill-Qwen-1.5B/sft/config_distill_qlora.yaml") == "24 GB, not checked"
    )
    assert describe_fit(recipes / "DeepSeek-R1-Zero/grpo/config_paper_64k.yaml") == "none up to 141 GB, not checked"
    assert describe_fit(recipes / "tiny/grpo/config_zero.yaml") == "–"
    assert describe_fit(recipes / "Qwen2.5-7B/eval/config_zero.yaml") == "–"


def test_recipes_models_are_planned_without_a_network():
    """Every recipe's base model has a known size; a folder of that name or another model does not."""
    for path in Path("recipes").glob("*/*/*.yaml"):
        name = read_recipe(str(path)).get("model_name_or_path", "")
        if path.parent.name in PLANNED and not name.startswith(("outputs/", "open_r1.")):
            assert known_shape(name) is not None, name
    assert known_shape("Qwen/Qwen2.5-7B").parameters == ModelShape.from_config(QWEN_7B).parameters
    assert known_shape("Qwen/Qwen2.5-7") is None and known_shape("outputs/Qwen2.5-7B/dev1") is None


def test_sleeping_engine_shares_the_memory_of_temporary_training_buffers(qwen_7b):
    recipe, argv = "recipes/Qwen2.5-7B/grpo/config_zero.yaml", ["--model_name_or_path", qwen_7b]
    awake = plan_recipe(plan_args(recipe), argv).memory
    asleep = plan_recipe(plan_args(recipe), [*argv, "--vllm_enable_sleep_mode", "true"]).memory
    assert awake.pop("vLLM") == pytest.approx(0.3 * 80)
    beyond = asleep.pop("vLLM, beyond training")
    assert 0 <= beyond < 0.3 * 80 and awake == asleep
    large = [*argv, "--vllm_enable_sleep_mode", "true", "--vllm_gpu_memory_utilization", "0.8"]
    larger = plan_recipe(plan_args(recipe), large).memory["vLLM, beyond training"]
    assert larger == pytest.approx(beyond + 0.5 * 80) or not beyond


def test_generation_nodes_do_not_train(qwen_7b):
    recipe = "recipes/Qwen2.5-32B/grpo/config_paper.yaml"
    argv = ["--model_name_or_path", qwen_7b]
    split = plan_recipe(plan_args(recipe, nodes=12), argv)
    together = plan_recipe(plan_args(recipe, nodes=8), [*argv, "--vllm_nodes", "0", "--vllm_mode", "colocate"])
    assert split.gpus == 96 and together.gpus == 64
    assert split.tokens == together.tokens
    assert split.seconds["training"] == together.seconds["training"], "both train on 8 nodes"
    assert split.seconds["generation"] > together.seconds["generation"] and "vLLM" not in split.memory
    with pytest.raises(RecipeError, match="none is left for training"):
        plan_recipe(plan_args(recipe, nodes=4), argv)


@pytest.mark.parametrize("path", sorted(Path("recipes").glob("*/grpo/*.yaml")), ids=str)
def test_every_grpo_recipe_can_be_planned(path, qwen_7b):
    plan = str(plan_recipe(plan_args(str(path), nodes=12), ["--model_name_or_path", qwen_7b]))
    assert "GPU hours" in plan and "bottleneck: " in plan and "nan" not in plan


def test_command_prints_the_plan_or_names_the_missing_option(qwen_7b):
    recipe = "recipes/DeepSeek-R1-Distill-Qwen-7B/sft/config_distill.yaml"
    command = [sys.executable, "-m", "open_r1.plan", recipe, "--model_name_or_path", qwen_7b]
    missing = subprocess.run(command, capture_output=True, text=True)
    assert missing.returncode == 1 and "--rows" in missing.stderr
    done = subprocess.run([*command, "--rows", "350000", "--gpu", "H200"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"memory of a GPU that trains: [\d.]+ of 141 GiB", done.stdout) and "$" in done.stdout


def test_unknown_gpu_is_an_error():
    command = [sys.executable, "-m", "open_r1.plan", "recipes/tiny/grpo/config_zero.yaml", "--gpu", "H10"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "Did you mean 'H100'" in done.stderr and "RTX4090" in done.stderr


def test_recipes_whose_starting_checkpoint_does_not_exist_yet_can_be_planned():
    tiny = {"nodes": 1, "gpus": 1}
    dev2 = plan_recipe(
        plan_args("recipes/tiny/grpo/config_dev2.yaml", **tiny), []
    )  # starts from dev1, which starts from base, which a function builds
    assert dev2.hours > 0
    assert "vLLM" not in str(plan_recipe(plan_args("recipes/tiny/grpo/config_zero.yaml", **tiny), []).memory)
    with pytest.raises(RecipeError, match="is for distillation; expected one of sft"):
        plan_recipe(plan_args("recipes/tiny/distillation/config_on_policy.yaml", **tiny), [])


@pytest.mark.parametrize("gpu", GPUS)
def test_every_gpu_can_be_planned_for(gpu, qwen_7b):
    recipe, argv = "recipes/Qwen2.5-7B/grpo/config_zero.yaml", ["--model_name_or_path", qwen_7b]
    plan = plan_recipe(plan_args(recipe, gpu=gpu), argv)
    assert plan.capacity == GPUS[gpu].memory and plan.hours > 0
