"""What is left out of a data set, and why: nothing is dropped in silence.

A filter looks at a batch of rows and says, for each, why it should go, or `None`. `keep` runs filters over a data set with several
processes, one after another, and returns the rows that stay with a report a filter: how many went, for which reasons, and examples.
The paper's: mixed languages, long paragraphs, code blocks in the thought (DeepSeek-R1, §2.3.3), repetition (v2, B.3.2).
"""

import hashlib
import logging
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from datasets import Dataset
from datasketch import LeanMinHash, MinHash, MinHashLSH

from open_r1.data.decontamination import Benchmarks, grams, word_hashes
from open_r1.rewards.language import language_consistency
from open_r1.rewards.texts import text_of


logger = logging.getLogger(__name__)

SCHEME = "affine32"  # of datasketch; its values are 32 bits wide
EXAMPLES = 3
SHOWN = 160  # characters of an example
Rows = dict[str, list]
Reasons = list[str | None]


@dataclass
class Report:
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


def keep(
    dataset: Dataset, filters: list[Callable[[Rows], Reasons]], num_proc: int | None = None
) -> tuple[Dataset, list[Report]]:
    """The rows that no filter drops, and a report a filter.

    Args:
        dataset (`Dataset`): Any; it stays on the disk.
        filters (`list`): From this module, or your own: a callable of a batch of rows that pickles.
        num_proc (`int`, *optional*): Processes. `Duplicates` and `NearDuplicates` compare all rows, so their last step takes one.
    """
    reports = []
    for one in filters:
        reasons = _reasons(dataset, one, num_proc)
        report = Report(getattr(one, "name", type(one).__name__), len(dataset))
        dropped = [(i, reason) for i, reason in enumerate(reasons) if reason is not None]
        report.reasons = Counter(reason for _, reason in dropped)
        report.examples = [(reason, _beginning(dataset[i], one)) for i, reason in dropped[:EXAMPLES]]
        reports.append(report)
        logger.info("%s", report)
        if dropped:
            gone = {i for i, _ in dropped}
            dataset = dataset.select([i for i in range(len(dataset)) if i not in gone])
    return dataset, reports


def _reasons(dataset: Dataset, one: Callable, num_proc: int | None) -> Reasons:
    """A filter's reasons for all rows. One that compares rows signs them in parallel, and compares the signatures here."""
    look = one.sign if hasattr(one, "sign") else one
    num_proc = num_proc if len(dataset) > 1000 else None
    column = dataset.map(
        _Looking(look),
        batched=True,
        batch_size=256,
        num_proc=num_proc,
        remove_columns=dataset.column_names,
        desc=f"{getattr(one, 'name', '')}",
    )
    values = [value for batch in column.iter(1000) for value in batch["found"]]
    return one.compare(values) if hasattr(one, "sign") else values


class _Looking:
    """A filter as `Dataset.map` calls it."""

    def __init__(self, look: Callable):
        self.look = look

    def __call__(self, rows: Rows) -> Rows:
        return {"found": self.look(rows)}


def _beginning(row: dict, one: Callable) -> str:
    column = getattr(one, "column", None)
    text = text_of(row[column]) if column in row else str(row)
    return (text or "")[:SHOWN]


@dataclass
class OneColumn(ABC):
    """A filter that looks at the text of one column (a completion's thought, for some), and whose `why` says what is wrong.

    Args:
        column (`str`, *optional*, defaults to `"completion"`): Text, or messages, of which the last one counts.
    """

    column: str = "completion"

    def __call__(self, rows: Rows) -> Reasons:
        return [self.why(text_of(value) or "") for value in rows[self.column]]

    @abstractmethod
    def why(self, text: str) -> str | None:
        """What is wrong with a text, `None` if nothing."""


@dataclass
class Length(OneColumn):
    """Too short or too long, in words."""

    name = "length"
    fewest: int = 1
    most: int = 10**9

    def why(self, text: str) -> str | None:
        words = len(text.split())
        return "too short" if words < self.fewest else "too long" if words > self.most else None


@dataclass
class LongParagraphs(OneColumn):
    """A paragraph of more characters than somebody reads in one go, outside code and formulas."""

    name = "long paragraphs"
    most: int = 3000

    def why(self, text: str) -> str | None:
        return "long paragraph" if max(map(len, re.split(r"\n\s*\n", text))) > self.most else None


@dataclass
class CodeInThought(OneColumn):
    """A fenced block within the thought."""

    name = "code in the thought"

    def why(self, text: str) -> str | None:
        return "code block" if re.search(r"^\s*(?:```|~~~)", thought_of(text), re.MULTILINE) else None


@dataclass
class Repetition(OneColumn):
    """Too large a share of the word n-grams came before in the same text."""

    name = "repetition"
    n: int = 20
    most: float = 0.2

    def why(self, text: str) -> str | None:
        words = word_hashes(text)
        if len(words) < 2 * self.n:
            return None
        hashes = grams(words, self.n)
        return "repetition" if 1 - len(np.unique(hashes)) / len(hashes) > self.most else None


@dataclass
class MixedLanguages:
    """A thought too little of which is in the language of the question (or in one language, if there is no question)."""

    name = "mixed languages"
    column: str = "completion"
    prompt_column: str | None = "prompt"
    least: float = 0.9

    def __call__(self, rows: Rows) -> Reasons:
        prompts = rows.get(self.prompt_column) if self.prompt_column else None
        texts = [text_of(value) or "" for value in rows[self.column]]
        shares = language_consistency(texts, prompts or texts)
        return ["mixed languages" if share is not None and share < self.least else None for share in shares]


@dataclass
class CutOff:
    """A completion that ended by its limit of tokens."""

    name = "cut off"
    column: str = "finish_reason"

    def __call__(self, rows: Rows) -> Reasons:
        return ["cut off" if reason == "length" else None for reason in rows[self.column]]


@dataclass
class Contaminated(OneColumn):
    """A problem of a benchmark."""

    column: str = "prompt"
    benchmarks: Benchmarks | None = None
    name = "contaminated"

    def why(self, text: str) -> str | None:
        found = self.benchmarks.find(text)
        return found and found[0]


@dataclass
class Duplicates:
    """A text that stood there before, but for case, punctuation and white space. The first one stays."""

    name = "duplicates"
    column: str = "prompt"

    def sign(self, rows: Rows) -> list[bytes]:
        return [hashlib.sha256(word_hashes(text_of(value) or "").tobytes()).digest()[:16] for value in rows[self.column]]

    def compare(self, signatures: list[bytes]) -> Reasons:
        seen: set[bytes] = set()
        reasons: Reasons = []
        for signature in signatures:
            reasons.append("duplicate" if signature in seen else None)
            seen.add(signature)
        return reasons


@dataclass
class NearDuplicates:
    """A text most of whose word n-grams stood in one text before (MinHash with locality-sensitive hashing, by datasketch).

    Args:
        column (`str`, *optional*, defaults to `"prompt"`): Text to compare.
        threshold (`float`, *optional*, defaults to 0.8): Jaccard similarity from which on two are the same.
        n (`int`, *optional*, defaults to 3): Words of an n-gram.
        permutations (`int`, *optional*, defaults to 128): Precision of the estimate; memory grows with it.
    """

    name = "near duplicates"
    column: str = "prompt"
    threshold: float = 0.8
    n: int = 3
    permutations: int = 128

    def sign(self, rows: Rows) -> list[bytes]:
        return [self._signature(text_of(value) or "") for value in rows[self.column]]

    def _signature(self, text: str) -> bytes:
        words = word_hashes(text)
        hashes = np.unique(grams(words, min(self.n, len(words)))) if len(words) else words
        sketch = MinHash(self.permutations, seed=1, scheme=SCHEME, hashfunc=int)  # they are hashes already
        sketch.update_batch((hashes >> np.uint64(32)).tolist())
        return sketch.hashvalues.tobytes()

    def compare(self, signatures: list[bytes]) -> Reasons:
        index = MinHashLSH(self.threshold, self.permutations)
        reasons: Reasons = []
        for i, signature in enumerate(signatures):
            sketch = LeanMinHash(seed=1, scheme=SCHEME, hashvalues=np.frombuffer(signature, dtype=np.uint32))
            near = next((j for j in index.query(sketch) if self._same(signature, signatures[j])), None)
            reasons.append(None if near is None else "near duplicate")
            if near is None:
                index.insert(i, sketch)
        return reasons

    def _same(self, one: bytes, other: bytes) -> bool:
        """By all of the signature; the index finds some that are less alike."""
        a, b = (np.frombuffer(signature, dtype=np.uint32) for signature in (one, other))
        return bool((a == b).mean() >= self.threshold)


def thought_of(text: str) -> str:
    """The thought of a completion; all of it, if no tag says where it ends.

    >>> thought_of("<think>a</think>b"), thought_of("a</think>b")
    ('a', 'a')
    """
    return text.partition("</think>")[0].removeprefix("<think>")
