"""Options of the trainers, beside TRL's own."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from open_r1.configs.base import PromptArguments, RewardSpec, ScriptArguments
from open_r1.configs.errors import RecipeError


if TYPE_CHECKING:
    from trl import GRPOConfig


@dataclass
class SFTScriptArguments(ScriptArguments):
    """Supervised fine-tuning: TRL's `SFTConfig` has all else that is needed."""


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
