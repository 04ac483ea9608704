"""What all scripts take, what those take that make prompts, and the rewards of a recipe."""

import math
import os
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from open_r1.configs.dataset import DatasetSpec
from open_r1.utils.errors import RecipeError, did_you_mean, parse_mapping
from open_r1.utils.files import require_file


E = TypeVar("E", bound="Entry")


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
        if isinstance(entry, str) and entry.lstrip().startswith("{"):  # a parse_mapping given on the command line
            entry = parse_mapping(entry, "reward_funcs")
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
            raise RecipeError(
                f"reward_funcs: only_if of {name!r} is {only_if!r}; expected the name of another reward."
            )
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
            raise RecipeError(
                f"reward_funcs: found the names {labels}; expected at least one reward, each named once."
            )
        for spec in specs:
            if spec.only_if is not None and (spec.only_if not in labels or spec.only_if == spec.label):
                others = [label for label in labels if label != spec.label]
                raise RecipeError(
                    f"reward_funcs: only_if of {spec.name!r} is {spec.only_if!r}; expected another reward of the recipe: "
                    f"{', '.join(others) or 'there is none'}."
                )
        return specs


class Entry:
    """One mapping of a list in a recipe, such as a set of a mixture; a dataclass, whose fields are its keys."""

    option: ClassVar[str] = ""  # the list's key

    @classmethod
    def parse(cls: type[E], entry: str | dict) -> E:
        """Reads a mapping, or a text that stands for one: `{…}` on the command line, else the first field alone.

        Raises:
            RecipeError: Naming the key that is unknown, missing or of another type.
        """
        hints = {
            name: hint for name, hint in typing.get_type_hints(cls).items() if typing.get_origin(hint) is not ClassVar
        }
        first = next(iter(hints))
        if isinstance(entry, str):
            entry = parse_mapping(entry, cls.option) if entry.lstrip().startswith("{") else {first: entry}
        if first not in entry:
            raise RecipeError(f"{cls.option}: found {entry!r}; expected a mapping with a {first}.")
        for key, value in entry.items():
            if key not in hints:
                raise RecipeError(f"{cls.option}: unknown key {key!r}{did_you_mean(key, hints)}")
            kinds = typing.get_args(hints[key]) or (hints[key],)
            number = isinstance(value, int) and not isinstance(value, bool) and float in kinds
            if type(value) not in kinds and not number:
                names = " or ".join("nothing" if kind is type(None) else kind.__name__ for kind in kinds)
                raise RecipeError(f"{cls.option}: {key} is {value!r}; expected {names}.")
        return cls(**entry)

    @property
    def first(self) -> Any:
        """What tells it from the others."""
        return next(iter(vars(self).values()))

    def require_positive(self, key: str):
        if not getattr(self, key) > 0:
            raise RecipeError(
                f"{self.option}: {key} of {self.first!r} is {getattr(self, key)!r}; expected a positive number."
            )

    def require_file(self, key: str):
        path = getattr(self, key)
        if path and not Path(path).is_file():
            raise RecipeError(f"{self.option}: {key} of {self.first!r}: no file {path!r} (looked in {os.getcwd()}).")


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
    eval_split_size: float | None = field(
        default=None,
        metadata={
            "help": "If the data set has no dataset_test_split, hold out that many rows of dataset_train_split, chosen at "
            "random by the seed, and never train on them: a share below 1, or a number of rows."
        },
    )
    max_eval_samples: int | None = field(default=None, metadata={"help": "Evaluate on the first so many rows only."})
    dry_run: bool = field(
        default=False, metadata={"help": "Check everything, show what would run, load no weights and stop."}
    )
    recipe: str | None = field(default=None, init=False)  # path of the recipe, filled in by the parser
    keys: dict[str, Any] = field(default_factory=dict, init=False)  # all that recipe and command line set, likewise
    env: dict[str, str] = field(default_factory=dict, init=False)  # environment variables that the recipe asks for

    def __post_init__(self):
        if isinstance(self.dataset_params, str):
            self.dataset_params = parse_mapping(self.dataset_params, "dataset_params")
        if self.eval_split_size is not None:
            self._check_eval_split_size()
        self.require_data()

    def _check_eval_split_size(self) -> None:
        size = self.eval_split_size
        is_share = 0 < size < 1
        is_row_count = size >= 1 and size == int(size)
        if not is_share and not is_row_count:
            raise RecipeError(f"eval_split_size: found {size}; expected a share between 0 and 1, or a number of rows.")

    @property
    def dataset(self) -> DatasetSpec:
        """The training split of the data set that the options name."""
        return DatasetSpec(
            self.dataset_name,
            self.dataset_config,
            self.dataset_params or {},
            split=self.dataset_train_split,
            columns=self.columns,
        )

    @property
    def columns(self) -> dict[str, str]:
        """What the data set calls its columns, from the options `dataset_<name>_column`."""
        return {}

    @property
    def data(self) -> str:
        """What is trained on, as the start-up box shows it."""
        return self.dataset_name

    def require_data(self):
        if not self.dataset_name:
            raise RecipeError("dataset_name: missing. Name a Hub dataset, a local file or folder, or a function.")


@dataclass
class PromptArguments(ScriptArguments):
    """How rows become prompts: for reinforcement learning, for generation, for evaluation."""

    dataset_prompt_column: str = field(default="prompt", metadata={"help": "Column that holds the question."})
    system_prompt: str | None = field(default=None, metadata={"help": "System message put before each question."})
    prompt_template: str | None = field(
        default=None,
        metadata={
            "help": "Jinja file that turns a row (`{{ prompt }}` and any column) into plain text, for base models that "
            "have no chat template; R1-Zero's is recipes/prompts/r1_zero.jinja."
        },
    )
    user_template: str | None = field(
        default=None,
        metadata={
            "help": "Jinja file that turns a row into the user's message, for models that chat; see recipes/prompts."
        },
    )
    chat_template_path: str | None = field(
        default=None, metadata={"help": "Jinja file that replaces the tokenizer's chat template."}
    )
    max_prompt_length: int | None = field(
        default=None, metadata={"help": "Drop prompts of more tokens than this (TRL does not truncate prompts)."}
    )

    @property
    def columns(self) -> dict[str, str]:
        return {"prompt": self.dataset_prompt_column}

    def __post_init__(self):
        super().__post_init__()
        if self.system_prompt and self.prompt_template:
            raise RecipeError("system_prompt and prompt_template: choose one; a plain-text prompt has no system turn.")
        if self.user_template and self.prompt_template:
            raise RecipeError("user_template and prompt_template: choose one; a plain-text prompt has no turns.")
        for key in ("prompt_template", "user_template", "chat_template_path"):
            path = getattr(self, key)
            if path:
                require_file(key, path)
        if self.max_prompt_length is not None and self.max_prompt_length < 1:
            raise RecipeError(f"max_prompt_length: found {self.max_prompt_length}; expected at least 1.")
