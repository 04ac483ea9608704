"""Markdown tables for reports, model cards and result files."""

from collections.abc import Iterable


def markdown_table(header: list[str], rows: Iterable[list[str]]) -> str:
    """Formats a Markdown table.

    Args:
        header (`list[str]`): Names of the columns.
        rows (`Iterable[list[str]]`): The cells of each row. A `|` in a cell is escaped.

    >>> print(markdown_table(["", "base", "zero"], [["accuracy", "0.20", "0.95"]]))
    | | base | zero |
    |---|---|---|
    | accuracy | 0.20 | 0.95 |
    """
    lines = [_format_row(header), "|" + "---|" * len(header)]
    lines += [_format_row(row) for row in rows]
    return "\n".join(lines)


def _format_row(cells: list[str]) -> str:
    line = ""
    for cell in cells:
        cell = cell.replace("|", r"\|")
        line += f"| {cell} " if cell else "| "
    return line + "|"
