"""Finds problems of benchmarks by their word n-grams, as GPT-3 (2005.14165, app. C) did, only stricter and faster.

A problem is found in a text if half of its 8-grams occur there, together or apart. With them must occur half of its
words outside of formulas, since a formula may be well known, and one of its numbers, since a preamble may be long. A
shorter problem is found if all of it occurs there, and its formula does not go on. Words are compared without case and
punctuation, and `problem_text` spells LaTeX, Unicode and HTML alike. Boilerplate does not count: sentences that say
how to answer ("Put your final answer in a box."), and n-grams that three or more problems share ("where m and n are
relatively prime positive integers").

What it simplifies: translated or paraphrased problems are not found.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from functools import lru_cache
from itertools import chain

import numpy as np

from open_r1.builders.problem_text import LAYOUT, drop_instructions, is_number_or_variable, is_prose, plain_problem


NGRAM = 8  # words; the recipes of open-r1 and DeepSeek-R1 compare 8 or 10
MIN_WORDS = 4  # a problem of fewer words must be the whole text
BOILERPLATE = 3  # problems that share an n-gram make it boilerplate
MIN_OVERLAP = 0.5  # share of a problem's n-grams, and of its words outside of formulas
MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio (Knuth); odd, so that it has an inverse modulo 2^64
LAYOUT_BITS = 16  # so that no two words of LAYOUT begin with the same bits
FEW_CHARACTERS = 24  # up to this number of different characters, replacing each in turn is faster

NON_ASCII = re.compile(r"[^\x00-\x7f]")
NON_ASCII_PUNCTUATION = re.compile(r"[^\x00-\x7f\w]")
EAST_ASIAN = re.compile(r"([\u3040-\u30ff\u3400-\u9fff])")  # each character is a word


def _letters() -> bytes:
    """The letter of each byte: lower case, 0 for ASCII white space and punctuation; of other scripts each byte."""
    letters = bytearray(range(256))
    for code in range(128):
        character = chr(code)
        letters[code] = ord(character.lower()) if character.isalnum() else 0
    return bytes(letters)


LETTERS = _letters()


def plain_bytes(text: str) -> bytes:
    """A text as bytes in which words are what stands between white space and ASCII punctuation.

    >>> plain_bytes("Ａ “b”，求值").decode()
    ' a  b , 求  值  '
    """
    if not text.isascii():
        text = _plain_text(unicodedata.normalize("NFC", text))
    return f" {text} ".encode("utf-8", "replace")


def _plain_text(text: str) -> str:
    """Replaces each character of another script by its plain form."""
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32)
    different_codes = set(codes[codes > 127].tolist())
    if len(different_codes) > FEW_CHARACTERS:
        return NON_ASCII.sub(lambda match: _plain_character(match[0]), text)
    for character in map(chr, different_codes):
        text = text.replace(character, _plain_character(character))
    return text


@lru_cache(maxsize=65536)
def _plain_character(character: str) -> str:
    """A character of another script in its one normal form, in lower case, without punctuation."""
    normal = unicodedata.normalize("NFKC", character).lower()
    without_punctuation = NON_ASCII_PUNCTUATION.sub(" ", normal)
    return EAST_ASIAN.sub(r" \1 ", without_punctuation)


def word_hashes(text: str) -> np.ndarray:
    """A number for each word of a text, equal for equal words whatever their case.

    All words are hashed at once, as differences of a running polynomial hash that are shifted to where its powers
    begin.

    Returns:
        `np.ndarray`: The numbers in order, of type uint64 and shape `(words,)`.

    >>> a, b = word_hashes("Compute $x$: x, X"), word_hashes("compute x")
    >>> a[:2].tolist() == b.tolist(), len(a), len(set(a.tolist()))
    (True, 4, 2)
    """
    letters = np.frombuffer(plain_bytes(text).translate(LETTERS), dtype=np.uint8)
    in_word = letters != 0
    edges = np.flatnonzero(in_word[1:] != in_word[:-1])  # alternately the byte before a word and a word's last byte
    before = edges[::2]
    last = edges[1::2]
    powers, inverses = _powers(1 << len(letters).bit_length())
    running_hash = np.cumsum(letters * powers[: len(letters)], dtype=np.uint64)
    hashes = running_hash[last] - running_hash[before]
    hashes *= inverses[before]
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(MULTIPLIER)
    return hashes


@lru_cache(maxsize=8)
def _powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first powers of `MULTIPLIER` modulo 2^64, and those of its inverse."""
    return _powers_of(MULTIPLIER, count), _powers_of(pow(MULTIPLIER, -1, 2**64), count)


def _powers_of(base: int, count: int) -> np.ndarray:
    factors = np.full(count, base, dtype=np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


def ngram_hashes(words: np.ndarray, n: int) -> np.ndarray:
    """Hashes of all n-grams, whose first bits depend on all words.

    Args:
        words (`np.ndarray`): Hashes of words, shape `(words,)`.
        n (`int`): Words per n-gram.

    Returns:
        `np.ndarray`: Shape `(words - n + 1,)`; empty for a shorter text.
    """
    count = max(0, len(words) - n + 1)
    hashes = words[:count].copy()
    for i in range(1, n):
        hashes *= np.uint64(MULTIPLIER)
        hashes += words[i : i + count]
    return hashes * np.uint64(MULTIPLIER)


def problem_hashes(text: str) -> np.ndarray:
    """The hashes of the words of a problem, spelled alike in LaTeX, Unicode and HTML.

    >>> problem_hashes("7²⁰²⁴ < ½").tolist() == problem_hashes(r"7^{2024} < \\frac{1}{2}").tolist()
    True
    """
    hashes = word_hashes(plain_problem(text))
    table = _layout_hashes()
    counts = table.take(_first_bits(hashes, LAYOUT_BITS)) != hashes
    return hashes[counts]


def problem_words(text: str) -> list[str]:
    """The words that `problem_hashes` hashes."""
    words = plain_bytes(plain_problem(text)).translate(LETTERS).decode("utf-8", "replace").split("\0")
    return [word for word in words if word and word not in LAYOUT]


@lru_cache(maxsize=1)
def _layout_hashes() -> np.ndarray:
    """The hashes of words that do not count, each at the index that its first bits give."""
    hashes = word_hashes(" ".join(LAYOUT))
    table = np.zeros(2**LAYOUT_BITS, dtype=np.uint64)
    table[_first_bits(hashes, LAYOUT_BITS)] = hashes
    return table


class ProblemIndex:
    """Finds the problems of benchmarks in texts.

    Args:
        problems (`dict[str, list[str]]`): Problems by the name of their benchmark.

    >>> index = ProblemIndex({"quiz": ["How many apples has Tom if he eats two of his seven red apples?"]})
    >>> index.find("Q: how many apples has Tom, if he eats two of his seven red apples, and a pear?")
    ('quiz', 'How many apples has Tom if he eats two of his seven red apples?')
    """

    def __init__(self, problems: dict[str, list[str]]):
        self._problems: list[tuple[str, str]] = []  # benchmark and text; the numbers below count these
        self._known: set[bytes] = set()  # all words of each problem
        self._tiny: dict[bytes, int] = {}  # problems of fewer than MIN_WORDS words, by all of their words
        # Problems of fewer than NGRAM words and their words, by the hash of the first MIN_WORDS words.
        self._short: dict[int, list[tuple[np.ndarray, int]]] = defaultdict(list)
        self._long: dict[int, list[int]] = defaultdict(list)  # longer problems, by the hashes of their n-grams
        self._ngram_counts: Counter[int] = Counter()  # n-grams of each longer problem
        for benchmark, texts in problems.items():
            for text in texts:
                self._add(benchmark, text)
        self._drop_boilerplate()
        self._short_prefilter = _make_prefilter(self._short)
        self._long_prefilter = _make_prefilter(self._long)

    def _add(self, benchmark: str, text: str) -> None:
        words = problem_hashes(drop_instructions(text))
        if len(words) < MIN_WORDS:
            words = problem_hashes(text)
        if not len(words) or words.tobytes() in self._known:
            return
        self._known.add(words.tobytes())
        number = len(self._problems)
        self._problems.append((benchmark, text))
        if len(words) < MIN_WORDS:
            self._tiny[words.tobytes()] = number
        elif len(words) < NGRAM:
            beginning = int(ngram_hashes(words, MIN_WORDS)[0])
            self._short[beginning].append((words, number))
        else:
            for ngram in set(ngram_hashes(words, NGRAM).tolist()):
                self._long[ngram].append(number)

    def _drop_boilerplate(self) -> None:
        """Drops the n-grams that many problems share, and counts the others."""
        self._long = {ngram: numbers for ngram, numbers in self._long.items() if len(numbers) < BOILERPLATE}
        self._ngram_counts.update(chain.from_iterable(self._long.values()))

    def find(self, text: str) -> tuple[str, str] | None:
        """Finds a problem in a text.

        Returns:
            `tuple[str, str] | None`: Its benchmark and its own text; `None` if there is none.
        """
        words = problem_hashes(text)
        if len(words) < MIN_WORDS:
            number = self._tiny.get(words.tobytes())
        else:
            number = self._find_short(words, text)
            if number is None:
                number = self._find_long(words)
        if number is None:
            return None
        return self._problems[number]

    def _find_short(self, words: np.ndarray, text: str) -> int | None:
        """The first problem of fewer than `NGRAM` words that occurs as a whole, and whose formula ends there."""
        for start, beginning in _candidates(words, MIN_WORDS, self._short_prefilter):
            for problem, number in self._short.get(beginning, ()):
                end = start + len(problem)
                if np.array_equal(words[start:end], problem) and not _is_part_of_formula(text, start, end):
                    return number
        return None

    def _find_long(self, words: np.ndarray) -> int | None:
        """The problem the largest share of whose n-grams occurs in the text, if that is large enough."""
        ngrams = {ngram for _, ngram in _candidates(words, NGRAM, self._long_prefilter)}
        numbers: list[int] = []
        for ngram in ngrams:
            numbers += self._long.get(ngram, ())
        if not numbers:
            return None
        counts = Counter(numbers)
        best = max(counts, key=lambda number: counts[number] / self._ngram_counts[number])
        if counts[best] < MIN_OVERLAP * self._ngram_counts[best]:
            return None
        return best if self._is_covered(best, ngrams) else None

    def _is_covered(self, number: int, ngrams: set[int]) -> bool:
        """Whether n-grams of a text cover half of a problem's words outside of formulas, and one of its numbers.

        The n-grams of a text that shares only a formula or only a preamble do not. Variables count as numbers.
        """
        _, problem = self._problems[number]
        words = problem_words(problem)
        is_counted = np.zeros(len(words), dtype=bool)  # neither boilerplate nor an instruction
        is_covered = np.zeros(len(words), dtype=bool)
        for start, ngram in enumerate(ngram_hashes(problem_hashes(problem), NGRAM).tolist()):
            if number in self._long.get(ngram, ()):
                is_counted[start : start + NGRAM] = True
                is_covered[start : start + NGRAM] |= ngram in ngrams
        prose = np.array([is_prose(word) for word in words]) & is_counted
        numbers = np.array([is_number_or_variable(word) for word in words]) & is_counted
        if prose.any() and is_covered[prose].mean() < MIN_OVERLAP:
            return False
        return not numbers.any() or bool(is_covered[numbers].any())


def _is_part_of_formula(text: str, start: int, end: int) -> bool:
    """Whether the words from `start` to `end` begin or end within a formula."""
    words = problem_words(text)
    goes_on = end < len(words) and not is_prose(words[end]) and not is_prose(words[end - 1])
    began_before = start > 0 and not is_prose(words[start - 1]) and not is_prose(words[start])
    return goes_on or began_before


def _make_prefilter(hashes: dict[int, list]) -> np.ndarray:
    """Marks the first bits of known hashes, so that most others are told apart without a look-up.

    Returns:
        `np.ndarray`: For each beginning of a hash whether one is known, of which at most one in 32 is.
    """
    bits = (32 * len(hashes)).bit_length()
    bits = min(24, max(10, bits))
    known = np.fromiter(hashes, dtype=np.uint64, count=len(hashes))
    prefilter = np.zeros(2**bits, dtype=bool)
    prefilter[_first_bits(known, bits)] = True
    return prefilter


def _first_bits(hashes: np.ndarray, bits: int) -> np.ndarray:
    beginnings = hashes >> np.uint64(64 - bits)
    return beginnings.view(np.int64)


def _candidates(words: np.ndarray, n: int, prefilter: np.ndarray) -> list[tuple[int, int]]:
    """Positions and hashes of the n-grams of a text that may be known."""
    hashes = ngram_hashes(words, n)
    bits = len(prefilter).bit_length() - 1
    may_be_known = prefilter.take(_first_bits(hashes, bits))
    positions = np.flatnonzero(may_be_known)
    return list(zip(positions.tolist(), hashes[positions].tolist(), strict=True))
