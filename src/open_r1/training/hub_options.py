"""The options for pushing a run to the Hub, checked before training starts."""

from pathlib import Path

from transformers import TrainingArguments
from transformers.trainer_utils import HubStrategy
from trl import ModelConfig

from open_r1.configs import RunArguments
from open_r1.configs.parser import RecipeParser
from open_r1.configs.recipes import stage_of
from open_r1.utils.errors import RecipeError
from open_r1.utils.hub import require_repo


def check_hub_options(script_args: RunArguments, args: TrainingArguments, model_args: ModelConfig) -> None:
    """Stops if the options for pushing and evaluating are inconsistent.

    Raises:
        RecipeError: With the option to change.
    """
    if script_args.evaluation_recipe:
        if not args.push_to_hub:
            raise RecipeError(
                "evaluation_recipe: only pushed revisions are evaluated; set `push_to_hub: true`, or leave it out."
            )
        if model_args.use_peft:
            raise RecipeError(
                "evaluation_recipe: with `use_peft` only the adapter is pushed, which cannot be evaluated alone. "
                "Merge it (merge_adapter.py) and evaluate the merged model instead."
            )
        _check_evaluation_recipe(script_args.evaluation_recipe, args)
    if args.push_to_hub and args.hub_strategy not in (HubStrategy.END, HubStrategy.EVERY_SAVE):
        raise RecipeError(
            f"hub_strategy: found {args.hub_strategy.value!r}; expected `every_save` (each checkpoint as a revision, "
            "and the finished model) or `end` (the finished model only)."
        )


def hub_repo_name(args: TrainingArguments) -> str:
    """The repository that the options name: `hub_model_id`, or else the name of the output folder."""
    return args.hub_model_id or Path(args.output_dir).name


def create_hub_repo(args: TrainingArguments) -> str:
    """Creates the repository of a run, and its branch, if they do not exist.

    Returns:
        `str`: The repository's full name, `namespace/repo`.

    Raises:
        HubError: If the Hub cannot be reached or refuses.
    """
    return require_repo(hub_repo_name(args), args.hub_private_repo, args.hub_revision)


def pushes_checkpoints(args: TrainingArguments) -> bool:
    """Whether each checkpoint is pushed as a revision, rather than only the finished model."""
    return args.hub_strategy == HubStrategy.EVERY_SAVE


def _check_evaluation_recipe(recipe: str, args: TrainingArguments) -> None:
    """Stops if a recipe cannot evaluate what this run pushes."""
    stage = stage_of(Path(recipe))
    if stage != "evaluation":
        raise RecipeError(f"evaluation_recipe: {recipe} is for {stage}; expected one in a folder `eval`.")
    argv = ["--config", recipe, "--model_name_or_path", "pushed", "--output_dir", args.output_dir]
    evaluation_args, _ = RecipeParser("evaluation").parse(argv)
    if evaluation_args.backend == "server":
        raise RecipeError(
            "evaluation_recipe: `backend: server` would ask a server of another model; use transformers or vllm."
        )
    if not pushes_checkpoints(args):
        raise RecipeError(
            "evaluation_recipe: checkpoints are evaluated, and `hub_strategy: end` pushes none; use `every_save`."
        )
