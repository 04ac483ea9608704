"""How a recipe becomes small enough for a CPU: options for its command line, and the list of what is left out.

Everything else is the recipe's own: model id, data sets, columns, templates, rewards, optimizer, schedules and the
order of a round. Geometry is reduced in proportion: a recipe that takes several optimizer steps per rollout still
does, one that accumulates gradients still does, and sources that join late still join late.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from open_r1.configs.recipes import command_of, read_recipe, stage_of
from open_r1.configs.stages import BUILDERS, TRAINING


# What a CPU cannot do, or what these runs replace; the table of smoke runs ends with this list.
LEFT_OUT = {
    "flash attention": "needs a GPU; PyTorch's own attention (sdpa) instead",
    "4 bits": "bitsandbytes quantizes on GPUs; full weights instead",
    "bf16": "meant for GPUs; float32 instead",
    "vLLM": "needs a GPU; transformers generates instead, and for builders a scripted server",
    "several processes": "ZeRO, FSDP and data parallelism; one process instead (tests/distributed has several)",
    "tracking": "Trackio; no report instead",
    "servers": "a scripted server answers for the models of `base_urls`, such as DeepSeek-R1 in FP8",
}
# Recipes that are run as they are, and by what.
RUN_AS_THEY_ARE = {
    "recipes/SmolLM2-135M-Instruct/pipeline_laptop.yaml": "`make laptop` runs it; its stages are in pipeline.yaml",
}
COMPLETION_LENGTH = 16  # tokens
SEQUENCE_LENGTH = 512
PROMPTS = 2
SERVED_PROMPTS = 30


@dataclass
class SmokeRun:
    """A command that smoke runs run.

    Args:
        path (`Path`): The recipe.
        stage (`str`): Its stage, a key of `STAGES`.
        command (`list[str]`): The command, without the interpreter.
        output_dir (`str`): Where it writes.
        options (`dict`): What its command line sets.
        left_out (`list[str]`): Keys of `LEFT_OUT`.
        label (`str`): What distinguishes it from other runs of the same recipe.
        steps (`int`): Steps that it trains.
        stages (`dict[str, SmokeRun]`): The runs of a pipeline's stages, by name.
        model (`str`): The architecture of its model.
    """

    path: Path
    stage: str
    command: list[str]
    output_dir: str
    options: dict[str, Any]
    left_out: list[str] = field(default_factory=list)
    label: str = ""
    steps: int = 0
    stages: dict[str, "SmokeRun"] = field(default_factory=dict)
    model: str = ""

    @property
    def name(self) -> str:
        """Its name in the table."""
        parts = self.path.parts
        name = "/".join(parts[parts.index("recipes") + 1 :])
        return f"{name} ({self.label})" if self.label else name


def reduce_training(path: Path) -> SmokeRun:
    """A training recipe for two steps, or four if there are sources that join late.

    Args:
        path (`Path`): The recipe.
    """
    recipe, stage = read_recipe(str(path)), stage_of(path)
    options: dict[str, Any] = {"use_cpu": True, "report_to": "none", "logging_steps": 1}
    left_out = ["several processes"]
    if recipe.get("report_to", "none") != "none":
        left_out.append("tracking")
    if recipe.get("bf16"):
        options["bf16"] = False
        left_out.append("bf16")
    if recipe.get("dtype"):
        options["dtype"] = "float32"
    if str(recipe.get("attn_implementation", "")).startswith(("flash", "kernels")):
        options["attn_implementation"] = "sdpa"
        left_out.append("flash attention")
    if recipe.get("load_in_4bit"):
        options |= {"load_in_4bit": False, "use_bnb_nested_quant": False}
        left_out.append("4 bits")
    if recipe.get("dataset_num_proc"):
        options["dataset_num_proc"] = 2
    if "eval_strategy" in recipe:
        options |= {"eval_steps": 2, "max_eval_samples": 4, "per_device_eval_batch_size": 4}
    accumulated = min(recipe.get("gradient_accumulation_steps", 1), 2)
    options["gradient_accumulation_steps"] = accumulated
    steps = 2
    if stage in ("sft", "reward_model"):
        options |= {"per_device_train_batch_size": 1, "max_length": SEQUENCE_LENGTH}
    else:
        options["max_completion_length"] = COMPLETION_LENGTH
        options["per_device_train_batch_size"] = 2
        if recipe.get("max_prompt_length", SEQUENCE_LENGTH) < SEQUENCE_LENGTH:
            options["max_prompt_length"] = SEQUENCE_LENGTH  # a made tokenizer has a token for each byte
        if recipe.get("use_vllm"):
            options["use_vllm"] = False
            left_out.append("vLLM")
        if recipe.get("vllm_nodes"):
            options["vllm_nodes"] = 0
    if stage == "grpo":
        round_options, steps = _reduce_round(recipe, accumulated)
        options |= round_options
    if "resume_from_checkpoint" in recipe:  # the last checkpoint of another recipe, which has as many steps
        options["resume_from_checkpoint"] = f"{Path(recipe['resume_from_checkpoint']).parent}/checkpoint-{steps}"
        steps *= 2
    options |= {"max_steps": steps, "save_steps": steps}
    return _run(path, stage, options, recipe, left_out, steps=steps)


def _reduce_round(recipe: dict[str, Any], accumulated: int) -> tuple[dict[str, Any], int]:
    """The geometry of a round of GRPO, and the number of steps to train."""
    options: dict[str, Any] = {"num_generations": 2}
    was_accumulated = recipe.get("gradient_accumulation_steps", 1)
    per_rollout = (recipe.get("steps_per_generation") or was_accumulated) / was_accumulated
    steps_of_a_round = recipe.get("num_iterations", 1)
    if "steps_per_generation" in recipe:
        minibatches = 2 if per_rollout > 1 else 1
        options["steps_per_generation"] = minibatches * accumulated
        steps_of_a_round *= minibatches
    if recipe.get("sync_ref_model"):
        options["ref_model_sync_steps"] = 1
    rounds = 2 // steps_of_a_round or 1
    sources = [dict(source) for source in recipe.get("sources", [])]
    if any(source.get("from_step") or source.get("until_step") for source in sources):
        rounds = 2
        for source in sources:
            for key in ("from_step", "until_step"):
                if source.get(key):
                    source[key] = steps_of_a_round
        options["sources"] = sources
    return options, rounds * steps_of_a_round


def reduce_generation(path: Path, urls: list[str], serve: bool = False) -> SmokeRun:
    """A recipe for generation: with the scripted server if it asks for servers, else with transformers.

    Args:
        path (`Path`): The recipe.
        urls (`list[str]`): The scripted server.
        serve (`bool`, *optional*, defaults to `False`):
            Whether the scripted server takes the place of vLLM, so that later stages have right completions.
    """
    recipe = read_recipe(str(path))
    output_dir = recipe["output_dir"]
    options: dict[str, Any] = {}
    if recipe.get("backend") == "server" or serve:
        options |= {"max_prompts": SERVED_PROMPTS, "base_urls": urls, "concurrency": 4, "backend": "server"}
        left_out, label = ["servers"], ""
        if recipe.get("backend") == "vllm":
            left_out, label = ["vLLM"], "served"
    else:
        options |= {"max_prompts": PROMPTS, "max_completion_length": COMPLETION_LENGTH, "batch_size": 4}
        options |= {"backend": "transformers"}
        output_dir = f"{output_dir}-smoke"
        left_out, label = ["vLLM"] if recipe.get("backend") == "vllm" else [], ""
    if recipe.get("num_generations", 1) > 2:
        options["num_generations"] = 2
    if output_dir != recipe["output_dir"]:
        options["output_dir"] = output_dir
    return _run(path, "generate", options, recipe, left_out, label)


def reduce_evaluation(path: Path, urls: list[str]) -> SmokeRun:
    """A recipe for evaluation: two problems of each benchmark, two completions each.

    Args:
        path (`Path`): The recipe.
        urls (`list[str]`): The scripted server.
    """
    recipe = read_recipe(str(path))
    benchmarks = []
    for entry in recipe["benchmarks"]:
        entry = {"name": entry} if isinstance(entry, str) else entry
        benchmarks.append(entry | {"max_prompts": PROMPTS, "num_generations": 2})
    options: dict[str, Any] = {"benchmarks": benchmarks}
    left_out = ["servers"]
    if recipe.get("backend") == "server":
        options |= {"base_urls": urls, "concurrency": 4}
    else:
        left_out = ["vLLM"] if recipe.get("backend") == "vllm" else []
        options |= {"backend": "transformers", "max_completion_length": COMPLETION_LENGTH, "batch_size": 8}
    return _run(path, "evaluation", options, recipe, left_out)


def reduce_builder(path: Path, urls: list[str], folder: Path) -> SmokeRun:
    """A recipe for data: as it is, but the models that it asks are those of the scripted server.

    Args:
        path (`Path`): The recipe.
        urls (`list[str]`): The scripted server.
        folder (`Path`): For reduced copies of the recipes of those models.
    """
    recipe = read_recipe(str(path))
    options: dict[str, Any] = {}
    for key in ("rewriter", "judge"):
        if key in recipe:
            options[key] = _served_copy(recipe[key], urls, folder)
    sources = []
    for source in recipe.get("sources", []):
        if "teacher" in source:
            source = source | {"teacher": _served_copy(source["teacher"], urls, folder)}
        sources.append(source)
    if sources != recipe.get("sources", []):
        options["sources"] = sources
    left_out = ["servers"] if options else []
    if "num_rows" in recipe:
        options["num_rows"] = 40
    options["num_proc"] = 1  # so few rows are not worth more
    return _run(path, stage_of(path), options, recipe, left_out)


def reduce_pipeline(path: Path, urls: list[str], folder: Path) -> SmokeRun:
    """A pipeline with all of its stages, each reduced as on its own.

    Args:
        path (`Path`): The recipe.
        urls (`list[str]`): The scripted server.
        folder (`Path`): For reduced copies of recipes.
    """
    recipe = read_recipe(str(path))
    entries, runs = [], {}
    for entry in recipe["stages"]:
        run = reduce(Path(entry["config"]), urls, folder, serve=True)
        run.label = "in its pipeline"
        runs[entry["name"]] = run
        entries.append(entry | {"set": entry.get("set", {}) | run.options})
    options = {"launcher": "python", "stages": entries}
    pipeline = _run(path, "pipeline", options, recipe, [])
    pipeline.stages = runs
    return pipeline


def reduce(path: Path, urls: list[str], folder: Path, serve: bool = False) -> SmokeRun:
    """Any recipe at the size of a smoke run.

    Args:
        path (`Path`): The recipe.
        urls (`list[str]`): The scripted server.
        folder (`Path`): For reduced copies of recipes that it names.
        serve (`bool`, *optional*, defaults to `False`): Whether the scripted server takes the place of vLLM.
    """
    if path.name.startswith("pipeline"):
        return reduce_pipeline(path, urls, folder)
    stage = stage_of(path)
    if stage in TRAINING:
        return reduce_training(path)
    if stage == "generate":
        return reduce_generation(path, urls, serve)
    if stage == "evaluation":
        return reduce_evaluation(path, urls)
    if stage in BUILDERS:
        return reduce_builder(path, urls, folder)
    raise LookupError(f"{path}: the stage {stage!r} has no smoke run; add one to tests/smoke/reductions.py")


def _served_copy(path: str, urls: list[str], folder: Path) -> str:
    """A copy of a recipe for generation that asks the scripted server."""
    run = reduce_generation(Path(path), urls, serve=True)
    copy = folder / "generate" / f"{Path(path).parts[1]}-{Path(path).name}"
    copy.parent.mkdir(parents=True, exist_ok=True)
    options = read_recipe(path) | run.options
    options.pop("max_prompts")  # all requests of a builder are answered
    copy.write_text(yaml.safe_dump(options, allow_unicode=True))
    return str(copy)


def _run(
    path: Path,
    stage: str,
    options: dict[str, Any],
    recipe: dict[str, Any],
    left_out: list[str],
    label: str = "",
    steps: int = 0,
) -> SmokeRun:
    command = ["-m", "open_r1.pipeline", "--config", str(path)] if stage == "pipeline" else command_of(path)
    for key, value in options.items():
        command += [f"--{key}", *_words(value)]
    output_dir = options.get("output_dir", recipe.get("output_dir"))
    return SmokeRun(path, stage, command, output_dir, options, left_out, label, steps)


def _words(value: Any) -> list[str]:
    """A value as words of a command line."""
    items = value if isinstance(value, list) else [value]
    return [json.dumps(item) if isinstance(item, dict | bool) else str(item) for item in items]
