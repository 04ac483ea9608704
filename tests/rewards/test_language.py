"""The language consistency reward: which words count, and for which language."""

import pickle
import re
import subprocess
import sys
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from open_r1.rewards.language import LANGUAGES, language_consistency, mixes_languages


DATA = Path(__file__).parent / "thoughts.txt"  # "=== <code>", then a thought
THOUGHTS = [tuple(part.split("\n", 1)) for part in DATA.read_text(encoding="utf-8").split("=== ")[1:]]
# Chinese words are separated by hand with `|`, English words by white space.
CHINESE = [
    "我们|先|计算|三角形|的|面积。",
    "因为|这|两|个|数|的|和|是|偶数，|所以|它们|的|奇偶性|相同。",
    "设|汽车|的|速度|为|$v$，|那么|行驶|的|时间|等于|路程|除以|速度。",
    "等|一下，|我|好像|忽略|了|一|个|重要|的|条件。",
    "根据|勾股定理，|斜边|的|长度|可以|直接|求|出来。",
    "由此可见，|方程|只有|一|个|正整数|解。",
    "接下来|我们|需要|验证|这|个|结果|是否|满足|题目|的|要求。",
    "概率|等于|有利|情况|的|数目|除以|所有|可能|情况|的|总数。",
    "把|两|边|同时|平方，|再|整理|一下，|就|可以|得到|一|个|二次|方程。",
    "假设|结论|不|成立，|那么|必然|存在|一|个|更|小|的|反例。",
    "这|家|商店|昨天|卖|出|了|苹果|和|香蕉，|一共|收入|八十|元。",
    "最后，|不要|忘记|检查|边界|上|的|取值|情况。",
]
ENGLISH = [
    "We first compute the area of the triangle.",
    "Because the sum of these two numbers is even, both of them must have the same parity.",
    "Let the speed of the car be $v$, then the travel time equals distance divided by speed.",
    "Wait, it seems that we have overlooked an important condition here.",
    "By the Pythagorean theorem, the length of the hypotenuse follows directly.",
    "Hence the equation has exactly one solution in positive integers.",
    "Next we need to verify whether this result satisfies the requirements of the problem.",
    "The probability equals the number of favourable cases divided by the number of all possible cases.",
    "Squaring both sides and tidying up then leads to quadratic equations that are easy to solve.",
    "Suppose the conclusion were false, so that some smaller counterexample must exist.",
    "Yesterday the shop sold apples and bananas for eighty dollars altogether.",
    "Finally, do not forget to check the values on the boundary.",
]


def share(text, language):
    return language_consistency([text], language=[language])[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_thoughts_in_one_language_score_high_only_for_that_language(language):
    thoughts = [f"<think>{thought}</think>\\boxed{{1}}" for code, thought in THOUGHTS if code == language]
    assert len(thoughts) == 10
    shares = language_consistency(thoughts, language=[language] * 10)
    assert min(shares) > 0.97, shares
    for other in set(LANGUAGES) - {language}:
        assert max(language_consistency(thoughts, language=[other] * 10)) < 0.1, other


def test_language_of_the_prompt_is_detected():
    """Each thought serves as its own prompt: the share is high only if the language is detected correctly."""
    thoughts = [thought for _, thought in THOUGHTS]
    assert min(language_consistency(thoughts, prompts=thoughts)) > 0.97


@pytest.mark.parametrize("chinese", range(0, 13, 2))
@pytest.mark.parametrize("shift", [0, 5])
def test_share_of_a_mixed_thought_agrees_with_a_count_by_hand(chinese, shift):
    zh = [CHINESE[(i + shift) % 12] for i in range(chinese)]
    en = [ENGLISH[(i * 5 + shift) % 12] for i in range(12 - chinese)]
    words = [
        len([w for w in re.split(r"\||\s+", " ".join(part)) if re.search(r"[^\W\d_]{2}|[一-鿿]", w)])
        for part in (zh, en)
    ]
    thought = "<think>" + " ".join(
        sentence.replace("|", "") for pair in zip(zh + en, en + zh, strict=True) for sentence in pair
    )
    assert share(thought, "zh") == pytest.approx(words[0] / sum(words), abs=0.05)
    assert share(thought, "en") == pytest.approx(words[1] / sum(words), abs=0.05)


def test_words_of_another_language_inside_a_sentence_count():
    thought = "我们先求这个 function 的 derivative，然后令它等于零，这样就得到了所有的 critical points。"
    assert share(thought, "zh") == pytest.approx(16 / 20, abs=0.05)


def test_languages_in_latin_script_are_detected_per_sentence():
    half = "First we compute the area of the triangle. Zuerst berechnen wir den Flächeninhalt des Dreiecks."
    assert (share(half, "en"), share(half, "de")) == (8 / 15, 7 / 15)
    assert share(half, "fr") == 0


def test_han_characters_count_as_japanese_in_a_japanese_thought():
    thought = "次の方程式を解いて、答えを確かめます。計算開始。両辺を二で割ると答えになります。"
    assert share(thought, "ja") == 1
    assert share("首先计算面积，然后求出周长。" + thought, "zh") > 0.2


@pytest.mark.parametrize(
    "noise",
    [
        "$\\text{where speed is constant}$",
        "$$\\text{if the sum is even}$$",
        "\\(\\mathrm{rate of change}\\)",
        "\\[ a \\\\[2pt] \\text{otherwise we are done} \\]",
        "`the value of this variable`",
        "```python\nfor word in sentence: count the words\n```",
        "```\ncode that was cut off",
        "https://example.org/the/answer/is/here",
        "sin x + cos y = log z, a b c d e",
        "ABC, AB, 3.14, x1, max_value, 10km, 1e5",
        "α + β = γ ∈ ℝ, 𝑥²",
        "\\alpha \\begin{align} \\frac{a}{b} \\end{align}",
    ],
)
def test_formulas_code_urls_and_names_of_points_are_not_words(noise):
    assert share(f"我们先计算三角形的面积，再求出周长。{noise}", "zh") == 1


def test_prices_are_not_a_formula():
    assert share("我们先计算三角形的面积。 It costs $5 and then another $7 in the shop.", "zh") < 0.5


@pytest.mark.parametrize(
    "completion",
    [
        "<think>我们先计算面积，再求出周长。</think>The answer is four and nothing else.",
        "我们先计算面积，再求出周长。</think>The answer is four and nothing else.",  # the prompt opened the thought
        "Well then <think>我们先计算面积，再求出周长。",  # never closed
        "我们先计算面积，再求出周长。",  # no tags
    ],
)
def test_only_the_thought_counts(completion):
    assert share(completion, "zh") == 1


@pytest.mark.parametrize(
    "completion",
    [
        None,
        "",
        "<think></think>This answer has enough words to be judged.",
        "<think>So four.</think>4",
        "<think>12 + 34 = 46, 46 * 2 = 92</think>",
        "<think>$\\text{this is all a formula}$</think>",
        "\ud800\udfff" * 10,
        "😀👨‍👩‍👧" * 10,
        "\x00\x01\x7f" * 10,
    ],
)
def test_too_few_words_are_not_judged(completion):
    assert share(completion, "en") is None


def test_lone_surrogates_and_control_characters_are_ignored():
    assert share("first \ud800we\x00 add \udfffboth numbers 😀 and then divide", "en") == 1


def test_decomposed_accents_are_recognized():
    thought = "Déterminons la dérivée, puis vérifions où elle s'annule sur l'intervalle étudié."
    assert share(unicodedata.normalize("NFD", thought), "fr") == 1


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "$a ",
        "\\(",
        "\\[ a ",
        "\\",
        "`",
        "`a\n",
        "<think",
        "中",
        "中 a か. ",
        "e\u0301\u0316",
        ". a",
        "Assistant: ",
    ],
)
def test_a_megabyte_of_any_text_takes_seconds(piece):
    """A regular expression that backtracks would take hours."""
    text, start = piece * (1_000_000 // len(piece)), time.process_time()
    shares = language_consistency([text], prompts=[text]) + language_consistency([text], language=["ja"])
    assert all(share is None or 0 <= share <= 1 for share in shares)
    assert time.process_time() - start < 8


@pytest.mark.parametrize(
    ("prompt", "language"),
    [
        ("What is $2+2$?", "en"),
        ("Prove that $x^2 \\ge 0$.", "en"),
        ("求解方程 $x^2=4$。", "zh"),
        ("Berechne die Summe der Zahlen.", "de"),
        ("Résoudre l'équation $x^2=4$.", "fr"),
        ("¿Cuánto es $2+2$?", "es"),
        ("次の方程式を解け。", "ja"),
        ("Найдите $x$.", "ru"),
        (
            [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": "求三角形的面积"},
            ],
            "zh",
        ),
        (
            [
                {"role": "user", "content": "Compute the area of this triangle."},
                {"role": "assistant", "content": "It is six."},
                {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "那么它的周长是多少？"}]},
            ],
            "zh",
        ),
        (
            "A conversation between User and Assistant. The user asks a question. User: 求三角形的面积. Assistant:",
            "zh",
        ),
        ("A conversation between User and Assistant. User: Wie groß ist der Winkel? Assistant: <think>\n", "de"),
    ],
)
def test_language_of_the_prompt_is_the_target(prompt, language):
    thoughts = dict(THOUGHTS)
    for code in (language, "ko"):
        assert (language_consistency([thoughts[code]], prompts=[prompt])[0] > 0.9) == (code == language)


@pytest.mark.parametrize(
    "prompt",
    [
        "$x^2 = 4$",
        "",
        "2 + 2 = ?",
        None,
        [],
        [{"role": "system", "content": "You are helpful."}],
        "Is $x$ prime?",
        "สวัสดี",
    ],
)
def test_prompt_without_a_clear_language_gives_none(prompt):
    assert language_consistency(["first we add both of the numbers"], prompts=[prompt]) == [None]


def test_no_language_column_and_no_prompt_give_none():
    assert language_consistency(["first we add both of the numbers"] * 2) == [None, None]


def test_language_column_takes_precedence_except_in_empty_rows():
    completion, prompt = "first we add both of the numbers", "What is the sum of both numbers?"
    rewards = language_consistency([completion] * 3, prompts=[prompt] * 3, language=["zh", None, ""], level=[1, 2, 3])
    assert rewards == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("name", ["en", "English", "ENGLISH", "en-US", "en_GB", " en "])
def test_languages_are_given_by_code_or_name(name):
    assert share("first we add both of the numbers", name) == 1


@pytest.mark.parametrize("name", ["xx", "Klingon", "   ", 3])
def test_unknown_language_is_an_error_that_lists_the_supported_ones(name):
    with pytest.raises(ValueError, match=r"unknown language .*supported: .*zh \(Chinese\)"):
        share("first we add both of the numbers", name)


def test_works_in_threads_and_pickles():
    reward = pickle.loads(pickle.dumps(language_consistency))
    texts, languages = [thought for _, thought in THOUGHTS], [language for language, _ in THOUGHTS]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: reward(texts, language=languages), range(8)))
    assert results == [language_consistency(texts, language=languages)] * 8


def test_importing_the_module_does_not_load_lingua():
    code = "import sys, open_r1.rewards.language; sys.exit('lingua' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_thought_in_one_language_does_not_mix(language):
    """Except for the thought about the Latin word BANANA."""
    thoughts = [thought for code, thought in THOUGHTS if code == language and "BANANA" not in thought]
    assert len(thoughts) >= 9 and not any(map(mixes_languages, thoughts))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_thought_in_two_languages_mixes(language):
    thoughts = [thought for code, thought in THOUGHTS if code == language]
    for other in set(LANGUAGES) - {language}:
        others = [thought for code, thought in THOUGHTS if code == other]
        mixed = [mixes_languages(f"{first}\n{second}") for first, second in zip(thoughts, others, strict=True)]
        assert sum(mixed) >= 9, other


@pytest.mark.parametrize(
    ("text", "mixes"),
    [
        ("<think>1+2=3 so 3*4=2</think><answer>2</answer>", False),
        ("<think>1+2=3，所以3*4=2</think><answer>2</answer>", False),  # tags have no language
        ("<think>1+2=3 so 3*4=2，然后2+2=4</think><answer>4</answer>", True),
        ("1+2=3 wai7，所以3", True),  # part of a word also has a language
        (
            "设三角形ABC的面积为$S = ab \\sin C$，所以\\text{S}不变。",
            False,
        ),  # names, formulas and commands are not words
        ("Сначала сложим числа, then divide.", True),
        ("まず合計を求める。그다음에 나눈다.", True),
        ("The café owner, a Herr Schmidt, has seven apples and gives two of them away.", False),  # names and loanwords
        ("", False),
    ],
)
def test_words_of_a_second_language_mix(text, mixes):
    assert mixes_languages(text) == mixes
