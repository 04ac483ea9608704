"""The rewards for length and repetition, which count tokens."""

import pickle

import pytest

from open_r1.rewards.length import Cosine, GroupLength, Repetition, SoftOverlong


RIGHT, WRONG = "\\boxed{4}", "\\boxed{5}"


def test_cosine_prefers_short_right_answers_and_long_wrong_ones():
    reward = Cosine(max_len=100)
    lengths = [[0] * n for n in (0, 50, 100, 1000)]
    right = reward([RIGHT] * 4, ["4"] * 4, lengths)
    wrong = reward([WRONG] * 4, ["4"] * 4, lengths)
    assert right == [1.0, pytest.approx(0.75), 0.5, 0.5]  # constant beyond max_len
    assert wrong == [-1.0, pytest.approx(-0.75), -0.5, -0.5]
    assert reward([RIGHT], ["see figure"], [[0]]) == [None]


def test_group_length_compares_within_a_prompt():
    """A prompt whose solutions are long by nature is not penalized."""
    reward = GroupLength(num_generations=2)
    lengths = [[0] * n for n in (10, 20, 1000, 2000)]
    assert reward([RIGHT] * 4, ["4"] * 4, lengths, ["a", "a", "b", "b"]) == [0.5, -0.5, 0.5, -0.5]
    assert reward([WRONG] * 4, ["4"] * 4, lengths, ["a", "a", "b", "b"]) == [0.0, -0.5, 0.0, -0.5]
    assert reward([RIGHT] * 2, ["4"] * 2, [[0], [0]], ["a", "a"]) == [0.0, 0.0]


def test_group_length_does_not_judge_incomplete_groups():
    """The shortest and longest completions may be in another process."""
    reward = GroupLength(num_generations=4)
    assert reward([RIGHT] * 3, ["4"] * 3, [[0], [0, 0], [0, 0, 0]], ["a", "b", "b"]) == [None] * 3


def test_trl_rewards_under_recipe_names():
    assert Repetition(ngram_size=1)(["aaaa", "abcd"], [[1, 1, 1, 1], [1, 2, 3, 4]]) == [-0.75, 0.0]
    completion_ids = [[0] * length for length in (5, 7, 10, 11)]
    assert SoftOverlong(max_len=10, cache=5)(["text"] * 4, completion_ids) == [0.0, -0.4, -1.0, -1.0]


def test_length_rewards_pickle():
    assert pickle.loads(pickle.dumps(Cosine(max_len=8))).max_len == 8
