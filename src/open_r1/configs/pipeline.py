"""Options of `pipeline.py`."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from open_r1.configs.common import StageArguments
from open_r1.configs.entry import Entry
from open_r1.utils.errors import RecipeError, did_you_mean


SEED = 42  # the default of all scripts; its outputs go to the folders that the recipes name


@dataclass
class PipelineStage(Entry):
    """One stage of a pipeline.

    Args:
        name (`str`): Its name, which other stages list in `needs`.
        config (`str`): Path of its recipe.
        needs (`list`, *optional*): Names of the stages whose output it reads.
        set (`dict`, *optional*): Keys and values that override the recipe's.
        launcher (`str`, *optional*): Command that starts its script, instead of the pipeline's launcher.
        slurm (`str`, *optional*):
            Options of sbatch for its job, appended to the pipeline's, such as `--nodes 2 --gpus-per-node 8`.
    """

    option: ClassVar[str] = "stages"

    name: str
    config: str = ""
    needs: list = field(default_factory=list)
    set: dict = field(default_factory=dict)
    launcher: str | None = None
    slurm: str = ""

    def __post_init__(self) -> None:
        if not self.config:
            raise RecipeError(f"stages: {self.name!r} has no config; expected the path of its recipe.")
        if not re.fullmatch(r"\w[\w.-]*", str(self.name)):
            raise RecipeError(
                f"stages: found the name {self.name!r}; expected letters, digits, `.` and `-`, since it names files."
            )
        for key, value in self.set.items():
            if value is None:
                raise RecipeError(
                    f"stages: {self.name!r}: set: {key} is null, which no command line can say; use another recipe."
                )
        self.require_file("config")


@dataclass
class PaperClaim(Entry):
    """A claim of the paper that the evaluations of a pipeline confirm or refute.

    Args:
        claim (`str`): The claim in words.
        of (`str`):
            An evaluation, by the last part of its `output_dir`; with `throughout` or `rises`, a stage of reinforcement
            learning.
        measure (`str`):
            `benchmark/measure`, such as `problems/accuracy`, `problems/language mixing` or `problems/tokens`; with
            `throughout`, a reward; with `rises`, `length` or another key of the log.
        versus (`str`, *optional*): Another evaluation, whose value is subtracted.
        versus_measure (`str`, *optional*): The measure of that evaluation, if it is another one.
        least (`float`, *optional*):
            Lower bound of the value or of the difference; without it, the difference must be above 0.
        most (`float`, *optional*): Upper bound of the value or of the difference, instead of a lower bound.
        least_ratio (`float`, *optional*): Lower bound of the ratio to the other evaluation's value.
        most_ratio (`float`, *optional*): Upper bound of that ratio.
        rank_correlation_with (`str`, *optional*):
            A column of the benchmark's data set. The claim is then about Spearman's rank correlation of the measure
            with it, over problems.
        throughout (`bool`, *optional*, defaults to `False`):
            Whether the claim must hold in every evaluation during that stage's training.
        rises (`int`, *optional*):
            The claim is then about Spearman's rank correlation of the measure with the step, on training prompts,
            until the measure reaches its plateau; that must take at least this number of logged steps.
    """

    option: ClassVar[str] = "claims"

    claim: str
    of: str = ""
    measure: str = ""
    versus: str | None = None
    versus_measure: str | None = None
    least: float | None = None
    most: float | None = None
    least_ratio: float | None = None
    most_ratio: float | None = None
    rank_correlation_with: str | None = None
    throughout: bool = False
    rises: int | None = None

    def __post_init__(self) -> None:
        has_measure = self.rises is not None or self.measure.count("/") == (0 if self.throughout else 1)
        if not self.of or not self.measure or not has_measure:
            example = "language_consistency" if self.throughout else "problems/accuracy"
            raise RecipeError(f"claims: {self.claim!r} needs `of` and `measure`, such as {example}.")
        self._check_bounds()
        if self.versus_measure is not None and self.versus_measure.count("/") != 1:
            raise RecipeError(
                f"claims: {self.claim!r}: versus_measure is {self.versus_measure!r}; expected `benchmark/measure`."
            )

    @property
    def is_about_training(self) -> bool:
        """Whether it is about a stage's training rather than about evaluations."""
        return self.throughout or self.rises is not None

    @property
    def is_about_ratio(self) -> bool:
        """Whether it is about a ratio rather than a difference."""
        return self.least_ratio is not None or self.most_ratio is not None

    def _check_bounds(self) -> None:
        bounds = {
            "least": self.least,
            "most": self.most,
            "least_ratio": self.least_ratio,
            "most_ratio": self.most_ratio,
        }
        given = [name for name, value in bounds.items() if value is not None]
        if len(given) > 1:
            raise RecipeError(f"claims: {self.claim!r}: choose one of {', '.join(given)}.")
        kinds = {
            "throughout": self.throughout,
            "rises": self.rises is not None,
            "rank_correlation_with": self.rank_correlation_with is not None,
        }
        if sum(kinds.values()) > 1:
            raise RecipeError(f"claims: {self.claim!r}: choose one of {', '.join(kinds)}.")
        if self.rises is not None:
            self.require_positive("rises")
        if any(kinds.values()):
            if self.versus or self.is_about_ratio or (self.throughout and self.most is not None):
                raise RecipeError(
                    f"claims: {self.claim!r}: `throughout`, `rises` and `rank_correlation_with` are about one model; "
                    "leave out versus and ratios, and for `throughout`, most."
                )
        if self.versus is None:
            for name in ("least_ratio", "most_ratio", "versus_measure"):
                if getattr(self, name) is not None:
                    raise RecipeError(f"claims: {self.claim!r} has a {name}, but no `versus`.")
            if not given and any(kinds.values()):
                raise RecipeError(f"claims: {self.claim!r} needs `least`, or `most`.")
            if not given:
                raise RecipeError(f"claims: {self.claim!r} needs `versus`, `least` or `most`.")


@dataclass
class PipelineArguments(StageArguments):
    """Stages in order, each with its recipe and the stages that it needs."""

    output_dir: str | None = field(
        default=None,
        metadata={"help": "Folder of all outputs; for seeds other than 42, `-<seed>` is appended."},
    )
    stages: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Stages: mappings such as `- {name: dev1, config: recipes/tiny/sft/config_dev1.yaml, "
            "needs: [base]}`."
        },
    )
    claims: list[str] = field(
        default_factory=list, metadata={"help": "Claims that the report checks; see `PaperClaim`."}
    )
    seeds: list[int] = field(default_factory=lambda: [42], metadata={"help": "Seeds; all stages run once per seed."})
    jobs: int = field(default=1, metadata={"help": "Number of stages to run at once."})
    launcher: str = field(
        default="python", metadata={"help": "Command that starts training scripts, such as `accelerate launch`."}
    )
    slurm: str | None = field(
        default=None,
        metadata={
            "help": "Submit each stage as a Slurm job, with these options of sbatch ('' for none), instead of "
            "running it here."
        },
    )
    only: str | None = field(
        default=None,
        metadata={"help": "Run only this stage, unless it is done; the outputs that it needs must exist."},
    )
    from_stage: str | None = field(
        default=None,
        metadata={
            "help": "Run this stage and all that depend on it again; the outputs that it needs must exist.",
            "aliases": ["--from"],
        },
    )

    steps: list[PipelineStage] = field(default_factory=list, init=False)  # `stages`, parsed
    claimed: list[PaperClaim] = field(default_factory=list, init=False)  # `claims`, parsed

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.output_dir:
            raise RecipeError("output_dir: missing. Name the folder of all outputs.")
        self.output_dir = os.path.normpath(self.output_dir)
        if not self.stages:
            raise RecipeError("stages: missing. Name at least one stage.")
        if self.jobs < 1:
            raise RecipeError(f"jobs: found {self.jobs}; expected at least 1.")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise RecipeError(f"seeds: found {self.seeds}; expected at least one, each once.")
        if self.only and self.from_stage:
            raise RecipeError("only and from: choose one.")
        self.steps = [PipelineStage.parse(entry) for entry in self.stages]
        self.claimed = [PaperClaim.parse(entry) for entry in self.claims]
        claims = [claimed.claim for claimed in self.claimed]
        for claim in claims:
            if claims.count(claim) > 1:
                raise RecipeError(f"claims: found {claim!r} twice; expected different ones.")
        names = self._check_order()
        for option, name in {"only": self.only, "from": self.from_stage}.items():
            if name and name not in names:
                raise RecipeError(f"{option}: there is no stage {name!r}{did_you_mean(name, names)}")

    def _check_order(self) -> list[str]:
        """Checks that each stage comes after those that it needs, and returns the names of all stages."""
        names: list[str] = []
        for stage in self.steps:
            if stage.name in names:
                raise RecipeError(f"stages: found the name {stage.name!r} twice; expected different ones.")
            for need in stage.needs:
                if need not in names:
                    raise RecipeError(
                        f"stages: {stage.name!r} needs {need!r}, which is not a stage before it"
                        f"{did_you_mean(str(need), names)}"
                    )
            names.append(stage.name)
        return names

    def root(self, seed: int) -> str:
        """The folder of a seed's outputs.

        Args:
            seed (`int`): The seed.
        """
        return self.output_dir if seed == SEED else f"{self.output_dir}-{seed}"

    def home(self, seed: int) -> Path:
        """The folder of the pipeline's own files for a seed: states, logs, locks.

        Args:
            seed (`int`): The seed.
        """
        return Path(self.root(seed), ".pipeline")
