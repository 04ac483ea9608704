"""Runs filters over a data set, in several processes, and reports what they drop and why: nothing goes in silence.

A filter is a callable of a batch of rows that says, for each, why it should go, or `None`; those of `open_r1.builders.filters`, or your own.
"""

import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from datasets import Dataset, Features, Value

from open_r1.data.filter_report import EXAMPLE_LENGTH, FilterReport
from open_r1.data.load import require_column
from open_r1.utils.text import conversation_text


logger = logging.getLogger(__name__)

EXAMPLES = 3
FOUND = Features({"by": Value("int64"), "why": Value("string"), "signature": Value("binary")})
Rows = dict[str, list]
Reasons = list[str | None]


def run_filters(
    dataset: Dataset, filters: list[Callable[[Rows], Reasons]], num_proc: int | None = None
) -> tuple[Dataset, list[FilterReport]]:
    """The rows that no filter drops, and a report a filter. What one has dropped, the next ones do not see.

    Args:
        dataset (`Dataset`): Any; it stays on the disk.
        filters (`list`): From this module, or your own: a callable of a batch of rows that pickles.
        num_proc (`int`, *optional*): Processes. `Duplicates` and `NearDuplicates` compare all rows, so their last step takes one.

    Raises:
        RecipeError: If the data set lacks the column of a filter.
    """
    reports: list[FilterReport] = []
    for group in _passes(filters):
        reasons, reporting = _look(dataset, group, num_proc)
        for report, one, dropped in reporting:
            report.examples = [(reasons[i][1], _beginning(dataset[i], one)) for i in dropped[:EXAMPLES]]
            logger.info("%s", report)
            reports.append(report)
        if any(dropped for *_, dropped in reporting):
            dataset = dataset.select([i for i, reason in enumerate(reasons) if reason is None])
    return dataset, reports


def _passes(filters: list[Callable]) -> Iterator[list[Callable]]:
    """Filters that look at each row alone go over the rows together; one that compares rows ends the pass."""
    group: list[Callable] = []
    for one in filters:
        group.append(one)
        if hasattr(one, "sign"):
            yield group
            group = []
    if group:
        yield group


def _look(dataset: Dataset, group: list[Callable], num_proc: int | None) -> tuple[list, list]:
    """Why each row goes, as number of the filter and reason (`None` for those that stay), and a report a filter with its rows."""
    last = group[-1] if hasattr(group[-1], "sign") else None
    reasons, signatures = [], []
    for by, why, signature in _looked(dataset, group, num_proc):
        reasons.append(None if why is None else (by, why))
        signatures.append(signature)
    if last:
        alive = [i for i, reason in enumerate(reasons) if reason is None]
        for i, why in zip(alive, last.compare([signatures[i] for i in alive]), strict=True):
            reasons[i] = None if why is None else (len(group) - 1, why)
    reporting, left = [], len(reasons)
    for number, one in enumerate(group):
        dropped = [i for i, reason in enumerate(reasons) if reason is not None and reason[0] == number]
        report = FilterReport(getattr(one, "name", type(one).__name__), left, Counter(reasons[i][1] for i in dropped))
        reporting.append((report, one, dropped))
        left -= len(dropped)
    return reasons, reporting


def _looked(
    dataset: Dataset, group: list[Callable], num_proc: int | None
) -> Iterator[tuple[int, str | None, bytes | None]]:
    """Number of the filter that drops a row, its reason, and the signature of a row that stays if the last filter compares."""
    for one in group:
        for column in getattr(one, "columns", []):
            require_column(dataset, column, f"filter {one.name!r}")
    if all(hasattr(one, "columns") for one in group):  # one of the user's may want any
        wanted = {column for one in group for column in [*one.columns, *getattr(one, "useful", [])]}
        dataset = dataset.select_columns([name for name in dataset.column_names if name in wanted])
    with tempfile.TemporaryDirectory() as folder:
        found = dataset.map(
            _Looking(group),
            batched=True,
            batch_size=256,
            num_proc=num_proc if len(dataset) > 1000 else None,
            remove_columns=dataset.column_names,
            features=FOUND,  # or a first batch in which all rows stay would decide that there are no reasons
            cache_file_name=str(Path(folder, "found.arrow")),
            desc=" + ".join(getattr(one, "name", type(one).__name__) for one in group),
        )
        for batch in found.iter(1000):
            yield from zip(batch["by"], batch["why"], batch["signature"], strict=True)


class _Looking:
    """A pass as `Dataset.map` calls it."""

    def __init__(self, group: list[Callable]):
        self.group = group

    def __call__(self, rows: Rows) -> Rows:
        count = len(next(iter(rows.values())))
        found: Rows = {"by": [-1] * count, "why": [None] * count, "signature": [None] * count}
        alive = list(range(count))
        for number, one in enumerate(self.group):
            some = rows if len(alive) == count else {name: [column[i] for i in alive] for name, column in rows.items()}
            if hasattr(one, "sign"):
                for i, signature in zip(alive, one.sign(some), strict=True):
                    found["signature"][i] = signature
                continue
            for i, why in zip(alive, one(some), strict=True):
                if why is not None:
                    found["by"][i], found["why"][i] = number, why
            alive = [i for i in alive if found["why"][i] is None]
        return found


def _beginning(row: dict, one: Callable) -> str:
    column = getattr(one, "column", None)
    return (conversation_text(row[column]) if column in row else str(row))[:EXAMPLE_LENGTH]
