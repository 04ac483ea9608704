"""The results of smoke runs, and the table that shows them."""

from collections import Counter
from dataclasses import dataclass

from reductions import LEFT_OUT, SmokeRun
from rich.console import Console
from rich.table import Table


OK, FAILED, NOT_RUN, ELSEWHERE = "ok", "FAILED", "not run", "elsewhere"


@dataclass
class Result:
    """What became of a run.

    Args:
        run (`SmokeRun`): The run.
        status (`str`): `ok`, `FAILED`, `not run` (it needs one that failed) or `elsewhere` (something else runs it).
        text (`str`): What it made, or why it failed.
        seconds (`float`): Its duration.
    """

    run: SmokeRun
    status: str
    text: str
    seconds: float = 0.0


def show_table(results: list[Result], seconds: float, console: Console) -> None:
    """Prints the results by recipe, and what was left out."""
    table = Table(title="Smoke runs", title_justify="left")
    for column in ("recipe", "model", "result", "what it did, or why not", "s", "left out"):
        table.add_column(column)
    for result in sorted(results, key=lambda result: result.run.name):
        run = result.run
        seconds_of_run = f"{result.seconds:.0f}"
        cells = [run.name, run.model, result.status, result.text, seconds_of_run, ", ".join(run.left_out)]
        table.add_row(*cells)
    console.print(table, markup=False)
    counts = Counter(name for result in results for name in result.run.left_out)
    console.print("Left out, for want of a GPU:" if counts else "")
    for name, reason in LEFT_OUT.items():
        console.print(f"  {name} ({counts[name]} runs): {reason}", markup=False)
    statuses = Counter(result.status for result in results)
    summary = ", ".join(f"{count} {status}" for status, count in statuses.items())
    console.print(f"{len(results)} runs in {seconds:,.0f} s: {summary}", markup=False)
