"""What one step of building a data set dropped, and why."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


EXAMPLE_LENGTH = 160  # characters


@dataclass
class FilterReport:
    """What a filter dropped.

    Args:
        name (`str`): The filter.
        rows (`int`): Rows that it looked at.
        reasons (`Counter`, *optional*): Number of dropped rows by reason.
        examples (`list[tuple[str, str]]`, *optional*):
            Reason and first `EXAMPLE_LENGTH` characters of some dropped rows.

    >>> str(FilterReport("length", 8, Counter({"too long": 2})))
    'length: 2 of 8 dropped (25.0%): too long 2'
    """

    name: str
    rows: int
    reasons: Counter = field(default_factory=Counter)
    examples: list[tuple[str, str]] = field(default_factory=list)

    @property
    def dropped(self) -> int:
        """Number of dropped rows."""
        return self.reasons.total()

    def __str__(self) -> str:
        share = self.dropped / max(1, self.rows)
        text = f"{self.name}: {self.dropped:,} of {self.rows:,} dropped ({share:.1%})"
        if self.reasons:
            text += f": {format_reasons(self.reasons)}"
        return text


def format_reports(reports: Iterable[FilterReport]) -> str:
    """What several filters dropped, in one line."""
    return "; ".join(str(report) for report in reports)


def format_reasons(reasons: Counter) -> str:
    """The five most frequent reasons with their numbers of rows.

    >>> format_reasons(Counter({"too long": 1200, "too short": 3}))
    'too long 1,200, too short 3'
    """
    return ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common(5))
