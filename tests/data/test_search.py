"""The search task: deterministic and correct, with the flaws that the base model should learn."""

import re
from collections import Counter

from open_r1.data.prompts import read_template
from open_r1.data.tiny import search
from open_r1.evals.reflection import has_false_check, has_reflection
from open_r1.grading import grade
from open_r1.rewards.format import Format
from open_r1.rewards.language import mixes_languages


SEARCH = re.compile(r"<think>(.*)</think><answer>(\d+)</answer>")


def identity(problem: search.Problem) -> tuple:
    return problem.equation, problem.candidates


def solves(equation: str, x: int) -> bool:
    left, _, right = equation.partition("=")
    return eval(left, {"x": x}) % 10 == int(right)


def test_a_row_is_a_function_of_seed_split_and_index():
    assert search.problem(3, "train", 7) == search.problem(3, "train", 7) != search.problem(4, "train", 7)
    assert search.problems("train", 0, size=50)[:20] == search.problems("train", 0, size=20)[:]


def test_splits_are_disjoint_for_all_seeds():
    train = {identity(search.problem(seed, "train", i)) for seed in (0, 1) for i in range(2000)}
    test = {identity(search.problem(seed, "test", i)) for seed in (0, 2) for i in range(2000)}
    assert train and test and not train & test


def test_exactly_one_candidate_solves_a_problem():
    levels = set()
    for i in range(300):
        problem = search.problem(0, "train", i)
        solved = [x for x in problem.candidates if solves(problem.equation, x)]
        assert [str(x) for x in solved] == [problem.solution]
        levels.add(problem.level)
    assert levels == {2, 3, 4, 5, 6, 7}


def test_golds_are_rewarded_and_wrong_or_empty_answers_are_not():
    for row in search.problems("test", 0, size=20):
        assert grade(f"<think>a</think><answer>{row['solution']}</answer>", row["solution"]) == 1.0
        assert grade(f"<think>a</think><answer>{int(row['solution']) + 1}</answer>", row["solution"]) == 0.0
        assert grade("", row["solution"]) == 0.0


def test_textbooks_search_until_a_check_holds():
    rows = search.web_text("train", 0, size=300, textbooks=1, untagged=0)
    for i, completion in enumerate(rows["completion"]):
        problem = search.problem(0, "train", i)
        thought, answer = SEARCH.fullmatch(completion).groups()
        assert answer == problem.solution
        attempts = re.split(" wait | 等等 ", thought)
        assert [attempt[-1] for attempt in attempts[:-1]] == ["✗"] * (len(attempts) - 1)
        assert re.search("✓( yes| 对了)$", attempts[-1]) and not has_false_check(thought)
        tried = [int(attempt[0]) for attempt in attempts]
        assert len(set(tried)) == len(tried) and set(tried) <= set(problem.candidates)


def test_web_text_has_the_flaws_described_in_the_paper():
    rows = search.web_text("train", 0, size=4000)["completion"]
    books, forum = rows[:3520], rows[3520:]
    formatted = [sum(Format()(part)) / len(part) for part in (books, forum)]
    assert formatted[0] > 0.9 and 0.3 < formatted[1] < 0.6  # half of the forum's answers have no thought
    mixed = sum(map(mixes_languages, books)) / len(books)
    assert 0.05 < mixed < 0.3
    shares = Counter()
    for text in forum:
        shares["reflection"] += has_reflection(text)
        shares["false check"] += has_false_check(text)
        shares["gives up"] += text.endswith("</answer>") and re.search("✗</think>", text) is not None
        shares["untagged"] += "<answer>" not in text
    assert all(count > 0.01 * len(forum) for count in shares.values()), shares
    assert shares["reflection"] < 0.1 * len(forum)


def test_an_edited_calculation_makes_a_wrong_candidate_hold():
    edited = search.edited_thoughts("test", 0, size=100)
    unedited = search.edited_thoughts("test", 0, size=100, edited=False)
    for i, (row, original) in enumerate(zip(edited, unedited, strict=True)):
        problem = search.problem(0, "test", i)
        assert row["solution"] == original["solution"] != problem.solution
        assert row["prefix"][:-1] == original["prefix"][:-1] and row["prefix"] != original["prefix"]
        steps = row["prefix"].removeprefix("<think>").split(",")
        assert int(steps[0][0]) == int(row["solution"])
        value = int(row["prefix"][-1])
        for operator, operand in list(zip(problem.operators, problem.operands, strict=True))[len(steps) :]:
            value = (value * operand if operator == "*" else value + operand) % 10
        assert value == problem.target


def test_pre_training_and_recipes_use_the_same_prompt():
    template = read_template("recipes/prompts/tiny.jinja", "prompt_template")
    problem = search.problem(0, "train", 0)
    assert template.render(prompt=problem.prompt) == search.QUESTION.format(problem.prompt)


def test_tokenizer_covers_the_task_and_tags_are_one_token():
    _, tokenizer = search.base_model(seed=0)
    lengths = []
    for row in search.web_text("train", 0, size=1000):
        ids = tokenizer(row["prompt"] + row["completion"])["input_ids"]
        lengths.append(len(ids))
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == row["prompt"] + row["completion"]
    assert len(tokenizer("<think></think><answer></answer>")["input_ids"]) == 4
    assert max(lengths) < 192, "the recipes' max_length"


def test_base_model_is_a_qwen2_with_about_0_66m_parameters():
    model, tokenizer = search.base_model(seed=0)
    assert model.config.model_type == "qwen2" and 600_000 < model.num_parameters() < 700_000
    assert model.config.vocab_size == len(tokenizer)
