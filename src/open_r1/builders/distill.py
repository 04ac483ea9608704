"""The mixture that R1 and its students are fine-tuned on: reasoning and other samples by weight (DeepSeek-R1, §2.3.3 and §2.4).

Sources are sets of conversations (`messages`, or `prompt` and `completion`): what rejection sampling wrote, and any chat data set for
writing, factual questions, self-cognition and translation. A source with a `teacher` is answered anew, with a thought before the answer
if the request deserves one; one with `thought: false` keeps its answers, after an empty thought. The paper's 600k + 200k samples, by
domain (v2, Table 5), are recipes/DeepSeek-R1-Distill/data/config_800k.yaml. Packing is TRL's (`packing: true` for `sft.py`).

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
import re
from collections import Counter
from pathlib import Path

from datasets import Dataset, concatenate_datasets
from rich.console import Console

from open_r1.builders.common import begin, filters_of, finish, show_plan, to_messages, turns_of, work_of
from open_r1.builders.filters import Duplicates, Empty
from open_r1.builders.run_filters import run_filters
from open_r1.configs import DistillArguments, Source
from open_r1.configs.parser import parse_command_line, report_user_errors
from open_r1.data.filter_report import FilterReport
from open_r1.data.load import hide_short_progress_bars, load_split
from open_r1.generation.driver import answer_requests
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import conversation_text, text_of


EMPTY = "<think>\n\n</think>\n\n"  # what R1 itself writes where there is nothing to think about


def main():
    args: DistillArguments
    (args,) = parse_command_line("distill", __doc__)
    console = begin(args)
    sources = [read_source(source, args) for source in args.mixture]
    if args.dry_run:
        names = [
            f"{source.dataset_name} ({source.domain or 'its own domains'}, weight {source.weight:g})"
            for source in args.mixture
        ]
        teachers = sorted({source.teacher for source in args.mixture if source.teacher})
        show_plan(console, args, dict(zip(names, map(len, sources), strict=True)), teachers)
        return
    reports: list[FilterReport] = []
    for number, source in enumerate(args.mixture):
        console.print(f"{source.dataset_name}: {len(sources[number]):,} rows")
        sources[number], dropped = prepare(sources[number], source, work_of(args) / f"teacher-{number}", args, console)
        for report in dropped:
            report.name = f"{source.dataset_name}: {report.name}"
        reports += dropped
    finish(args, console, mix(sources, args, reports), reports)


def prepare(
    rows: Dataset, source: Source, folder: Path, args: DistillArguments, console: Console
) -> tuple[Dataset, list[FilterReport]]:
    """A source's rows, answered by its teacher if it has one, filtered, as `messages`.

    Raises:
        RecipeError: If none is left.
    """
    reports: list[FilterReport] = []
    if source.teacher:
        rows, reports = run_filters(rows, [Empty("prompt")], args.num_proc)
        rows = teach(rows, source, folder, args.draw, console)
    rows, dropped = run_filters(rows, filters_of(args, rows.column_names, empty_thought=True), args.num_proc)
    reports += dropped
    if not len(rows):
        raise RecipeError(f"sources: nothing is left of {source.dataset_name}: {'; '.join(map(str, reports))}")
    rows = to_messages(rows, args)
    rows = rows.select_columns(
        [name for name in rows.column_names if name in ("messages", "tokens", "domain", "source")]
    )
    rows, dropped = run_filters(rows, [Duplicates("messages")], args.num_proc)
    return rows, reports + dropped


def read_source(source: Source, args: DistillArguments) -> Dataset:
    """A source in the form that builders work on: `prompt` (turns), `completion` (text), `domain`, `source`.

    Raises:
        RecipeError: If it has no conversations.
    """
    rows = load_split(source.dataset, args.seed, dry_run=args.dry_run)
    hide_short_progress_bars(rows)
    asked, answered = source.dataset_prompt_column, source.dataset_completion_column
    if "messages" not in rows.column_names and not {asked, answered} <= set(rows.column_names):
        raise RecipeError(
            f"sources: {source.dataset_name} has the columns {', '.join(rows.column_names)}; expected `messages`, or {asked!r} and "
            f"{answered!r} (see dataset_prompt_column and dataset_completion_column)."
        )

    def row_of(row: dict) -> dict:
        turns = row["messages"] if "messages" in row else turns_of(row[asked] or []) + turns_of_answer(row[answered])
        if not turns or turns[-1]["role"] != "assistant":
            turns = [*turns, {"role": "assistant", "content": ""}]  # a request without an answer, for the teacher
        answer = text_of(turns[-1:]) or ""
        if not source.thought and not source.teacher and "</think>" not in answer:
            answer = EMPTY + answer.strip()
        return {
            "prompt": turns_of(turns[:-1]),
            "completion": answer,
            "domain": source.domain or str(row.get("domain") or "all"),
            "source": source.dataset_name,
        }

    return rows.map(row_of, remove_columns=rows.column_names, num_proc=args.num_proc if len(rows) > 10_000 else None)


def turns_of_answer(completion: str | list[dict]) -> list[dict]:
    return [{"role": "assistant", "content": text_of(completion) or ""}]


def teach(rows: Dataset, source: Source, folder: Path, here: bool, console: Console) -> Dataset:
    """The rows with the teacher's answers; its template is given `prompt` (the last request), `conversation` (all) and `answer`."""

    def request_of(row: dict) -> dict:
        said = "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in row["prompt"])
        return {
            "turns": row["prompt"],
            "prompt": conversation_text(row["prompt"][-1:]),
            "conversation": said,
            "answer": row["completion"],
        }

    requests = rows.map(request_of, remove_columns=["completion"])
    new = answer_requests(source.teacher, requests, folder, here, console, source.template)
    wanted = [*rows.column_names, "finish_reason"]
    new = new.remove_columns("prompt").rename_column("turns", "prompt").select_columns(wanted)
    return new.map(lambda row: {"completion": _with_thought(row["completion"])})


def _with_thought(text: str) -> str:
    """An answer with its thought, if need be an empty one.

    >>> _with_thought("Hello!"), _with_thought("<think>They greet me.</think>Hello!")
    ('<think>\\n\\n</think>\\n\\nHello!', '<think>They greet me.</think>Hello!')
    """
    return text if re.search(r"</?think>", text) else EMPTY + text.strip()


def mix(sources: list[Dataset], args: DistillArguments, reports: list[FilterReport]) -> Dataset:
    """Rows of all sources in the proportions of their weights, chosen and shuffled by the recipe's seed; what is left over is reported.

    Raises:
        RecipeError: If a source has too few rows for `num_rows`.
    """
    whole = sum(source.weight for source in args.mixture)
    shares = [source.weight / whole for source in args.mixture]
    possible = min(math.floor(len(rows) / share + 1e-9) for rows, share in zip(sources, shares, strict=True))
    total = args.num_rows if args.num_rows is not None else possible
    counts = [round(share * total) for share in shares]
    for source, rows, count in zip(args.mixture, sources, counts, strict=True):
        if count > len(rows):
            raise RecipeError(
                f"num_rows: {total:,} would take {count:,} rows of {source.dataset_name}, which has {len(rows):,} after the filters; "
                f"expected at most {possible:,}, other weights, or more data."
            )
        more = Counter({"more than its share": len(rows) - count})
        reports.append(FilterReport(f"{source.dataset_name}: weight", len(rows), more))
    rng = random.Random(args.seed)
    parts = [
        rows.select(sorted(rng.sample(range(len(rows)), min(count, len(rows)))))
        for rows, count in zip(sources, counts, strict=True)
    ]
    return concatenate_datasets(parts).shuffle(seed=args.seed)


if __name__ == "__main__":
    with report_user_errors():
        main()
