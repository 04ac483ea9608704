"""What one step of building a data set dropped, and why."""

from collections import Counter
from dataclasses import dataclass, field


SHOWN = 160  # characters of an example


@dataclass
class FilterReport:
    """What a filter did.

    Args:
        name (`str`): The filter.
        rows (`int`): Rows that it looked at.
        reasons (`Counter`): Rows dropped, by reason.
        examples (`list[tuple[str, str]]`): Reasons and beginnings of some of them.
    """

    name: str
    rows: int
    reasons: Counter = field(default_factory=Counter)
    examples: list[tuple[str, str]] = field(default_factory=list)

    @property
    def dropped(self) -> int:
        return sum(self.reasons.values())

    def __str__(self) -> str:
        share = self.dropped / max(1, self.rows)
        told = ", ".join(f"{reason} {count:,}" for reason, count in self.reasons.most_common(5))
        return f"{self.name}: {self.dropped:,} of {self.rows:,} dropped ({share:.1%}){': ' + told if told else ''}"
