"""The format rewards: each tag once, in order, with nothing outside."""

import pytest

from open_r1.configs import RewardSpec
from open_r1.rewards import Composition
from open_r1.rewards.format import Format, tag_count
from open_r1.utils.errors import RecipeError


@pytest.mark.parametrize(
    ("completion", "reward"),
    [
        ("<think>a</think><answer>b</answer>", 1.0),
        ("<think>\na < b\n</think>\n\n<answer>\nb\n</answer>\n", 1.0),  # white space and `<` are allowed
        ("<think><1, 2> is a vector</think><answer><1, 2></answer>", 1.0),
        ("<think>a</think> so <answer>b</answer>", 0.0),  # words between the blocks
        ("<think>a</think><answer>b</answer> bye", 0.0),  # words after the blocks
        ("<think></think><answer>b</answer>", 0.0),  # no thought
        ("<think>a</think><answer> \n </answer>", 0.0),  # no answer
        ("<think>a</think>b", 0.0),
        ("<answer>b</answer><think>a</think>", 0.0),
        ("<think>a</think><think>a</think><answer>b</answer>", 0.0),
        ("<think>a<answer>b</answer></think><answer>b</answer>", 0.0),
        ("<think>a</think><answer>b", 0.0),  # cut off
        ("a</think><answer>b</answer>", 0.0),  # no template opens the thought
        ("", 0.0),
    ],
)
def test_structure(completion, reward):
    assert Format()([completion]) == [reward]


@pytest.mark.parametrize(
    ("completion", "reward"),
    [
        ("<think>a</think>\n\nIt is 4.", 1.0),
        ("<think>a</think>", 0.0),  # no summary
        ("<think>a</think>  \n", 0.0),
        ("<think> </think>It is 4.", 0.0),  # no thought
        ("It is 4.", 0.0),
        ("<think>a</think>It is 4.</think>", 0.0),
        ("<think>a</think><answer>4</answer>", 0.0),  # the other structure
        ("so <think>a</think>It is 4.", 0.0),
    ],
)
def test_thought_and_summary(completion, reward):
    assert Format("summary")([completion]) == [reward]


def test_structure_is_checked_at_the_start():
    with pytest.raises(RecipeError, match="structure: found 'xml'; expected answer or summary"):
        Composition([RewardSpec("format", params={"structure": "xml"})])


def test_long_thought_is_fast():
    """A regular expression that backtracks would hang on an unclosed thought of this length."""
    assert Format()(["<think>" + "a < b " * 200_000]) == [0.0]


@pytest.mark.parametrize(
    ("completion", "reward"), [("<think></think><answer></answer>", 1.0), ("<think><think>", 0.0), ("<think>", 0.25)]
)
def test_tag_count(completion, reward):
    assert tag_count([completion]) == [reward]
