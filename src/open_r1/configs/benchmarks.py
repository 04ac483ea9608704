"""The benchmarks that recipes know by name.

To add one, write an entry in `BENCHMARKS`: the fields of `Benchmark` that differ from its defaults (data set, columns,
samples per problem, template, rewards). If its rows cannot be read as they are, also write a function that builds them
in `open_r1/evals/benchmark_data.py`, and name it as the data set. That is all: evaluation, decontamination and the
command line read this table.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from open_r1.configs.dataset import DatasetSpec
from open_r1.configs.entry import Entry
from open_r1.configs.locate import REPOSITORY, locate_files
from open_r1.configs.reward_spec import RewardSpec
from open_r1.utils.errors import RecipeError, parse_mapping


# The data sets are public copies: the original LiveCodeBench cannot be loaded without running its script. The numbers
# of samples follow the paper (v2, D.1).
BENCHMARKS: dict[str, dict[str, Any]] = {
    "aime24": {
        "dataset_name": "HuggingFaceH4/aime_2024",
        "dataset_split": "train",
        "num_generations": 64,
    },
    "aime25": {
        "dataset_name": "yentinglin/aime_2025",
        "dataset_split": "train",
        "num_generations": 64,
    },
    "amc23": {
        "dataset_name": "zwhe99/amc23",
        "dataset_prompt_column": "question",
    },
    "math500": {
        "dataset_name": "HuggingFaceH4/MATH-500",
    },
    "gsm8k": {
        "dataset_name": "openai/gsm8k",
        "dataset_config": "main",
        "dataset_prompt_column": "question",
        "num_generations": 4,
    },
    "gpqa": {
        "dataset_name": "open_r1.evals.benchmark_data:gpqa_diamond",
        "dataset_prompt_column": "question",
        "user_template": "recipes/prompts/multiple_choice.jinja",
        "num_generations": 64,
    },
    "livecodebench": {
        "dataset_name": "open_r1.evals.benchmark_data:livecodebench",
        "dataset_params": {"since": "2024-08-01", "until": "2025-02-01"},  # the paper's dates (§3)
        "dataset_prompt_column": "question_content",
        "user_template": "recipes/prompts/program.jinja",
        "reward_funcs": ["code"],
        "num_generations": 8,
    },
    "codeforces": {
        "dataset_name": "open_r1.evals.benchmark_data:codeforces",
        "dataset_prompt_column": "question_content",
        "user_template": "recipes/prompts/program.jinja",
        "reward_funcs": ["code"],
    },
}


def budget_name(benchmark: str, budget: int) -> str:
    """The name of a benchmark's result within a budget of tokens, such as `aime24@4096`."""
    return f"{benchmark}@{budget}"


@dataclass
class Benchmark(Entry):
    """Problems, how a model is asked to solve them, and the rewards that judge its completions.

    Args:
        name (`str`): A key of `BENCHMARKS`, whose fields the other arguments override, or a name of your own.
        dataset_name (`str`, *optional*):
            A Hub id, file, folder or function, as in a recipe; required for a name of your own.
        dataset_config (`str`, *optional*): Configuration of a Hub data set.
        dataset_params (`dict`, *optional*): Keyword arguments of the function that `dataset_name` names.
        dataset_split (`str`, *optional*, defaults to `"test"`): Split; a local file only has `train`.
        dataset_prompt_column (`str`, *optional*, defaults to `"problem"`): Column that holds the question.
        dataset_solution_column (`str`, *optional*, defaults to `"answer"`): Column that holds the gold answer.
        dataset_prefix_column (`str`, *optional*): Column with the beginning of each completion, if it is given.
        user_template (`str`, *optional*):
            Template of the user message, for chat models; by default the recipe's.
        reward_funcs (`list`, *optional*, defaults to `["accuracy"]`): Rewards; the first decides what is correct.
        num_generations (`int`, *optional*, defaults to 16): Samples per problem.
        max_prompts (`int`, *optional*): Use only the first `max_prompts` problems.
        token_budgets (`list[int]`, *optional*):
            Budgets in tokens. For each, there is another result, `<name>@<budget>`, of the same completions within it.
        forced_answer (`str`, *optional*):
            Where a thought is longer than the budget, it is cut, and the model goes on after this text, such as
            `</think><answer>`. Without it, a completion that is longer than the budget counts as cut off.
        forced_answer_length (`int`, *optional*, defaults to 64): Maximum number of tokens after a forced answer.
        standings (`str`, *optional*):
            A JSONL file with the standings of contests, for a Codeforces rating; see `open_r1/evals/codeforces.py`.
    """

    option: ClassVar[str] = "benchmarks"

    name: str
    dataset_name: str | None = None
    dataset_config: str | None = None
    dataset_params: dict | None = None
    dataset_split: str = "test"
    dataset_prompt_column: str = "problem"
    dataset_solution_column: str = "answer"
    dataset_prefix_column: str | None = None
    user_template: str | None = None
    reward_funcs: list = field(default_factory=lambda: ["accuracy"])
    num_generations: int = 16
    max_prompts: int | None = None
    token_budgets: list = field(default_factory=list)
    forced_answer: str | None = None
    forced_answer_length: int = 64
    standings: str | None = None

    @classmethod
    def parse(cls, entry: str | dict) -> "Benchmark":
        """Reads one benchmark of a recipe.

        Args:
            entry (`str` or `dict`): A name, or a mapping with a `name`; on the command line, as text: `{...}`.

        Raises:
            RecipeError: If the name is unknown and there is no data set, or if a field is wrong.
        """
        if isinstance(entry, str) and entry.lstrip().startswith("{"):
            entry = parse_mapping(entry, cls.option)
        elif isinstance(entry, str):
            entry = {"name": entry}
        defaults = locate_files(BENCHMARKS.get(entry.get("name"), {}), REPOSITORY / "recipes")
        benchmark = super().parse(defaults | entry)
        if benchmark.dataset_name is None:
            raise RecipeError(
                f"benchmarks: found {benchmark.name!r}; expected one of {', '.join(BENCHMARKS)}, or a mapping with a "
                "dataset_name."
            )
        return benchmark

    def __post_init__(self) -> None:
        self.require_file("user_template")
        self.require_file("standings")
        if self.num_generations < 1:
            raise RecipeError(
                f"benchmarks: num_generations of {self.name!r} is {self.num_generations}; expected at least 1."
            )
        if "@" in str(self.name):
            raise RecipeError(
                f"benchmarks: found the name {self.name!r}; `@` is for results within a budget of tokens. Choose "
                "another name."
            )
        self._check_budgets()
        self.rewards = RewardSpec.parse_all(self.reward_funcs)

    def _check_budgets(self) -> None:
        for budget in self.token_budgets:
            if type(budget) is not int or budget < 1:
                raise RecipeError(
                    f"benchmarks: token_budgets of {self.name!r} has {budget!r}; expected numbers of tokens."
                )
        if len(set(self.token_budgets)) < len(self.token_budgets):
            raise RecipeError(f"benchmarks: token_budgets of {self.name!r} has a number twice; expected each once.")
        self.require_positive("forced_answer_length")
        if self.forced_answer is not None and not self.token_budgets:
            raise RecipeError(f"benchmarks: {self.name!r} has a forced_answer, but no token_budgets.")
        if self.token_budgets and self.dataset_prefix_column:
            raise RecipeError(
                f"benchmarks: {self.name!r} has token_budgets and a dataset_prefix_column; use two benchmarks."
            )

    def result_names(self) -> list[str]:
        """The names of its results: its own, and one for each budget.

        >>> Benchmark.parse({"name": "aime24", "token_budgets": [1024, 4096]}).result_names()
        ['aime24', 'aime24@1024', 'aime24@4096']
        """
        return [self.name, *(budget_name(self.name, budget) for budget in self.token_budgets)]

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
