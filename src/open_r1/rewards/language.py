"""Language: does the model think in the language it was asked in, and does it mix languages?

`language_consistency` is the reward of the paper (DeepSeek-R1, §2.3.2; Nature version, equation 7): words of the
target language in the thought / all words in the thought. `mixes_languages` says whether a text has words of several
languages; evaluation and reports count these. Both see Chinese, English, French, Spanish, German, Japanese, Korean,
Russian, Arabic and Hindi.

Simplifications:

- Unicode tells scripts apart; lingua only separates the languages that share one. All words of a sentence in Latin
  letters are assigned to one of English, French, Spanish and German: the one with the highest sum of lingua's
  log-confidences, word by word. Unsupported languages are counted with their neighbours in the same script (Italian,
  Ukrainian), and unsupported scripts with no language at all.
- 1.73 characters of Chinese or Japanese make a word. A Chinese word has 1.5 to 2 characters on average, depending on
  who counts; with the geometric mean of the two, the share in a text mixed with English is never off by more than
  0.04.
- Formulas, code, addresses, numbers, names of points such as ABC and single Latin letters are not words of any
  language.
"""

import math
import re
import unicodedata
from collections import Counter
from functools import lru_cache

from open_r1.utils.text import split_thought, text_of


LANGUAGES = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "ja": "Japanese",
    "ko": "Korean",
    "ru": "Russian",
    "zh": "Chinese",
}
CODES = {code: code for code in LANGUAGES} | {name.lower(): code for code, name in LANGUAGES.items()}
LATIN = ("en", "fr", "es", "de")
CHARACTERS_PER_WORD = 1.73  # Han and Kana, see above
FEWEST_WORDS = 5  # thoughts with fewer words are not judged
FLOOR = 0.01  # smallest confidence that counts, so that one foreign name does not decide a sentence
INERTIA = 1.0  # head start, in nats, of the language of the sentence before; in prompts, the smallest lead that counts

# Nothing here backtracks: a thought may be megabytes of anything.
NOISE = re.compile(
    r"(?s)```.*?(?:```|\Z)|`[^`\n]*+`|https?://[!-~]+|www\.[!-~]+|</?\w{1,20}>"
    r"|\$\$[^$]*+\$\$|\$(?![\s$])[^$\n]*+(?<!\s)\$(?!\d)"  # formulas, but not "$5 and $7"
    r"|\\\[[^\\]*+(?:\\[^\[\]][^\\]*+)*+\\\]|\\\([^\\]*+(?:\\[^()][^\\]*+)*+\\\)"
    r"|\\(?:begin|end)\{[^{}\n]{0,30}\}|\\(?:[A-Za-z]+|.)"
)
SENTENCE_END = re.compile("[.!?:;\n\u3002\uff01\uff1f\uff1a\uff1b\u0964\u061f](?![0-9])")
TOKEN = re.compile("[0-9A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0300-\u036f\u1e00-\u1eff]{2,40}")
LATIN_LETTERS = re.compile("[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]{2,40}")
NOTATION = set(
    "sin cos tan cot sec csc arcsin arccos arctan log ln exp lim max min mod gcd lcm det arg cm mm km kg".split()
)
# Frequent words that the other three languages do not have.
FUNCTION_WORDS = {
    "en": frozenset("the of and is that we this with which it then".split()),
    "fr": frozenset("le les une est et dans nous donc pour avec sont".split()),
    "es": frozenset("el los una por para cada con como entonces del".split()),
    "de": frozenset("der das und ist wir nicht ein eine mit den dann".split()),
}
HAN = re.compile("[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
KANA = re.compile("[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f]+")
# Scripts that put spaces between words: a quick search for any of them, then a pattern for the words of each.
SPACED_SCRIPT = re.compile("[\u0370-\u1cff\u3130-\u318f\uac00-\ud7af\ufb50-\ufefc]")
SCRIPT_WORDS = {
    "ru": re.compile("[\u0400-\u052f][\u0300\u0301\u0400-\u052f]*"),
    "ko": re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]+"),
    "ar": re.compile("[\u0610-\u061a\u0620-\u065f\u066e-\u06d3\u06d5-\u06ef\u06fa-\u06ff\ufb50-\ufdff\ufe70-\ufefc]+"),
    "hi": re.compile("[\u0900-\u0963\u0970-\u097f][\u0900-\u0963\u0970-\u097f\u200c\u200d]*"),
    # a single Greek letter is a variable
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

    `None` if the thought has too few words, or if neither the column `language` nor the prompt gives the target
    language.

    Args:
        completions (`list`): Completions as text or messages. Without any tags, the whole completion is the thought.
        prompts (`list`, *optional*):
            Prompts as text or messages; the target is the language of the user's last message.
        language (`list[str]`, *optional*):
            Target languages, as codes (`"zh"`) or names (`"Chinese"`); they take precedence over the prompts.
        fewest_words (`int`, *optional*, defaults to `5`): Thoughts with fewer words are not judged.

    Returns:
        `list[float | None]`: One reward per completion.

    Raises:
        ValueError: If `language` holds an unsupported language.

    >>> [share] = language_consistency(["<think>First we add both numbers, 然后再把结果除以二。</think>6"], language=["en"])
    >>> round(share, 1)
    0.5
    """
    unknown = [None] * len(completions)
    rewards = []
    for completion, prompt, name in zip(completions, prompts or unknown, language or unknown, strict=True):
        if name:
            target = language_code(name)
        else:
            target = _prompt_language(prompt)
        text = text_of(completion)
        if text is None or target is None:
            rewards.append(None)
        else:
            rewards.append(_share_of_words(_thought(text), target, fewest_words))
    return rewards


class LanguageConsistency:
    """`language_consistency` with parameters, as recipes name it.

    Args:
        language (`str`, *optional*):
            Target language for rows whose column `language` is empty, as a code or a name. By default it is the
            language of the prompt.
        fewest_words (`int`, *optional*, defaults to `5`): Thoughts with fewer words are not judged.

    Raises:
        ValueError: If the language is not supported.
    """

    __name__ = "language_consistency"

    def __init__(self, language: str | None = None, fewest_words: int = FEWEST_WORDS):
        self.language = language_code(language) if language else None
        self.fewest_words = fewest_words

    def __call__(
        self,
        completions: list,
        prompts: list | None = None,
        language: list[str] | None = None,
        **kwargs,
    ) -> list[float | None]:
        targets = [self.language] * len(completions)
        for row, name in enumerate(language or []):
            targets[row] = name or self.language
        return language_consistency(completions, prompts, targets, self.fewest_words)


def mixes_languages(text: str) -> bool:
    """Whether a text has words of more than one of the supported languages.

    One word in another script is enough. Among languages that share a script (English, French, Spanish and German;
    Chinese and Japanese), a second one counts from five words on, since fewer do not tell which language they are in.

    Args:
        text (`str`): Any text; tags, formulas, code and numbers have no language.

    >>> mixes_languages("<think>3*7=1 so 1+5=6</think>"), mixes_languages("3*7=1 so 1+5=6，所以")
    (False, True)
    >>> mixes_languages("Wir addieren zuerst die beiden Zahlen. Then we divide the result by the number of terms.")
    True
    """
    text = NOISE.sub(" ", text)
    if text.isascii():
        return _mixes_latin_languages(text)
    scripts = _scripts(text)
    if scripts == {"en"}:
        return _mixes_latin_languages(text)
    if scripts == {"zh"}:
        return _mixes_chinese_and_japanese(text)
    return len(scripts) > 1


def language_code(language: str) -> str:
    """The code of a supported language.

    Args:
        language (`str`): A code or an English name, in any case, with or without a region.

    Raises:
        ValueError: If the language is not supported.

    >>> language_code("zh-CN"), language_code("German")
    ('zh', 'de')
    """
    name = str(language).strip().lower()
    code = CODES.get(name) or CODES.get(re.split("[-_]", name)[0])  # zh-CN, en_US
    if code is None:
        supported = ", ".join(f"{code} ({name})" for code, name in LANGUAGES.items())
        raise ValueError(
            f"unknown language {language!r}; supported: {supported}; without one, the language of the prompt counts."
        )
    return code


def _thought(completion: str) -> str:
    thought, answer = split_thought(completion)
    return answer if thought is None else thought


def _prompt_language(prompt: str | list[dict] | None) -> str | None:
    """The language of the user's question, whatever language the template around it is written in."""
    if not prompt:
        return None
    if isinstance(prompt, str):
        question = _question_in_text(prompt)
    else:
        question = _last_user_message(prompt)
    words = _count_words(question)
    if not words:
        return None
    [(language, count)] = words.most_common(1)
    if language == "other" or count < 1:
        return None
    return language


def _question_in_text(prompt: str) -> str:
    """The question in a prompt written by R1-Zero's template, `… User: <question>. Assistant: <think>`."""
    question = prompt.rpartition("User:")[2]
    return re.sub(r"Assistant:\s*+(?:<think>\s*+)?\Z", "", question)


def _last_user_message(messages: list[dict]) -> str:
    for message in reversed(messages):
        if message.get("role") == "user":
            return text_of([message | {"role": "assistant"}])
    return ""


def _share_of_words(
    text: str,
    target: str,
    fewest_words: int,
) -> float | None:
    words = _count_words(text, target)
    total = sum(words.values())
    if total < fewest_words:
        return None
    return words[target] / total


def _count_words(text: str, target: str | None = None) -> Counter[str]:
    """Counts the words of a text by language.

    Args:
        text (`str`): The text.
        target (`str`, *optional*):
            The language that matters. Unless it is one of `LATIN`, all words in Latin letters are counted as
            `"other"`, which is much faster than telling English, French, Spanish and German apart.

    Returns:
        `Counter[str]`: Words by language code; `"other"` stands for all unsupported languages.
    """
    text = NOISE.sub(" ", text)
    sentences = SENTENCE_END.split(text)
    if target is None or target in LATIN:
        words = _count_latin_words(sentences, target)
    else:
        words = Counter(other=sum(map(_is_word, TOKEN.findall(text))))
    if SPACED_SCRIPT.search(text):
        for language, pattern in SCRIPT_WORDS.items():
            words[language] += len(pattern.findall(text))
    if HAN.search(text) or KANA.search(text):
        words.update(_count_han_and_kana(sentences, target))
    return words


def _count_latin_words(sentences: list[str], target: str | None) -> Counter[str]:
    """Assigns all words of a sentence to the language with the highest summed log-confidence of lingua.

    The language of the sentence before, or the target in the first sentence, has a head start of `INERTIA`.
    """
    words = Counter()
    current = None if target is None else LATIN.index(target)
    for sentence in sentences:
        evidence = list(filter(None, map(_log_confidences, TOKEN.findall(sentence))))
        if not evidence:
            continue
        totals = list(map(sum, zip(*evidence, strict=True)))
        if current is not None:
            totals[current] += INERTIA
        second, best = sorted(totals)[-2:]
        if current is not None or best - second >= INERTIA:
            current = totals.index(best)
        language = "other" if current is None else LATIN[current]
        words[language] += len(evidence)
    return words


def _count_han_and_kana(sentences: list[str], target: str | None) -> Counter[str]:
    """Counts Chinese and Japanese words.

    A sentence in Han characters is Japanese if it also has Kana, and Chinese otherwise. A Japanese thought may however
    have sentences without any Kana, so if the target is Japanese and the text has Kana enough, all of it is.
    """
    han = kana = chinese = 0
    for sentence in sentences:
        han_here = _count_characters(HAN, sentence)
        kana_here = _count_characters(KANA, sentence)
        han += han_here
        kana += kana_here
        if 10 * kana_here < han_here:
            chinese += han_here
    if target == "ja" and 2 * kana >= han:
        chinese = 0
    japanese = han - chinese + kana
    return Counter(zh=chinese / CHARACTERS_PER_WORD, ja=japanese / CHARACTERS_PER_WORD)


def _count_characters(pattern: re.Pattern, text: str) -> int:
    return sum(map(len, pattern.findall(text)))


def _scripts(text: str) -> set[str]:
    """The scripts of a text's words, each named by one of its languages: `en` for Latin, `zh` for Han and Kana."""
    scripts = set()
    if any(map(_is_word, LATIN_LETTERS.findall(text))):
        scripts.add("en")
    if HAN.search(text) or KANA.search(text):
        scripts.add("zh")
    if SPACED_SCRIPT.search(text):
        for language, pattern in SCRIPT_WORDS.items():
            if language in LANGUAGES and pattern.search(text):
                scripts.add(language)
    return scripts


def _mixes_latin_languages(text: str) -> bool:
    """Whether a text has five words in each of two of `LATIN`.

    Counting them takes lingua and is slow, so it is done only if the text has function words of two languages.
    """
    words = set(text.lower().split())
    suspected = 0
    for function_words in FUNCTION_WORDS.values():
        if not function_words.isdisjoint(words):
            suspected += 1
    if suspected < 2:
        return False
    counts = _count_latin_words(SENTENCE_END.split(text), target=None)
    spoken = [language for language in LATIN if counts[language] >= FEWEST_WORDS]
    return len(spoken) > 1


def _mixes_chinese_and_japanese(text: str) -> bool:
    counts = _count_han_and_kana(SENTENCE_END.split(text), target=None)
    return min(counts["zh"], counts["ja"]) >= FEWEST_WORDS


def _is_word(token: str) -> bool:
    """Whether a token in Latin letters is a word of some language, not a name of points, a unit or a function."""
    if not token.isalpha() or len(token) >= 40 or token in NOTATION:
        return False
    return len(token) >= 6 or not token.isupper()


@lru_cache(maxsize=65536)  # words come again, and lingua takes 40 µs for one
def _log_confidences(token: str) -> tuple[float, ...]:
    """How much lingua believes that a word belongs to each of `LATIN`; empty if the token is not a word."""
    token = unicodedata.normalize("NFC", token)
    if not _is_word(token):
        return ()
    confidences = {}
    for value in _detector().compute_language_confidence_values(token):
        confidences[value.language.iso_code_639_1.name.lower()] = value.value
    return tuple(math.log(max(confidences[language], FLOOR)) for language in LATIN)


@lru_cache(maxsize=1)
def _detector():
    """Lingua's detector for `LATIN`, imported here since it takes time and memory and most runs do without it."""
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, language.upper()) for language in LATIN]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()
