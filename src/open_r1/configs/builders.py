"""Options of the data set builders: cold start, rejection sampling, distillation."""

from dataclasses import dataclass, field
from typing import ClassVar

from open_r1.configs.common import DatasetArguments
from open_r1.configs.dataset import DatasetSpec
from open_r1.configs.entry import Entry
from open_r1.configs.generation import part_of
from open_r1.configs.reward_spec import RewardSpec
from open_r1.utils.cores import available_cores
from open_r1.utils.errors import RecipeError, did_you_mean
from open_r1.utils.files import require_file


@dataclass
class BuilderArguments(DatasetArguments):
    """Options of all builders: where the set is written, what is dropped from it, and which model it is for."""

    builder: ClassVar[str] = ""
    part: ClassVar[int] = 0
    parts: ClassVar[int] = 1

    output_dir: str | None = field(
        default=None, metadata={"help": "Folder for the data set, its report and its card."}
    )
    model_name_or_path: str | None = field(
        default=None,
        metadata={"help": "Model that the set is for: its tokenizer counts tokens, its template is checked."},
    )
    chat_template_path: str | None = field(
        default=None, metadata={"help": "Jinja file that replaces the tokenizer's chat template."}
    )
    decontaminate: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Benchmarks whose problems are removed: names that evaluation knows (aime24, gpqa, ...), or "
            "a local file and its column (`held_out.jsonl:problem`)."
        },
    )
    min_language_share: float = field(
        default=0.9,
        metadata={"help": "Minimum share of a thought's words in the question's language; 0 keeps all thoughts."},
    )
    fewest_words: int = field(
        default=5, metadata={"help": "Do not check the language of thoughts with fewer words than this."}
    )
    max_paragraph: int = field(default=3000, metadata={"help": "Maximum characters per paragraph; 0 for no limit."})
    max_repetition: float = field(
        default=0.2,
        metadata={"help": "Maximum share of 20-grams that occurred earlier in the same text; 1 for no limit."},
    )
    drop_code_in_thought: bool = field(default=True, metadata={"help": "Drop thoughts with fenced code blocks."})
    draw: bool = field(
        default=True,
        metadata={
            "help": "Whether to generate completions of other models (rewriter, judge, teacher) in this process. If "
            "false, write the requests and stop with the command that generates them, on a cluster for example."
        },
    )
    num_proc: int | None = field(default=None, metadata={"help": "Number of processes; by default one per core."})
    seed: int = field(default=42, metadata={"help": "Random seed."})
    push_to_hub: bool = field(default=False, metadata={"help": "Whether to push the data set to the Hub."})
    hub_dataset_id: str | None = field(default=None, metadata={"help": "Hub data set to push to, `owner/name`."})
    hub_revision: str | None = field(default=None, metadata={"help": "Branch to push to; by default main."})
    hub_private: bool = field(default=True, metadata={"help": "Whether the pushed data set is private."})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.output_dir:
            raise RecipeError("output_dir: missing. Name a folder for the data set.")
        if self.push_to_hub and not self.hub_dataset_id:
            raise RecipeError("hub_dataset_id: missing. Name where to push the set.")
        if self.chat_template_path:
            require_file("chat_template_path", self.chat_template_path)
        limits = {
            "min_language_share": (0, 1),
            "max_repetition": (0, 1),
            "max_paragraph": (0, 10**9),
            "fewest_words": (1, 10**6),
        }
        for key, (low, high) in limits.items():
            value = getattr(self, key)
            if not low <= value <= high:
                raise RecipeError(f"{key}: found {value}; expected {low} to {high}.")
        if self.num_proc is None:
            self.num_proc = available_cores()

    @property
    def suffix(self) -> str:
        """The shard, as file names show it: `00000-of-00001`."""
        return f"{self.part:05}-of-{self.parts:05}"


@dataclass
class SelectionArguments(BuilderArguments):
    """Options of the builders that select correct completions."""

    dataset_prompt_column: str = field(
        default="prompt", metadata={"help": "Column of the question, which is kept unchanged."}
    )
    dataset_completion_column: str = field(
        default="completion", metadata={"help": "Column of completions, text or messages."}
    )
    dataset_solution_column: str = field(default="solution", metadata={"help": "Column that holds the gold answer."})
    reward_funcs: list[str] = field(
        default_factory=lambda: ["accuracy"],
        metadata={"help": "Rewards that verify the completions, as in a GRPO recipe."},
    )
    min_reward: float = field(
        default=1.0, metadata={"help": "A completion is correct if each of its rewards is at least this."}
    )
    thought_opened: bool = field(
        default=False, metadata={"help": "Whether the prompts ended with `<think>`, which the completions then lack."}
    )
    max_per_prompt: int | None = field(
        default=None, metadata={"help": "Maximum number of completions per prompt; by default all."}
    )
    choose: str = field(
        default="shortest",
        metadata={
            "help": "Which completions of a prompt to keep: the `shortest`, `diverse` ones (by their 3-grams), or the "
            "first ones in the order in which they were `drawn`."
        },
    )
    shard: str = field(default="0/1", metadata={"help": "Which shard of the prompts to process, i/n, for job arrays."})

    rewards: list[RewardSpec] = field(default_factory=list, init=False)  # `reward_funcs`, parsed

    @property
    def columns(self) -> dict[str, str]:
        """What the data set calls the columns that builders use."""
        return {
            "prompt": self.dataset_prompt_column,
            "completion": self.dataset_completion_column,
            "solution": self.dataset_solution_column,
        }

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rewards = RewardSpec.parse_all(self.reward_funcs)
        self.part, self.parts = part_of(self.shard)
        orders = ("shortest", "diverse", "drawn")
        if self.choose not in orders:
            raise RecipeError(f"choose: found {self.choose!r}{did_you_mean(self.choose, orders)}")
        if self.max_per_prompt is not None and self.max_per_prompt < 1:
            raise RecipeError(f"max_per_prompt: found {self.max_per_prompt}; expected at least 1.")


@dataclass
class ColdStartArguments(SelectionArguments):
    """A few thousand readable long thoughts (DeepSeek-R1, §2.3.1)."""

    builder: ClassVar[str] = "cold_start"

    rewriter: str | None = field(
        default=None,
        metadata={
            "help": "A `generate` recipe whose model rewrites the correct completions; by default they stay as is."
        },
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rewriter:
            require_file("rewriter", self.rewriter)


@dataclass
class RejectionArguments(SelectionArguments):
    """Verified samples for fine-tuning, and prompts for reinforcement learning (DeepSeek-R1, §2.3.3)."""

    builder: ClassVar[str] = "rejection_sampling"

    judge: str | None = field(
        default=None,
        metadata={
            "help": "A `generate` recipe whose model judges what no reward can judge; by default, that is dropped."
        },
    )
    min_pass_rate: float = field(
        default=0.01, metadata={"help": "Prompts for RL: minimum share of correct completions."}
    )
    max_pass_rate: float = field(
        default=0.99, metadata={"help": "Prompts for RL: maximum share of correct completions."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.judge:
            require_file("judge", self.judge)
        if not 0 <= self.min_pass_rate <= self.max_pass_rate <= 1:
            raise RecipeError(
                f"min_pass_rate, max_pass_rate: found {self.min_pass_rate} and {self.max_pass_rate}; "
                "expected 0 ≤ min ≤ max ≤ 1."
            )


@dataclass
class Source(Entry):
    """One data set of a mixture.

    Args:
        dataset_name (`str`): As in a recipe: Hub id, file, folder or function.
        dataset_config (`str`, *optional*): Configuration of a Hub data set.
        dataset_split (`str`, *optional*, defaults to `"train"`): Split.
        dataset_prompt_column (`str`, *optional*, defaults to `"prompt"`):
            Column of the prompt, if there is no column `messages`.
        dataset_completion_column (`str`, *optional*, defaults to `"completion"`):
            Column of the completion, if there is no column `messages`.
        domain (`str`, *optional*): Domain of its rows in the statistics; by default their own column `domain`.
        weight (`float`, *optional*, defaults to 1): Its share of the mixture, relative to the sum of all weights.
        teacher (`str`, *optional*):
            A `generate` recipe whose model writes new answers to the conversations, with a thought before each.
        template (`str`, *optional*): Template that replaces the `user_template` of the teacher's recipe.
        thought (`bool`, *optional*, defaults to `True`):
            Whether its answers have a thought. If `False`, they get an empty one.
    """

    option: ClassVar[str] = "sources"

    dataset_name: str
    dataset_config: str | None = None
    dataset_split: str = "train"
    dataset_prompt_column: str = "prompt"
    dataset_completion_column: str = "completion"
    domain: str | None = None
    weight: float = 1.0
    teacher: str | None = None
    template: str | None = None
    thought: bool = True

    def __post_init__(self) -> None:
        self.require_positive("weight")
        for key in ("teacher", "template"):
            self.require_file(key)
        if self.template and not self.teacher:
            raise RecipeError(f"sources: {self.dataset_name!r} has a template, but no teacher to ask.")

    @property
    def dataset(self) -> DatasetSpec:
        """The data set that the `dataset_*` keys name."""
        return DatasetSpec(
            self.dataset_name,
            self.dataset_config,
            split=self.dataset_split,
            columns={"prompt": self.dataset_prompt_column, "completion": self.dataset_completion_column},
        )


@dataclass
class DistillArguments(BuilderArguments):
    """The mixture that R1 and its students are fine-tuned on (DeepSeek-R1, §2.3.3 and §2.4)."""

    builder: ClassVar[str] = "distill"

    sources: list[str] = field(
        default_factory=list,
        metadata={
            "help": "The data sets of the mixture: mappings such as "
            "`- {dataset_name: math.jsonl, domain: math, weight: 395285}`."
        },
    )
    num_rows: int | None = field(
        default=None,
        metadata={"help": "Rows of the mixture; by default, as many as the sources allow in these proportions."},
    )

    mixture: list[Source] = field(default_factory=list, init=False)  # `sources`, parsed

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_rows is not None and self.num_rows < 1:
            raise RecipeError(f"num_rows: found {self.num_rows}; expected at least 1.")

    def require_data(self) -> None:
        """Stops unless the recipe names its data as `sources`."""
        if self.dataset_name:
            raise RecipeError("dataset_name: a mixture has `sources`; name the sets there.")
        if not self.sources:
            raise RecipeError("sources: missing. Name the sets of the mixture.")
        self.mixture = [Source.parse(entry) for entry in self.sources]
