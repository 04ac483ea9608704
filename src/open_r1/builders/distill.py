"""The mixture that R1 and its students are fine-tuned on: reasoning and other samples by weight (§2.3.3 and §2.4).

Sources are sets of conversations, in any layout that SFT reads: what rejection sampling wrote, and any chat data set
for writing, factual questions, self-cognition and translation. A source with a `teacher` is answered
anew, with a thought before the answer if the request needs one; one with `thought: false` keeps its answers, after an
empty thought. The paper's 600k + 200k samples, by domain (v2, Table 5), are
recipes/DeepSeek-R1-Distill/data/config_800k.yaml. To pack them is TRL's job (`packing: true` for `sft.py`).

Examples:

  # the miniature's
  python -m open_r1.builders.distill --config recipes/tiny/data/config_distill.yaml

  # what would be done
  python -m open_r1.builders.distill --config recipes/tiny/data/config_distill.yaml --dry_run true

  # and push it
  ... --push_to_hub true --hub_dataset_id you/mixture
"""

import math
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, List, Value, concatenate_datasets
from rich.console import Console

from open_r1.builders.filters import Duplicates, Empty
from open_r1.builders.recipe_filters import filters_from_recipe
from open_r1.builders.rows import plain_messages, read_prompt, to_messages
from open_r1.builders.run import show_plan, start_builder, work_folder, write_dataset
from open_r1.builders.run_filters import run_filters
from open_r1.configs import DistillArguments, Source
from open_r1.configs.parser import parse_command_line, report_user_errors
from open_r1.data.conversations import (
    add_system_message,
    read_answer,
    read_messages,
    read_text_or_messages,
    refuse_untrained_answers,
)
from open_r1.data.filter_report import FilterReport, format_reports
from open_r1.data.load import existing_columns, hide_short_progress_bars, load_split
from open_r1.data.rows import InvalidRow, convert_rows
from open_r1.data.training_rows import read_instruction
from open_r1.generation.driver import answer_requests
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import conversation_text, prompt_messages, split_thought, text_of


EMPTY_THOUGHT = "<think>\n\n</think>\n\n"  # what R1 itself writes where there is nothing to think about


def main() -> None:
    """Builds the mixture of a recipe."""
    args: DistillArguments
    (args,) = parse_command_line("distill", __doc__)
    console = start_builder(args)
    sources = [read_source(source, args) for source in args.mixture]
    if args.dry_run:
        show_mixture(console, args, sources)
        return

    reports: list[FilterReport] = []
    prepared = []
    for number, (source, rows) in enumerate(zip(args.mixture, sources, strict=True)):
        console.print(f"{source.dataset_name}: {len(rows):,} rows")
        folder = work_folder(args) / f"teacher-{number}"
        rows, source_reports = prepare_source(rows, source, folder, args, console)
        prepared.append(rows)
        for report in source_reports:
            report.name = f"{source.dataset_name}: {report.name}"
        reports += source_reports
    mixture = mix_sources(prepared, args, reports)
    write_dataset(args, console, mixture, reports)


def show_mixture(console: Console, args: DistillArguments, sources: list[Dataset]) -> None:
    """Shows what the builder would do with the sources.

    Args:
        console (`Console`): Where to show it.
        args (`DistillArguments`): The recipe.
        sources (`list[Dataset]`): The rows of each source.
    """
    row_counts = {}
    teachers = set()
    for source, rows in zip(args.mixture, sources, strict=True):
        domain = source.domain or "its own domains"
        row_counts[f"{source.dataset_name} ({domain}, weight {source.weight:g})"] = len(rows)
        if source.teacher:
            teachers.add(source.teacher)
    show_plan(console, args, row_counts, recipes=sorted(teachers))


def read_source(source: Source, args: DistillArguments) -> Dataset:
    """Loads a source in the form that builders work on: `prompt` (messages), `completion` (text), `domain`, `source`.

    Args:
        source (`Source`): The source.
        args (`DistillArguments`): The recipe.

    Raises:
        RecipeError: If it has no conversations.
    """
    rows = load_split(source.dataset, args.seed, dry_run=args.dry_run)
    hide_short_progress_bars(rows)
    read_exchange = _choose_reader(rows, source)

    def read_row(row: dict) -> dict:
        prompt, answer = read_exchange(row)
        if prompt:
            prompt = add_system_message(prompt, row)
        if not source.thought and not source.teacher:
            answer = _with_thought(answer)
        return {
            "prompt": prompt,
            "completion": answer,
            "domain": source.domain or str(row.get("domain") or "all"),
            "source": source.dataset_name,
        }

    texts = dict.fromkeys(("completion", "domain", "source"), Value("string"))
    return convert_rows(
        rows,
        read_row,
        f"sources: {source.dataset_name}",
        remove_columns=rows.column_names,
        features=Features({"prompt": List({"role": Value("string"), "content": Value("string")})} | texts),
        num_proc=args.num_proc if len(rows) > 10_000 else None,
        description="Reading conversations",
    )


def _choose_reader(rows: Dataset, source: Source) -> Callable[[dict], tuple[list[dict], str]]:
    """A function that returns the prompt (messages) and the answer (text) of a row; empty ones if there are none.

    Raises:
        RecipeError: If there are no columns that it could read.
    """
    for column in ("messages", "conversations"):
        if column in rows.column_names:
            return lambda row: _split_conversation(row[column])
    prompt_column = source.dataset_prompt_column
    completion_column = source.dataset_completion_column
    if prompt_column not in rows.column_names or completion_column not in rows.column_names:
        if {"instruction", "output"} <= set(rows.column_names):
            return _read_alpaca
        raise RecipeError(
            f"sources: {source.dataset_name} has the columns {', '.join(rows.column_names)}; expected `messages`, "
            f"`conversations`, `instruction` and `output`, or {prompt_column!r} and {completion_column!r} (see "
            "dataset_prompt_column and dataset_completion_column)."
        )

    def read_exchange(row: dict) -> tuple[list[dict], str]:
        prompt = []
        if row[prompt_column]:
            prompt = _plain_prompt(read_prompt(row[prompt_column]))
        return prompt, read_answer(row[completion_column] or None) or ""

    return read_exchange


def _split_conversation(value: Any) -> tuple[list[dict], str]:
    """The prompt of a conversation and its last answer; without an answer, which a teacher may give, that is empty."""
    if not value:
        return [], ""
    messages = read_messages(value)
    refuse_untrained_answers(value)
    if messages[-1]["role"] != "assistant":
        return _plain_prompt(messages), ""
    _refuse_calls(messages[-1:])
    return _plain_prompt(messages[:-1]), text_of(messages[-1:])


def _read_alpaca(row: dict) -> tuple[list[dict], str]:
    """The request and the answer of a row of Alpaca's columns."""
    prompt = [{"role": "user", "content": read_instruction(row)}]
    return prompt, read_answer(row["output"] or None) or ""


def _plain_prompt(value: Any) -> list[dict]:
    """A prompt as messages of text; blank if there is none, since such rows are filtered out."""
    if not value:
        return []
    messages = prompt_messages(read_text_or_messages(value, "prompt"))
    _refuse_calls(messages)
    return plain_messages(messages)


def _refuse_calls(messages: list[dict]) -> None:
    if any("tool_calls" in message for message in messages):
        raise InvalidRow("the conversation has calls of tools, which mixtures cannot have yet; leave such rows out")


def _with_thought(answer: str) -> str:
    """An answer after a thought, an empty one if it has none.

    >>> _with_thought("Hello!"), _with_thought("<think>They greet me.</think>Hello!")
    ('<think>\\n\\n</think>\\n\\nHello!', '<think>They greet me.</think>Hello!')
    """
    if split_thought(answer).thought is None:
        return EMPTY_THOUGHT + answer.strip()
    return answer


def prepare_source(
    rows: Dataset, source: Source, folder: Path, args: DistillArguments, console: Console
) -> tuple[Dataset, list[FilterReport]]:
    """Lets a source's teacher answer if it has one, filters its rows and writes them as `messages`.

    Args:
        rows (`Dataset`): The source's rows.
        source (`Source`): The source.
        folder (`Path`): Where requests to the teacher are kept.
        args (`DistillArguments`): The recipe.
        console (`Console`): Shows what happens.

    Returns:
        `tuple[Dataset, list[FilterReport]]`: The rows, and what was dropped.

    Raises:
        RecipeError: If no row is left.
    """
    reports: list[FilterReport] = []
    if source.teacher:
        rows, reports = run_filters(rows, [Empty("prompt")], args.num_proc)
        rows = answer_anew(rows, source, folder, args.draw, console)
    filters = filters_from_recipe(args, rows.column_names, empty_thought=True)
    rows, filter_reports = run_filters(rows, filters, args.num_proc)
    reports += filter_reports
    if not len(rows):
        raise RecipeError(f"sources: nothing is left of {source.dataset_name}: {format_reports(reports)}")

    rows = to_messages(rows, args)
    rows = rows.select_columns(existing_columns(rows, ("messages", "tokens", "domain", "source")))
    rows, duplicate_reports = run_filters(rows, [Duplicates("messages")], args.num_proc)
    return rows, reports + duplicate_reports


def answer_anew(rows: Dataset, source: Source, folder: Path, in_process: bool, console: Console) -> Dataset:
    """The rows with the teacher's answers in place of their own.

    The teacher's template is given `prompt` (the last request), `conversation` (all of it) and `answer` (the old one).

    Args:
        rows (`Dataset`): The source's rows.
        source (`Source`): The source, which names the teacher.
        folder (`Path`): Where requests and answers are kept.
        in_process (`bool`): Whether to generate the answers in this process.
        console (`Console`): Shows what happens.
    """
    requests = rows.map(_write_request, remove_columns=["completion"])
    answered = answer_requests(source.teacher, requests, folder, in_process, console, source.template)
    answered = answered.remove_columns("prompt").rename_column("turns", "prompt")
    answered = answered.select_columns([*rows.column_names, "finish_reason"])
    return answered.map(lambda row: {"completion": _with_thought(row["completion"])})


def _write_request(row: dict) -> dict:
    """What the teacher's template is given."""
    turns = [f"{message['role']}: {message['content']}" for message in row["prompt"]]
    return {
        "turns": row["prompt"],
        "prompt": conversation_text(row["prompt"][-1:]),
        "conversation": "\n\n".join(turns),
        "answer": row["completion"],
    }


def mix_sources(sources: list[Dataset], args: DistillArguments, reports: list[FilterReport]) -> Dataset:
    """Mixes rows of all sources in the proportions of their weights, chosen and shuffled by the recipe's seed.

    Args:
        sources (`list[Dataset]`): The rows of each source.
        args (`DistillArguments`): The recipe, with weights and `num_rows`.
        reports (`list[FilterReport]`): Receives what is left over of each source.

    Raises:
        RecipeError: If a source has too few rows for `num_rows`.
    """
    shares = _shares(args.mixture)
    possible = _possible_rows(sources, shares)
    total = possible
    if args.num_rows is not None:
        total = args.num_rows
    rng = random.Random(args.seed)
    parts = []
    for source, rows, share in zip(args.mixture, sources, shares, strict=True):
        count = round(share * total)
        if count > len(rows):
            raise RecipeError(
                f"num_rows: {total:,} would take {count:,} rows of {source.dataset_name}, which has {len(rows):,} "
                f"after the filters; expected at most {possible:,}, other weights, or more data."
            )
        reasons = Counter({"more than its share": len(rows) - count})
        reports.append(FilterReport(f"{source.dataset_name}: weight", len(rows), reasons))
        chosen = rng.sample(range(len(rows)), count)
        parts.append(rows.select(sorted(chosen)))
    return concatenate_datasets(parts).shuffle(seed=args.seed)


def _shares(mixture: list[Source]) -> list[float]:
    """The weight of each source over the sum of all weights."""
    total_weight = sum(source.weight for source in mixture)
    return [source.weight / total_weight for source in mixture]


def _possible_rows(sources: list[Dataset], shares: list[float]) -> int:
    """The size of the largest mixture in these shares."""
    limits = []
    for rows, share in zip(sources, shares, strict=True):
        limits.append(math.floor(len(rows) / share + 1e-9))
    return min(limits)


if __name__ == "__main__":
    with report_user_errors():
        main()
