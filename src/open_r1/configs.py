"""The options that our scripts add to TRL's: one dataclass a stage, checked as soon as they are filled.

No import of torch or TRL here: rewards, which read their part of a recipe, load in a fraction of a second.
"""

import difflib
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml


if TYPE_CHECKING:
    from trl import GRPOConfig


class RecipeError(ValueError):
    """An error that the user can mend: shown as one message, without a traceback."""


def nearest(name: str, names) -> str:
    """`. Did you mean 'x'?` for the closest of the names, or a full stop.

    >>> nearest("learning_rat", ["learning_rate", "seed"])
    ". Did you mean 'learning_rate'?"
    """
    close = difflib.get_close_matches(name, [str(n) for n in names], n=1)
    return f". Did you mean {close[0]!r}?" if close else "."


def mapping(text: str, key: str) -> dict:
    """A mapping given as text, in YAML (of which JSON is a part).

    >>> mapping("{size: 3}", "dataset_params")
    {'size': 3}
    """
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = None
    if not isinstance(value, dict):
        raise RecipeError(f"{key}: found {text!r}; expected a mapping such as `{{name: value}}`.")
    return value


@dataclass
class RewardSpec:
    """One entry of `reward_funcs`.

    Args:
        name (`str`): A registered reward, a dotted path (`package.module.function`) or `file.py:function`.
        weight (`float`, *optional*, defaults to `1.0`): Factor of the reward in the sum that GRPO maximises.
        domain (`list[str]`, *optional*): Values of the column `domain` whose rows the reward is for; none means all rows.
        only_if (`str`, *optional*): Another reward of the recipe; where that is not positive, this one is 0.
        params (`dict`, *optional*): Keyword arguments of the reward, such as `{"max_len": 8192}`.

    >>> RewardSpec.parse({"name": "cosine", "max_len": 8192, "weight": 0.5, "domain": "math"})
    RewardSpec(name='cosine', weight=0.5, domain=['math'], only_if=None, params={'max_len': 8192})
    """

    name: str
    weight: float = 1.0
    domain: list[str] = field(default_factory=list)
    only_if: str | None = None
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name in TRL's metrics, `rewards/<label>/mean`: the last part of a path."""
        return self.name.rpartition(":")[2].rpartition(".")[2]

    @classmethod
    def parse(cls, entry: str | dict) -> "RewardSpec":
        if isinstance(entry, str) and entry.lstrip().startswith("{"):  # a mapping given on the command line
            entry = mapping(entry, "reward_funcs")
        if isinstance(entry, str):
            return cls(entry)
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise RecipeError(
                f"reward_funcs: found {entry!r}; expected a name or a mapping with a name, "
                "such as `accuracy` or `{name: format, weight: 0.5}`."
            )
        name, weight, domain, only_if = (
            entry.get(k, d) for k, d in (("name", ""), ("weight", 1.0), ("domain", []), ("only_if", None))
        )
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
            raise RecipeError(f"reward_funcs: weight of {name!r} is {weight!r}; expected a number.")
        domain = [domain] if isinstance(domain, str) else domain
        if not isinstance(domain, list) or not all(isinstance(value, str) for value in domain):
            raise RecipeError(
                f"reward_funcs: domain of {name!r} is {domain!r}; expected a value of the column `domain`, or a list."
            )
        if only_if is not None and not isinstance(only_if, str):
            raise RecipeError(f"reward_funcs: only_if of {name!r} is {only_if!r}; expected the name of another reward.")
        params = {k: v for k, v in entry.items() if k not in ("name", "weight", "domain", "only_if")}
        return cls(name, float(weight), domain, only_if, params)

    @staticmethod
    def parse_all(entries: list[str | dict]) -> list["RewardSpec"]:
        """The rewards of a recipe, in order, their names distinct and those that `only_if` names among them.

        Raises:
            RecipeError: If they are not.
        """
        specs = [RewardSpec.parse(entry) for entry in entries]
        labels = [spec.label for spec in specs]
        if not labels or len(set(labels)) < len(labels):
            raise RecipeError(f"reward_funcs: found the names {labels}; expected at least one reward, each named once.")
        for spec in specs:
            if spec.only_if is not None and (spec.only_if not in labels or spec.only_if == spec.label):
                others = [label for label in labels if label != spec.label]
                raise RecipeError(
                    f"reward_funcs: only_if of {spec.name!r} is {spec.only_if!r}; expected another reward of the recipe: "
                    f"{', '.join(others) or 'there is none'}."
                )
        return specs


@dataclass
class ScriptArguments:
    """What every script adds to TRL's options."""

    _argument_group_name = "open_r1 options"

    dataset_name: str | None = field(
        default=None,
        metadata={
            "help": "Data to train on: a Hub id, a local file (.jsonl, .json, .csv, .parquet), a folder written by "
            "`save_to_disk`, or a function that builds it (`package.module:function` or `file.py:function`)."
        },
    )
    dataset_config: str | None = field(default=None, metadata={"help": "Configuration of a Hub dataset."})
    dataset_params: dict | str | None = field(
        default=None, metadata={"help": "Keyword arguments of the function that `dataset_name` names."}
    )
    dataset_train_split: str = field(default="train", metadata={"help": "Split to train on."})
    dataset_test_split: str = field(default="test", metadata={"help": "Split to evaluate on, if evaluating."})
    max_eval_samples: int | None = field(default=None, metadata={"help": "Evaluate on the first so many rows only."})
    dry_run: bool = field(default=False, metadata={"help": "Check everything, show what would run, load no weights and stop."})
    recipe: str | None = field(default=None, init=False)  # path of the recipe, filled in by the parser
    keys: dict[str, Any] = field(default_factory=dict, init=False)  # all that recipe and command line set, likewise

    def __post_init__(self):
        if isinstance(self.dataset_params, str):
            self.dataset_params = mapping(self.dataset_params, "dataset_params")
        if not self.dataset_name:
            raise RecipeError("dataset_name: missing. Name a Hub dataset, a local file or folder, or a function.")


@dataclass
class SFTScriptArguments(ScriptArguments):
    """Supervised fine-tuning: TRL's `SFTConfig` has all else that is needed."""


@dataclass
class PromptArguments(ScriptArguments):
    """How rows become prompts: for reinforcement learning, for generation, for evaluation."""

    dataset_prompt_column: str = field(default="prompt", metadata={"help": "Column that holds the question."})
    system_prompt: str | None = field(default=None, metadata={"help": "System message put before each question."})
    prompt_template: str | None = field(
        default=None,
        metadata={
            "help": "Jinja file that turns a row (`{{ prompt }}` and any column) into plain text, for base models that "
            "have no chat template; R1-Zero's is recipes/chat_templates/r1_zero.jinja."
        },
    )
    chat_template_path: str | None = field(
        default=None, metadata={"help": "Jinja file that replaces the tokenizer's chat template."}
    )
    max_prompt_length: int | None = field(
        default=None, metadata={"help": "Drop prompts of more tokens than this (TRL does not truncate prompts)."}
    )

    def __post_init__(self):
        super().__post_init__()
        if self.system_prompt and self.prompt_template:
            raise RecipeError("system_prompt and prompt_template: choose one; a plain-text prompt has no system turn.")
        for key in ("prompt_template", "chat_template_path"):
            path = getattr(self, key)
            if path and not Path(path).is_file():
                raise RecipeError(f"{key}: no file {path!r} (looked in {os.getcwd()}).")
        if self.max_prompt_length is not None and self.max_prompt_length < 1:
            raise RecipeError(f"max_prompt_length: found {self.max_prompt_length}; expected at least 1.")


@dataclass
class GRPOScriptArguments(PromptArguments):
    """Reinforcement learning with verifiable rewards."""

    dataset_solution_column: str = field(default="solution", metadata={"help": "Column that holds the gold answer."})
    reward_funcs: list[str] = field(
        default_factory=lambda: ["accuracy", "format"],
        metadata={
            "help": "Rewards: names, or mappings with parameters and weight (`- {name: format, weight: 0.5}`); a "
            "dotted path or `file.py:function` for your own."
        },
    )
    max_unusable_golds: float = field(
        default=0.1, metadata={"help": "Stop before training if a larger share of the golds cannot be parsed."}
    )

    max_unjudged: float = field(
        default=0.25,
        metadata={
            "help": "Stop the run if a reward could not judge more than this share of the last 512 completions of a process."
        },
    )

    rewards: list[RewardSpec] = field(default_factory=list, init=False)  # `reward_funcs`, parsed

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.max_unusable_golds <= 1:
            raise RecipeError(f"max_unusable_golds: found {self.max_unusable_golds}; expected a share from 0 to 1.")
        if not 0 < self.max_unjudged <= 1:
            raise RecipeError(f"max_unjudged: found {self.max_unjudged}; expected a share above 0, up to 1.")
        self.rewards = RewardSpec.parse_all(self.reward_funcs)

    def set_weights(self, training_args: "GRPOConfig"):
        """Hands the weights of `reward_funcs` to TRL, unless the recipe gives them TRL's way, as `reward_weights`."""
        if training_args.reward_weights is not None:
            if any(spec.weight != 1.0 for spec in self.rewards) or len(training_args.reward_weights) != len(self.rewards):
                raise RecipeError(
                    f"reward_weights: found {training_args.reward_weights} for the {len(self.rewards)} rewards of reward_funcs; "
                    "give one weight a reward, here or there but not in both places."
                )
            for spec, weight in zip(self.rewards, training_args.reward_weights, strict=True):
                spec.weight = weight
        training_args.reward_weights = [spec.weight for spec in self.rewards]


@dataclass
class GradeArguments(ScriptArguments):
    """Grading a file of completions."""

    dataset_completion_column: str = field(default="completion", metadata={"help": "Column of completions, text or messages."})
    dataset_solution_column: str = field(default="solution", metadata={"help": "Column that holds the gold answer."})
    dataset_prompt_column: str = field(default="prompt", metadata={"help": "Column that holds the question."})
    dataset_domain_column: str = field(default="domain", metadata={"help": "Column that says which rewards a row is for."})
    reward_funcs: list[str] = field(default_factory=lambda: ["accuracy"], metadata={"help": "Rewards, as in a recipe."})
    thought_opened: bool = field(
        default=False, metadata={"help": "The prompts ended with `<think>`, which the completions lack."}
    )
    output_path: str | None = field(default=None, metadata={"help": "Write the graded rows there, .jsonl or .parquet."})

    rewards: list[RewardSpec] = field(default_factory=list, init=False)  # `reward_funcs`, parsed

    def __post_init__(self):
        super().__post_init__()
        self.rewards = RewardSpec.parse_all(self.reward_funcs)


@dataclass
class GenerateArguments(PromptArguments):
    """Drawing completions."""

    output_dir: str | None = field(default=None, metadata={"help": "Folder for the completions; continued if it holds some."})
    backend: str = field(
        default="transformers",
        metadata={
            "help": "`transformers`, `vllm` (in this process) or `server` (any OpenAI-compatible one, see `base_urls`)."
        },
    )
    base_urls: list[str] = field(
        default_factory=list, metadata={"help": "Servers, such as http://localhost:8000/v1; requests are spread over them."}
    )
    api_key_env: str = field(default="OPENAI_API_KEY", metadata={"help": "Environment variable that holds the servers' key."})
    vllm_engine: dict | str | None = field(
        default=None, metadata={"help": "Keyword arguments of `vllm.LLM`, such as {tensor_parallel_size: 4}."}
    )
    num_generations: int = field(default=1, metadata={"help": "Completions a prompt."})
    temperature: float = field(default=0.6, metadata={"help": "Sampling temperature; 0 is greedy."})
    top_p: float = field(default=0.95, metadata={"help": "Nucleus of the sampling."})
    top_k: int | None = field(default=None, metadata={"help": "Most likely tokens to sample from; none means all."})
    min_p: float | None = field(default=None, metadata={"help": "Smallest probability relative to the likeliest token's."})
    repetition_penalty: float = field(default=1.0, metadata={"help": "Penalty on tokens that were used before."})
    max_completion_length: int = field(default=32768, metadata={"help": "Tokens after which a completion is cut off."})
    stop: list[str] = field(default_factory=list, metadata={"help": "Texts that end a completion."})
    seed: int = field(default=42, metadata={"help": "Seed; each completion has its own, made from it."})
    batch_size: int = field(default=64, metadata={"help": "Completions drawn at once in this process."})
    concurrency: int = field(default=128, metadata={"help": "Requests under way at once, over all servers."})
    attempts: int = field(default=6, metadata={"help": "Tries of one completion on a server, with growing pauses."})
    truncated_attempts: int = field(default=0, metadata={"help": "Times that a completion that was cut off is drawn again."})
    request_timeout: float = field(default=3600.0, metadata={"help": "Seconds that one request may take."})
    trust_remote_code: bool = field(default=False, metadata={"help": "Run code that comes with a Hub model."})
    shard: str = field(default="0/1", metadata={"help": "Which part of the prompts to take, i/n, for arrays of jobs."})
    max_prompts: int | None = field(default=None, metadata={"help": "Take the first so many prompts only."})

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.vllm_engine, str):
            self.vllm_engine = mapping(self.vllm_engine, "vllm_engine")
        if not self.output_dir:
            raise RecipeError("output_dir: missing. Name a folder for the completions.")
        if self.backend not in ("transformers", "vllm", "server"):
            raise RecipeError(f"backend: found {self.backend!r}{nearest(self.backend, ('transformers', 'vllm', 'server'))}")
        if (self.backend == "server") != bool(self.base_urls):
            raise RecipeError(
                f"base_urls: found {self.base_urls or 'none'} with `backend: {self.backend}`; servers need `backend: server`, and it them."
            )
        for key, low, high in (
            ("num_generations", 1, math.inf), ("temperature", 0, 10), ("top_p", 0, 1), ("max_completion_length", 1, math.inf),
            ("batch_size", 1, math.inf), ("concurrency", 1, 100_000), ("attempts", 1, 100), ("truncated_attempts", 0, 100),
        ):  # fmt: skip
            if not low <= getattr(self, key) <= high:
                raise RecipeError(f"{key}: found {getattr(self, key)}; expected {low} to {high}.")
        self.part, self.parts = self._shard()

    def _shard(self) -> tuple[int, int]:
        numbers = self.shard.split("/")
        if len(numbers) != 2 or not all(number.isdecimal() for number in numbers) or not int(numbers[0]) < int(numbers[1]):
            raise RecipeError(f"shard: found {self.shard!r}; expected i/n with i from 0 to n - 1, such as 0/8.")
        return int(numbers[0]), int(numbers[1])

    @property
    def sampling(self) -> dict[str, Any]:
        """What makes completions different, under vLLM's names."""
        return {
            "temperature": self.temperature, "top_p": self.top_p, "top_k": self.top_k, "min_p": self.min_p,
            "repetition_penalty": self.repetition_penalty, "max_tokens": self.max_completion_length, "stop": self.stop,
        }  # fmt: skip


@dataclass
class ReportArguments:
    """The report on a run."""

    run_dir: str | None = field(default=None, metadata={"help": "output_dir of a GRPO run."})
    report_dir: str | None = field(default=None, metadata={"help": "Where to write; by default `report` in the run's folder."})
    examples: int = field(default=4, metadata={"help": "Prompts to show with a completion before and after."})
    dry_run: bool = field(default=False, metadata={"help": "Say what would be read and written, and stop."})
    recipe: str | None = field(default=None, init=False)
    keys: dict[str, Any] = field(default_factory=dict, init=False)

    def __post_init__(self):
        if not self.run_dir:
            raise RecipeError("run_dir: missing. Name the output_dir of a GRPO run.")
