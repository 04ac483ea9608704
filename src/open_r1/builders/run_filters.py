"""Runs filters over a data set, in several processes, and reports what each of them drops and why.

A filter is a callable: it takes a batch of rows, as columns, and returns for each row the reason to drop it, or
`None`. Use those of `open_r1.builders.filters`, or your own; the attributes `name` (for reports) and `columns` (that
it reads) are optional.

A filter that compares rows with one another has two methods instead. `sign` computes a signature for each row of a
batch, in any process; `compare` takes the signatures of all rows, in order, and returns the reasons.
"""

import logging
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from datasets import Dataset, Features, Value

from open_r1.data.filter_report import EXAMPLE_LENGTH, FilterReport
from open_r1.data.load import existing_columns, require_column
from open_r1.utils.text import conversation_text


logger = logging.getLogger(__name__)

EXAMPLES_PER_FILTER = 3
# Given in advance: a first batch in which nothing is dropped would decide that reasons have no type.
FINDINGS = Features({"filter": Value("int64"), "reason": Value("string"), "signature": Value("binary")})
Rows = dict[str, list]
Reasons = list[str | None]


class Drop(NamedTuple):
    """Why a row is dropped.

    Args:
        filter_number (`int`): The filter that drops it, as its number within the pass.
        reason (`str`): The filter's reason.
    """

    filter_number: int
    reason: str


def run_filters(
    dataset: Dataset, filters: list[Callable[[Rows], Reasons]], num_proc: int | None = None
) -> tuple[Dataset, list[FilterReport]]:
    """Applies filters one after another; a filter does not see what an earlier one has dropped.

    Args:
        dataset (`Dataset`): Any data set; it stays on the disk.
        filters (`list`): Filters of `open_r1.builders.filters`, or your own, which must pickle.
        num_proc (`int`, *optional*):
            Number of processes. The last step of filters that compare rows (`Duplicates`, `NearDuplicates`) takes one.

    Returns:
        `tuple[Dataset, list[FilterReport]]`: The rows that no filter drops, and a report per filter.

    Raises:
        RecipeError: If the data set lacks a column that a filter reads.
    """
    reports: list[FilterReport] = []
    for group in _group_into_passes(filters):
        drops = _find_drops(dataset, group, num_proc)
        for report in _make_reports(dataset, group, drops):
            logger.info("%s", report)
            reports.append(report)
        kept = [i for i, drop in enumerate(drops) if drop is None]
        if len(kept) < len(dataset):
            dataset = dataset.select(kept)
    return dataset, reports


def _group_into_passes(filters: list[Callable]) -> Iterator[list[Callable]]:
    """Groups filters that go over the rows together: any that look at each row alone, up to one that compares."""
    group: list[Callable] = []
    for row_filter in filters:
        group.append(row_filter)
        if _compares_rows(row_filter):
            yield group
            group = []
    if group:
        yield group


def _find_drops(dataset: Dataset, group: list[Callable], num_proc: int | None) -> list[Drop | None]:
    """Runs one pass: for each row, why it is dropped, `None` if it stays."""
    drops: list[Drop | None] = []
    signatures: list[bytes | None] = []
    for filter_number, reason, signature in _scan(dataset, group, num_proc):
        drop = None
        if reason is not None:
            drop = Drop(filter_number, reason)
        drops.append(drop)
        signatures.append(signature)

    last_number = len(group) - 1
    last_filter = group[last_number]
    if _compares_rows(last_filter):
        remaining = [i for i, drop in enumerate(drops) if drop is None]
        reasons = last_filter.compare([signatures[i] for i in remaining])
        for i, reason in zip(remaining, reasons, strict=True):
            if reason is not None:
                drops[i] = Drop(last_number, reason)
    return drops


def _scan(
    dataset: Dataset, group: list[Callable], num_proc: int | None
) -> Iterator[tuple[int, str | None, bytes | None]]:
    """For each row, the number of the filter that drops it and the reason, or its signature if it stays."""
    dataset = _select_needed_columns(dataset, group)
    with tempfile.TemporaryDirectory() as folder:
        findings = dataset.map(
            _FilterPass(group),
            batched=True,
            batch_size=256,
            num_proc=num_proc if len(dataset) > 1000 else None,
            remove_columns=dataset.column_names,
            features=FINDINGS,
            cache_file_name=str(Path(folder, "findings.arrow")),
            desc=" + ".join(map(_name_of, group)),
        )
        for batch in findings.iter(1000):
            yield from zip(batch["filter"], batch["reason"], batch["signature"], strict=True)


def _select_needed_columns(dataset: Dataset, group: list[Callable]) -> Dataset:
    """The columns that the filters of a pass read; all of them if a filter does not say which."""
    needed: set[str | None] = set()
    needs_all = False
    for row_filter in group:
        if not hasattr(row_filter, "columns"):
            needs_all = True
            continue
        for column in row_filter.columns:
            require_column(dataset, column, f"filter {_name_of(row_filter)!r}")
        needed.update(row_filter.columns)
        needed.update(getattr(row_filter, "optional_columns", []))
    if needs_all:
        return dataset
    return dataset.select_columns(existing_columns(dataset, needed))


class _FilterPass:
    """One pass of filters over a batch of rows, as `Dataset.map` calls it, in any process."""

    def __init__(self, group: list[Callable]):
        self.group = group

    def __call__(self, rows: Rows) -> Rows:
        count = len(next(iter(rows.values())))
        findings: Rows = {"filter": [-1] * count, "reason": [None] * count, "signature": [None] * count}
        remaining = list(range(count))
        for number, row_filter in enumerate(self.group):
            remaining_rows = rows if len(remaining) == count else _take(rows, remaining)
            if _compares_rows(row_filter):  # always the last one
                for i, signature in zip(remaining, row_filter.sign(remaining_rows), strict=True):
                    findings["signature"][i] = signature
                break
            for i, reason in zip(remaining, row_filter(remaining_rows), strict=True):
                if reason is not None:
                    findings["filter"][i] = number
                    findings["reason"][i] = reason
            remaining = [i for i in remaining if findings["reason"][i] is None]
        return findings


def _take(rows: Rows, positions: list[int]) -> Rows:
    """The rows at some positions of a batch."""
    taken = {}
    for name, column in rows.items():
        taken[name] = [column[i] for i in positions]
    return taken


def _make_reports(dataset: Dataset, group: list[Callable], drops: list[Drop | None]) -> list[FilterReport]:
    """What each filter of a pass has dropped, with examples."""
    dropped_by: dict[int, list[int]] = defaultdict(list)
    for i, drop in enumerate(drops):
        if drop is not None:
            dropped_by[drop.filter_number].append(i)

    reports = []
    rows_left = len(dataset)
    for number, row_filter in enumerate(group):
        dropped = dropped_by[number]
        report = FilterReport(_name_of(row_filter), rows_left)
        for i in dropped:
            reason = drops[i].reason
            report.reasons[reason] += 1
            if len(report.examples) < EXAMPLES_PER_FILTER:
                report.examples.append((reason, _example(dataset[i], row_filter)))
        reports.append(report)
        rows_left -= len(dropped)
    return reports


def _example(row: dict, row_filter: Callable) -> str:
    """The beginning of a dropped row's text."""
    column = getattr(row_filter, "column", None)
    text = conversation_text(row[column]) if column in row else str(row)
    return text[:EXAMPLE_LENGTH]


def _compares_rows(row_filter: Callable) -> bool:
    return hasattr(row_filter, "sign")


def _name_of(row_filter: Callable) -> str:
    return getattr(row_filter, "name", type(row_filter).__name__)
