"""Which rows hold problems of a benchmark? Overlap of word n-grams, as GPT-3 (2005.14165, app. C) did it, made strict and fast.

A problem is found in a text if half of its 8-grams stand there, one after another or apart; a shorter one if all of it does. Words are
compared without case and punctuation, so what was re-punctuated is found. An n-gram that three or more problems share
("where m and n are relatively prime positive integers") says nothing and does not count.

What it simplifies: translated or paraphrased problems are not found.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from functools import lru_cache

import numpy as np


N = 8  # words; open-r1's and DeepSeek-R1's recipes look at as many or ten
SHORTEST = 4  # words; a shorter problem must be the whole text
SHARED = 3  # problems that share an n-gram make it boilerplate
ENOUGH = 0.5  # of a problem's n-grams
ODD = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio (Knuth); odd, so that it has an inverse
# Bytes to letters: lower case, 0 for white space and ASCII punctuation (LaTeX is written in it); of other scripts all bytes count.
LETTERS = bytes(ord(chr(c).lower()) if chr(c).isalnum() else 0 for c in range(128)) + bytes(range(128, 256))
FOREIGN = re.compile(r"[^\x00-\x7f]")
FEW = 24  # different foreign characters are replaced faster one kind after another
SIGNS = re.compile(r"[^\x00-\x7f\w]")  # punctuation of other scripts
EAST_ASIAN = re.compile(r"([\u3040-\u30ff\u3400-\u9fff])")  # each a word


def plain(text: str) -> bytes:
    """A text in which words are what stands between blanks and ASCII punctuation.

    >>> plain("Ａ “b”，求值").decode()
    ' a  b , 求  值  '
    """
    if not text.isascii():
        text = text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)
        codes = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32)
        foreign = set(codes[codes > 127].tolist())
        if len(foreign) > FEW:
            text = FOREIGN.sub(lambda match: _plain_sign(match[0]), text)
        else:
            for sign in map(chr, foreign):
                text = text.replace(sign, _plain_sign(sign))
    return f" {text} ".encode("utf-8", "replace")


@lru_cache(maxsize=65536)
def _plain_sign(sign: str) -> str:
    """A character of another script: one form for those that have several, lower case, no punctuation."""
    return EAST_ASIAN.sub(r" \1 ", SIGNS.sub(" ", unicodedata.normalize("NFKC", sign).lower()))


def word_hashes(text: str) -> np.ndarray:
    """A number for each word of a text, equal for equal words whatever their case, in order, shape `(words,)`.

    All words at once: differences of a running polynomial hash, shifted to where its powers begin.

    >>> a, b = word_hashes("Compute $x$: x, X"), word_hashes("compute x")
    >>> a[:2].tolist() == b.tolist(), len(a), len(set(a.tolist()))
    (True, 4, 2)
    """
    letters = np.frombuffer(plain(text).translate(LETTERS), dtype=np.uint8)
    within = letters != 0
    edges = np.flatnonzero(within[1:] != within[:-1])  # the last byte before each word, the last byte of each word
    before, last = edges[::2], edges[1::2]
    powers, inverses = _powers(1 << len(letters).bit_length())
    running = np.cumsum(letters * powers[: len(letters)], dtype=np.uint64)
    hashes = (running[last] - running[before]) * inverses[before]
    return (hashes ^ (hashes >> np.uint64(32))) * np.uint64(ODD)


@lru_cache(maxsize=8)
def _powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first powers of `ODD` modulo 2^64, and of its inverse."""
    both = []
    for base in (ODD, pow(ODD, -1, 2**64)):
        powers = np.full(count, base, dtype=np.uint64)
        powers[0] = 1
        both.append(np.cumprod(powers, dtype=np.uint64))
    return both[0], both[1]


class Benchmarks:
    """The problems that must not be trained on.

    Args:
        problems (`dict[str, list[str]]`): Problems by the name of their benchmark.

    >>> held_out = Benchmarks({"quiz": ["How many apples has Tom if he eats two of his seven red apples?"]})
    >>> held_out.find("Q: how many apples has Tom, if he eats two of his seven red apples, and a pear?")
    ('quiz', 'How many apples has Tom if he eats two of his seven red apples?')
    """

    def __init__(self, problems: dict[str, list[str]]):
        self.names = [(name, problem) for name, texts in problems.items() for problem in texts]
        words = [word_hashes(problem) for _, problem in self.names]
        self._whole = {ws.tobytes(): i for i, ws in enumerate(words) if 0 < len(ws) < SHORTEST}
        self._short: dict[int, list[tuple[np.ndarray, int]]] = defaultdict(
            list
        )  # by the first words, of problems shorter than N
        found: dict[int, set[int]] = defaultdict(set)  # n-gram to the problems that it stands in
        for i, ws in enumerate(words):
            if SHORTEST <= len(ws) < N:
                self._short[int(grams(ws, SHORTEST)[0])].append((ws, i))
            for gram in grams(ws, N).tolist():
                found[gram].add(i)
        self._long = {gram: sorted(those) for gram, those in found.items() if len(those) < SHARED}
        self._counts = Counter(i for those in self._long.values() for i in those)
        self._filters = [(n, _bits(known)) for n, known in ((SHORTEST, self._short), (N, self._long))]

    def find(self, text: str) -> tuple[str, str] | None:
        """Benchmark and problem that a text holds; `None` if it holds none."""
        words = word_hashes(text)
        if len(words) < SHORTEST:
            which = self._whole.get(words.tobytes())
            return None if which is None else self.names[which]
        starts, gram_hits = (self._hits(words, n, bits) for n, bits in self._filters)
        for at, gram in starts:
            for problem, which in self._short.get(gram, ()):
                if np.array_equal(words[at : at + len(problem)], problem):
                    return self.names[which]
        counts = Counter(i for gram in {gram for _, gram in gram_hits} for i in self._long.get(gram, ()))
        which = max(counts, key=lambda i: counts[i] / self._counts[i], default=None)
        return self.names[which] if which is not None and counts[which] >= ENOUGH * self._counts[which] else None

    def _hits(self, words: np.ndarray, n: int, bits: np.ndarray) -> list[tuple[int, int]]:
        """Places and hashes of the n-grams that may be known."""
        hashes = grams(words, n)
        places = np.flatnonzero(bits.take((hashes >> np.uint64(65 - len(bits).bit_length())).view(np.int64)))
        return list(zip(places.tolist(), hashes[places].tolist(), strict=True))


def grams(words: np.ndarray, n: int) -> np.ndarray:
    """Hashes of all n-grams, shape `(words - n + 1,)`, none of a shorter text; their first bits hang on all words."""
    hashes = words[: max(0, len(words) - n + 1)].copy()
    for i in range(1, n):
        hashes *= np.uint64(ODD)
        hashes += words[i : i + len(hashes)]
    return hashes * np.uint64(ODD)


def _bits(known: dict[int, list]) -> np.ndarray:
    """A bit for each beginning of a hash, of which at most one in 32 is set, so that most n-grams are told apart at once."""
    size = min(24, max(10, (32 * len(known)).bit_length()))
    bits = np.zeros(2**size, dtype=bool)
    bits[(np.fromiter(known, dtype=np.uint64, count=len(known)) >> np.uint64(64 - size)).view(np.int64)] = True
    return bits
