"""Language consistency: does the model think in the language it was asked in? (DeepSeek-R1, Nature version, equation 7)

The reward is the paper's ratio: words of the target language in the thought / words in the thought. Simplified here:

- Unicode tells scripts apart, lingua only what shares one: the words of a sentence of Latin letters all go to one of English,
  French, Spanish and German, whichever lingua's confidences, word by word, add up to. Other languages go with their
  neighbours in that script (Italian, Ukrainian), other scripts with nobody.
- 1.73 characters of Chinese or Japanese make a word. A Chinese word has 1.5 to 2 on average, depending on who counts; with
  the geometric mean of the two, the share in a text mixed with English is never off by more than 0.04.
- Formulas, code, addresses, numbers, names of points such as ABC and lone Latin letters are no words of any language.
"""

import math
import re
import unicodedata
from collections import Counter
from functools import lru_cache

from open_r1.utils.text import text_of


LANGUAGES = {"ar": "Arabic", "de": "German", "en": "English", "es": "Spanish", "fr": "French"}
LANGUAGES |= {"hi": "Hindi", "ja": "Japanese", "ko": "Korean", "ru": "Russian", "zh": "Chinese"}
CODES = {name.lower(): code for code, language in LANGUAGES.items() for name in (code, language)}
LATIN = ("en", "fr", "es", "de")
CHARACTERS = 1.73  # Han and Kana per word, see above
FEWEST_WORDS = 5  # a thought of fewer is not judged
FLOOR = 0.01  # least confidence: one foreign name must not decide a sentence
INERTIA = 1.0  # nats in favour of the language before; in a prompt, with nothing before, the least lead that counts

# Nothing here backtracks: a thought may be megabytes of anything.
NOISE = re.compile(
    r"(?s)```.*?(?:```|\Z)|`[^`\n]*+`|https?://[!-~]+|www\.[!-~]+|</?\w{1,20}>"
    r"|\$\$[^$]*+\$\$|\$(?![\s$])[^$\n]*+(?<!\s)\$(?!\d)"  # formulas, but not "$5 and $7"
    r"|\\\[[^\\]*+(?:\\[^\[\]][^\\]*+)*+\\\]|\\\([^\\]*+(?:\\[^()][^\\]*+)*+\\\)"
    r"|\\(?:begin|end)\{[^{}\n]{0,30}\}|\\(?:[A-Za-z]+|.)"
)
SENTENCE = re.compile("[.!?:;\n\u3002\uff01\uff1f\uff1a\uff1b\u0964\u061f](?![0-9])")
TOKEN = re.compile("[0-9A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0300-\u036f\u1e00-\u1eff]{2,40}")
NOTATION = set(
    "sin cos tan cot sec csc arcsin arccos arctan log ln exp lim max min mod gcd lcm det arg cm mm km kg".split()
)
HAN = re.compile("[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
KANA = re.compile("[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f]+")
SPACED = re.compile("[\u0370-\u1cff\u3130-\u318f\uac00-\ud7af\ufb50-\ufefc]")  # whether it is worth looking for these:
SCRIPTS = {  # a lone Greek letter is a variable
    "ru": re.compile("[\u0400-\u052f][\u0300\u0301\u0400-\u052f]*"),
    "ko": re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]+"),
    "ar": re.compile("[\u0610-\u061a\u0620-\u065f\u066e-\u06d3\u06d5-\u06ef\u06fa-\u06ff\ufb50-\ufdff\ufe70-\ufefc]+"),
    "hi": re.compile("[\u0900-\u0963\u0970-\u097f][\u0900-\u0963\u0970-\u097f\u200c\u200d]*"),
    "other": re.compile("[\u0370-\u03ff]{2,}|[\u0530-\u05ff\u0700-\u08ff\u0980-\u10ff\u1200-\u1cff]+"),
}


def language_consistency(
    completions: list,
    prompts: list | None = None,
    language: list[str] | None = None,
    fewest_words: int = FEWEST_WORDS,
    **kwargs,
) -> list[float | None]:
    """Share of the words of a thought that are in the target language, from 0.0 to 1.0.

    `None` where there are too few words to judge, or where neither column nor prompt tells the language.

    Args:
        completions (`list`): Completions as text or messages; without any tag, all of it is the thought.
        prompts (`list`, *optional*): Prompts as text or messages; the last question of the user tells the target language.
        language (`list[str]`, *optional*): Target languages, as codes (`"zh"`) or names (`"Chinese"`), ahead of the prompts.
        fewest_words (`int`, *optional*, defaults to 5): A thought of fewer is not judged.

    Raises:
        ValueError: If `language` holds something else.

    >>> [share] = language_consistency(["<think>First we add both numbers, 然后再把结果除以二。</think>6"], language=["en"])
    >>> round(share, 1)
    0.5
    """
    nothing = [None] * len(completions)
    rewards = []
    for completion, prompt, target in zip(
        map(text_of, completions), prompts or nothing, language or nothing, strict=True
    ):
        target = _code(target) if target else _language_of(prompt or "")
        rewards.append(None if completion is None or target is None else _share(completion, target, fewest_words))
    return rewards


class LanguageConsistency:
    """The reward of a recipe: `language_consistency`, with a language for rows that name none in their column.

    Args:
        language (`str`, *optional*): Code or name; without it the prompt's language is the target.
        fewest_words (`int`, *optional*, defaults to 5): A thought of fewer is not judged.

    Raises:
        ValueError: If the language is not one of those above.
    """

    __name__ = "language_consistency"

    def __init__(self, language: str | None = None, fewest_words: int = FEWEST_WORDS):
        self.language, self.fewest_words = language and _code(language), fewest_words

    def __call__(
        self, completions: list, prompts: list | None = None, language: list[str] | None = None, **kwargs
    ) -> list[float | None]:
        languages = [name or self.language for name in language or [None] * len(completions)]
        return language_consistency(completions, prompts, languages, self.fewest_words)


def _code(language: str) -> str:
    name = str(language).strip().lower()
    code = CODES.get(name) or CODES.get(re.split("[-_]", name)[0])  # zh-CN, en_US
    if code is None:
        known = ", ".join(f"{code} ({name})" for code, name in LANGUAGES.items())
        raise ValueError(f"unknown language {language!r}; supported: {known}; None: as in the prompt.")
    return code


def _language_of(prompt: str | list[dict]) -> str | None:
    """The language that the user asked in, whatever the template around the question is written in."""
    if isinstance(prompt, str):
        question = re.sub(r"Assistant:\s*+(?:<think>\s*+)?\Z", "", prompt.rpartition("User:")[2])
    else:
        content = (
            next((message.get("content") for message in reversed(prompt) if message.get("role") == "user"), None) or ""
        )
        question = content if isinstance(content, str) else " ".join(part.get("text") or "" for part in content)
    [(language, most)] = _count_words(question).most_common(1) or [("other", 0)]
    return language if language != "other" and most >= 1 else None


def _share(completion: str, target: str, fewest_words: int) -> float | None:
    _, opened, rest = completion.partition("<think>")
    words = _count_words((rest if opened else completion).partition("</think>")[0], target)
    total = sum(words.values())
    return words[target] / total if total >= fewest_words else None


def _count_words(text: str, target: str | None = None) -> Counter[str]:
    """Words by language; if the target is not one of LATIN, it does not matter which of them the others are in."""
    text = NOISE.sub(" ", text)
    sentences = SENTENCE.split(text)
    latin = target is None or target in LATIN
    words = _count_latin(sentences, target) if latin else Counter(other=sum(map(_is_word, TOKEN.findall(text))))
    if SPACED.search(text):
        words.update({language: len(script.findall(text)) for language, script in SCRIPTS.items()})
    if HAN.search(text) or KANA.search(text):
        words.update(_count_han(sentences, target))
    return words


def _count_latin(sentences: list[str], target: str | None) -> Counter[str]:
    words = Counter()
    last = None if target is None else LATIN.index(target)
    for sentence in sentences:
        if found := [evidence for evidence in map(_evidence, TOKEN.findall(sentence)) if evidence]:
            scores = [sum(column) for column in zip(*found, strict=True)]
            if last is not None:
                scores[last] += INERTIA
            *_, second, best = sorted(scores)
            if last is not None or best - second >= INERTIA:
                last = scores.index(best)
            words["other" if last is None else LATIN[last]] += len(found)
    return words


def _count_han(sentences: list[str], target: str | None) -> Counter[str]:
    """Han in a sentence with Kana is Japanese, else Chinese; but a Japanese thought may have sentences without any Kana."""
    counts = [(len("".join(HAN.findall(s))), len("".join(KANA.findall(s)))) for s in sentences]
    han, kana = sum(h for h, _ in counts), sum(k for _, k in counts)
    chinese = 0 if target == "ja" and 2 * kana >= han else sum(h for h, k in counts if 10 * k < h)
    return Counter(zh=chinese / CHARACTERS, ja=(han - chinese + kana) / CHARACTERS)


def _is_word(token: str) -> bool:
    return token.isalpha() and len(token) < 40 and token not in NOTATION and not (len(token) < 6 and token.isupper())


@lru_cache(maxsize=65536)
def _evidence(token: str) -> tuple[float, ...]:
    """Log-confidence in each of LATIN, nothing for what is no word; words come again, and lingua takes 40 µs for one."""
    token = unicodedata.normalize("NFC", token)
    if not _is_word(token):
        return ()
    values = _detector().compute_language_confidence_values(token)
    confidence = {value.language.iso_code_639_1.name.lower(): value.value for value in values}
    return tuple(math.log(max(confidence[language], FLOOR)) for language in LATIN)


@lru_cache(maxsize=1)
def _detector():
    from lingua import (  # takes time and memory, and most runs do without this reward
        IsoCode639_1,
        LanguageDetectorBuilder,
    )

    return LanguageDetectorBuilder.from_iso_codes_639_1(
        *(getattr(IsoCode639_1, code.upper()) for code in LATIN)
    ).build()
