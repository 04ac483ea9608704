"""The built-in task: deterministic and correct, with the flaws that the base model should learn."""

import re
from collections import Counter

from open_r1.data import tiny
from open_r1.data.prompts import read_template
from open_r1.grading import grade
from open_r1.rewards.format import Format


def test_a_row_is_a_function_of_seed_split_and_index():
    assert tiny.problem(3, "train", 7) == tiny.problem(3, "train", 7) != tiny.problem(4, "train", 7)
    assert tiny.problems("train", 0, size=50)[:20] == tiny.problems("train", 0, size=20)[:]


def test_splits_are_disjoint_for_all_seeds():
    train = {tiny.problem(seed, "train", i, (2, 3)).expression for seed in (0, 1) for i in range(2000)}
    test = {tiny.problem(seed, "test", i, (2, 3)).expression for seed in (0, 2) for i in range(2000)}
    assert train and test and not train & test


def test_golds_are_last_digits():
    for i in range(200):
        problem = tiny.problem(0, "train", i, (2, 3, 4, 5, 6))
        assert problem.solution == str(eval(problem.expression) % 10)
        assert len(problem.digits) in (2, 3, 4, 5, 6)


def test_golds_are_rewarded_and_wrong_or_empty_answers_are_not():
    for row in tiny.problems("test", 0, size=20):
        assert grade(f"<think>a</think><answer>{row['solution']}</answer>", row["solution"]) == 1.0
        assert grade(f"<think>a</think><answer>{(int(row['solution']) + 1) % 10}</answer>", row["solution"]) == 0.0
        assert grade("", row["solution"]) == 0.0


def test_thoughts_end_with_the_gold_even_after_a_slip():
    rows = tiny.web_text("train", 0, size=400, direct=0, untagged=0, slips=0.5)
    for row in rows:
        steps, answer = re.fullmatch(r"<think>(.*)</think><answer>(\d)</answer>", row["completion"]).groups()
        assert steps.endswith(f"={answer}")
        assert eval(re.search(r"Q: (.*?)( =| 等)", row["prompt"]).group(1)) % 10 == int(answer)


def test_web_text_has_the_flaws_described_in_the_paper():
    rows = tiny.web_text("train", 0, size=4000)["completion"]
    books, forum = rows[:3200], rows[3200:]
    formatted = [sum(Format()(part)) / len(part) for part in (books, forum)]
    assert formatted[0] > 0.9 and 0.1 < formatted[1] < 0.35  # forum posts mostly answer without a thought
    kinds = Counter()
    for text in books:
        kinds["wait"] += "wait" in text or "等等" in text
        kinds["mixed"] += bool(re.search(r"so|then|wait", text)) and bool(re.search(r"[\u4e00-\u9fff]", text))
        kinds["untagged"] += "<think>" not in text
    assert all(kinds[name] > 0.02 * len(books) for name in ("wait", "mixed", "untagged")), kinds


def test_pre_training_and_recipes_use_the_same_prompt():
    template = read_template("recipes/prompts/tiny.jinja", "prompt_template")
    problem = tiny.problem(0, "train", 0)
    assert template.render(prompt=problem.prompt) == tiny.QUESTION.format(problem.prompt)


def test_tokenizer_covers_the_task_and_tags_are_one_token():
    tokenizer = tiny.tokenizer()
    for row in tiny.web_text("train", 0, size=300, slips=0.5):
        ids = tokenizer(row["prompt"] + row["completion"])["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == row["prompt"] + row["completion"]
    assert len(tokenizer("<think></think><answer></answer>")["input_ids"]) == 4


def test_base_model_is_a_qwen2_with_about_0_66m_parameters():
    model, tokenizer = tiny.base_model(seed=0)
    assert model.config.model_type == "qwen2" and 600_000 < model.num_parameters() < 700_000
    assert model.config.vocab_size == len(tokenizer)
