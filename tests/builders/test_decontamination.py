"""Finding benchmark problems in training data, however they are formatted, without false positives."""

import random

import pytest

from open_r1.builders.decontamination import ProblemIndex, word_hashes


AIME = (
    "Every morning Aya goes for a $9$-kilometer-long walk and stops at a coffee shop afterwards. When she walks at a "
    "constant speed of $s$ kilometers per hour, the walk takes her 4 hours, including $t$ minutes spent in the coffee "
    "shop. Find the number of minutes."
)
BOILER = "where $m$ and $n$ are relatively prime positive integers. Find $m+n$."
LONG = [
    f"The probability that a {animal} jumps over all {n} fences of the {place} can be written as "
    f"$\\frac{{m}}{{n}}$, {BOILER}"
    for n, (animal, place) in enumerate(
        [("horse", "racing course"), ("frog", "pond"), ("cat", "old garden"), ("dog", "park")], 5
    )
]
SHORT = ["Compute $\\sin 60^\\circ$.", "What is $2^{10} \\bmod 7$?", "Evaluate $\\log_2 (4^2)$.", "Find $x$."]
CHINESE = "已知函数的图像关于直线对称，且在区间上单调递增，求实数的取值范围。"
HELD_OUT = ProblemIndex({"aime": [AIME, *LONG], "math": SHORT, "gaokao": [CHINESE]})


def filler(seed, words=300):
    rng = random.Random(seed)
    return " ".join(
        rng.choice("we take the sum of both sides and then find that x is equal to a number which he has".split())
        for _ in range(words)
    )


@pytest.mark.parametrize("problem", [AIME, *LONG, *SHORT, CHINESE])
def test_finds_verbatim_problem(problem):
    assert HELD_OUT.find(problem)[1] == problem


@pytest.mark.parametrize("problem", [AIME, *LONG, CHINESE, SHORT[0], SHORT[1], SHORT[2]])
def test_finds_problem_within_a_longer_text(problem):
    assert HELD_OUT.find(f"{filler(1)}\nProblem 3. {problem} Show your work. {filler(2)}")[1] == problem


@pytest.mark.parametrize("problem", [AIME, *LONG, CHINESE, SHORT[0]])
def test_finds_problem_with_other_formatting(problem):
    bare = problem.replace("$", "").replace(",", " ;").replace(".", " !").upper()
    assert HELD_OUT.find(bare)[1] == problem
    assert HELD_OUT.find(problem.replace(" ", "\n"))[1] == problem
    assert HELD_OUT.find(problem.replace("a", "ａ").replace("，", ",").replace("。", "."))[1] == problem  # full width


def test_finds_partly_changed_problem():
    words = AIME.split()
    assert HELD_OUT.find(" ".join(words[: len(words) * 2 // 3]))[1] == AIME, "two thirds of the problem"
    assert HELD_OUT.find(AIME.replace("Aya", "Bob").replace("$9$", "$12$"))[1] == AIME, "other names and numbers"
    assert HELD_OUT.find(" ".join(words[:12])) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Find",
        f"The area of the triangle is a fraction {BOILER}",
        "Compute the sine of sixty degrees.",
        "Compute sin 30 circ.",
        "Let us find x. Then compute it.",
        "已知函数的图像，求实数。",
        filler(3, 5000),
    ],
)
def test_finds_nothing_else(text):
    assert HELD_OUT.find(text) is None


def test_very_short_problem_must_match_the_full_text():
    assert HELD_OUT.find("find x")[1] == "Find $x$."


def test_word_hashes():
    """One hash per word; equal words have equal hashes."""
    for text, others in (
        ("A_1, b-2!", "a 1 B 2"),
        ("Größe\u00a0x²", "größe x2"),
        ("求值", "求 值"),
        ("“a”—b", "a b"),
        ("", " ."),
    ):
        assert word_hashes(text).tolist() == word_hashes(others).tolist()
    assert len(set(word_hashes("one two three four five six").tolist())) == 6
    words = [f"{a}{b}" for a in "abcdefghij" for b in range(1000)]
    assert len(set(word_hashes(" ".join(words)).tolist())) == 10_000, "different words have different hashes"


def test_no_benchmarks_find_nothing():
    assert ProblemIndex({}).find(AIME) is None
