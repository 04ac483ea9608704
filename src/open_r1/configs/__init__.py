"""The options that our scripts add to TRL's: one dataclass a stage, checked as soon as they are filled.

No import of torch or TRL here: rewards, which read their part of a recipe, load in a fraction of a second.
"""

from open_r1.configs.base import Entry, PromptArguments, RewardSpec, ScriptArguments
from open_r1.configs.builders import (
    BuilderArguments,
    ColdStartArguments,
    DistillArguments,
    RejectionArguments,
    SelectionArguments,
    Source,
)
from open_r1.configs.dataset import DatasetSpec
from open_r1.configs.evaluation import BENCHMARKS, Benchmark, EvaluationArguments
from open_r1.configs.generation import GenerateArguments
from open_r1.configs.pipeline import SEED, PaperClaim, PipelineArguments, PipelineStage
from open_r1.configs.results import GradeArguments, MergeArguments, ReportArguments
from open_r1.configs.training import (
    DistillationScriptArguments,
    GRPOScriptArguments,
    PromptSource,
    RewardModelScriptArguments,
    RunArguments,
    SFTScriptArguments,
    steps_of_a_round,
)


__all__ = [
    "BENCHMARKS", "Benchmark", "BuilderArguments", "PaperClaim", "ColdStartArguments", "DatasetSpec", "DistillArguments", "DistillationScriptArguments", "Entry", "EvaluationArguments", "GRPOScriptArguments", "GenerateArguments", "GradeArguments", "MergeArguments",
    "PipelineArguments", "PromptArguments", "PromptSource", "RejectionArguments", "ReportArguments", "RewardModelScriptArguments", "RewardSpec", "RunArguments", "SFTScriptArguments", "ScriptArguments",
    "SEED", "SelectionArguments", "Source", "PipelineStage", "steps_of_a_round",
]  # fmt: skip
