"""Options of `evaluation.py`, and the benchmarks that it knows by name."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from open_r1.configs.dataset import DatasetSpec
from open_r1.configs.entry import Entry
from open_r1.configs.generation import GenerateArguments
from open_r1.configs.reward_spec import RewardSpec
from open_r1.utils.errors import RecipeError, parse_mapping


@dataclass
class Benchmark(Entry):
    """Problems, what is asked about them, and what judges the completions.

    Args:
        name (`str`): Of one that is known, whose fields the others then change; or a new one.
        dataset_name (`str`): As in a recipe: Hub id, file, folder or function.
        dataset_config (`str`, *optional*): Configuration of a Hub data set.
        dataset_params (`dict`, *optional*): Keyword arguments of the function that `dataset_name` names.
        dataset_split (`str`, *optional*, defaults to `"test"`): Split; a file has `train` only.
        dataset_prompt_column (`str`, *optional*, defaults to `"problem"`): Column of the question.
        dataset_solution_column (`str`, *optional*, defaults to `"answer"`): Column of the gold.
        user_template (`str`, *optional*): What a chat model is asked; by default the recipe's.
        reward_funcs (`list`, *optional*, defaults to `["accuracy"]`): Rewards; the first one says what is right.
        num_generations (`int`, *optional*, defaults to 16): Samples a problem.
        max_prompts (`int`, *optional*): Take the first so many problems only.
        standings (`str`, *optional*): A JSONL file with the standings of contests, for a Codeforces rating; see `evals/codeforces.py`.
    """

    option: ClassVar[str] = "benchmarks"

    name: str
    dataset_name: str | None = None
    dataset_config: str | None = None
    dataset_params: dict | None = None
    dataset_split: str = "test"
    dataset_prompt_column: str = "problem"
    dataset_solution_column: str = "answer"
    user_template: str | None = None
    reward_funcs: list = field(default_factory=lambda: ["accuracy"])
    num_generations: int = 16
    max_prompts: int | None = None
    standings: str | None = None

    @classmethod
    def parse(cls, entry: str | dict) -> "Benchmark":
        if isinstance(entry, str):
            entry = parse_mapping(entry, cls.option) if entry.lstrip().startswith("{") else {"name": entry}
        parsed = super().parse(BENCHMARKS.get(entry.get("name"), {}) | entry)
        if parsed.dataset_name is None:
            raise RecipeError(
                f"benchmarks: found {parsed.name!r}; expected one of {', '.join(BENCHMARKS)}, or a mapping with a dataset_name."
            )
        return parsed

    def __post_init__(self):
        self.require_file("user_template")
        self.require_file("standings")
        if self.num_generations < 1:
            raise RecipeError(
                f"benchmarks: num_generations of {self.name!r} is {self.num_generations}; expected at least 1."
            )
        self.rewards = RewardSpec.parse_all(self.reward_funcs)

    @property
    def dataset(self) -> DatasetSpec:
        """The data set that the `dataset_*` keys name."""
        return DatasetSpec(
            self.dataset_name,
            self.dataset_config,
            self.dataset_params or {},
            split=self.dataset_split,
            columns={"prompt": self.dataset_prompt_column, "solution": self.dataset_solution_column},
        )


# Samples a problem are the paper's (v2, D.1). Data sets are public copies; LiveCodeBench's original wants a script run.
BENCHMARKS: dict[str, dict[str, Any]] = {
    "aime24": {"dataset_name": "HuggingFaceH4/aime_2024", "dataset_split": "train", "num_generations": 64},
    "aime25": {"dataset_name": "yentinglin/aime_2025", "dataset_split": "train", "num_generations": 64},
    "amc23": {"dataset_name": "zwhe99/amc23", "dataset_prompt_column": "question"},
    "math500": {"dataset_name": "HuggingFaceH4/MATH-500"},
    "gsm8k": {
        "dataset_name": "openai/gsm8k", "dataset_config": "main", "dataset_prompt_column": "question", "num_generations": 4,
    },
    "gpqa": {
        "dataset_name": "open_r1.evals.benchmark_data:gpqa_diamond", "dataset_prompt_column": "question", "num_generations": 64,
        "user_template": "recipes/prompts/multiple_choice.jinja",
    },
    "livecodebench": {
        "dataset_name": "open_r1.evals.benchmark_data:livecodebench", "dataset_prompt_column": "question_content", "num_generations": 8,
        "dataset_params": {"since": "2024-08-01", "until": "2025-02-01"},  # the paper's dates (§3)
        "user_template": "recipes/prompts/program.jinja", "reward_funcs": ["code"],
    },
    "codeforces": {
        "dataset_name": "open_r1.evals.benchmark_data:codeforces", "dataset_prompt_column": "question_content",
        "user_template": "recipes/prompts/program.jinja", "reward_funcs": ["code"],
    },
}  # fmt: skip


@dataclass
class EvaluationArguments(GenerateArguments):
    """What is asked, and of how many samples what is said; sampling as in the paper (§3): temperature 0.6, top-p 0.95, 32,768 tokens."""

    benchmarks: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Benchmarks by name, or mappings: `- {name: aime24, num_generations: 16}`, "
            "`- {name: mine, dataset_name: my.jsonl, dataset_split: train, dataset_prompt_column: question}`."
        },
    )
    models: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Several models instead of model_name_or_path, each evaluated into a folder of its name in output_dir."
        },
    )
    compare: list[str] = field(
        default_factory=list, metadata={"help": "Folders of evaluations to show side by side; nothing is drawn."}
    )
    published: list[str] = field(
        default_factory=list,
        metadata={"help": "Models of the paper's tables to show beside ours, such as DeepSeek-R1."},
    )
    thought_opened: bool = field(
        default=False, metadata={"help": "The prompts end with `<think>`, which the completions lack."}
    )

    suite: list[Benchmark] = field(default_factory=list, init=False)  # `benchmarks`, parsed

    def require_data(self):
        if self.dataset_name:
            raise RecipeError("dataset_name: an evaluation has `benchmarks`; name the data set there.")
        if self.compare:
            for folder in self.compare:
                if not Path(folder, "eval.json").is_file():
                    raise RecipeError(f"compare: no eval.json in {folder!r}.")
        elif not self.benchmarks:
            raise RecipeError("benchmarks: missing. Name what to evaluate on.")

    def __post_init__(self):
        self.output_dir = self.output_dir or (self.compare and self.compare[0]) or None
        super().__post_init__()
        self.suite = [Benchmark.parse(entry) for entry in self.benchmarks]
        folders = [Path(model).name for model in self.models]
        if len(set(folders)) < len(folders):
            raise RecipeError(f"models: found {self.models}; their last parts name their folders and must differ.")
        names: list[Any] = [each.name for each in self.suite]
        if len(set(names)) < len(names):
            raise RecipeError(f"benchmarks: found {names}; expected each name once.")
