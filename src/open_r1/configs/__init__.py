"""The options that our scripts add to TRL's: one dataclass per stage, which checks itself when it is created.

`parser` reads recipes; `stages` lists the stages that a recipe can be for. Nothing here imports torch or TRL, so a
mistake in a recipe is reported at once.
"""

from open_r1.configs.benchmarks import BENCHMARKS, Benchmark
from open_r1.configs.builders import (
    BuilderArguments,
    ColdStartArguments,
    DistillArguments,
    RejectionArguments,
    SelectionArguments,
    Source,
)
from open_r1.configs.common import DatasetArguments, PromptArguments, ScriptArguments
from open_r1.configs.dataset import DatasetSpec
from open_r1.configs.evaluation import EvaluationArguments
from open_r1.configs.generation import GenerateArguments, MergeArguments
from open_r1.configs.pipeline import SEED, PaperClaim, PipelineArguments, PipelineStage
from open_r1.configs.reward_spec import GradeArguments, RewardSpec
from open_r1.configs.training import (
    DistillationScriptArguments,
    GRPOScriptArguments,
    PromptSource,
    RewardModelScriptArguments,
    RolloutArguments,
    RunArguments,
    SFTScriptArguments,
    steps_of_a_round,
)
