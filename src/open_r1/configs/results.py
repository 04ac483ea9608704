"""Options of what looks at results: grading a file, the report on a run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from open_r1.configs.base import RewardSpec, ScriptArguments
from open_r1.utils.errors import RecipeError


@dataclass
class GradeArguments(ScriptArguments):
    """Grading a file of completions."""

    dataset_completion_column: str = field(
        default="completion", metadata={"help": "Column of completions, text or messages."}
    )
    dataset_solution_column: str = field(default="solution", metadata={"help": "Column that holds the gold answer."})
    dataset_prompt_column: str = field(default="prompt", metadata={"help": "Column that holds the question."})
    dataset_domain_column: str = field(
        default="domain", metadata={"help": "Column that says which rewards a row is for."}
    )
    reward_funcs: list[str] = field(
        default_factory=lambda: ["accuracy"], metadata={"help": "Rewards, as in a recipe."}
    )
    thought_opened: bool = field(
        default=False, metadata={"help": "The prompts ended with `<think>`, which the completions lack."}
    )
    output_path: str | None = field(
        default=None, metadata={"help": "Write the graded rows there, .jsonl or .parquet."}
    )

    rewards: list[RewardSpec] = field(default_factory=list, init=False)  # `reward_funcs`, parsed

    @property
    def columns(self) -> dict[str, str]:
        return {
            "completion": self.dataset_completion_column,
            "solution": self.dataset_solution_column,
            "prompt": self.dataset_prompt_column,
            "domain": self.dataset_domain_column,
        }

    def __post_init__(self):
        super().__post_init__()
        self.rewards = RewardSpec.parse_all(self.reward_funcs)
        if self.output_path:
            check_output(self.output_path)


@dataclass
class MergeArguments(ScriptArguments):
    """Shards as one file."""

    output_path: str | None = field(default=None, metadata={"help": "The file, .jsonl or .parquet; none only checks."})

    def __post_init__(self):
        super().__post_init__()
        if self.output_path:
            check_output(self.output_path)


def check_output(path: str):
    """Stops if rows cannot be written to a path."""
    if Path(path).suffix not in (".jsonl", ".parquet") or Path(path).is_dir():
        raise RecipeError(f"output_path: found {path!r}; expected the name of a file that ends in .jsonl or .parquet.")


@dataclass
class ReportArguments:
    """The report on a run, or on a pipeline."""

    run_dir: str | None = field(default=None, metadata={"help": "output_dir of a GRPO run."})
    pipeline: str | None = field(
        default=None, metadata={"help": "Recipe of a pipeline, to report on all its stages and seeds."}
    )
    seeds: list[int] = field(default_factory=list, metadata={"help": "Seeds of the pipeline; by default its own."})
    report_dir: str | None = field(
        default=None, metadata={"help": "Where to write; by default `report` in the folder of the outputs."}
    )
    examples: int = field(default=4, metadata={"help": "Prompts to show with a completion before and after."})
    dry_run: bool = field(default=False, metadata={"help": "Say what would be read and written, and stop."})
    recipe: str | None = field(default=None, init=False)
    keys: dict[str, Any] = field(default_factory=dict, init=False)
    env: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self):
        if bool(self.run_dir) == bool(self.pipeline):
            raise RecipeError("run_dir: name the output_dir of a GRPO run, or a `pipeline`.")
