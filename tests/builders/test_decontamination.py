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


POWER = "What is the remainder when $7^{2024}$ is divided by $100$?"
SEQUENCE = (
    r"A sequence is defined by $x_1 = 2$ and $x_{n+1} = x_n^2 - \frac{1}{2}$. Determine $\pi \times \sqrt{x_{10}}$ "
    r"if $\alpha \leq x_n$."
)
QUADRATIC = (
    r"The quadratic formula is $x = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a}$. "
    "How many values of $b$ make both roots integers?"
)
CUBE = "Expand $(x+y)^3 = x^3 + 3x^2y + 3xy^2 + y^3$ and substitute $x = 2$ to find the coefficient of $y$."
SQUARE = "Simplify $(a+b)^2$."
TEMPLATE = (
    "Solve the following math problem step by step. The last line of your response should be of the form Answer: "
    "$Answer (without quotes) where $Answer is the answer to the problem.\n\n{}\n\n"
    'Remember to put your answer on its own line after "Answer:".'
)
BAKERY = "A bakery sells 12 muffins in a box and 5 boxes in a crate. How many muffins are in 7 crates?"
FARM = "A farmer has 30 cows and sells a third of them. How many cows does he keep?"
SPELLINGS = ProblemIndex({"math": [POWER, SEQUENCE, QUADRATIC, CUBE, SQUARE, TEMPLATE.format(BAKERY)]})


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (POWER, "What is the remainder when 7²⁰²⁴ is divided by 100?"),
        (POWER, "<p>What is the remainder when <i>7</i><sup>2024</sup> is divided by&nbsp;<b>100</b>?</p>"),
        (POWER, "What is the remainder when 7&sup2;&#8304;&#178;&#8308; is divided by 100?"),
        (
            SEQUENCE,
            "A sequence is defined by x₁ = 2 and xₙ₊₁ = xₙ² − ½. Determine π × √x₁₀ if α ≤ xₙ.",
        ),
        (
            SEQUENCE,
            '<div class="problem">A sequence is defined by x<sub>1</sub> = 2 and x<sub>n+1</sub> = x<sub>n</sub>'
            "<sup>2</sup> &minus; &frac12;. Determine &pi; &times; &radic;x<sub>10</sub> "
            "if &alpha; &le; x<sub>n</sub>.</div>",
        ),
        (SEQUENCE, SEQUENCE.replace(r"\frac", r"\dfrac").replace(r"\leq", r"\le")),
        (
            QUADRATIC,
            "The quadratic formula is x = (−b ± √(b² − 4ac))/2a. How many values of b make both roots integers?",
        ),
        (SQUARE, "Please simplify (a+b)²"),
        (TEMPLATE.format(BAKERY), BAKERY),
        (TEMPLATE.format(BAKERY), TEMPLATE.format(BAKERY)),
    ],
)
def test_finds_problem_in_unicode_and_html(problem, text):
    assert SPELLINGS.find(text)[1] == problem


@pytest.mark.parametrize(
    "text",
    [
        "What is the remainder when 7²⁰²³ is divided by 13?",
        r"Use the quadratic formula $x = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a}$ to solve $3x^2 + 5x + 1 = 0$.",
        r"Prove the identity $(x+y)^3 = x^3 + 3x^2y + 3xy^2 + y^3$ by induction.",
        "Simplify $(a+b)^2 - (a-b)^2$.",
        TEMPLATE.format(FARM),
        "Let $7<x$ and $2024>y$.",
    ],
)
def test_well_known_formula_and_instructions_are_no_problem(text):
    """The text shares a formula or an instruction with a problem, but asks something else."""
    assert SPELLINGS.find(text) is None


@pytest.mark.parametrize("problems", [[BAKERY], [BAKERY, FARM]], ids=["one problem", "two problems"])
def test_a_long_preamble_alone_is_no_problem(problems):
    preamble = (
        "Autumn cup, round two. Calculators are forbidden in this round. Each correct result earns five points, and a "
        "wrong one costs a point. Sheets are collected after an hour. {} Results that are not whole numbers are "
        "rounded down. Good luck to all teams of both schools!"
    )
    index = ProblemIndex({"cup": [preamble.format(problem) for problem in problems]})
    assert index.find(preamble.format("Tom has 3 dogs and 8 cats. How many more cats than dogs does he have?")) is None
    assert index.find(preamble.format(BAKERY)) == ("cup", preamble.format(BAKERY))


def test_problem_in_many_benchmarks_is_not_boilerplate():
    index = ProblemIndex({name: [BAKERY] for name in ("a", "b", "c", "d")})
    assert index.find(BAKERY) == ("a", BAKERY)


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
