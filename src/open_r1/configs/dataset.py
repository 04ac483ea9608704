"""How recipes, mixtures, benchmarks and Python callers name a data set."""

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class DatasetSpec:
    """Names one split of a data set; `open_r1.data.load.load_split` reads it.

    Args:
        name (`str`):
            A Hub id, a local file (.jsonl, .json, .csv, .parquet), a folder, or a function that builds the rows
            (`package.module:function` or `file.py:function`).
        config (`str`, *optional*): Configuration of a Hub data set or of a folder.
        params (`dict`, *optional*): Keyword arguments of the function that `name` names.
        split (`str`, *optional*, defaults to `"train"`): Split.
        columns (`dict[str, str]`, *optional*):
            What the data set calls the columns that our code calls `prompt`, `completion`, `solution` or `domain`.

    Example:

    >>> DatasetSpec("my.jsonl", columns={"prompt": "question"}).with_split("test")
    DatasetSpec(name='my.jsonl', config=None, params={}, split='test', columns={'prompt': 'question'})
    """

    name: str
    config: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    split: str = "train"
    columns: dict[str, str] = field(default_factory=dict)

    def with_split(self, split: str) -> "DatasetSpec":
        """Another split of the same data set."""
        return replace(self, split=split)
