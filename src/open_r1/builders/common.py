"""What all builders of data sets share: rows in one form, the filters that a recipe asks for, and the set as it is written.

In a builder a row has `prompt` (text or turns), `completion` (text, `<think>thought</think>summary`) and whatever columns came with
it. The finished set has `messages` in place of both, since TRL would take a `prompt` for something else:

    <output_dir>/train-00000-of-00001.parquet     the set, a file a shard
    <output_dir>/prompts-00000-of-00001.parquet   prompts with pass rates, if the builder selects some (`dataset_config: prompts`)
    <output_dir>/report-00000-of-00001.json       what was dropped and why, statistics by domain
    <output_dir>/README.md                        the card, once all shards are there
    <output_dir>/.work/                           verdicts, requests to models; for a run that continues, else of no use
"""

import dataclasses
import hashlib
import json
import logging
from pathlib import Path
from typing import Any
from zlib import crc32

from datasets import Dataset, Value, disable_progress_bars
from rich.console import Console
from trl import ModelConfig

from open_r1.builders.dataset_card import write_dataset_card
from open_r1.builders.decontamination import Benchmarks
from open_r1.builders.filters import (
    CodeInThought,
    Contaminated,
    CutOff,
    Duplicates,
    Empty,
    LongParagraphs,
    MixedLanguages,
    Repetition,
    Unstructured,
)
from open_r1.configs import BENCHMARKS, Benchmark, BuilderArguments, DatasetSpec, SelectionArguments
from open_r1.configs.parser import RecipeParser
from open_r1.data.conversations import as_text
from open_r1.data.filter_report import FilterReport
from open_r1.data.load import hide_short_progress_bars, load_split, rename_columns, require_column, write_rows
from open_r1.models.chat_template import use_chat_template
from open_r1.models.loading import load_model_info
from open_r1.utils.errors import RecipeError
from open_r1.utils.files import write_text_atomically
from open_r1.utils.hub import push, require_repo
from open_r1.utils.imports import FILES
from open_r1.utils.text import text_of


# Columns that belong to a completion, of which the finished set keeps the last four.
COMPLETION = {
    "completion",
    "finish_reason",
    "prompt_tokens",
    "seed",
    "sample",
    "model",
    "completion_tokens",
    "prompt_id",
}
DUPLICATES = Duplicates("completion", within="prompt_id")  # the same completion of the same prompt
PUSHED = [
    "train-*.parquet",
    "prompts-*.parquet",
    "report-*.json",
    "README.md",
]  # not the folders in it, of work under way
DROPPED = {"prompt", "completion", "finish_reason", "prompt_tokens", "seed"}


def begin(args: BuilderArguments) -> Console:
    """The console, with the log going the same way and no bars in a log file."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:
        disable_progress_bars()
    check_benchmarks(args.decontaminate)
    others = [
        path.name
        for path in Path(args.output_dir).glob("report-*.json")
        if not path.stem.endswith(f"-of-{args.parts:05}")
    ]
    if others:  # its rows would be read beside ours
        raise RecipeError(
            f"shard: {args.output_dir} holds a set of another number of shards ({others[0]}). Use another output_dir."
        )
    if args.push_to_hub and not args.dry_run:
        require_repo(args.hub_dataset_id, args.hub_private, args.hub_revision, "dataset")
    return console


def load_completions(args: SelectionArguments) -> Dataset:
    """The completions of this shard's prompts, in the form that builders work on.

    Returns:
        `Dataset`: `prompt`, `completion` as text, `prompt_id`, `solution` if there is one, and the other columns.

    Raises:
        RecipeError: If a column is missing.
    """
    rows = load_split(args.dataset, args.seed, dry_run=args.dry_run)
    hide_short_progress_bars(rows)
    for name in ("prompt", "completion"):
        require_column(rows, getattr(args, f"dataset_{name}_column"), f"dataset_{name}_column")
    rows = rename_columns(rows, args.dataset.columns)
    opened = "<think>" if args.thought_opened else ""
    texts = all(
        name in rows.column_names and rows.features[name] == Value("string") for name in ("completion", "prompt_id")
    )
    if not texts or opened or rows.data.column("prompt_id").null_count:
        rows = _normal(rows, opened, args.num_proc)
    if args.parts > 1:
        mine = [i for i, name in enumerate(rows["prompt_id"]) if crc32(name.encode()) % args.parts == args.part]
        rows = rows.select(mine)
    return rows


def _normal(rows: Dataset, opened: str, num_proc: int | None) -> Dataset:
    """Completions as text that starts with the thought, and an id for each prompt."""

    def normal(row: dict) -> dict:
        text = text_of(row["completion"]) or ""
        name = hashlib.sha256(json.dumps(row["prompt"], sort_keys=True).encode()).hexdigest()[:16]
        return {
            "completion": text if text.startswith(opened) else opened + text,
            "prompt_id": name if row.get("prompt_id") is None else str(row["prompt_id"]),
        }

    return rows.map(normal, num_proc=num_proc if len(rows) > 10_000 else None, desc="Reading completions")


def check_benchmarks(names: list[str]):
    """Stops if a benchmark is neither known by name nor a file with a column."""
    for name in names:
        path, _, column = name.rpartition(":")
        if name not in BENCHMARKS and not (path.endswith(FILES) and column and Path(path).is_file()):
            raise RecipeError(
                f"decontaminate: found {name!r}; expected {', '.join(BENCHMARKS)}, or an existing file and its column, `held_out.jsonl:problem`."
            )


def load_benchmarks(names: list[str]) -> Benchmarks:
    """The problems that must not be trained on, of benchmarks by name and of files."""
    problems = {}
    for name in names:
        if name in BENCHMARKS:
            # without its params: all problems, not those alone that an evaluation asks
            spec = dataclasses.replace(Benchmark.parse(name).dataset, params={})
        else:
            path, _, own_column = name.rpartition(":")
            spec = DatasetSpec(path, columns={"prompt": own_column})
        rows = load_split(spec, seed=0)
        column = spec.columns["prompt"]
        if column not in rows.column_names:
            raise RecipeError(f"decontaminate: {name}: no column {column!r}; found: {', '.join(rows.column_names)}.")
        problems[name] = [text for text in rows[column] if text]
    return Benchmarks(problems)


def filters_of(args: BuilderArguments, columns: list[str], empty_thought: bool = False) -> list:
    """The filters that a recipe asks for, cheap ones first."""
    filters: list = [Empty("prompt"), *([CutOff()] if "finish_reason" in columns else [])]
    filters.append(Unstructured(empty_thought=empty_thought))
    if args.drop_code_in_thought:
        filters.append(CodeInThought())
    if args.max_paragraph:
        filters.append(LongParagraphs(most=args.max_paragraph))
    if args.max_repetition < 1:
        filters.append(Repetition(most=args.max_repetition))
    if args.decontaminate:
        filters.append(Contaminated("prompt", load_benchmarks(args.decontaminate)))
    if args.min_language_share:
        filters.append(MixedLanguages(least=args.min_language_share, fewest_words=args.fewest_words))
    return filters


def turns_of(prompt: str | list[dict]) -> list[dict]:
    """A prompt as turns.

    >>> turns_of("1+1?")
    [{'role': 'user', 'content': '1+1?'}]
    """
    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    return [{"role": turn["role"], "content": turn["content"]} for turn in turns]


def to_messages(rows: Dataset, args: BuilderArguments) -> Dataset:
    """Prompt and completion as `messages`, with their length in `tokens` if the recipe names a model; the other columns as they are.

    Raises:
        RecipeError: If the template of the recipe's model drops thoughts.
    """
    tokenizer = (
        load_model_info(ModelConfig(model_name_or_path=args.model_name_or_path), args.seed).tokenizer
        if args.model_name_or_path
        else None
    )
    if tokenizer:
        use_chat_template(tokenizer, args.chat_template_path)

    def row_to_messages(row: dict) -> dict:
        messages = [*turns_of(row["prompt"]), {"role": "assistant", "content": row["completion"].strip()}]
        if tokenizer is None:
            return {"messages": messages}
        return {
            "messages": messages,
            "tokens": len(tokenizer(as_text(messages, tokenizer), add_special_tokens=False)["input_ids"]),
        }

    drop = [name for name in rows.column_names if name in DROPPED]
    num_proc = args.num_proc if len(rows) > 1000 else None
    return rows.map(row_to_messages, remove_columns=drop, num_proc=num_proc, desc="Writing messages")


def work_of(args: BuilderArguments) -> Path:
    """Where a shard keeps what it needs to continue; hidden, so that nobody takes it for a part of the set."""
    return Path(args.output_dir, ".work", args.suffix)


def statistics(rows: Dataset) -> dict[str, dict[str, float]]:
    """Rows, mean tokens and mean rounds of each domain, and of all: the columns of the paper's table of its SFT data."""
    if not len(rows):
        return {}
    domains = rows["domain"] if "domain" in rows.column_names else [None] * len(rows)
    tokens = next(
        (rows[name] for name in ("tokens", "completion_tokens") if name in rows.column_names), [None] * len(rows)
    )
    sums: dict[str, list[float]] = {}
    for domain, count, messages in zip(domains, tokens, rows["messages"], strict=True):
        rounds = sum(message["role"] == "user" for message in messages)
        for name in {str(domain or "all"), "all"}:
            total = sums.setdefault(name, [0, 0, 0])
            for i, value in enumerate((1, count or 0, rounds)):
                total[i] += value
    return {name: {"rows": n, "tokens": t / n, "rounds": r / n} for name, (n, t, r) in sorted(sums.items())}


def show_plan(console: Console, args: BuilderArguments, rows: dict[str, int], recipes: list[str]):
    """What a builder would do.

    Args:
        console (`Console`): Where to say it.
        args (`BuilderArguments`): The recipe.
        rows (`dict[str, int]`): What there is to choose from, by name.
        recipes (`list[str]`): `generate` recipes that are asked, which are checked.
    """
    for recipe in recipes:
        asked, model_args = RecipeParser("generate").parse(
            ["--config", recipe, "--dataset_name", "requests.parquet", "--output_dir", "answers"]
        )
        console.print(f"asks {model_args.model_name_or_path} ({asked.backend}) by {recipe}")
    for name, count in rows.items():
        console.print(f"from {name}: {count:,} rows")
    console.print(f"leaves out: {', '.join(args.decontaminate) or 'no benchmark'}")
    console.print(f"into {args.output_dir}")


def finish(
    args: BuilderArguments,
    console: Console,
    rows: Dataset,
    reports: list[FilterReport],
    prompts: Dataset | None = None,
):
    """Writes the set of one shard and what there is to say of it; with the last shard the card, and pushes if asked."""
    if not len(rows) and args.parts == 1:
        told = "; ".join(map(str, reports))
        raise RecipeError(f"nothing is left of {args.dataset_name or 'the sources'}: {told}")
    folder = Path(args.output_dir)
    for name, part in (("prompts", prompts), ("train", rows)):
        path = folder / f"{name}-{args.suffix}.parquet"
        if part is not None and len(part):
            write_rows(part, path)
        else:  # a shard may come out empty; a file without columns would spoil the others
            path.unlink(missing_ok=True)
    report: dict[str, Any] = {
        "recipe": {"builder": args.builder} | args.keys,
        "prompts": None if prompts is None else len(prompts),
        "statistics": statistics(rows),
        "filters": [vars(each) for each in reports],
        "examples": [row["messages"] for row in rows.select(range(min(2, len(rows))))],
    }
    write_text_atomically(
        folder / f"report-{args.suffix}.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    )
    console.print(f"{len(rows):,} rows in {folder / f'train-{args.suffix}.parquet'}")
    if prompts is not None:
        console.print(
            f"{len(prompts):,} prompts for reinforcement learning in {folder / f'prompts-{args.suffix}.parquet'}"
        )
    if complete := write_dataset_card(folder, args.parts):
        console.print(f"the card is {complete}")
        if args.push_to_hub:
            name = require_repo(args.hub_dataset_id, args.hub_private, args.hub_revision, "dataset")
            push(folder, name, args.hub_revision, "dataset", f"{len(rows):,} rows", PUSHED)
            console.print(f"pushed to {name} ({args.hub_revision or 'main'})")
