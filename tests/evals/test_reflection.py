"""Finding slips that the model notices and corrects, without false positives."""

import pytest

from open_r1.evals.reflection import count_attempts, find_repair, has_false_check, repairs_failed_check


@pytest.mark.parametrize(
    "text",
    [
        "10*100=1,000. Let me check: 10*100=1000",
        "2+3=5, check 2+3=5.0",
        "7/2=7/2 but 7/2=3.5",
        "3*7=21 wait 3*8=24",
        "3*7=21 so 3*7=22",
    ],
)
def test_equal_values_other_products_and_changes_without_doubt_are_not_repairs(text):
    assert find_repair(text) is None


@pytest.mark.parametrize("text", ["2*600=1,100. Wait, 2*600=1,200", "1/3=0.3, but 1/3=1/3", "4+4=9，等等，4+4=8"])
def test_repairs(text):
    assert find_repair(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "<think>2*4=8,8+5=3=7?✓ yes</think>",
        "12*12 = 142, which is correct.",
        "$1,200 - 300 = 800$, which is correct",
        "10/3 = 3.4 ✓",
        "3+5=7，对了",
        "(3+4)*2=15 ✓",
        "3+4=7=7?✗ wait 3+5=8=7?✓ 对了",
        r"$6 \times 7 = 41$. That works",
    ],
)
def test_claimed_checks_that_do_not_hold(text):
    assert has_false_check(text)


@pytest.mark.parametrize(
    "text",
    [
        "<think>2*4=8,8+5=3=3?✓ yes</think>",
        "12*12 = 144, which is correct.",
        "$a_5 = 12$, which is correct",
        "$x_1 + 3 = 7$ ✓",
        "17 mod 5 = 2 ✓",
        r"$17 \pmod 5 = 2$ ✓",
        "20% of 50 = 10, which is correct",
        "12 ÷ 4 = 3 ✓",
        r"$12 \div 4 = 3$, which is correct",
        "5 − 2 = 3 ✓",
        "2 · 3 = 6 ✓",
        "1,200 - 300 = 900, which is correct",
        "10/3 = 3.33, which is correct",
        "f'(0) = 3 ✓",
        r"\log_{10} 1000 = 3, which is correct",
        r"\sqrt 16 = 4 ✓",
        "sum from 1 to 10 = 55 ✓",
        "5 choose 2 = 10, which is correct",
        "3+5=7. 不对了",
        "12*12 = 142. I doubt that it holds",
        "3+4=8=7?✗ wait",
        "x+1=3 ✓",
        "x + 1 = 3 ✓",
        "1/0=3 ✓",
        "2**99999999=3 ✓",
        "((((=3 ✓",
        "",
    ],
)
def test_checks_that_hold_or_cannot_be_judged(text):
    assert not has_false_check(text)


@pytest.mark.parametrize(
    ("text", "attempts"),
    [("Wait, let me try again.", 2), ("I have to wait for 3 hours", 1), ("wait 3+5=8=7?✗ wait 3+4=7=7?✓", 3)],
)
def test_words_side_by_side_begin_one_attempt(text, attempts):
    assert count_attempts(text) == attempts


@pytest.mark.parametrize(
    "text",
    [
        "x=2 不成立，x=3 不成立",
        "2 does not work; let us see if it works for 3: no",
        "Suppose n ≠ 0. So 3+4=7 ✓",
        "2 does not work. " + "a" * 2000 + " it works",
    ],
)
def test_checks_that_are_not_repaired(text):
    assert not repairs_failed_check(text)


def test_long_whitespace_takes_no_time():
    text = "3" + " " * 200_000 + "4" + "\n" * 200_000
    assert find_repair(text) is None and not has_false_check(text) and count_attempts(text) == 1


def test_attempts_and_repaired_checks():
    text = "2*4=8=3?✗ wait 3*4=2=3?✗ 等等 3*1=3=3?✓ yes"
    assert count_attempts(text) == 3 and repairs_failed_check(text)
    assert not repairs_failed_check("3*1=3=3?✓ but 2*4=8=3?✗")
    assert repairs_failed_check("x = 2 does not work. Let me try x = 3: it works") and count_attempts("4") == 1
