"""Makes the plan of a recipe: reads model size, batch size and lengths from it for `planning.estimate`."""

import math
from argparse import Namespace
from pathlib import Path
from typing import Any

from transformers import AutoConfig
from trl import ModelConfig

from open_r1.configs import ScriptArguments, steps_of_a_round
from open_r1.configs.parser import RecipeParser
from open_r1.configs.recipes import find_producer, stage_of
from open_r1.configs.reward_spec import RewardSpec
from open_r1.models.loading import build_model
from open_r1.planning.estimate import BYTES_PER_WEIGHT, Plan, Workload, make_plan
from open_r1.planning.generation_time import GIB, smallest_engine
from open_r1.planning.gpus import GPUS
from open_r1.planning.known_models import known_shape
from open_r1.planning.memory import is_offloaded, sharding
from open_r1.planning.model_shape import ModelShape
from open_r1.utils.errors import RecipeError, did_you_mean
from open_r1.utils.imports import is_function, is_path


STAGES = ("sft", "grpo", "reward_model")
LONGEST_PROMPT = 512  # tokens; used if the recipe has no limit


def plan_recipe(options: Namespace, overrides: list[str]) -> Plan:
    """Makes the plan of a recipe.

    Args:
        options (`Namespace`): Command-line options of `plan.py`.
        overrides (`list[str]`): Command-line options that override recipe keys.

    Raises:
        RecipeError: If the recipe or an option is not supported.
    """
    stage = stage_of(Path(options.recipe))
    if stage not in STAGES:
        raise RecipeError(f"{options.recipe}: is for {stage}; expected one of {', '.join(STAGES)}.")
    if options.gpu not in GPUS:
        known = f" Known: {', '.join(GPUS)}."
        raise RecipeError(f"--gpu: found {options.gpu!r}{did_you_mean(options.gpu, GPUS)}{known}")
    argv = ["--config", options.recipe, "--use_cpu", "true", *overrides]  # so that no GPU is needed for parsing
    script_args, args, model_args = RecipeParser(stage).parse(argv)
    args.use_cpu = False

    gpus = options.nodes * options.gpus
    generating_gpus = script_args.vllm_nodes * options.gpus if stage == "grpo" else 0
    training_gpus = gpus - generating_gpus
    if training_gpus < 1:
        raise RecipeError(
            f"--nodes: found {options.nodes}, of which {script_args.vllm_nodes} generate; none is left for training."
        )
    shape = read_shape(model_args, args.seed)
    workload = _workload(script_args, args, training_gpus, options)
    if stage == "grpo":
        smallest = smallest_engine(shape, GPUS[options.gpu])
        wanted = max(args.vllm_tensor_parallel_size or 1, smallest)
        workload.engine_gpus = min(generating_gpus or gpus, wanted)
        workload.generating_gpus = generating_gpus
        workload.steps_of_a_round = steps_of_a_round(args)
    share = sharding(script_args.accelerate_config)
    plan = make_plan(shape, model_args, args, workload, options.gpu, training_gpus, share)
    if is_offloaded(script_args.accelerate_config):
        plan.unchecked.append("offloading, which is not taken into account")
    reward_models = _reward_model_parameters(getattr(script_args, "rewards", []), args.seed)
    if reward_models:
        plan.memory["reward models"] = BYTES_PER_WEIGHT * reward_models / GIB
        plan.unchecked.append("the models of preference rewards")
    return plan


def read_shape(model_args: ModelConfig, seed: int) -> ModelShape:
    """Reads the size of a recipe's model. If another recipe has yet to produce the model, uses that recipe's model.

    Raises:
        RecipeError: If the configuration cannot be read.
    """
    name = model_args.model_name_or_path
    if is_function(name):
        model, _ = build_model(name, seed)
        return ModelShape.from_config(model.config)
    if is_path(name) and not (Path(name) / "config.json").is_file():
        producer, _ = find_producer(name)
        if producer is not None:
            return read_shape(ModelConfig(model_name_or_path=producer["model_name_or_path"]), seed)
    known = known_shape(name)
    if known is not None:
        return known
    try:
        config = AutoConfig.from_pretrained(name, revision=model_args.model_revision)
    except (OSError, ValueError) as error:
        raise RecipeError(f"model_name_or_path: the configuration of {name!r} cannot be read: {error}") from error
    return ModelShape.from_config(config)


def _reward_model_parameters(rewards: list[RewardSpec], seed: int) -> int:
    """Number of parameters of the models of preference rewards that stay on every GPU.

    With `offload: true` a model is there only while it scores, when the activations of training are not.
    """
    parameters = 0
    for reward in rewards:
        if "model" in reward.params and not reward.params.get("offload"):
            model_args = ModelConfig(model_name_or_path=reward.params["model"])
            parameters += read_shape(model_args, seed).parameters
    return parameters


def _workload(script_args: ScriptArguments, args: Any, training_gpus: int, options: Namespace) -> Workload:
    """The work of a training run, from its arguments and the options of `plan.py`."""
    if args.max_steps <= 0 and options.rows is None:
        raise RecipeError(
            "max_steps: the recipe has none; give the number of rows of its data set, such as --rows 10000."
        )
    generates = hasattr(args, "max_completion_length")
    longest = args.max_completion_length if generates else args.max_length
    if longest is None:
        raise RecipeError("max_length: the recipe has no limit; set one: --max_length 4096.")
    longest_prompt = 0
    if generates:
        longest_prompt = script_args.max_prompt_length or LONGEST_PROMPT

    mean_length = options.mean_length or longest / 2
    rows = options.rows
    if getattr(args, "packing", False):
        if rows:
            rows = rows * mean_length / longest
        mean_length = longest  # every sequence is full
    sequences = args.per_device_train_batch_size * args.gradient_accumulation_steps * training_gpus
    steps = args.max_steps
    if steps <= 0:
        sequences_per_row = getattr(args, "num_generations", 1) * getattr(args, "num_iterations", 1)
        steps = math.ceil(rows * sequences_per_row * args.num_train_epochs / sequences)
    return Workload(
        sequences=sequences,
        per_device=args.per_device_train_batch_size,
        longest_prompt=longest_prompt,
        longest=longest,
        mean_length=mean_length,
        steps=steps - options.from_step,
    )
