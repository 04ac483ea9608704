"""Word problems: deterministic and correct; the held-out ones are never trained on; thoughts that earn every reward."""

import re

import pytest

from open_r1.data import word_problems
from open_r1.grading import grade
from open_r1.rewards.format import Format
from open_r1.rewards.language import language_consistency
from open_r1.utils.errors import RecipeError


LEVELS = (1, 2, 3, 4)


def test_a_row_is_a_function_of_seed_split_and_index():
    first, again = (word_problems.word_problem(3, "train", 7) for _ in range(2))
    assert first == again
    assert first != word_problems.word_problem(4, "train", 7)
    assert word_problems.problems("train", 0, size=50)[:20] == word_problems.problems("train", 0, size=20)[:]


def test_splits_share_no_calculation_whatever_the_seed():
    train = {word_problems.word_problem(seed, "train", i, (1, 2)).expression for seed in (0, 1) for i in range(2000)}
    test = {word_problems.word_problem(seed, "test", i, (1, 2)).expression for seed in (0, 2) for i in range(2000)}
    assert train and test and not train & test


def test_thoughts_are_trained_on_only_in_their_own_split():
    questions = {row[0]["content"] for row in word_problems.thoughts("train", 0, size=500)["messages"]}
    assert not questions & set(word_problems.problems("test", 0, size=500)["problem"])


@pytest.mark.parametrize("level", LEVELS)
def test_level_is_the_number_of_calculations(level):
    for i in range(200):
        problem = word_problems.word_problem(0, "train", i, (level,))
        assert len(problem.steps) == level == problem.thought.count("=")


def test_golds_are_right_and_results_stay_in_range():
    for i in range(500):
        problem = word_problems.word_problem(0, "train", i, LEVELS)
        assert problem.solution == str(eval(problem.expression))
        assert all(1 <= result <= 99 for result in problem.results)
        for calculation, result in re.findall(r"(\d+[-+*]\d+)=(\d+)", problem.thought):
            assert eval(calculation) == int(result)


def test_questions_tell_every_number_once_and_in_the_order_of_the_calculation():
    for i in range(500):
        problem = word_problems.word_problem(0, "train", i, LEVELS)
        assert re.findall(r"\d+", problem.question) == re.findall(r"\d+", problem.expression)


def test_multiplication_is_told_by_containers():
    steps = (word_problems.Step("*", 6, "boxes"), word_problems.Step("-", 4, "loses 4"))
    story = word_problems.WordProblem("Mia", "pens", 5, steps)
    assert story.question == "Mia has 5 boxes with 6 pens each. She loses 4. How many pens does she have now?"
    assert story.thought == "Mia has 5 boxes with 6 pens each: 5*6=30. She loses 4: 30-4=26."
    assert story.solution == "26"


@pytest.mark.parametrize("shortcuts", [0, 1])
def test_thoughts_earn_every_reward_and_wrong_answers_do_not(shortcuts):
    for row in word_problems.thoughts("train", 0, size=100, shortcuts=shortcuts):
        _, answer = row["messages"]
        text = answer["content"]
        gold = re.search(r"<answer>(\d+)</answer>", text)[1]
        assert grade(text, gold) == 1.0
        assert grade(text, str(int(gold) + 1)) == 0.0
        assert Format()([text]) == [1.0]
        assert language_consistency([text], language=["en"], fewest_words=1) == [1.0]


@pytest.mark.parametrize("share", [0, 0.7, 1.0])
def test_a_share_of_thoughts_takes_shortcuts(share):
    rows = word_problems.thoughts("train", 0, size=500, shortcuts=share)
    shortcuts = 0
    for row in rows:
        question, answer = (message["content"] for message in row["messages"])
        thought = re.fullmatch(r"<think>(.*)</think><answer>\d+</answer>", answer)[1]
        if ":" not in thought:
            expression = re.fullmatch(r"\w+ has ([-+*\d]+)=\d+ \w+\.", thought)[1]
            assert re.findall(r"\d+", expression) == re.findall(r"\d+", question)
            shortcuts += 1
    assert shortcuts / 500 == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize("share", [-0.1, 1.1, "0.5", None])
def test_shares_of_shortcuts_that_cannot_be_used_are_refused(share):
    with pytest.raises(RecipeError, match="shortcuts: found"):
        word_problems.thoughts("train", 0, size=4, shortcuts=share)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("split", "validation"),
        *[("size", value) for value in (0, -1, 2.5, "64", True)],
        *[("levels", value) for value in ([], [0, 1], 2, "2", ["2"], [2.0], [True], None)],
        *[("largest", value) for value in (9, 99, "20", 20.0)],
    ],
)
def test_arguments_that_cannot_be_used_are_refused(argument, value):
    arguments = {"split": "train", "seed": 0, "size": 4, argument: value}
    with pytest.raises(RecipeError, match=f"{argument}: found"):
        word_problems.problems(**arguments)


def test_all_levels_and_numbers_occur():
    rows = word_problems.problems("train", 0, size=300, levels=[1, 3], largest=12)
    assert set(rows["level"]) == {1, 3}
    numbers = {int(number) for text in rows["problem"] for number in re.findall(r"\d+", text)}
    assert numbers == set(range(2, 13))
