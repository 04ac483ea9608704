"""The plan of a recipe: its model, its batch and its lengths as numbers for `planning.estimate`."""

import math
from argparse import Namespace
from pathlib import Path
from typing import Any

from transformers import AutoConfig
from trl import ModelConfig

from open_r1.configs import ScriptArguments, steps_of_a_round
from open_r1.configs.parser import RecipeParser
from open_r1.configs.recipes import find_producer, stage_of
from open_r1.planning.estimate import GPUS, Plan, Shape, Work, engine_of, plan, sharding
from open_r1.utils.errors import RecipeError, did_you_mean
from open_r1.utils.imports import import_object, is_function, is_path


PLANNED = ("sft", "grpo", "reward_model")
LONGEST_PROMPT = 512  # tokens, where the recipe has no limit


def shape_of(model_args: ModelConfig, args: Any) -> Shape:
    """The recipe's model, in numbers; of one that another recipe has yet to make, that recipe's own.

    Raises:
        RecipeError: If its configuration cannot be had.
    """
    name = model_args.model_name_or_path
    if is_function(name):
        return Shape.of(import_object(name)(seed=args.seed)[0].config)
    if is_path(name) and not (Path(name) / "config.json").is_file() and (before := find_producer(name)[0]):
        return shape_of(ModelConfig(model_name_or_path=before["model_name_or_path"]), args)
    try:
        config = AutoConfig.from_pretrained(name, revision=model_args.model_revision)
    except (OSError, ValueError) as error:
        raise RecipeError(f"model_name_or_path: the configuration of {name!r} cannot be had: {error}") from error
    return Shape.of(config)


def work_of(script_args: ScriptArguments, args: Any, training: int, asked: Namespace) -> Work:
    """What a step has to do.

    Raises:
        RecipeError: If it is not known how many steps there are.
    """
    sequences = args.per_device_train_batch_size * args.gradient_accumulation_steps * training
    generates = hasattr(args, "max_completion_length")
    repeats = getattr(args, "num_generations", 1) * getattr(args, "num_iterations", 1)
    if args.max_steps <= 0 and asked.rows is None:
        raise RecipeError("max_steps: the recipe has none; say how many rows its data have: --rows 10000.")
    longest = args.max_completion_length if generates else args.max_length
    if longest is None:
        raise RecipeError("max_length: the recipe has no limit; say one, --max_length 4096.")
    prompt = (script_args.max_prompt_length or LONGEST_PROMPT) if generates else 0
    mean, rows = asked.mean_length or longest / 2, asked.rows
    if getattr(args, "packing", False):  # all sequences are full
        mean, rows = longest, rows and rows * mean / longest
    steps = args.max_steps if args.max_steps > 0 else math.ceil(rows * repeats * args.num_train_epochs / sequences)
    return Work(sequences, args.per_device_train_batch_size, prompt, longest, mean, steps - asked.from_step)


def planned(asked: Namespace, words: list[str]) -> Plan:
    """The plan of a recipe.

    Args:
        asked (`Namespace`): What `main` asks for.
        words (`list[str]`): Keys that take the place of the recipe's, as on its script's command line.

    Raises:
        RecipeError: If there is none.
    """
    if (stage := stage_of(Path(asked.recipe))) not in PLANNED:
        raise RecipeError(f"{asked.recipe}: is for {stage}; expected one of {', '.join(PLANNED)}.")
    if asked.gpu not in GPUS:
        raise RecipeError(f"--gpu: found {asked.gpu!r}{did_you_mean(asked.gpu, GPUS)}")
    script_args, args, model_args = RecipeParser(stage).parse(["--config", asked.recipe, "--use_cpu", "true", *words])
    args.use_cpu = False  # that was for the parser, which wants to see the GPU
    shape, gpus = shape_of(model_args, args), asked.nodes * asked.gpus
    drawing = script_args.vllm_nodes * asked.gpus if stage == "grpo" else 0
    if (training := gpus - drawing) < 1:
        raise RecipeError(
            f"--nodes: found {asked.nodes}, of which {script_args.vllm_nodes} generate; none is left to train."
        )
    work = work_of(script_args, args, training, asked)
    if stage == "grpo":
        work.round, work.generators = steps_of_a_round(args), drawing
        least = engine_of(shape, GPUS[asked.gpu])
        work.engines = min(drawing or gpus, max(args.vllm_tensor_parallel_size or 1, least))
    return plan(shape, model_args, args, work, asked.gpu, training, sharding(script_args.accelerate_config))
