"""Options that several stages have in common."""

from dataclasses import dataclass, field
from typing import Any

from open_r1.configs.dataset import DatasetSpec
from open_r1.utils.errors import RecipeError, parse_mapping
from open_r1.utils.files import require_file


@dataclass
class StageArguments:
    """The options of every stage, and what the parser records about where they come from.

    Args:
        dry_run (`bool`, *optional*, defaults to `False`): Whether to stop before the work begins.
        recipe (`str`, *optional*): The path of the recipe.
        keys (`dict`): Everything that the recipe and the command line set, which is enough to repeat the run.
        env (`dict[str, str]`): The environment variables that the recipe asks for; the script sets them.
    """

    dry_run: bool = field(
        default=False, metadata={"help": "Check everything, show what would be done, and stop before doing it."}
    )
    recipe: str | None = field(default=None, init=False)
    keys: dict[str, Any] = field(default_factory=dict, init=False)
    env: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Checks the options. Every subclass calls this first."""


@dataclass
class DatasetArguments(StageArguments):
    """The data set that a stage reads."""

    dataset_name: str | None = field(
        default=None,
        metadata={
            "help": "Data set: a Hub id, a local file (.jsonl, .json, .csv, .parquet), a folder written by "
            "`save_to_disk`, or a function that builds it (`package.module:function` or `file.py:function`)."
        },
    )
    dataset_config: str | None = field(default=None, metadata={"help": "Configuration of a Hub data set."})
    dataset_params: dict | str | None = field(
        default=None, metadata={"help": "Keyword arguments of the function that `dataset_name` names."}
    )
    dataset_train_split: str = field(default="train", metadata={"help": "Split to read, and to train on."})

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.dataset_params, str):
            self.dataset_params = parse_mapping(self.dataset_params, "dataset_params")
        self.require_data()

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
        """The training data, as the start-up box shows it."""
        return self.dataset_name

    def require_data(self) -> None:
        """Stops if no data set is named.

        Raises:
            RecipeError: With what can be named.
        """
        if not self.dataset_name:
            raise RecipeError("dataset_name: missing. Name a Hub data set, a local file or folder, or a function.")


@dataclass
class ScriptArguments(DatasetArguments):
    """What every trainer adds to TRL's options: the data to train and to evaluate on."""

    dataset_test_split: str = field(default="test", metadata={"help": "Split to evaluate on, if evaluating."})
    eval_split_size: float | None = field(
        default=None,
        metadata={
            "help": "If the data set has no dataset_test_split, hold out this many rows of dataset_train_split, "
            "chosen at random by the seed, and never train on them: a share below 1, or a number of rows."
        },
    )
    max_eval_samples: int | None = field(
        default=None, metadata={"help": "Maximum number of rows to evaluate on; the first ones are used."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eval_split_size is not None:
            self._check_eval_split_size()
        if self.max_eval_samples is not None and self.max_eval_samples < 1:
            raise RecipeError(f"max_eval_samples: found {self.max_eval_samples}; expected at least 1.")

    def _check_eval_split_size(self) -> None:
        size = self.eval_split_size
        is_share = 0 < size < 1
        is_row_count = size >= 1 and size == int(size)
        if not is_share and not is_row_count:
            raise RecipeError(f"eval_split_size: found {size}; expected a share between 0 and 1, or a number of rows.")


@dataclass
class PromptArguments(DatasetArguments):
    """How rows become prompts, for reinforcement learning, generation and evaluation."""

    dataset_prompt_column: str = field(default="prompt", metadata={"help": "Column of the question."})
    system_prompt: str | None = field(default=None, metadata={"help": "System message put before each question."})
    prompt_template: str | None = field(
        default=None,
        metadata={
            "help": "Jinja file that turns a row (`{{ prompt }}` and any column) into plain text, for base models "
            "that have no chat template; R1-Zero's is recipes/prompts/r1_zero.jinja."
        },
    )
    user_template: str | None = field(
        default=None,
        metadata={
            "help": "Jinja file that turns a row into the user's message, for chat models; see recipes/prompts."
        },
    )
    chat_template_path: str | None = field(
        default=None, metadata={"help": "Jinja file that replaces the tokenizer's chat template."}
    )
    max_prompt_length: int | None = field(
        default=None, metadata={"help": "Drop prompts with more tokens than this (TRL does not truncate prompts)."}
    )

    @property
    def columns(self) -> dict[str, str]:
        """What the data set calls its columns."""
        return {"prompt": self.dataset_prompt_column}

    def __post_init__(self) -> None:
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
