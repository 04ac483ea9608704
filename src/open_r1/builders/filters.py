"""Filters: which rows are left out of a data set, and why. `open_r1.builders.run_filters` runs them and reports.

A filter takes a batch of rows and returns, for each, the reason to drop it, or `None`. The paper's filters are mixed
languages, long paragraphs and code blocks in the thought (DeepSeek-R1, §2.3.3), and repetition (v2, B.3.2). One that
compares rows has two steps: `sign`, for a batch in any process, and `compare`, for the signatures of all rows.
"""

import hashlib
import re
import unicodedata
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from datasketch import LeanMinHash, MinHash, MinHashLSH

from open_r1.builders.decontamination import ProblemIndex, ngram_hashes, word_hashes
from open_r1.builders.run_filters import Reasons, Rows
from open_r1.rewards.language import CODES, FEWEST_WORDS, language_consistency
from open_r1.utils.text import CLOSE, OPEN, conversation_text, split_thought, text_of


CODE_FENCE = re.compile(r"^\s*(?:```|~~~)", re.MULTILINE)
BLANK_LINES = re.compile(r"\n\s*\n")
# Full stops and commas that do not belong to a number.
SENTENCE_PUNCTUATION = re.compile(r"[.,](?:(?<!\d[.,])|(?!\d))")
OTHER_PUNCTUATION = ";!?\"'$"  # makes no difference between two texts either
MINHASH_SCHEME = "affine32"  # of datasketch; its values are 32 bits wide


@dataclass
class ColumnFilter(ABC):
    """A filter that looks at the text of one column.

    Args:
        column (`str`, *optional*, defaults to `"completion"`): Text, or messages, of which the assistant's count.
    """

    name: ClassVar[str]
    column: str = "completion"

    @property
    def columns(self) -> list[str]:
        """The columns that the filter reads."""
        return [self.column]

    def __call__(self, rows: Rows) -> Reasons:
        return [self._reason_to_drop(self._text(value)) for value in rows[self.column]]

    def _text(self, value: str | list[dict] | None) -> str:
        """The text of a value of the column."""
        return text_of(value) or ""

    @abstractmethod
    def _reason_to_drop(self, text: str) -> str | None:
        """What is wrong with a text, `None` if nothing."""


@dataclass
class Empty(ColumnFilter):
    """Drops texts and conversations that are blank."""

    name = "empty"

    def _text(self, value: str | list[dict] | None) -> str:
        return conversation_text(value)

    def _reason_to_drop(self, text: str) -> str | None:
        if text.strip():
            return None
        return "empty"


@dataclass
class Length(ColumnFilter):
    """Drops texts that are too short or too long.

    Args:
        column (`str`, *optional*, defaults to `"completion"`): Column of the texts.
        min_words (`int`, *optional*, defaults to 1): Shortest text that is kept.
        max_words (`int`, *optional*): Longest text that is kept; by default any.
    """

    name = "length"
    min_words: int = 1
    max_words: int | None = None

    def _reason_to_drop(self, text: str) -> str | None:
        words = len(text.split())
        if words < self.min_words:
            return "too short"
        if self.max_words is not None and words > self.max_words:
            return "too long"
        return None


@dataclass
class Unstructured(ColumnFilter):
    """Drops completions other than one closed thought followed by a summary (the answer).

    Args:
        column (`str`, *optional*, defaults to `"completion"`): Column of the completions.
        empty_thought (`bool`, *optional*, defaults to `False`):
            Whether a thought may be empty, as the one on a greeting.
    """

    name = "unstructured"
    empty_thought: bool = False

    def _reason_to_drop(self, text: str) -> str | None:
        if not text.lstrip().startswith(OPEN):
            return "no thought at the start"
        if CLOSE not in text:
            return "thought without end"
        if text.count(OPEN) > 1 or text.count(CLOSE) > 1:
            return "several thoughts"
        thought, summary = split_thought(text)
        if not summary.strip():
            return "no summary"
        if not thought.strip() and not self.empty_thought:
            return "empty thought"
        return None


@dataclass
class LongParagraphs(ColumnFilter):
    """Drops texts with a paragraph that is too long to be read in one go.

    Args:
        column (`str`, *optional*, defaults to `"completion"`): Column of the texts.
        max_characters (`int`, *optional*, defaults to 3000): Longest paragraph that is kept.
    """

    name = "long paragraphs"
    max_characters: int = 3000

    def _reason_to_drop(self, text: str) -> str | None:
        for paragraph in BLANK_LINES.split(text):
            if len(paragraph) > self.max_characters:
                return "long paragraph"
        return None


@dataclass
class CodeInThought(ColumnFilter):
    """Drops completions with a fenced block of code in the thought, or anywhere if there are no tags."""

    name = "code in the thought"

    def _reason_to_drop(self, text: str) -> str | None:
        thought = split_thought(text).thought
        if thought is None:
            thought = text
        if CODE_FENCE.search(thought):
            return "code block"
        return None


@dataclass
class Repetition(ColumnFilter):
    """Drops texts that repeat themselves.

    Args:
        column (`str`, *optional*, defaults to `"completion"`): Column of the texts.
        n (`int`, *optional*, defaults to 20): Words per n-gram. Texts of fewer than twice as many words are kept.
        max_share (`float`, *optional*, defaults to 0.2):
            Largest share of n-grams that occurred before in the same text.
    """

    name = "repetition"
    n: int = 20
    max_share: float = 0.2

    def _reason_to_drop(self, text: str) -> str | None:
        words = word_hashes(text)
        if len(words) < 2 * self.n:
            return None
        ngrams = ngram_hashes(words, self.n)
        repeated = 1 - len(np.unique(ngrams)) / len(ngrams)
        if repeated > self.max_share:
            return "repetition"
        return None


@dataclass
class MixedLanguages:
    """Drops completions too little of whose thought is in the right language.

    That is the language that the column `language` names, if there is one, else the prompt's, else the thought's own.

    Args:
        column (`str`, *optional*, defaults to `"completion"`): Column of the completions.
        prompt_column (`str`, *optional*, defaults to `"prompt"`): Column of the prompts.
        min_share (`float`, *optional*, defaults to 0.9): Smallest share of words in the right language.
        min_words (`int`, *optional*, defaults to 5): Thoughts of fewer words are kept.
    """

    name = "mixed languages"
    column: str = "completion"
    prompt_column: str | None = "prompt"
    min_share: float = 0.9
    min_words: int = FEWEST_WORDS

    @property
    def columns(self) -> list[str]:
        """The columns that the filter reads."""
        return [self.column]

    @property
    def optional_columns(self) -> list[str | None]:
        """The columns that the filter reads if they are there."""
        return [self.prompt_column, "language"]

    def __call__(self, rows: Rows) -> Reasons:
        texts = [text_of(value) or "" for value in rows[self.column]]
        prompts = rows.get(self.prompt_column) or texts
        languages = [self._known_language(value) for value in rows.get("language", [])]
        shares = language_consistency(texts, prompts, languages, self.min_words)
        return [self._reason_to_drop(share) for share in shares]

    def _known_language(self, value: str | None) -> str | None:
        """The value of a column `language`, which may also name a programming language."""
        return value if str(value).lower() in CODES else None

    def _reason_to_drop(self, share: float | None) -> str | None:
        if share is None or share >= self.min_share:
            return None
        return "mixed languages"


@dataclass
class CutOff:
    """Drops completions that ended because they reached the limit of tokens.

    Args:
        column (`str`, *optional*, defaults to `"finish_reason"`): Column that says why a completion ended.
    """

    name = "cut off"
    column: str = "finish_reason"

    @property
    def columns(self) -> list[str]:
        """The columns that the filter reads."""
        return [self.column]

    def __call__(self, rows: Rows) -> Reasons:
        return ["cut off" if reason == "length" else None for reason in rows[self.column]]


@dataclass
class Contaminated(ColumnFilter):
    """Drops rows that hold a problem of a benchmark.

    Args:
        column (`str`, *optional*, defaults to `"prompt"`): Column to look at.
        problems (`ProblemIndex`): The benchmarks' problems.
    """

    name = "contaminated"
    column: str = "prompt"
    problems: ProblemIndex | None = None

    def _text(self, value: str | list[dict] | None) -> str:
        return conversation_text(value)

    def _reason_to_drop(self, text: str) -> str | None:
        match = self.problems.find(text)
        if match is None:
            return None
        benchmark, _ = match
        return benchmark


@dataclass
class ComparingFilter(ABC):
    """A filter that compares the text of one column with those of the rows before; the first of equal ones is kept.

    Args:
        column (`str`, *optional*, defaults to `"prompt"`): Text, or messages, all of which count.
    """

    name: ClassVar[str]
    column: str = "prompt"

    @property
    def columns(self) -> list[str]:
        """The columns that the filter reads."""
        return [self.column]

    def sign(self, rows: Rows) -> list[bytes]:
        """The signatures of a batch of rows."""
        return [self._signature(conversation_text(value)) for value in rows[self.column]]

    @abstractmethod
    def _signature(self, text: str) -> bytes:
        """What is compared of a text."""

    @abstractmethod
    def compare(self, signatures: list[bytes]) -> Reasons:
        """The reason to drop each row, given the signatures of all rows in order."""


@dataclass
class Duplicates(ComparingFilter):
    """Drops texts that occurred before, whatever their case, white space and punctuation (`1+2` is not `1*2`).

    Args:
        column (`str`, *optional*, defaults to `"prompt"`): Column to compare.
        within (`str`, *optional*): Compare only rows with the same value in this column.
    """

    name = "duplicates"
    within: str | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that the filter reads."""
        if self.within is None:
            return [self.column]
        return [self.column, self.within]

    def sign(self, rows: Rows) -> list[bytes]:
        """The signatures of a batch of rows."""
        signatures = super().sign(rows)
        if self.within is None:
            return signatures
        groups = [f"{value} ".encode() for value in rows[self.within]]
        return [group + signature for group, signature in zip(groups, signatures, strict=True)]

    def _signature(self, text: str) -> bytes:
        text = unicodedata.normalize("NFKC", text).casefold()
        text = SENTENCE_PUNCTUATION.sub("", text)
        text = "".join(text.split())
        for character in OTHER_PUNCTUATION:
            text = text.replace(character, "")
        return hashlib.sha256(text.encode("utf-8", "replace")).digest()[:16]

    def compare(self, signatures: list[bytes]) -> Reasons:
        """`duplicate` for rows whose signature occurred before."""
        seen: set[bytes] = set()
        reasons: Reasons = []
        for signature in signatures:
            reasons.append("duplicate" if signature in seen else None)
            seen.add(signature)
        return reasons


@dataclass
class NearDuplicates(ComparingFilter):
    """Drops texts most of whose word n-grams occurred in one earlier text.

    By MinHash with locality-sensitive hashing, of datasketch.

    Args:
        column (`str`, *optional*, defaults to `"prompt"`): Column to compare.
        threshold (`float`, *optional*, defaults to 0.8): Jaccard similarity from which on two texts count as the same.
        n (`int`, *optional*, defaults to 3): Words per n-gram.
        permutations (`int`, *optional*, defaults to 128): Precision of the estimate; memory grows with it.
    """

    name = "near duplicates"
    threshold: float = 0.8
    n: int = 3
    permutations: int = 128

    def _signature(self, text: str) -> bytes:
        words = word_hashes(text)
        ngrams = np.unique(ngram_hashes(words, min(self.n, len(words))))
        sketch = MinHash(self.permutations, seed=1, scheme=MINHASH_SCHEME, hashfunc=int)  # n-grams are hashes already
        sketch.update_batch((ngrams >> np.uint64(32)).tolist())
        return sketch.hashvalues.tobytes()

    def compare(self, signatures: list[bytes]) -> Reasons:
        """`near duplicate` for rows whose signature is similar to that of an earlier row which is kept."""
        kept = MinHashLSH(self.threshold, self.permutations)
        reasons: Reasons = []
        for i, signature in enumerate(signatures):
            hash_values = np.frombuffer(signature, dtype=np.uint32)
            sketch = LeanMinHash(seed=1, scheme=MINHASH_SCHEME, hashvalues=hash_values)
            candidates = kept.query(sketch)  # also some that are less similar than the threshold
            if any(self._is_similar(signature, signatures[j]) for j in candidates):
                reasons.append("near duplicate")
            else:
                reasons.append(None)
                kept.insert(i, sketch)
        return reasons

    def _is_similar(self, signature: bytes, other_signature: bytes) -> bool:
        hash_values = np.frombuffer(signature, dtype=np.uint32)
        other_hash_values = np.frombuffer(other_signature, dtype=np.uint32)
        return bool((hash_values == other_hash_values).mean() >= self.threshold)
