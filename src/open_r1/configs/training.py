"""Options of the trainers, in addition to TRL's."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from open_r1.configs.common import PromptArguments, ScriptArguments
from open_r1.configs.dataset import DatasetSpec
from open_r1.configs.entry import Entry
from open_r1.configs.reward_spec import RewardSpec
from open_r1.utils.errors import RecipeError, did_you_mean, parse_mapping, split_shell_words
from open_r1.utils.files import require_file


if TYPE_CHECKING:
    from trl import DistillationConfig, GRPOConfig

OBJECTIVES = ("helpfulness", "harmlessness")
LONG_COMPLETION = 4096  # tokens
DATASET_FORMATS = ("messages", "sharegpt", "prompt_completion", "alpaca", "text")


@dataclass
class RunArguments(ScriptArguments):
    """What every trainer takes: how processes share the model, when a run stops, what evaluates checkpoints."""

    accelerate_config: str | None = field(
        default=None,
        metadata={
            "help": "How processes share the model, for slurm/train.slurm: a file of "
            "recipes/accelerate_configs; by default DDP."
        },
    )

    max_non_finite: int = field(
        default=3,
        metadata={"help": "Stop after this many consecutive logged steps with a NaN or infinite loss or gradient."},
    )
    when_disk_is_full: str = field(
        default="stop",
        metadata={"help": "If a checkpoint does not fit on the disk: `stop`, or `skip` it and continue."},
    )

    bf16_on_cpu: bool = field(
        default=False,
        metadata={
            "help": "With `use_cpu: true` and no `bf16`: train in bf16 on a CPU that has instructions for it, and in "
            "float32 on others."
        },
    )

    resume_with_changes: bool = field(
        default=False,
        metadata={
            "help": "Resume from the last checkpoint even if the model, the data, the rewards or other keys that give "
            "the run its meaning have changed since then."
        },
    )

    license: str | None = field(
        default=None, metadata={"help": "License of the trained model (`apache-2.0`), for its model card."}
    )

    evaluation_recipe: str | None = field(
        default=None,
        metadata={"help": "An `eval` recipe that evaluates each pushed revision while training continues."},
    )
    evaluation_slurm: str | None = field(
        default=None,
        metadata={
            "help": "Run these evaluations as Slurm jobs, with these options of sbatch (`--gpus-per-node 1`, or ''); "
            "by default they run as processes on this machine."
        },
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("accelerate_config", "evaluation_recipe"):
            path = getattr(self, key)
            if path:
                require_file(key, path)
        if self.evaluation_slurm is not None:
            split_shell_words("evaluation_slurm", self.evaluation_slurm)
            if not self.evaluation_recipe:
                raise RecipeError("evaluation_slurm: such a job runs the `evaluation_recipe`, which is missing.")
        if self.max_non_finite < 1:
            raise RecipeError(f"max_non_finite: found {self.max_non_finite}; expected at least 1.")
        if self.when_disk_is_full not in ("stop", "skip"):
            raise RecipeError(f"when_disk_is_full: found {self.when_disk_is_full!r}; expected stop or skip.")


@dataclass
class SFTScriptArguments(RunArguments):
    """Supervised fine-tuning. TRL's `SFTConfig` has everything else."""

    dataset_format: str = field(
        default="auto",
        metadata={
            "help": "Layout of the rows: `messages`, `sharegpt` (`conversations` with `from` and `value`), "
            "`prompt_completion`, `alpaca` (`instruction`, `input`, `output`) or `text`; `auto` goes by the columns."
        },
    )
    dataset_messages_column: str | None = field(
        default=None, metadata={"help": "Column of conversations; by default `messages`, or `conversations`."}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dataset_format not in ("auto", *DATASET_FORMATS):
            raise RecipeError(
                f"dataset_format: found {self.dataset_format!r}; expected auto, {', '.join(DATASET_FORMATS)}."
            )


@dataclass
class RewardModelScriptArguments(RunArguments):
    """Reward models for what rules cannot judge (DeepSeek-R1, §2.3.4)."""

    objective: str = field(
        default="helpfulness",
        metadata={
            "help": "`helpfulness`: pairs (`chosen`, `rejected`), judged by the final summary; `harmlessness`: "
            "answers with a `label` (`safe` or `unsafe`), judged as a whole."
        },
    )
    min_gap: float = field(
        default=0.0,
        metadata={"help": "Leave out pairs whose `score_chosen` is not above `score_rejected` by more than this."},
    )
    balance_lengths: bool = field(
        default=True,
        metadata={"help": "Balance the pairs: in half of them the longer answer is the chosen one."},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objective not in OBJECTIVES:
            raise RecipeError(f"objective: found {self.objective!r}{did_you_mean(self.objective, OBJECTIVES)}")
        if self.min_gap < 0:
            raise RecipeError(f"min_gap: found {self.min_gap}; expected at least 0.")


@dataclass
class RolloutArguments(RunArguments, PromptArguments):
    """What trainers take that generate completions during training."""

    def length_for_vllm(self, training_args: "GRPOConfig | DistillationConfig") -> int | None:
        """The maximum length of vLLM's sequences, in tokens.

        Args:
            training_args (`GRPOConfig` or `DistillationConfig`): The trainer's options.

        Returns:
            `int`: The length, or `None` (the model's own limit) if the recipe does not set one.
        """
        if training_args.vllm_max_model_length or not self.max_prompt_length:
            return training_args.vllm_max_model_length
        return self.max_prompt_length + training_args.max_completion_length


@dataclass
class DistillationScriptArguments(RolloutArguments):
    """On-policy distillation, on prompts that the student answers."""


@dataclass
class PromptSource(Entry):
    """One of several sets of prompts for reinforcement learning, an entry of `sources`.

    Args:
        dataset_name (`str`): As in a recipe: Hub id, file, folder or function.
        dataset_config (`str`, *optional*): Configuration of a Hub data set.
        dataset_params (`dict`, *optional*): Keyword arguments of the function that `dataset_name` names.
        dataset_prompt_column (`str`, *optional*): Column of the question; by default the recipe's.
        dataset_solution_column (`str`, *optional*): Column of the gold answer, if any; by default the recipe's.
        domain (`str`, *optional*): Domain of its rows, which selects their rewards; by default their column `domain`.
        weight (`float`, *optional*, defaults to 1):
            Its share of a step's prompts, relative to the sum of the weights of all sources that take part.
        from_step (`int`, *optional*, defaults to 0):
            First step that it takes part in. Completions are sampled for whole rounds of `steps_per_generation` ×
            `num_iterations` / `gradient_accumulation_steps` steps, so it actually starts with the next round.
        until_step (`int`, *optional*): First step that it no longer takes part in; by default it never stops.
    """

    option: ClassVar[str] = "sources"

    dataset_name: str
    dataset_config: str | None = None
    dataset_params: dict | None = None
    dataset_prompt_column: str | None = None
    dataset_solution_column: str | None = None
    domain: str | None = None
    weight: float = 1.0
    from_step: int = 0
    until_step: int | None = None

    def __post_init__(self) -> None:
        self.require_positive("weight")
        if not 0 <= self.from_step < (self.until_step or math.inf):
            raise RecipeError(
                f"sources: {self.dataset_name!r} takes part from step {self.from_step} until step {self.until_step}; "
                "expected 0 ≤ from < until."
            )

    @property
    def dataset(self) -> DatasetSpec:
        """The data set that the `dataset_*` keys name; its `columns` are only those that override the recipe's."""
        columns = {"prompt": self.dataset_prompt_column, "solution": self.dataset_solution_column}
        own_columns = {name: column for name, column in columns.items() if column is not None}
        return DatasetSpec(self.dataset_name, self.dataset_config, self.dataset_params or {}, columns=own_columns)

    def __str__(self) -> str:
        since = f" from step {self.from_step}" if self.from_step else ""
        until = f" until step {self.until_step}" if self.until_step else ""
        return f"{self.weight:g} × {self.dataset_name}{since}{until}"

    def takes_part(self, step: int) -> bool:
        """Whether the source takes part in a step.

        Args:
            step (`int`): The step, from 0.
        """
        return self.from_step <= step < (self.until_step or math.inf)


@dataclass
class GRPOScriptArguments(RolloutArguments):
    """Reinforcement learning with verifiable rewards."""

    sources: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Several sets of prompts, instead of dataset_name: mappings such as `- {dataset_name: math.jsonl, "
            "domain: math, weight: 3}` or `- {dataset_name: chat.jsonl, domain: general-helpful, from_step: 1300}`."
        },
    )

    dataset_solution_column: str = field(default="solution", metadata={"help": "Column that holds the gold answer."})
    reward_funcs: list[str] = field(
        default_factory=lambda: ["accuracy", "format"],
        metadata={
            "help": "Rewards: names, or mappings with parameters and weight (`- {name: format, weight: 0.5}`); a "
            "dotted path or `file.py:function` for your own."
        },
    )
    max_unusable_golds: float = field(
        default=0.1,
        metadata={
            "help": "Stop before training if a larger share of the gold answers cannot be parsed, or of the rows "
            "cannot be judged by a reward, such as for lack of test cases."
        },
    )

    max_unjudged: float = field(
        default=0.25,
        metadata={
            "help": "Stop if a reward could not judge more than this share of a process's last 512 completions."
        },
    )

    show_completions_every: int = field(
        default=10, metadata={"help": "Log a completion at the first step and then every N steps; 0 for never."}
    )

    vllm_nodes: int = field(
        default=0,
        metadata={
            "help": "With `vllm_mode: server`: number of nodes of a Slurm job (the last ones) that run vLLM, in "
            "engines of vllm_tensor_parallel_size GPUs; the others train. With 0, start the server yourself and set "
            "its address (vllm_server_base_url) and key (the environment variable VLLM_API_KEY)."
        },
    )

    vllm_engine: dict | str | None = field(
        default=None,
        metadata={"help": "With vllm_nodes: further engine arguments of vLLM, such as `{max_num_seqs: 512}`."},
    )

    rewards: list[RewardSpec] = field(default_factory=list, init=False)  # `reward_funcs`, parsed
    mixture: list[PromptSource] = field(default_factory=list, init=False)  # `sources`, parsed

    @property
    def columns(self) -> dict[str, str]:
        """What the data set calls its columns."""
        return super().columns | {"solution": self.dataset_solution_column}

    @property
    def data(self) -> str:
        """The training data, as the start-up box shows it."""
        return self.dataset_name or ", ".join(str(source) for source in self.mixture)

    def require_data(self) -> None:
        """Stops unless either a data set or several sources are named.

        Raises:
            RecipeError: With what can be named.
        """
        if not self.sources:
            super().require_data()
        elif self.dataset_name:
            raise RecipeError("dataset_name: there are `sources` too; name this set there.")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.mixture = [PromptSource.parse(entry) for entry in self.sources]
        if not 0 <= self.max_unusable_golds <= 1:
            raise RecipeError(f"max_unusable_golds: found {self.max_unusable_golds}; expected a share from 0 to 1.")
        if not 0 < self.max_unjudged <= 1:
            raise RecipeError(f"max_unjudged: found {self.max_unjudged}; expected a share above 0, up to 1.")
        if self.show_completions_every < 0:
            raise RecipeError(f"show_completions_every: found {self.show_completions_every}; expected at least 0.")
        if self.vllm_nodes < 0:
            raise RecipeError(f"vllm_nodes: found {self.vllm_nodes}; expected at least 0.")
        if isinstance(self.vllm_engine, str):
            self.vllm_engine = parse_mapping(self.vllm_engine, "vllm_engine")
        if self.vllm_engine:
            self._check_vllm_engine(self.vllm_engine)
        self.rewards = RewardSpec.parse_all(self.reward_funcs)

    def _check_vllm_engine(self, engine: dict) -> None:
        if not self.vllm_nodes:
            raise RecipeError("vllm_engine: these are options of the servers on `vllm_nodes`, which is 0.")
        for key in engine:
            if key.endswith("parallel_size"):
                raise RecipeError(
                    f"vllm_engine: found {key}; the GPUs of an engine are set by `vllm_tensor_parallel_size`, and all "
                    "GPUs of `vllm_nodes` are used."
                )

    def require_whole_rounds(self, training_args: "GRPOConfig") -> None:
        """Stops if a checkpoint would fall within a round of generation.

        The completions of a round are not saved. A run resumed from such a checkpoint would sample new ones, and every
        later step would differ from that of an uninterrupted run.

        Args:
            training_args (`GRPOConfig`): The trainer's options.

        Raises:
            RecipeError: If so, with a value of `save_steps` that works.
        """
        steps = steps_of_a_round(training_args)
        if steps == 1 or training_args.save_strategy == "no":
            return
        reason = (
            f"a round of generation takes {steps} steps "
            "(steps_per_generation × num_iterations / gradient_accumulation_steps)"
        )
        if training_args.save_strategy != "steps":
            raise RecipeError(f"save_strategy: {training_args.save_strategy.value}, but {reason}; use `steps`.")
        if training_args.save_steps % steps:
            better = max(1, round(training_args.save_steps / steps)) * steps
            raise RecipeError(
                f"save_steps: found {training_args.save_steps:g}, but {reason}; expected a multiple, such as {better}."
            )

    def set_weights(self, training_args: "GRPOConfig") -> None:
        """Passes the weights of `reward_funcs` to TRL, unless the recipe gives them TRL's way, as `reward_weights`.

        Args:
            training_args (`GRPOConfig`): The trainer's options, which are changed.

        Raises:
            RecipeError: If weights are given in both places, or their number is not that of the rewards.
        """
        if training_args.reward_weights is not None:
            has_own_weights = any(spec.weight != 1.0 for spec in self.rewards)
            if has_own_weights or len(training_args.reward_weights) != len(self.rewards):
                raise RecipeError(
                    f"reward_weights: found {training_args.reward_weights} for the {len(self.rewards)} rewards of "
                    "reward_funcs; give one weight per reward, here or there but not in both places."
                )
            for spec, weight in zip(self.rewards, training_args.reward_weights, strict=True):
                spec.weight = weight
        training_args.reward_weights = [spec.weight for spec in self.rewards]

    def require_server_mode(self, training_args: "GRPOConfig") -> None:
        """Stops if nodes are reserved for vLLM that the trainer would not use.

        Args:
            training_args (`GRPOConfig`): The trainer's options.

        Raises:
            RecipeError: If `vllm_nodes` is set without `use_vllm: true` and `vllm_mode: server`.
        """
        uses_server = training_args.use_vllm and training_args.vllm_mode == "server"
        if self.vllm_nodes and not uses_server:
            raise RecipeError(f"vllm_nodes: found {self.vllm_nodes} without `use_vllm: true` and `vllm_mode: server`.")

    def require_server(self, training_args: "GRPOConfig") -> None:
        """Stops if vLLM has not been started on the nodes reserved for it.

        Args:
            training_args (`GRPOConfig`): The trainer's options.

        Raises:
            RecipeError: If it has not, or if the trainer would not use it.
        """
        self.require_server_mode(training_args)
        if self.vllm_nodes and not training_args.vllm_server_base_url and not self.dry_run:
            raise RecipeError(
                "vllm_nodes: such nodes belong to a Slurm job (slurm/train.slurm). Without one start the server "
                "yourself, and give --vllm_nodes 0 --vllm_server_base_url http://HOST:PORT, its key in VLLM_API_KEY."
            )

    def choose_importance_sampling(self, training_args: "GRPOConfig") -> str | None:
        """Chooses how to weight completions from vLLM, whose token probabilities differ from the trained model's.

        TRL's default truncates or weights whole sequences by the product of their token ratios. For a long sequence
        this product is far from 1 even if each ratio is close to 1. So for long completions, unless the recipe says
        otherwise, each token gets its own weight.

        Args:
            training_args (`GRPOConfig`): The trainer's options, which may be changed.

        Returns:
            `str`: A description of the choice; `None` without vLLM.
        """
        args = training_args
        if not args.use_vllm or not args.vllm_importance_sampling_correction:
            return None
        if args.max_completion_length > LONG_COMPLETION and "vllm_importance_sampling_mode" not in self.keys:
            args.vllm_importance_sampling_mode = "token_truncate"
        return f"{args.vllm_importance_sampling_mode}, at most {args.vllm_importance_sampling_clip_max:g}"


def steps_of_a_round(args: "GRPOConfig") -> int:
    """The number of optimizer steps in a round, that is, from one sampling of completions to the next.

    Args:
        args (`GRPOConfig`): The trainer's options.

    >>> from types import SimpleNamespace
    >>> steps_of_a_round(SimpleNamespace(steps_per_generation=16, num_iterations=1, gradient_accumulation_steps=1))
    16
    """
    batches = args.steps_per_generation * args.num_iterations
    return batches // math.gcd(batches, args.gradient_accumulation_steps)
