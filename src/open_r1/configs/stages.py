"""The stages: what each does, the module that runs it, and the dataclasses that its recipes fill."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from open_r1.configs.builders import ColdStartArguments, DistillArguments, RejectionArguments
from open_r1.configs.evaluation import EvaluationArguments
from open_r1.configs.generation import GenerateArguments, MergeArguments
from open_r1.configs.options import Option, options_of
from open_r1.configs.pipeline import PipelineArguments
from open_r1.configs.report import ReportArguments
from open_r1.configs.reward_spec import GradeArguments
from open_r1.configs.training import (
    DistillationScriptArguments,
    GRPOScriptArguments,
    RewardModelScriptArguments,
    SFTScriptArguments,
)


# The options of TRL's `ModelConfig` that inference needs; the others are about adapters and quantization for training.
INFERENCE_OPTIONS = ("model_name_or_path", "model_revision", "dtype", "attn_implementation")
# TRL loads models in float32, in order to train them. For inference they keep the type in which they were saved:
# float32 takes twice the memory, and vLLM has neither FlashAttention nor FP8 for it.
INFERENCE_DEFAULTS = {"dtype": "auto"}

# Entries of `benchmarks` and `sources` each name their own data set, so these options are an error there.
DATASET_OPTIONS = ("dataset_name", "dataset_config", "dataset_params", "dataset_train_split")


@dataclass(frozen=True)
class Stage:
    """A stage: what one kind of recipe does.

    Args:
        summary (`str`): What it does, in one line.
        module (`str`): The module that runs it.
        arguments (`type`): The dataclass of our own options.
        example (`str`, *optional*): A recipe to begin with, in the folder of recipes.
        trainer_config (`str`, *optional*): The name of TRL's dataclass of a trainer's options.
        has_model (`bool`, *optional*, defaults to `False`): Whether it takes any options of `ModelConfig`.
        model_options (`tuple[str, ...]`, *optional*): The options of `ModelConfig` that it takes; by default all.
        model_defaults (`dict`, *optional*): Defaults of `ModelConfig` that differ from TRL's.
        unused (`tuple[str, ...]`, *optional*): Options of `arguments` that the help leaves out.
    """

    summary: str
    module: str
    arguments: type
    example: str | None = None
    trainer_config: str | None = None
    has_model: bool = False
    model_options: tuple[str, ...] | None = None
    model_defaults: dict[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    @property
    def library_classes(self) -> list[str]:
        """The names of the TRL dataclasses that a recipe fills in addition to ours."""
        names = []
        if self.trainer_config:
            names.append(self.trainer_config)
        if self.has_model:
            names.append("ModelConfig")
        return names

    @property
    def command(self) -> list[str]:
        """How to run it, without the interpreter: a script of the repository by path, else `-m` and the module.

        A module inside a room is never run by path, since that would put its folder on `sys.path`.
        """
        package, _, name = self.module.rpartition(".")
        script = Path("src", package, f"{name}.py")
        if package == "open_r1" and script.is_file():
            return [str(script)]
        return ["-m", self.module]

    def options(self) -> dict[str, Option]:
        """All keys that its recipes can have."""
        options = options_of(self.arguments)
        if self.trainer_config:
            options |= options_of(self.trainer_config)
        if self.has_model:
            model_options = options_of("ModelConfig")
            options |= {name: model_options[name] for name in self.model_options or model_options}
        for name, default in self.model_defaults.items():
            options[name] = replace(options[name], default=default)
        return options


def _trainer(summary: str, name: str, arguments: type, trainer_config: str, example: str) -> Stage:
    return Stage(summary, f"open_r1.{name}", arguments, example, trainer_config, has_model=True)


def _inference(summary: str, name: str, arguments: type, example: str, unused: tuple[str, ...] = ()) -> Stage:
    return Stage(
        summary,
        f"open_r1.{name}",
        arguments,
        example,
        has_model=True,
        model_options=INFERENCE_OPTIONS,
        model_defaults=INFERENCE_DEFAULTS,
        unused=unused,
    )


STAGES = {
    "sft": _trainer(
        "supervised fine-tuning", "sft", SFTScriptArguments, "SFTConfig", example="tiny/sft/config_base.yaml"
    ),
    "grpo": _trainer(
        "reinforcement learning with verifiable rewards",
        "grpo",
        GRPOScriptArguments,
        "GRPOConfig",
        example="tiny/grpo/config_zero.yaml",
    ),
    "reward_model": _trainer(
        "train a reward model",
        "reward_model",
        RewardModelScriptArguments,
        "RewardConfig",
        example="tiny/reward_model/config_helpfulness.yaml",
    ),
    "distillation": _trainer(
        "on-policy distillation",
        "distillation",
        DistillationScriptArguments,
        "DistillationConfig",
        example="tiny/distillation/config_on_policy.yaml",
    ),
    "generate": _inference(
        "sample completions from a model or from servers",
        "generate",
        GenerateArguments,
        example="tiny/generate/config_zero.yaml",
    ),
    "evaluation": _inference(
        "avg@k, pass@k and cons@k on benchmarks",
        "evaluation",
        EvaluationArguments,
        example="tiny/eval/config_heldout.yaml",
        unused=(*DATASET_OPTIONS, "dataset_prompt_column", "num_generations", "max_prompts"),
    ),
    "cold_start": Stage(
        "build the cold-start data set",
        "open_r1.builders.cold_start",
        ColdStartArguments,
        example="tiny/data/config_cold_start.yaml",
    ),
    "rejection_sampling": Stage(
        "build a data set of verified completions",
        "open_r1.builders.rejection_sampling",
        RejectionArguments,
        example="tiny/data/config_rejection.yaml",
    ),
    "distill": Stage(
        "build the mixture for fine-tuning",
        "open_r1.builders.distill",
        DistillArguments,
        example="tiny/data/config_distill.yaml",
        unused=DATASET_OPTIONS,
    ),
    "merge": Stage("merge the shards of an array job into one file", "open_r1.generation.merge", MergeArguments),
    "rewards": Stage("grade a file of completions", "open_r1.rewards", GradeArguments),
    "pipeline": Stage(
        "run several stages in order", "open_r1.pipeline", PipelineArguments, example="tiny/pipeline.yaml"
    ),
    "report": Stage("report on a run or on a pipeline", "open_r1.report", ReportArguments),
}
TRAINING = [name for name, stage in STAGES.items() if stage.trainer_config]
# Their recipes are in folders called `data`.
BUILDERS = [name for name, stage in STAGES.items() if stage.module.startswith("open_r1.builders.")]
