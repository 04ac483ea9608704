"""Options of `evaluation.py`. The benchmarks that it knows by name are in `configs/benchmarks.py`."""

from dataclasses import dataclass, field
from pathlib import Path

from open_r1.configs.benchmarks import Benchmark
from open_r1.configs.generation import GenerateArguments
from open_r1.utils.errors import RecipeError


@dataclass
class EvaluationArguments(GenerateArguments):
    """Options of evaluation. Sampling defaults are the paper's (§3): temperature 0.6, top-p 0.95, 32,768 tokens."""

    benchmarks: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Benchmarks by name, or mappings: `- {name: aime24, num_generations: 16}`, `- {name: mine, "
            "dataset_name: my.jsonl, dataset_split: train, dataset_prompt_column: question, "
            "dataset_solution_column: answer}`."
        },
    )
    models: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Several models instead of model_name_or_path; each gets a folder with its name in output_dir."
        },
    )
    compare: list[str] = field(
        default_factory=list, metadata={"help": "Folders of evaluations to show side by side; nothing is generated."}
    )
    published: list[str] = field(
        default_factory=list,
        metadata={"help": "Models from the paper's tables to show next to ours, such as DeepSeek-R1."},
    )
    thought_opened: bool = field(
        default=False, metadata={"help": "Whether the prompts end with `<think>`, which the completions then lack."}
    )

    suite: list[Benchmark] = field(default_factory=list, init=False)  # `benchmarks`, parsed

    def __post_init__(self) -> None:
        if not self.output_dir and self.compare:
            self.output_dir = self.compare[0]  # nothing is written there
        super().__post_init__()
        self.suite = [Benchmark.parse(entry) for entry in self.benchmarks]
        names = [benchmark.name for benchmark in self.suite]
        if len(set(names)) < len(names):
            raise RecipeError(f"benchmarks: found {names}; expected each name once.")
        folders = [Path(model).name for model in self.models]
        if len(set(folders)) < len(folders):
            raise RecipeError(f"models: found {self.models}; their last parts name their folders and must differ.")

    def require_data(self) -> None:
        """Stops if there is nothing to evaluate on, or nothing to compare.

        Raises:
            RecipeError: Naming what is missing.
        """
        if self.dataset_name:
            raise RecipeError("dataset_name: an evaluation has `benchmarks`; name the data set there.")
        if not self.compare and not self.benchmarks:
            raise RecipeError("benchmarks: missing. Name what to evaluate on.")
        for folder in self.compare:
            if not Path(folder, "eval.json").is_file():
                raise RecipeError(f"compare: no eval.json in {folder!r}.")
