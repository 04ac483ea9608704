"""Options of `report.py`."""

from dataclasses import dataclass, field

from open_r1.configs.common import StageArguments
from open_r1.utils.errors import RecipeError


@dataclass
class ReportArguments(StageArguments):
    """Options of the report on a run or a pipeline."""

    run_dir: str | None = field(default=None, metadata={"help": "output_dir of a GRPO run."})
    pipeline: str | None = field(
        default=None, metadata={"help": "Recipe of a pipeline, to report on all its stages and seeds."}
    )
    seeds: list[int] = field(default_factory=list, metadata={"help": "Seeds of the pipeline; by default its own."})
    report_dir: str | None = field(
        default=None, metadata={"help": "Folder for the report; by default `report` in the output folder."}
    )
    examples: int = field(default=4, metadata={"help": "Number of prompts to show with completions before and after."})

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.run_dir) == bool(self.pipeline):
            raise RecipeError("run_dir: name the output_dir of a GRPO run, or a `pipeline`.")
