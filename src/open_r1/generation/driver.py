"""Runs a `generate` recipe, for `generate.py` and for the data builders that query a model."""

import json
import logging
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from rich.console import Console

from open_r1.configs import DatasetSpec, GenerateArguments
from open_r1.configs.parser import RecipeParser
from open_r1.data.load import (
    existing_columns,
    hide_short_progress_bars,
    load_split,
    require_column,
    write_rows,
)
from open_r1.data.prompts import prompt_text, to_prompts
from open_r1.generation.client import ServerClient
from open_r1.generation.completion_store import (
    COMPLETION_COLUMNS,
    CompletionStore,
    prompt_ids,
    require_json_columns,
)
from open_r1.generation.loops import GenerationProgress, build_requests, generate_in_batches, generate_on_servers
from open_r1.models.chat_template import use_chat_template
from open_r1.utils.digests import hash_texts, hash_weights
from open_r1.utils.errors import RecipeError


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase
    from trl import ModelConfig

    from open_r1.generation.backends import Backend
    from open_r1.models.loading import ModelInfo

logger = logging.getLogger(__name__)


class LazyBackend:
    """The back end of a model, loaded when it is first needed and closed at the end of a `with` block.

    Runs with the same model, sampling parameters and engine arguments can share it; lengths and seeds may differ.
    """

    def __init__(self):
        self.backend: Backend | None = None

    def load(
        self, args: GenerateArguments, model_args: "ModelConfig", tokenizer: "PreTrainedTokenizerBase"
    ) -> "Backend":
        """Loads the model, unless it is loaded already."""
        if self.backend is None:
            self.backend = load_backend(args, model_args, tokenizer)
        return self.backend

    def __enter__(self) -> "LazyBackend":
        return self

    def __exit__(self, *_: object) -> None:
        if self.backend is not None:
            self.backend.close()


def generate_completions(
    args: GenerateArguments,
    model_args: "ModelConfig",
    console: Console,
    shared_backend: LazyBackend | None = None,
) -> int:
    """Generates the completions of a recipe that do not exist yet.

    Args:
        args (`GenerateArguments`): Prompts, sampling parameters, back end and output folder.
        model_args (`ModelConfig`): The model.
        console (`Console`): Shows what happens.
        shared_backend (`LazyBackend`, *optional*): Of several runs with this model; by default the model is only
            loaded for this one.

    Returns:
        `int`: Number of completions that failed.

    Raises:
        RecipeError: If the model, the data or the servers do not match the recipe.
    """
    model_info = load_prompting_info(args, model_args)
    tokenizer = model_info.tokenizer if model_info else None
    rows = _load_prompts(args, tokenizer)
    if model_info:
        model_info.require_checkpoint("model_name_or_path", args.dry_run)
    return complete_prompts(rows, args, model_args, tokenizer, console, shared_backend)


def complete_prompts(
    all_rows: Dataset,
    args: GenerateArguments,
    model_args: "ModelConfig",
    tokenizer: "PreTrainedTokenizerBase | None",
    console: Console,
    shared_backend: LazyBackend | None = None,
) -> int:
    """Generates the completions of prompts that do not exist yet.

    Args:
        all_rows (`Dataset`): The column `prompt`, text or messages, and others that are stored with the completions.
        args (`GenerateArguments`): Sampling parameters, back end, shard and output folder.
        model_args (`ModelConfig`): The model.
        tokenizer (`PreTrainedTokenizerBase`, *optional*): Its tokenizer, unless servers run it.
        console (`Console`): Shows what happens.
        shared_backend (`LazyBackend`, *optional*): Of several runs with this model.

    Returns:
        `int`: Number of completions that failed.
    """
    all_prefixes = _prefixes(all_rows, args)
    all_ids = prompt_ids(all_rows["prompt"], all_prefixes)
    in_shard = range(args.part, len(all_ids), args.parts)
    rows = all_rows.select(in_shard)
    ids = [all_ids[index] for index in in_shard]
    prefixes = [""] * len(ids)
    if all_prefixes is not None:
        prefixes = [all_prefixes[index] for index in in_shard]
    wanted = len(ids) * args.num_generations
    console.print(
        f"{wanted:,} completions: {args.num_generations} of each of {len(ids):,} prompts, "
        f"shard {args.shard}, into {args.output_dir}"
    )
    if args.dry_run:
        return 0

    description = _describe_run(args, model_args, tokenizer, rows[0]["prompt"])
    description["prompts_digest"] = hash_texts(all_ids)
    with CompletionStore(Path(args.output_dir), args.part, args.parts, description) as store:
        store.write_prompts({**row, "prompt_id": prompt_id} for prompt_id, row in zip(ids, rows, strict=True))
        store.write_manifest(ids, args.num_generations, rows.features.to_dict())
        existing = store.count(ids, args.num_generations)
        with GenerationProgress(wanted, existing, console.is_terminal) as progress:
            requests = build_requests(
                ids, rows["prompt"], prefixes, args.num_generations, args.seed, args.max_completion_length
            )
            if args.backend == "server":
                generate_on_servers(requests, _build_client(args, model_args), store, progress)
            elif existing < wanted and shared_backend is not None:
                backend = shared_backend.load(args, model_args, tokenizer)
                generate_in_batches(list(requests), backend, store, args.batch_size, progress)
            elif existing < wanted:
                with LazyBackend() as own_backend:
                    backend = own_backend.load(args, model_args, tokenizer)
                    generate_in_batches(list(requests), backend, store, args.batch_size, progress)
        store.write_manifest(ids, args.num_generations, rows.features.to_dict())
        existing = store.count(ids, args.num_generations)
    failed = wanted - existing
    console.print(
        f"{existing:,} of {wanted:,} completions exist, {store.truncated:,} of them truncated, {store.tokens:,} tokens"
    )
    if failed:
        console.print(f"{failed:,} failed, see {store.failed_path}; the same command tries them again")
    return failed


def answer_requests(
    recipe: str, requests: Dataset, folder: Path, in_process: bool, console: Console, template: str | None = None
) -> Dataset:
    """Lets the model of a `generate` recipe answer requests.

    Args:
        recipe (`str`): Path of the recipe. Its `dataset_name` and `output_dir` are not used.
        requests (`Dataset`): Rows with the columns that the recipe's template names.
        folder (`Path`): Where requests and completions are stored. Existing completions are reused.
        in_process (`bool`):
            Whether to generate in this process. If not, the user runs `generate.py`, in any number of shards.
        console (`Console`): Shows what happens.
        template (`str`, *optional*): Path of a template that replaces the recipe's `user_template`.

    Returns:
        `Dataset`: One row per completion: the columns of its request, `completion`, `finish_reason`.

    Raises:
        RecipeError: If completions are missing, with the command that generates them.
    """
    options = ["--config", recipe]
    if template:
        options += ["--user_template", template]
    placeholders = ["--dataset_name", "requests", "--output_dir", "answers"]
    args, model_args = RecipeParser("generate").parse([*options, *placeholders])

    # Other requests or another model get another folder.
    folder = folder / _hash_requests(requests, args, model_args)
    requests_path = folder / "requests.parquet"
    completions_folder = folder / "completions"
    if not requests_path.exists():
        write_rows(requests, requests_path)
    options += ["--dataset_name", str(requests_path), "--output_dir", str(completions_folder)]
    if in_process:
        args, model_args = RecipeParser("generate").parse(options)
        os.environ.update(args.env)
        failed = generate_completions(args, model_args, console)
        if failed:
            raise RecipeError(
                f"{failed:,} of the requests in {requests_path} have no answer; the same command tries them again."
            )
    elif not any(completions_folder.glob("manifest-*.json")):
        raise RecipeError(
            f"{len(requests):,} requests are in {requests_path}. Generate their completions (add --shard i/n for a "
            f"part of them), then run this command again:\n  python src/open_r1/generate.py {shlex.join(options)}"
        )
    return load_split(DatasetSpec(str(completions_folder)), args.seed)


def load_prompting_info(args: GenerateArguments, model_args: "ModelConfig") -> "ModelInfo | None":
    """The configuration and the tokenizer of the model, with the recipe's chat template; `None` if servers run it.

    Args:
        args (`GenerateArguments`): The back end and the chat template.
        model_args (`ModelConfig`): The model.

    Raises:
        RecipeError: If there is no such model, or servers should run one without a name.
    """
    if args.backend == "server":
        if not model_args.model_name_or_path:
            raise RecipeError("model_name_or_path: missing. Name the model that the servers serve.")
        return None
    # They import torch, which servers do without.
    from open_r1.models.attention import check_attention, runs_on_cpu
    from open_r1.models.loading import load_model_info

    if args.backend == "transformers":
        check_attention(model_args.attn_implementation, runs_on_cpu(), args.dry_run)
    model_info = load_model_info(model_args, args.seed, args.trust_remote_code)
    use_chat_template(model_info.tokenizer, args.chat_template_path)
    return model_info


def _load_prompts(args: GenerateArguments, tokenizer: "PreTrainedTokenizerBase | None") -> Dataset:
    """The prompts of all shards, without the columns of completions that were generated earlier."""
    rows = load_split(args.dataset, args.seed, args.max_prompts, args.dry_run)
    hide_short_progress_bars(rows)
    if args.dataset_prefix_column is not None:
        require_column(rows, args.dataset_prefix_column, "dataset_prefix_column")
    rows = to_prompts(rows, args, tokenizer, with_solution=False)
    if tokenizer is not None:
        prompt_text(rows[0]["prompt"], tokenizer)  # raises now if there is no chat template
    # If the prompts come from a folder of completions, drop the columns of those completions.
    rows = rows.remove_columns(existing_columns(rows, COMPLETION_COLUMNS))
    for row in rows:
        require_json_columns(row)
    return rows


def _prefixes(rows: Dataset, args: GenerateArguments) -> list[str] | None:
    """The text that the completion of each prompt begins with; `None` if the recipe names no column for it."""
    if args.dataset_prefix_column is None:
        return None
    if args.dataset_prefix_column not in rows.column_names:
        raise RecipeError(
            f"dataset_prefix_column: {args.dataset_prefix_column!r} is the name of a column that prompts cannot have "
            "beside them, such as `completion`; give it another name, such as `prefix`."
        )
    if args.backend == "server" and not isinstance(rows[0]["prompt"], str):
        raise RecipeError(
            f"dataset_prefix_column: found {args.dataset_prefix_column!r} with `backend: server`; a server cannot "
            "continue a message. Give prompts as text (`prompt_template`), or use another back end."
        )
    prefixes = rows[args.dataset_prefix_column]
    for index, prefix in enumerate(prefixes):
        if not isinstance(prefix, str):
            raise RecipeError(
                f"dataset_prefix_column: row {index + 1} of {args.dataset_prefix_column!r} is {prefix!r}; expected "
                "text, which may be empty."
            )
    return prefixes


def load_backend(
    args: GenerateArguments, model_args: "ModelConfig", tokenizer: "PreTrainedTokenizerBase"
) -> "Backend":
    """Loads a model for generation: with vLLM, on all visible GPUs.

    Args:
        args (`GenerateArguments`): The back end and its options.
        model_args (`ModelConfig`): The model.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
    """
    from open_r1.generation.backends import TransformersBackend, VLLMBackend  # import torch
    from open_r1.generation.engines import ParallelBackend, assign_gpus, visible_gpus

    if args.backend != "vllm":
        return TransformersBackend(model_args, tokenizer, args)
    gpus_of_engines = assign_gpus(visible_gpus(), args.vllm_engine or {})
    if len(gpus_of_engines) > 1:
        return ParallelBackend(gpus_of_engines, model_args, tokenizer, args)
    return VLLMBackend(model_args, tokenizer, args)


def _build_client(args: GenerateArguments, model_args: "ModelConfig") -> ServerClient:
    return ServerClient(
        args.base_urls,
        model_args.model_name_or_path,
        args.sampling,
        concurrency=args.concurrency,
        attempts=args.attempts,
        timeout=args.request_timeout,
        truncated_attempts=args.truncated_attempts,
        api_key_env=args.api_key_env,
    )


def _describe_run(
    args: GenerateArguments,
    model_args: "ModelConfig",
    tokenizer: "PreTrainedTokenizerBase | None",
    first_prompt: str | list[dict],
) -> dict[str, Any]:
    """Everything that the completions depend on, except for the prompts."""
    weights = None
    if args.backend != "server":
        weights = hash_weights(Path(model_args.model_name_or_path))
    chat_template = None  # servers have their own
    if tokenizer is not None and not isinstance(first_prompt, str):
        chat_template = hash_texts([str(tokenizer.chat_template)])
    return {
        "model": model_args.model_name_or_path,
        "weights": weights,
        "revision": model_args.model_revision,
        "chat_template": chat_template,
        "sampling": args.sampling,
        "seed": args.seed,
        "truncated_attempts": args.truncated_attempts,
    }


def _hash_requests(requests: Dataset, args: GenerateArguments, model_args: "ModelConfig") -> str:
    """A hash of everything that the answers to requests depend on."""
    prompts = to_prompts(requests, args, None, with_solution=False)["prompt"]
    texts = prompt_ids(prompts)
    texts += [str(model_args.model_name_or_path), json.dumps(args.sampling, sort_keys=True), str(args.num_generations)]
    texts += [json.dumps(row, default=str) for row in requests]
    return hash_texts(texts)
