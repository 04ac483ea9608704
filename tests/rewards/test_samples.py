"""Rows are checked before training by the rewards that have columns of their own."""

import json

import pytest
from datasets import Dataset

from open_r1.configs import RewardSpec
from open_r1.rewards import Composition, check_samples
from open_r1.rewards.dataset_scores import unjudged_reasons
from open_r1.utils.errors import RecipeError


TESTS = [{"input": "1 2", "output": "3"}]
TACO = '{"inputs": ["3\\n"], "outputs": ["6\\n"]}'


def rewards(*specs):
    return Composition(RewardSpec.parse_all(list(specs))).rewards


def rows(languages: list[str], **columns) -> Dataset:
    return Dataset.from_dict({"test_cases": [TESTS] * len(languages), "language": languages, **columns})


def test_rows_that_cannot_be_judged_are_an_error(caplog):
    half = rows(["python", "javascript"] * 32)
    with pytest.raises(RecipeError) as error:
        check_samples(rewards("code"), half, limit=0.1)
    assert "reward 'code' cannot judge 32 of 64 rows, such as row 2 of 64: programs in 'javascript'" in str(
        error.value
    )
    assert "max_unusable_golds" in str(error.value)
    check_samples(rewards("code"), half, limit=0.5)
    assert "cannot judge 32 of 64 rows" in caplog.text
    check_samples(rewards("code"), rows(["Python 3"] * 4), limit=0)


def test_rows_at_the_end_of_a_large_data_set_are_checked():
    dataset = rows(["python"] * 3000 + ["javascript"] * 3000)
    with pytest.raises(RecipeError, match="of 1,000 rows, such as row 3[0-9]{3} of 6000: "):
        check_samples(rewards("code"), dataset, limit=0.1)


def test_only_rows_of_the_domain_count():
    dataset = rows(["javascript", "python"], domain=["math", "code"])
    check_samples(rewards({"name": "code", "domain": "code"}), dataset, limit=0)
    with pytest.raises(RecipeError, match="1 of 1 rows, such as row 1 of 2"):
        check_samples(rewards({"name": "code", "domain": "math"}), dataset, limit=0)


def test_golds_and_languages_are_checked():
    cosine = rewards({"name": "cosine", "max_len": 100})
    check_samples(cosine, Dataset.from_dict({"solution": ["4", "5"]}), limit=0)
    with pytest.raises(RecipeError, match="row 2 of 2: its gold answer 'see figure' cannot be parsed"):
        check_samples(cosine, Dataset.from_dict({"solution": ["4", "see figure"]}), limit=0)
    check_samples(rewards("accuracy"), Dataset.from_dict({"solution": ["see figure"]}), limit=0)  # by `check_golds`

    consistency = rewards("language_consistency")
    check_samples(consistency, Dataset.from_dict({"language": ["en", "Chinese", None]}), limit=0)
    check_samples(consistency, Dataset.from_dict({"prompt": ["1+1?"]}), limit=0)
    with pytest.raises(
        RecipeError, match="'language_consistency' cannot judge 1 of 2 rows, such as row 2 of 2: .*klingon"
    ):
        check_samples(consistency, Dataset.from_dict({"language": ["en", "klingon"]}), limit=0.1)


USER_REWARD = """
class Contains:
    __name__ = "contains"

    def __call__(self, completions, word, **kwargs):
        return [float(word in completion) for word, completion in zip(word, completions)]

    def check_sample(self, row):
        if row["word"] == "crash":
            raise KeyError("word")
        return None if row["word"] else "its word is empty"
"""


def test_a_reward_of_your_own_can_check_its_columns(tmp_path):
    (tmp_path / "mine.py").write_text(USER_REWARD)
    functions = rewards(f"{tmp_path}/mine.py:Contains")
    check_samples(functions, Dataset.from_dict({"word": ["yes"]}), limit=0)
    with pytest.raises(RecipeError, match="2 of 3 rows, such as row 2 of 3: its word is empty"):
        check_samples(functions, Dataset.from_dict({"word": ["yes", "", "crash"]}), limit=0.1)
    with pytest.raises(RecipeError, match="row 1 of 1: check_sample failed: KeyError"):
        check_samples(functions, Dataset.from_dict({"word": ["crash"]}), limit=0.1)


def test_reasons_of_unjudged_completions():
    composition = Composition(RewardSpec.parse_all(["accuracy", {"name": "code", "domain": "code"}]))
    scored = Dataset.from_dict(
        {
            "completion": ["4", "4", None, "x"],
            "solution": ["4", "see figure", "4", "4"],
            "domain": ["math", "math", "math", "code"],
            "test_cases": [None, None, None, "[]"],
            "rewards/accuracy": [1.0, None, None, 0.0],
            "rewards/code": [None, None, None, None],
        }
    )
    assert unjudged_reasons(scored, composition) == {
        ("accuracy", "its gold answer 'see figure' cannot be parsed"): 1,
        ("accuracy", "there is no completion"): 1,
        ("code", "no test cases"): 1,
    }


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"test_cases": '{"inputs": ["3\\n"], "outputs": []}'}, "test_cases has 1 inputs, but 0 outputs"),
        ({"test_cases": TACO, "language": "javascript"}, "programs in 'javascript' cannot be run"),
    ],
)
def test_grpo_refuses_data_that_no_reward_can_judge(script, checkpoint, tmp_path, columns, reason):
    data = tmp_path / "train.jsonl"
    row = {"problem": "Double it.", **columns}
    data.write_text("".join(json.dumps(row) + "\n" for _ in range(64)))
    argv = ["--config", "recipes/tiny/grpo/config_zero.yaml", "--model_name_or_path", checkpoint]
    argv += ["--output_dir", tmp_path / "out", "--dataset_name", data, "--reward_funcs", "code"]
    argv += ["--eval_strategy", "no", "--eval_on_start", "false", "--dry_run", "true"]
    outcome = script("grpo", *argv)
    assert outcome.code != 0
    assert "reward 'code' cannot judge" in outcome.err and f"rows, such as row 1 of 64: {reason}" in outcome.err
