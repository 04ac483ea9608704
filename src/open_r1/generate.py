"""Draws completions: N a prompt, from a model in this process or from servers, resumable at any moment (DeepSeek-R1, §2.3.3).

Examples:

  # on this CPU, from the miniature's R1-Zero
  python src/open_r1/generate.py --config recipes/tiny/generate/config_zero.yaml

  # from a server (`vllm serve <model>`); several URLs share the work
  python src/open_r1/generate.py --config my.yaml --backend server --base_urls http://localhost:8000/v1 http://node2:8000/v1

  # the third of eight parts, as a Slurm array would
  python src/open_r1/generate.py --config my.yaml --shard 2/8

  # what would be drawn
  python src/open_r1/generate.py --config my.yaml --dry_run true

  # the same command again continues where it was
"""

import hashlib
import logging
import sys
from pathlib import Path

import transformers
from datasets import Dataset
from rich.console import Console
from trl import ModelConfig

from open_r1.configs import GenerateArguments, RecipeError
from open_r1.data import load_split
from open_r1.data.prompts import prompt_text, to_prompts
from open_r1.generation.backends import VLLM, Backend, Transformers
from open_r1.generation.running import Meter, draw_batches, draw_from_servers, jobs_of
from open_r1.generation.server import Servers
from open_r1.generation.store import Store, prompt_ids
from open_r1.parser import RecipeParser, user_errors
from open_r1.utils.models import draw


def take_part(args: GenerateArguments, dataset: Dataset) -> tuple[list[str], Dataset, str]:
    """Ids and prompts of this shard, and a digest of those of all shards."""
    ids = prompt_ids(dataset["prompt"])
    digest = hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16]
    mine = range(args.part, len(ids), args.parts)
    return [ids[i] for i in mine], dataset.select(mine), digest


def backend_of(args: GenerateArguments, model_args: ModelConfig, tokenizer) -> Backend:
    if args.backend == "vllm":
        return VLLM(model_args, tokenizer, args)
    return Transformers(model_args, tokenizer, args)


def main():
    args, model_args = RecipeParser("generate", __doc__).parse()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()
    console = Console(soft_wrap=True)
    tokenizer = None
    if args.backend != "server":
        blueprint = draw(model_args, args.seed, args.trust_remote_code)
        tokenizer = blueprint.tokenizer
        if args.chat_template_path:
            tokenizer.chat_template = Path(args.chat_template_path).read_text()
    elif not model_args.model_name_or_path:
        raise RecipeError("model_name_or_path: missing. Name the model that the servers serve.")
    rows = to_prompts(load_split(args, args.dataset_train_split, args.seed, args.max_prompts), args, tokenizer, solved=False)
    if tokenizer is not None:
        prompt_text(rows[0]["prompt"], tokenizer)  # says early that there is no chat template
    ids, rows, digest = take_part(args, rows)
    wanted = len(rows) * args.num_generations
    console.print(
        f"{wanted:,} completions: {args.num_generations} of each of {len(rows):,} prompts, shard {args.shard}, into {args.output_dir}"
    )
    if args.dry_run:
        return
    description = {
        "model": model_args.model_name_or_path,
        "sampling": args.sampling,
        "seed": args.seed,
        "prompts_digest": digest,
    }
    with Store(Path(args.output_dir), args.part, args.parts, description) as store:
        store.keep_prompts({"prompt_id": name, **row} for name, row in zip(ids, rows, strict=True))
        store.describe(len(rows), wanted)
        jobs = list(jobs_of(ids, rows["prompt"], args.num_generations, args.seed))
        with Meter(wanted, store.rows, console.is_terminal) as meter:
            if args.backend == "server":
                servers = Servers(
                    args.base_urls, model_args.model_name_or_path, args.sampling, args.concurrency, args.attempts, args.request_timeout,
                    args.truncated_attempts, args.api_key_env,
                )  # fmt: skip
                draw_from_servers(iter(jobs), servers, store, meter)
            elif not all(map(store.has, jobs)):
                draw_batches(jobs, backend_of(args, model_args, tokenizer), store, args.batch_size, meter)
        store.describe(len(rows), wanted)
    console.print(
        f"{store.rows:,} of {wanted:,} completions are there, {store.truncated:,} of them cut off, {store.tokens:,} tokens"
    )
    if store.rows < wanted:
        console.print(f"{wanted - store.rows:,} failed, see {store.failed_path}; the same command tries them again")
        sys.exit(1)


if __name__ == "__main__":
    with user_errors():
        main()
