"""Accuracy: what counts as the answer, and what counts as equal."""

import threading

import pytest

from open_r1.rewards.accuracy import accuracy, grade


@pytest.mark.parametrize(
    ("completion", "gold", "reward"),
    [
        # where the answer is looked for
        ("<think>2+2</think><answer>4</answer>", "4", 1.0),
        ("<think>2+2</think><answer>5</answer>", "4", 0.0),
        ("<think>2+2</think>\nThe answer is \\boxed{4}.", "4", 1.0),
        ("<think>so \\boxed{4}</think> I do not know", "4", 0.0),  # only thought, never said
        ("<think>so \\boxed{4}", "4", 0.0),  # the thought never closes
        ("<think>a</think><answer>3</answer><answer>4</answer>", "4", 0.0),  # two answers
        ("<answer>$\\frac{1}{2}$</answer>", "0.5", 1.0),
        ("there were 4 of them", "4", 0.0),  # a number in prose is no answer
        ("", "4", 0.0),
        # golds of any style
        ("\\boxed{\\frac{1}{3}}", "\\frac13", 1.0),
        ("\\boxed{18}", "some steps\n#### 18", 1.0),
        ("\\boxed{18}", "so $x$ is \\boxed{18}", 1.0),
        ("\\boxed{C}", "C", 1.0),
        ("\\boxed{B}", "C", 0.0),
        ("<answer>42</answer>", "$42$", 1.0),
        ("<answer>42</answer>", 42, 1.0),
        ("<answer>$18</answer>", "\\$18", 1.0),  # a lone dollar sign is a currency
        ("<answer>18</answer>", "$18", 1.0),
        ("so 4. \\boxed{3}, no: \\boxed{4}", "4", 1.0),  # the last box
        ("so 4. \\boxed{4}, no: \\boxed{3}", "4", 0.0),
        ("\\boxed{\\text{Evelyn}}", "\\text{Evelyn}", 1.0),
        # golds that nobody can grade by
        ("<answer>42</answer>", "", None),
        ("<answer>42</answer>", "   ", None),
        ("<answer>42</answer>", None, None),
        ("<answer>42</answer>", "We first note that the three apples are as heavy as two pears.", None),
    ],
)
def test_grades(completion, gold, reward):
    assert grade(completion, gold) == reward


def test_one_reward_per_completion_in_order():
    assert accuracy(["<answer>1</answer>", "<answer>2</answer>"], ["1", "1"], level=[3, 3]) == [1.0, 0.0]


def test_grades_outside_the_main_thread():
    """Where math-verify's signal-based deadline would raise."""
    found = []
    thread = threading.Thread(target=lambda: found.append(grade("<answer>7</answer>", "7.0")))
    thread.start()
    thread.join()
    assert found == [1.0]
