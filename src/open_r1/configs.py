"""The options that our scripts add to TRL's, and the strict parser that reads recipes.

A recipe is a YAML file of flat keys; `--config recipe.yaml` reads it and the command line overrides it. Every key belongs to
one of three dataclasses: ours (this file), TRL's trainer config, TRL's `ModelConfig`. What fits none of them is an error that
names file, key and the nearest valid key.
"""

import dataclasses
import difflib
import json
import os
import sys
from argparse import ArgumentDefaultsHelpFormatter, RawDescriptionHelpFormatter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from trl import GRPOConfig, ModelConfig, SFTConfig, TrlParser


class RecipeError(ValueError):
    """An error that the user can mend: shown as one message, without a traceback."""


@contextmanager
def user_errors():
    """Ends the program with one clear message, recipe first, when the user can mend the error, and with status 1."""
    try:
        yield
    except RecipeError as error:
        recipe, message = recipe_of(split_config(sys.argv)), str(error)
        sys.stderr.write(f"\nerror: {message if recipe is None or message.startswith(recipe) else f'{recipe}: {message}'}\n")
        sys.exit(1)


@dataclass
class RewardSpec:
    """One entry of `reward_funcs`.

    Args:
        name (`str`): A registered reward, a dotted path (`package.module.function`) or `file.py:function`.
        weight (`float`, *optional*, defaults to `1.0`): Factor of the reward in the sum that GRPO maximises.
        params (`dict`, *optional*): Keyword arguments of the reward, such as `{"max_len": 8192}`.

    >>> RewardSpec.parse({"name": "cosine", "max_len": 8192, "weight": 0.5})
    RewardSpec(name='cosine', weight=0.5, params={'max_len': 8192})
    """

    name: str
    weight: float = 1.0
    params: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, entry: str | dict) -> "RewardSpec":
        if isinstance(entry, str) and entry.lstrip().startswith("{"):
            entry = yaml.safe_load(entry)  # a mapping given on the command line
        if isinstance(entry, str):
            return cls(entry)
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise RecipeError(
                f"reward_funcs: found {entry!r}; expected a name or a mapping with a name, "
                "such as `accuracy` or `{name: format, weight: 0.5}`."
            )
        weight = entry.get("weight", 1.0)
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise RecipeError(f"reward_funcs: weight of {entry['name']!r} is {weight!r}; expected a number.")
        return cls(entry["name"], float(weight), {k: v for k, v in entry.items() if k not in ("name", "weight")})


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
            self.dataset_params = json.loads(self.dataset_params)
        if not self.dataset_name:
            raise RecipeError("dataset_name: missing. Name a Hub dataset, a local file or folder, or a function.")


@dataclass
class SFTScriptArguments(ScriptArguments):
    """Supervised fine-tuning: TRL's `SFTConfig` has all else that is needed."""


@dataclass
class GRPOScriptArguments(ScriptArguments):
    """Reinforcement learning with verifiable rewards."""

    dataset_prompt_column: str = field(default="prompt", metadata={"help": "Column that holds the question."})
    dataset_solution_column: str = field(default="solution", metadata={"help": "Column that holds the gold answer."})
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

    rewards: list[RewardSpec] = field(default_factory=list, init=False)  # `reward_funcs`, parsed

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
        if not 0 <= self.max_unusable_golds <= 1:
            raise RecipeError(f"max_unusable_golds: found {self.max_unusable_golds}; expected a share from 0 to 1.")
        self.rewards = [RewardSpec.parse(entry) for entry in self.reward_funcs]
        names = [spec.name for spec in self.rewards]
        if not names or len(set(names)) < len(names):
            raise RecipeError(f"reward_funcs: found {names}; expected at least one reward, each named once.")

    def set_weights(self, training_args: GRPOConfig):
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


STAGES = {
    "sft": (SFTScriptArguments, SFTConfig, ModelConfig),
    "grpo": (GRPOScriptArguments, GRPOConfig, ModelConfig),
    "report": (ReportArguments,),
}


class _HelpFormatter(RawDescriptionHelpFormatter, ArgumentDefaultsHelpFormatter):
    pass


class RecipeParser(TrlParser):
    """`TrlParser` that forgives nothing: see the module docstring.

    Args:
        stage (`str`): Key of `STAGES`; it decides which dataclasses a recipe may fill.
        description (`str`, *optional*): Text of the first screen of `--help`.
    """

    def __init__(self, stage: str, description: str | None = None):
        super().__init__(
            STAGES[stage],
            usage="%(prog)s --config RECIPE [--key value ...]",
            description=description,
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
        )
        self.keys = {f.name for cls in STAGES[stage] for f in dataclasses.fields(cls) if f.init}

    def parse(self, argv: list[str] | None = None) -> tuple:
        """Reads `--config` and the command line into the stage's dataclasses.

        Returns:
            `tuple`: (script arguments, trainer config, model config); the first has `recipe` (the path or `None`) and `keys`
            (all that was set, enough to run it again).

        Raises:
            RecipeError: Naming the recipe, the key, what was found and what was expected.
        """
        argv = split_config(sys.argv[1:] if argv is None else argv)
        recipe = recipe_of(argv)
        where = recipe or "command line"
        try:
            keys = read_recipe(recipe) if recipe else {}
            self._check_recipe(keys)
            self._check_flags(argv)
            parsed = self.parse_args_and_config(argv)
        except RecipeError as error:
            raise error if str(error).startswith(where) else RecipeError(f"{where}: {error}") from error
        except (ValueError, TypeError, ImportError, json.JSONDecodeError) as error:
            raise RecipeError(f"{where}: {_explain(str(error))}") from error
        parsed[0].recipe = recipe
        parsed[0].keys = keys | self._given(argv)
        return parsed

    def error(self, message: str):
        """Argparse's own complaints (a word where a number belongs) join ours."""
        raise RecipeError(f"{message}. See --help.")

    def _given(self, argv: list[str]) -> dict[str, Any]:
        """The keys that the command line itself sets."""
        flags = {
            self._option_string_actions[arg.split("=")[0]].dest for arg in argv if arg.startswith("--") and arg != "--config"
        }
        values = vars(self.parse_known_args(argv)[0])
        return {key: values[key] for key in values if key in flags}

    def _check_recipe(self, recipe: dict):
        actions = {action.dest: action for action in self._actions}
        for key, value in recipe.items():
            if key == "env":
                continue
            if key not in self.keys:
                raise RecipeError(f"unknown key {key!r}{nearest(key, self.keys)}")
            wanted = actions[key].type
            number = isinstance(value, int | float) and not isinstance(value, bool)
            wrong = (wanted is int and (not number or value != int(value))) or (wanted is float and not number)
            if wrong and not isinstance(value, str | None):  # strings are converted, or refused, by argparse
                raise RecipeError(f"{key}: found {value!r}; expected {wanted.__name__}.")

    def _check_flags(self, argv: list[str]):
        known = {option for action in self._actions for option in action.option_strings} | {"--config"}
        for arg in argv:
            flag = arg.split("=")[0]
            if flag.startswith("--") and flag not in known:
                raise RecipeError(f"unknown option {flag!r}{nearest(flag, known)}")


def split_config(argv: list[str]) -> list[str]:
    """`--config=path` as two words, the only form that TrlParser knows; of several the last counts.

    >>> split_config(["--config=a.yaml", "--seed", "1", "--config", "b.yaml"])
    ['--config', 'b.yaml', '--seed', '1']
    """
    words = [word for arg in argv for word in (arg.split("=", 1) if arg.startswith("--config=") else [arg])]
    recipes = [i for i, word in enumerate(words[:-1]) if word == "--config"]
    rest = [word for i, word in enumerate(words) if i not in recipes and i - 1 not in recipes]
    return ["--config", words[recipes[-1] + 1], *rest] if recipes else rest


def recipe_of(argv: list[str]) -> str | None:
    """The recipe of a command line in `split_config`'s form."""
    return argv[1] if argv[:1] == ["--config"] and len(argv) > 1 else None


def read_recipe(path: str) -> dict:
    """A recipe's raw keys.

    Raises:
        RecipeError: If the file is missing, is not YAML or is not a mapping.
    """
    if not Path(path).is_file():
        near = [str(p) for p in Path("recipes").glob("*/*/*.yaml") if p.name == Path(path).name]
        raise RecipeError(f"{path}: no such recipe.{' There is ' + ', '.join(near) + '.' if near else ''}")
    try:
        recipe = yaml.safe_load(Path(path).read_text())
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(recipe, dict):
        raise RecipeError(f"{path}: found {type(recipe).__name__}; expected keys and values.")
    return recipe


def nearest(name: str, names) -> str:
    """`. Did you mean 'x'?` for the closest of the names, or a full stop.

    >>> nearest("learning_rat", ["learning_rate", "seed"])
    ". Did you mean 'learning_rate'?"
    """
    close = difflib.get_close_matches(name, [str(n) for n in names], n=1)
    return f". Did you mean {close[0]!r}?" if close else "."


def _explain(message: str) -> str:
    """TRL's and transformers' complaints, with how to mend the ones that people meet."""
    if "bf16/gpu" in message:
        return "bf16 needs a GPU and there is none here. For the CPU set `bf16: false` and `use_cpu: true`."
    if "must be divisible by num_generations" in message:
        return (
            f"{message} generation_batch_size is per_device_train_batch_size × processes × steps_per_generation "
            "(by default gradient_accumulation_steps); change one of them or num_generations."
        )
    return message
