"""Filters: what is left out of a data set, and why. `open_r1.builders.run_filters` runs them and reports.

A filter looks at a batch of rows and says, for each, why it should go, or `None`. The paper's: mixed languages, long paragraphs, code
blocks in the thought (DeepSeek-R1, §2.3.3), repetition (v2, B.3.2). One that compares rows has two parts: `sign`, for a batch in
any process, and `compare`, for the signatures of all rows.
"""

import hashlib
import re
import unicodedata
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from datasketch import LeanMinHash, MinHash, MinHashLSH

from open_r1.builders.decontamination import Benchmarks, grams, word_hashes
from open_r1.builders.run_filters import Reasons, Rows
from open_r1.rewards.language import CODES, FEWEST_WORDS, language_consistency
from open_r1.utils.text import conversation_text, text_of


SCHEME = "affine32"  # of datasketch; its values are 32 bits wide
SENTENCE = re.compile(r"[.,](?:(?<!\d[.,])|(?!\d))")  # full stops and commas that are of no number
NO_MATTER = ";!?\"'$"  # like these, between two texts that are the same


@dataclass
class OneColumn(ABC):
    """A filter that looks at the text of one column (a completion's thought, for some), and whose `why` says what is wrong.

    Args:
        column (`str`, *optional*, defaults to `"completion"`): Text, or messages, of which the last one counts.
    """

    column: str = "completion"

    @property
    def columns(self) -> list[str]:
        return [self.column]

    def __call__(self, rows: Rows) -> Reasons:
        return [self.why(self.text(value)) for value in rows[self.column]]

    def text(self, value: str | list[dict] | None) -> str:
        return text_of(value) or ""

    @abstractmethod
    def why(self, text: str) -> str | None:
        """What is wrong with a text, `None` if nothing."""


@dataclass
class Empty(OneColumn):
    """Nothing there."""

    name = "empty"

    def text(self, value: str | list[dict] | None) -> str:
        return conversation_text(value)

    def why(self, text: str) -> str | None:
        return None if text.strip() else "empty"


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
class Unstructured(OneColumn):
    """No readable form: one closed thought, then a summary (the answer).

    Args:
        empty_thought (`bool`, *optional*, defaults to `False`): Whether a thought may be empty, as on a greeting.
    """

    name = "unstructured"
    empty_thought: bool = False

    def why(self, text: str) -> str | None:
        before, opened, rest = text.partition("<think>")
        thought, closed, summary = rest.partition("</think>")
        if not opened or not closed or before.strip():
            return "no thought at the start" if not opened or before.strip() else "thought without end"
        if "<think>" in rest or "</think>" in summary:
            return "several thoughts"
        if not summary.strip():
            return "no summary"
        return None if thought.strip() or self.empty_thought else "empty thought"


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
    """A thought too little of which is in the language that the column `language` names, else the question's, else its own."""

    name = "mixed languages"
    column: str = "completion"
    prompt_column: str | None = "prompt"
    least: float = 0.9
    fewest_words: int = FEWEST_WORDS  # a thought of fewer says nothing

    @property
    def columns(self) -> list[str]:
        return [self.column]

    @property
    def useful(self) -> list[str | None]:
        return [self.prompt_column, "language"]

    def __call__(self, rows: Rows) -> Reasons:
        prompts = rows.get(self.prompt_column) if self.prompt_column else None
        texts = [text_of(value) or "" for value in rows[self.column]]
        named = [
            name if str(name).lower() in CODES else None for name in rows.get("language", [])
        ]  # it may say Python
        shares = language_consistency(texts, prompts or texts, named, self.fewest_words)
        return ["mixed languages" if share is not None and share < self.least else None for share in shares]


@dataclass
class CutOff:
    """A completion that ended by its limit of tokens."""

    name = "cut off"
    column: str = "finish_reason"

    @property
    def columns(self) -> list[str]:
        return [self.column]

    def __call__(self, rows: Rows) -> Reasons:
        return ["cut off" if reason == "length" else None for reason in rows[self.column]]


@dataclass
class Contaminated(OneColumn):
    """A problem of a benchmark."""

    column: str = "prompt"
    benchmarks: Benchmarks | None = None
    name = "contaminated"

    def text(self, value: str | list[dict] | None) -> str:
        return conversation_text(value)

    def why(self, text: str) -> str | None:
        found = self.benchmarks.find(text)
        return found and found[0]


@dataclass
class Comparison(ABC):
    """A filter that compares the texts of one column with those of the rows before; the first one stays.

    Args:
        column (`str`, *optional*, defaults to `"prompt"`): Text, or messages, of which all count.
    """

    column: str = "prompt"

    @property
    def columns(self) -> list[str]:
        return [self.column]

    def sign(self, rows: Rows) -> list[bytes]:
        return [self.signature(conversation_text(value)) for value in rows[self.column]]

    @abstractmethod
    def signature(self, text: str) -> bytes:
        """What is compared of a text."""

    @abstractmethod
    def compare(self, signatures: list[bytes]) -> Reasons:
        """Which ones stood there before."""


@dataclass
class Duplicates(Comparison):
    """A text that stood there before, but for case, white space and the punctuation of sentences (`1+2` is not `1*2`).

    Args:
        column (`str`, *optional*, defaults to `"prompt"`): Text to compare.
        within (`str`, *optional*): Only rows with the same value in this column are compared.
    """

    name = "duplicates"
    within: str | None = None

    @property
    def columns(self) -> list[str]:
        return [self.column, *([self.within] if self.within else [])]

    def sign(self, rows: Rows) -> list[bytes]:
        groups = rows[self.within] if self.within else [""] * len(rows[self.column])
        return [f"{group} ".encode() + sign for group, sign in zip(groups, super().sign(rows), strict=True)]

    def signature(self, text: str) -> bytes:
        plain = "".join(SENTENCE.sub("", unicodedata.normalize("NFKC", text).casefold()).split())
        for character in NO_MATTER:
            plain = plain.replace(character, "")
        return hashlib.sha256(plain.encode("utf-8", "replace")).digest()[:16]

    def compare(self, signatures: list[bytes]) -> Reasons:
        seen: set[bytes] = set()
        reasons: Reasons = []
        for signature in signatures:
            reasons.append("duplicate" if signature in seen else None)
            seen.add(signature)
        return reasons


@dataclass
class NearDuplicates(Comparison):
    """A text most of whose word n-grams stood in one text before (MinHash with locality-sensitive hashing, by datasketch).

    Args:
        column (`str`, *optional*, defaults to `"prompt"`): Text to compare.
        threshold (`float`, *optional*, defaults to 0.8): Jaccard similarity from which on two are the same.
        n (`int`, *optional*, defaults to 3): Words of an n-gram.
        permutations (`int`, *optional*, defaults to 128): Precision of the estimate; memory grows with it.
    """

    name = "near duplicates"
    threshold: float = 0.8
    n: int = 3
    permutations: int = 128

    def signature(self, text: str) -> bytes:
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
