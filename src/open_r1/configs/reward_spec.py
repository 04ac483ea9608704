"""The rewards of a recipe, `reward_funcs`, and the options of `python -m open_r1.rewards`, which grades a file."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from open_r1.configs.common import DatasetArguments
from open_r1.utils.errors import RecipeError, parse_mapping


@dataclass
class RewardSpec:
    """One entry of `reward_funcs`.

    Args:
        name (`str`): A registered reward, a dotted path (`package.module.function`) or `file.py:function`.
        weight (`float`, *optional*, defaults to `1.0`): Weight of the reward in the sum that GRPO maximizes.
        domain (`list[str]`, *optional*):
            Values of the column `domain`; the reward only applies to rows with one of them. By default, to all rows.
        only_if (`str`, *optional*): Another reward of the recipe; wherever it is not positive, this one is 0.
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
        """Reads one entry.

        Args:
            entry (`str` or `dict`): A name, or a mapping with a name; keys that are not fields are parameters of the
                reward.

        Raises:
            RecipeError: If the entry is neither, or a value has the wrong type.
        """
        if isinstance(entry, str) and entry.lstrip().startswith("{"):  # a mapping on the command line
            entry = parse_mapping(entry, "reward_funcs")
        if isinstance(entry, str):
            return cls(entry)
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise RecipeError(
                f"reward_funcs: found {entry!r}; expected a name or a mapping with a name, "
                "such as `accuracy` or `{name: format, weight: 0.5}`."
            )
        params = dict(entry)
        name = params.pop("name")
        weight = params.pop("weight", 1.0)
        domain = params.pop("domain", [])
        only_if = params.pop("only_if", None)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
            raise RecipeError(f"reward_funcs: weight of {name!r} is {weight!r}; expected a number.")
        if isinstance(domain, str):
            domain = [domain]
        if not isinstance(domain, list) or not all(isinstance(value, str) for value in domain):
            raise RecipeError(
                f"reward_funcs: domain of {name!r} is {domain!r}; expected a value of the column `domain`, or a list."
            )
        if only_if is not None and not isinstance(only_if, str):
            raise RecipeError(
                f"reward_funcs: only_if of {name!r} is {only_if!r}; expected the name of another reward."
            )
        return cls(name, float(weight), domain, only_if, params)

    @staticmethod
    def parse_all(entries: list[str | dict]) -> list["RewardSpec"]:
        """Reads the rewards of a recipe, in order.

        Args:
            entries (`list`): The value of `reward_funcs`.

        Raises:
            RecipeError: If there are none, if two have the same name, or if `only_if` names none of the others.
        """
        specs = [RewardSpec.parse(entry) for entry in entries]
        labels = [spec.label for spec in specs]
        if not labels or len(set(labels)) < len(labels):
            raise RecipeError(
                f"reward_funcs: found the names {labels}; expected at least one reward, each named once."
            )
        for spec in specs:
            others = [label for label in labels if label != spec.label]
            if spec.only_if is not None and spec.only_if not in others:
                raise RecipeError(
                    f"reward_funcs: only_if of {spec.name!r} is {spec.only_if!r}; expected another reward of the "
                    f"recipe: {', '.join(others) or 'there is none'}."
                )
        return specs


@dataclass
class GradeArguments(DatasetArguments):
    """Options of `python -m open_r1.rewards`: the file of completions, and the rewards."""

    dataset_completion_column: str = field(
        default="completion", metadata={"help": "Column of the completions, text or messages."}
    )
    dataset_solution_column: str = field(default="solution", metadata={"help": "Column of the gold answer."})
    dataset_prompt_column: str = field(default="prompt", metadata={"help": "Column of the question."})
    dataset_domain_column: str = field(
        default="domain", metadata={"help": "Column that selects the rewards of a row."}
    )
    reward_funcs: list[str] = field(
        default_factory=lambda: ["accuracy"], metadata={"help": "Rewards, as in a recipe."}
    )
    thought_opened: bool = field(
        default=False, metadata={"help": "Whether the prompts ended with `<think>`, which the completions lack."}
    )
    output_path: str | None = field(
        default=None,
        metadata={"help": "File for the graded rows, .jsonl or .parquet; by default only the means are shown."},
    )

    rewards: list[RewardSpec] = field(default_factory=list, init=False)  # `reward_funcs`, parsed

    @property
    def columns(self) -> dict[str, str]:
        """What the data set calls its columns."""
        return {
            "completion": self.dataset_completion_column,
            "solution": self.dataset_solution_column,
            "prompt": self.dataset_prompt_column,
            "domain": self.dataset_domain_column,
        }

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rewards = RewardSpec.parse_all(self.reward_funcs)
        if self.output_path:
            require_rows_file("output_path", self.output_path)


def require_rows_file(key: str, path: str) -> None:
    """Stops if rows cannot be written to a path.

    Args:
        key (`str`): The recipe's key.
        path (`str`): Its value.

    Raises:
        RecipeError: If it does not end in .jsonl or .parquet, or is a folder.
    """
    if Path(path).suffix not in (".jsonl", ".parquet") or Path(path).is_dir():
        raise RecipeError(f"{key}: found {path!r}; expected the name of a file that ends in .jsonl or .parquet.")
