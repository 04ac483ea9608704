"""Language consistency: whether the model thinks in the language of the prompt, and whether it mixes languages.

`language_consistency` is the reward of the paper (DeepSeek-R1, §2.3.2; Nature version, equation 7): the number of
words in the target language divided by the number of all words in the thought. `mixes_languages` tells whether a text
has words of several languages; evaluation and reports use it. Both support Chinese, English, French, Spanish, German,
Japanese, Korean, Russian, Arabic and Hindi.

Simplifications:

- Scripts are detected by Unicode range; lingua is only used to tell English, French, Spanish and German apart. All
  Latin words of a sentence are assigned to the one of these languages with the highest sum of lingua's log-confidences
  over the words. Unsupported languages are counted as a supported one in the same script (Italian, Ukrainian), and
  unsupported scripts as `"other"`.
- 1.73 Chinese or Japanese characters count as a word. Published averages for Chinese range from 1.5 to 2 characters
  per word; with their geometric mean, the share in a text mixed with English is off by at most 0.04.
- Formulas, code, URLs, numbers, names of points such as ABC and single Latin letters do not count as words.
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
CHARACTERS_PER_WORD = 1.73  # of Han and Kana characters, see above
FEWEST_WORDS = 5  # thoughts with fewer words are not judged
FLOOR = 0.01  # minimum confidence per word, so that a single foreign name cannot decide a sentence
# Bonus in nats for the language of the previous sentence. Without one, the best language needs this lead to count.
INERTIA = 1.0

# None of these patterns backtracks, since a thought may be megabytes of arbitrary text.
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
# Frequent words that do not exist in the other three languages.
FUNCTION_WORDS = {
    "en": frozenset("the of and is that we this with which it then".split()),
    "fr": frozenset("le les une est et dans nous donc pour avec sont".split()),
    "es": frozenset("el los una por para cada con como entonces del".split()),
    "de": frozenset("der das und ist wir nicht ein eine mit den dann".split()),
}
HAN = re.compile("[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
KANA = re.compile("[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f]+")
# Scripts with spaces between words: a quick check for any of them, then a pattern for the words of each.
SPACED_SCRIPT = re.compile("[\u0370-\u1cff\u3130-\u318f\uac00-\ud7af\ufb50-\ufefc]")
SCRIPT_WORDS = {
    "ru": re.compile("[\u0400-\u052f][\u0300\u0301\u0400-\u052f]*"),
    "ko": re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]+"),
    "ar": re.compile("[\u0610-\u061a\u0620-\u065f\u066e-\u06d3\u06d5-\u06ef\u06fa-\u06ff\ufb50-\ufdff\ufe70-\ufefc]+"),
    "hi": re.compile("[\u0900-\u0963\u0970-\u097f][\u0900-\u0963\u0970-\u097f\u200c\u200d]*"),
    # two or more Greek letters, since a single one is a variable
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

    `None` if the thought has too few words, or if the target language can be determined neither from the column
    `language` nor from the prompt.

    Args:
        completions (`list`):
            Completions as text or messages. A completion without tags counts as a thought as a whole.
        prompts (`list`, *optional*):
            Prompts as text or messages; the target language is that of the user's last message.
        language (`list[str]`, *optional*):
            Target languages, as codes (`"zh"`) or names (`"Chinese"`); they take precedence over the prompts.
        fewest_words (`int`, *optional*, defaults to `5`): Thoughts with fewer words are not judged.

    Returns:
        `list[float | None]`: One reward per completion.

    Raises:
        ValueError: If `language` contains an unsupported language.

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
    """`language_consistency` with parameters, for recipes.

    Args:
        language (`str`, *optional*):
            Target language, as a code or a name, for rows whose column `language` is empty. Defaults to the language
            of the prompt.
        fewest_words (`int`, *optional*, defaults to `5`): Thoughts with fewer words are not judged.

    Raises:
        ValueError: If the language is not supported.
    """

    __name__ = "language_consistency"

    def __init__(self, language: str | None = None, fewest_words: int = FEWEST_WORDS):
        self.language = language_code(language) if language else None
        self.fewest_words = fewest_words

    def check_sample(self, row: dict) -> str | None:
        """Why the completions of a row cannot be judged: an unsupported language; `None` if they can.

        Args:
            row (`dict`): The columns of the row.
        """
        try:
            language_code(row.get("language") or "en")
        except ValueError as error:
            return str(error)
        return None

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
    Chinese and Japanese), each needs at least five words to count, since fewer are not enough to identify a language.

    Args:
        text (`str`): Any text; tags, formulas, code and numbers are ignored.

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
    """The language of the user's question, ignoring the template around it."""
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
    """The question in a prompt in R1-Zero's template, `… User: <question>. Assistant: <think>`."""
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
            The only language whose count is needed. Unless it is one of `LATIN`, all Latin words are counted as
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
    """Assigns all words of a sentence to the language with the highest sum of lingua's log-confidences.

    The language of the previous sentence (the target for the first sentence) gets a bonus of `INERTIA`.
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

    A sentence in Han characters counts as Japanese if it also has enough Kana, and as Chinese otherwise. Since a
    Japanese thought may have sentences without Kana, the whole text counts as Japanese if that is the target and the
    text has enough Kana.
    """
    han = kana = chinese = 0
    for sentence in sentences:
        sentence_han = _count_characters(HAN, sentence)
        sentence_kana = _count_characters(KANA, sentence)
        han += sentence_han
        kana += sentence_kana
        if 10 * sentence_kana < sentence_han:
            chinese += sentence_han
    if target == "ja" and 2 * kana >= han:
        chinese = 0
    japanese = han - chinese + kana
    return Counter(zh=chinese / CHARACTERS_PER_WORD, ja=japanese / CHARACTERS_PER_WORD)


def _count_characters(pattern: re.Pattern, text: str) -> int:
    return sum(map(len, pattern.findall(text)))


def _scripts(text: str) -> set[str]:
    """The scripts of the words of a text, each named after one of its languages: `en` for Latin, `zh` for Han and
    Kana."""
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
    """Whether a text has at least five words in each of two Latin languages.

    Counting them with lingua is slow, so it is only done if the text has function words of two languages.
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
    """Whether a Latin token is a word, rather than names of points such as ABC, a unit or a function."""
    if not token.isalpha() or len(token) >= 40 or token in NOTATION:
        return False
    return len(token) >= 6 or not token.isupper()


@lru_cache(maxsize=65536)  # words repeat, and lingua takes 40 µs per word
def _log_confidences(token: str) -> tuple[float, ...]:
    """Lingua's log-confidence for each language of `LATIN`; empty if the token is not a word."""
    token = unicodedata.normalize("NFC", token)
    if not _is_word(token):
        return ()
    confidences = {}
    for value in _detector().compute_language_confidence_values(token):
        confidences[value.language.iso_code_639_1.name.lower()] = value.value
    return tuple(math.log(max(confidences[language], FLOOR)) for language in LATIN)


@lru_cache(maxsize=1)
def _detector():
    """Lingua's detector for `LATIN`. Imported lazily, since it takes time and memory and most runs do not need it."""
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, language.upper()) for language in LATIN]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()
