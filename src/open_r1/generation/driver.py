"""From a `generate` recipe to completions: what `generate.py` runs, and how builders ask a model."""

import hashlib
import json
import logging
import os
import shlex
from pathlib import Path

from datasets import Dataset
from rich.console import Console
from trl import ModelConfig

from open_r1.configs import DatasetSpec, GenerateArguments
from open_r1.configs.parser import RecipeParser
from open_r1.data.load import hide_short_progress_bars, load_split, write_rows
from open_r1.data.prompts import prompt_text, to_prompts
from open_r1.generation.backends import VLLM, Backend, Transformers
from open_r1.generation.client import Servers
from open_r1.generation.completion_store import CompletionStore, check_writable, prompt_ids
from open_r1.generation.running import Meter, draw_batches, draw_from_servers, jobs_of
from open_r1.models.chat_template import use_chat_template
from open_r1.models.loading import ModelInfo, load_model_info
from open_r1.utils.errors import RecipeError


logger = logging.getLogger(__name__)

TAIL = 2**20  # bytes
# Columns of completions: a data set that has them holds some already, which are not those of the prompts that are drawn here.
OF_COMPLETION = (
    "prompt_id",
    "model",
    "sampling",
    "seed",
    "sample",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "error",
)


def generate_completions(args: GenerateArguments, model_args: ModelConfig, console: Console) -> int:
    """Draws what is not there yet.

    Args:
        args (`GenerateArguments`): What to draw, by what, into which folder.
        model_args (`ModelConfig`): From which model.
        console (`Console`): Says what happens.

    Returns:
        `int`: Completions that could not be had.

    Raises:
        RecipeError: If model, data or servers are not as the recipe says.
    """
    blueprint = _blueprint(args, model_args)
    tokenizer = blueprint and blueprint.tokenizer
    rows = load_split(args.dataset, args.seed, args.max_prompts, args.dry_run)
    hide_short_progress_bars(rows)
    rows = to_prompts(rows, args, tokenizer, solved=False)
    if tokenizer is not None:
        prompt_text(rows[0]["prompt"], tokenizer)  # says early that there is no chat template
    rows = rows.remove_columns([name for name in rows.column_names if name in OF_COMPLETION])
    check_writable(rows[0])
    ids = prompt_ids(rows["prompt"])
    digest = digest_of(ids)
    mine = range(args.part, len(ids), args.parts)
    ids, rows = [ids[i] for i in mine], rows.select(mine)
    wanted = len(rows) * args.num_generations
    console.print(
        f"{wanted:,} completions: {args.num_generations} of each of {len(rows):,} prompts, shard {args.shard}, into {args.output_dir}"
    )
    if blueprint:
        blueprint.require_checkpoint("model_name_or_path", args.dry_run)
    if args.dry_run:
        return 0
    description = _description(args, model_args, tokenizer, rows[0]["prompt"]) | {"prompts_digest": digest}
    with CompletionStore(Path(args.output_dir), args.part, args.parts, description) as store:
        store.keep_prompts({**row, "prompt_id": name} for name, row in zip(ids, rows, strict=True))
        store.describe(ids, args.num_generations, rows.features.to_dict())
        jobs = jobs_of(ids, rows["prompt"], args.num_generations, args.seed)
        with Meter(wanted, store.count(ids, args.num_generations), console.is_terminal) as meter:
            if args.backend == "server":
                servers = Servers(
                    args.base_urls, model_args.model_name_or_path, args.sampling, args.concurrency, args.attempts, args.request_timeout,
                    args.truncated_attempts, args.api_key_env,
                )  # fmt: skip
                draw_from_servers(jobs, servers, store, meter)
            elif store.count(ids, args.num_generations) < wanted:
                draw_batches(list(jobs), _backend(args, model_args, tokenizer), store, args.batch_size, meter)
        store.describe(ids, args.num_generations, rows.features.to_dict())
        there = store.count(ids, args.num_generations)
    console.print(
        f"{there:,} of {wanted:,} completions are there, {store.truncated:,} of them cut off, {store.tokens:,} tokens"
    )
    if there < wanted:
        console.print(f"{wanted - there:,} failed, see {store.failed_path}; the same command tries them again")
    return wanted - there


def digest_of(texts: list[str]) -> str:
    """One number for the prompts of all shards, or whatever else."""
    return hashlib.sha256(" ".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _description(args: GenerateArguments, model_args: ModelConfig, tokenizer, prompt: str | list[dict]) -> dict:
    """What makes completions different, beside the prompts. Servers have a chat template of their own."""
    written_here = tokenizer is not None and not isinstance(prompt, str)
    return {
        "model": model_args.model_name_or_path,
        "weights": None if args.backend == "server" else weights_of(Path(model_args.model_name_or_path)),
        "revision": model_args.model_revision,
        "chat_template": digest_of([str(tokenizer.chat_template)]) if written_here else None,
        "sampling": args.sampling,
        "seed": args.seed,
        "truncated_attempts": args.truncated_attempts,
    }


def weights_of(folder: Path) -> str | None:
    """A digest of a checkpoint on this machine, of the ends of its files, so that one which was trained again in the same folder is
    another model; `None` if it is none."""
    found = sorted([*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")])
    parts = []
    for path in found:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - TAIL))
            parts.append(f"{path.name} {path.stat().st_size} {hashlib.sha256(stream.read()).hexdigest()}")
    return digest_of(parts) if parts else None


def answer_requests(
    recipe: str, requests: Dataset, folder: Path, here: bool, console: Console, template: str | None = None
) -> Dataset:
    """A model's completions for requests, by a `generate` recipe.

    Args:
        recipe (`str`): The recipe; its `dataset_name` and `output_dir` do not count here.
        requests (`Dataset`): With the columns that the recipe's template names.
        folder (`Path`): Where requests and completions are kept; completions that are there are not drawn again.
        here (`bool`): Whether to draw in this process; else somebody else does, in as many shards as they like.
        console (`Console`): Says what happens.
        template (`str`, *optional*): Takes the place of the recipe's `user_template`.

    Returns:
        `Dataset`: The requests' columns with `completion` and `finish_reason`, a row a completion.

    Raises:
        RecipeError: If completions are missing, with the command that draws them.
    """
    flags = ["--config", recipe, *(["--user_template", template] if template else [])]
    args, model_args = RecipeParser("generate").parse(
        [*flags, "--dataset_name", "requests", "--output_dir", "answers"]
    )
    prompts = to_prompts(requests, args, None, solved=False)["prompt"]
    asked = [str(model_args.model_name_or_path), json.dumps(args.sampling, sort_keys=True), str(args.num_generations)]
    told = [json.dumps(row, default=str) for row in requests]
    folder = folder / digest_of(
        [*prompt_ids(prompts), *asked, *told]
    )  # other requests, or of another model: another folder
    path, drawn = folder / "requests.parquet", folder / "completions"
    if not path.exists():
        write_rows(requests, path)
    flags += ["--dataset_name", str(path), "--output_dir", str(drawn)]
    if here:
        args, model_args = RecipeParser("generate").parse(flags)
        os.environ.update(args.env)
        if missing := generate_completions(args, model_args, console):
            raise RecipeError(f"{missing:,} of the requests in {path} have no answer; the same command asks again.")
    elif not any(drawn.glob("manifest-*.json")):
        raise RecipeError(
            f"{len(requests):,} requests are in {path}. Draw their completions (add --shard i/n for a part), then give this command "
            f"again:\n  python src/open_r1/generate.py {shlex.join(flags)}"
        )
    return load_split(DatasetSpec(str(drawn)), args.seed)


def _blueprint(args: GenerateArguments, model_args: ModelConfig) -> ModelInfo | None:
    """The model that is run here, `None` for one that servers run."""
    if args.backend == "server":
        if not model_args.model_name_or_path:
            raise RecipeError("model_name_or_path: missing. Name the model that the servers serve.")
        return None
    blueprint = load_model_info(model_args, args.seed, args.trust_remote_code)
    use_chat_template(blueprint.tokenizer, args.chat_template_path)
    return blueprint


def _backend(args: GenerateArguments, model_args: ModelConfig, tokenizer) -> Backend:
    if args.backend == "vllm":
        return VLLM(model_args, tokenizer, args)
    return Transformers(model_args, tokenizer, args)
