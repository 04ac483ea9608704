"""The sequences that a batch of fine-tuning has: rows, or several rows packed into one."""

from dataclasses import dataclass
from typing import Self

from trl import SFTConfig

from open_r1.utils.errors import RecipeError


@dataclass
class SequenceLengths:
    """What is known about the sequences of a run from the lengths of the first rows.

    Args:
        measured (`int`): Number of rows that were measured.
        mean (`float`): Their mean length, in tokens.
        longest (`int`): Length of the longest sequence; that of all of them if rows are packed.
        rows (`float`, *optional*, defaults to 1): Rows in a sequence, on average.
    """

    measured: int
    mean: float
    longest: int
    rows: float = 1.0

    @classmethod
    def of_rows(cls, lengths: list[int], args: SFTConfig) -> Self:
        """The sequences that TRL makes of rows.

        Args:
            lengths (`list[int]`): The lengths of the first rows, in tokens.
            args (`SFTConfig`): For `max_length`, `packing` and `packing_strategy`.

        Raises:
            RecipeError: If rows are packed into sequences of no certain length.

        >>> from types import SimpleNamespace
        >>> args = SimpleNamespace(max_length=100, packing=True, packing_strategy="bfd")
        >>> SequenceLengths.of_rows([20, 30], args)
        SequenceLengths(measured=2, mean=25.0, longest=100, rows=4.0)
        """
        if args.packing and not args.max_length:
            raise RecipeError("max_length: missing. With `packing: true` it is the length of the packed sequences.")
        splits = args.packing and args.packing_strategy != "bfd"
        if args.max_length and not splits:
            lengths = [min(length, args.max_length) for length in lengths]
        mean = sum(lengths) / len(lengths)
        if not args.packing:
            return cls(len(lengths), mean, max(lengths))
        return cls(len(lengths), mean, args.max_length, rows=args.max_length / mean)

    def describe(self, global_batch: int) -> dict[str, str]:
        """Lines for the start-up box.

        Args:
            global_batch (`int`): Sequences per optimizer step.
        """
        lines = {"lengths": f"{self.mean:,.0f} tokens a row on average (first {self.measured:,} rows)"}
        if self.rows == 1.0:
            lines["lengths"] += f", {self.longest:,} at most"
        else:
            lines["packing"] = (
                f"sequences of {self.longest:,} tokens, each about {self.rows:,.1f} rows: "
                f"about {self.rows * global_batch:,.0f} rows a step"
            )
        return lines
