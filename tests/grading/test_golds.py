"""Golds in the styles of many data sets, and golds that contain no answer."""

import pytest

from open_r1.grading import grade, usable_gold
from open_r1.grading.golds import gold_answer


# Gold, content of the box, reward.
STYLES = [
    ("We have $16-3-4=9$ eggs left, so she makes $9\\cdot2=18$.\n#### 18", "18", 1.0),  # GSM8K full solution
    ("We have $16-3-4=9$ eggs left, so she makes $9\\cdot2=18$.\n#### 18", "9", 0.0),  # step of the gold solution
    ("She pays 5*10=$<<5*10=50>>50.\nThen 50+8=58.\n#### 58", "58", 1.0),  # GSM8K annotations
    ("She pays 5*10=$<<5*10=50>>50.\nThen 50+8=58.\n#### 58", "50", 0.0),  # step of the gold solution
    ("Profit is 80,000.\n#### 70,000", "70000", 1.0),  # separator in gold
    ("Profit is 80,000.\n#### 70,000", "80000", 0.0),  # step of the gold solution
    ("#### -12", "-12", 1.0),  # bare hash gold
    ("#### -12", "12", 0.0),  # sign
    ("Factoring, $x^2-5x+6=(x-2)(x-3)$, so the larger root is $\\boxed{3}$.", "3", 1.0),  # MATH solution with box
    (
        "Factoring, $x^2-5x+6=(x-2)(x-3)$, so the larger root is $\\boxed{3}$.",
        "2",
        0.0,
    ),  # other number of the solution
    (
        "By symmetry the area is $\\frac12\\cdot 6\\cdot 8=\\boxed{24}$ square units.",
        "24",
        1.0,
    ),  # MATH solution with box
    ("By symmetry the area is $\\frac12\\cdot 6\\cdot 8=\\boxed{24}$ square units.", "48", 0.0),  # wrong
    ("The probability is $1-\\frac{5}{9}=\\boxed{\\dfrac{4}{9}}$.", "4/9", 1.0),  # nested braces in gold box
    ("The probability is $1-\\frac{5}{9}=\\boxed{\\dfrac{4}{9}}$.", "\\frac59", 0.0),  # step
    ("Thus $f(x) = \\boxed{2x^2-3x+1}$.", "(2x-1)(x-1)", 1.0),  # expression in gold box
    ("Thus $f(x) = \\boxed{2x^2-3x+1}$.", "(2x+1)(x-1)", 0.0),  # sign
    ("The solutions are $\\boxed{-\\frac{1}{2}, 3}$.", "3, -0.5", 1.0),  # list in gold box
    ("The solutions are $\\boxed{-\\frac{1}{2}, 3}$.", "3", 0.0),  # missing
    ("$\\frac{1}{9}$", "1/9", 1.0),  # dollar gold
    ("$\\frac{1}{9}$", "9", 0.0),  # inverted
    ("$$\\sqrt{7}$$", "7^{1/2}", 1.0),  # double dollar gold
    ("$$\\sqrt{7}$$", "7", 0.0),  # no root
    ("\\(\\frac{9}{2}\\)", "4.5", 1.0),  # paren gold
    ("\\(\\frac{9}{2}\\)", "9", 0.0),  # numerator only
    ("\\[ 3\\pi \\]", "3π", 1.0),  # bracket gold
    ("\\[ 3\\pi \\]", "3", 0.0),  # pi missing
    ("\\boxed{17}", "17", 1.0),  # box gold
    ("\\boxed{17}", "71", 0.0),  # swapped
    ("$\\boxed{\\frac{11}{5}}$", "2.2", 1.0),  # box in dollar gold
    ("$\\boxed{\\frac{11}{5}}$", "\\frac{5}{11}", 0.0),  # inverted
    ("The answer is 29.", "29", 1.0),  # sentence gold
    ("The answer is 29.", "92", 0.0),  # swapped
    ("Final Answer: The final answer is $\\frac{8}{15}$. I hope it is correct.", "8/15", 1.0),  # Minerva style gold
    ("Final Answer: The final answer is $\\frac{8}{15}$. I hope it is correct.", "15/8", 0.0),  # inverted
    ("<think>let me see</think><answer>61</answer>", "61", 1.0),  # tagged gold
    ("<think>let me see</think><answer>61</answer>", "16", 0.0),  # swapped
    ("\\text{(C)}", "C", 1.0),  # letter
    ("\\text{(C)}", "(B)", 0.0),  # letter
    ("(D)", "\\text{D}", 1.0),  # letter
    ("(D)", "E", 0.0),  # letter
    ("\\textbf{(A) }12", "A", 1.0),  # AMC gold
    ("\\textbf{(A) }12", "\\textbf{(B) }12", 0.0),  # contradicting letter
    ("answer: 33", "33", 1.0),  # labelled gold
    ("answer: 33", "3", 0.0),  # wrong
    ("Answer: $\\frac{5}{7}$", "\\frac57", 1.0),  # labelled gold
    ("Answer: $\\frac{5}{7}$", "\\frac75", 0.0),  # inverted
    ("$-\\frac{2}{3}$ or $1$", "1, -\\frac23", 1.0),  # two-valued gold
    ("$-\\frac{2}{3}$ or $1$", "1", 0.0),  # missing
    ("$x=4$", "4", 1.0),  # label gold
    ("$x=4$", "-4", 0.0),  # sign
    ("$x = 4$ and $y = -1$", "(4,-1)", 1.0),  # pair gold
    ("$x = 4$ and $y = -1$", "(-1,4)", 0.0),  # swapped
    ("['\\\\frac{1}{2}']", "\\frac12", 1.0),  # OlympiadBench list of one string
    ("['\\\\frac{1}{2}']", "2", 0.0),  # inverted
    ("['13']", "13", 1.0),  # list of one string
    ("['13']", "31", 0.0),  # swapped
    ('["6"]', "6", 1.0),  # json list
    ('["6"]', "9", 0.0),  # wrong
    ("12 cm", "12", 1.0),  # unit gold
    ("12 cm", "12 kg", 0.0),  # contradicting unit
    ("\\$2.50", "2.5", 1.0),  # money gold
    ("\\$2.50", "25", 0.0),  # magnitude
    ("1,000", "1000", 1.0),  # separator
    ("1,000", "1", 0.0),  # separator misread
    ("3 1/2", "3.5", 1.0),  # plain mixed number gold
    ("3 1/2", "\\frac{3}{2}", 0.0),  # mixed number misread
    (" 8 ", "8", 1.0),  # spaces
    (" 8 ", "80", 0.0),  # wrong
    ("8.", "8", 1.0),  # trailing dot
    ("8.", "0.8", 0.0),  # wrong
    ("-0", "0", 1.0),  # signed zero
    ("-0", "1", 0.0),  # wrong
    ("\\dfrac{7}{3}", "2\\frac13", 1.0),  # dfrac gold
    ("\\dfrac{7}{3}", "\\frac37", 0.0),  # inverted
    ("\\tfrac{7}{4}", "1.75", 1.0),  # tfrac gold
    ("\\tfrac{7}{4}", "4/7", 0.0),  # inverted
    ("\\frac74", "1.75", 1.0),  # braceless gold
    ("\\frac74", "74", 0.0),  # braceless misread
    ("\\frac{\\sqrt2}2", "\\frac{1}{\\sqrt{2}}", 1.0),  # braceless denominator
    ("\\frac{\\sqrt2}2", "\\sqrt2", 0.0),  # denominator dropped
    ("\\sqrt3", "\\sqrt{3}", 1.0),  # braceless root
    ("\\sqrt3", "3", 0.0),  # root dropped
    ("\\mathrm{e}^{2}", "e^2", 1.0),  # roman e
    ("\\mathrm{e}^{2}", "2e", 0.0),  # wrong
    ("2^{\\frac12}", "\\sqrt2", 1.0),  # fraction exponent
    ("2^{\\frac12}", "1", 0.0),  # exponent read as factor
    ("\\left(-\\infty, 2\\right)", "x<2", 1.0),  # interval gold
    ("\\left(-\\infty, 2\\right)", "x>2", 0.0),  # direction
    ("{-3, 3}", "\\pm 3", 1.0),  # plain brace set
    ("{-3, 3}", "3", 0.0),  # missing
    ("\\pm3", "-3, 3", 1.0),  # pm gold
    ("\\pm3", "-3", 0.0),  # missing
    ("12\\%", "0.12", 1.0),  # percent gold
    ("12\\%", "1.2\\%", 0.0),  # magnitude
    ("1/3", "\\frac{1}{3}", 1.0),  # slash gold
    ("1/3", "0.3", 0.0),  # rounded
    ("sqrt(2)/2", "\\frac{\\sqrt2}{2}", 1.0),  # ascii gold
    ("sqrt(2)/2", "\\sqrt{2}", 0.0),  # half dropped
    ("2*pi", "2\\pi", 1.0),  # ascii gold
    ("2*pi", "2", 0.0),  # pi dropped
    ("x**2 + 1", "x^2+1", 1.0),  # sympy gold
    ("x**2 + 1", "2x+1", 0.0),  # wrong
    ("exp(-x)", "e^{-x}", 1.0),  # sympy gold
    ("exp(-x)", "e^{x}", 0.0),  # sign
    ("\\text{Mathew}", "Mathew", 1.0),  # name gold
    ("\\text{Mathew}", "Sarah", 0.0),  # wrong name
    ("\\text{18 students}", "18", 1.0),  # number and noun in text
    ("\\text{18 students}", "81", 0.0),  # swapped
    ("\\text{50 seconds}", "50", 1.0),  # number and unit in text
    ("\\text{50 seconds}", "50\\text{ minutes}", 0.0),  # contradicting unit
    ("77\\ \\text{cents}", "77", 1.0),  # cents
    ("77\\ \\text{cents}", "7.7", 0.0),  # wrong
    ("x \\in [-2,7]", "[-2,7]", 1.0),  # membership gold
    ("x \\in [-2,7]", "(-2,7)", 0.0),  # brackets
    ("(-2,1)", "(-2,1)", 1.0),  # same
    ("(-2,1)", "(1,-2)", 0.0),  # swapped
    (
        "\\begin{bmatrix}5\\\\-1\\end{bmatrix}",
        "\\begin{pmatrix}5\\\\-1\\end{pmatrix}",
        1.0,
    ),  # bracket kind of a matrix
    ("\\begin{bmatrix}5\\\\-1\\end{bmatrix}", "\\begin{pmatrix}-1\\\\5\\end{pmatrix}", 0.0),  # swapped
    ("１５", "15", 1.0),  # full-width gold
    ("１５", "51", 0.0),  # swapped
    ("6½", "6.5", 1.0),  # unicode mixed number
    ("6½", "\\frac{6}{2}", 0.0),  # misread
    ("x²−1", "(x-1)(x+1)", 1.0),  # unicode gold
    ("x²−1", "(x-1)^2", 0.0),  # wrong
    ("√2+1", "1+\\sqrt{2}", 1.0),  # unicode root
    ("√2+1", "\\sqrt{3}", 0.0),  # root over the sum
    ("7(mod 11)", "7", 1.0),  # residue gold
    ("7(mod 11)", "4", 0.0),  # wrong
]

UNUSABLE = [
    "",
    "   ",
    "see figure",
    "See Figure",
    "answers may vary",
    "Answers will vary.",
    "See solution",
    "\\text{see figure}",
    "\\text{Answers may vary}",
    "See figure.",
    "\\boxed{}",
    None,
    "略",
    "见解析",
    "N/A",
    "proof",
    "The answer varies.",
    "nan",
    "####",
    "-",
    "$$",
    "We first note that the three apples are as heavy as two pears.",
]


@pytest.mark.parametrize(("gold", "box", "reward"), STYLES)
def test_gold_styles(gold, box, reward):
    assert grade(f"\\boxed{{{box}}}", gold) == reward


@pytest.mark.parametrize("gold", UNUSABLE)
def test_gold_without_an_answer_gives_no_verdict(gold):
    assert not usable_gold(gold)
    assert grade("\\boxed{4}", gold) is None and grade("", gold) is None


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        (18, "18"),
        (27.0, "27"),
        (["3", "5"], "5, 3"),
        (("1/2",), "0.5"),
        (0, "0"),
        (True, "true"),
        (False, "False"),
        ({"a": 1}, None),
    ],
)
def test_golds_that_are_not_strings(gold, answer):
    assert grade(f"\\boxed{{{answer}}}", gold) == (None if answer is None else 1.0)


def test_last_box_of_a_solution_counts():
    assert gold_answer(r"First $\boxed{3}$, so the area is $\boxed{9}$.") == "9"


@pytest.mark.parametrize(
    "gold",
    [
        {"ground_truth": "4"},
        '{"ground_truth": "4"}',
        ' { "ground_truth": 4, "style": "rule" }',
        "{'ground_truth': '4', 'style': None}",
        '[{"answer": "4"}]',
        [{"answer": "4"}],
    ],
)
def test_a_mapping_that_holds_the_answer_is_none(gold):
    assert not usable_gold(gold) and grade("\\boxed{4}", gold) is None


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        (r"\{1,2\}", r"\{2,1\}", r"\{1\}"),
        ("{1, 2}", r"\{1, 2\}", r"\{1, 3\}"),
        ('["4"]', "4", "5"),
        (r"$\{x : x > 2\}$", r"\{x : x > 2\}", r"\{x : x > 3\}"),
    ],
)
def test_sets_are_no_mappings(gold, right, wrong):
    assert usable_gold(gold)
    assert grade(f"\\boxed{{{right}}}", gold) == 1.0 and grade(f"\\boxed{{{wrong}}}", gold) == 0.0
