"""Pairs and labels as a reward model is given them."""

import pytest
from datasets import Dataset

from open_r1.configs import RewardModelScriptArguments
from open_r1.data.preferences import balance_by_length, to_pairs
from open_r1.utils.errors import RecipeError


def said(question, answer):
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def arguments(**kwargs):
    return RewardModelScriptArguments(dataset_name="pairs.jsonl", **{"balance_lengths": False} | kwargs)


def test_helpfulness_sees_the_summary_only():
    rows = Dataset.from_list(
        [{"chosen": said("1+1", "<think>easy</think>\n\n2"), "rejected": said("1+1", "<think>2")}]
    )
    [pair] = to_pairs(rows, arguments(), seed=0)
    assert pair == {"chosen": said("1+1", "2"), "rejected": said("1+1", "")}


def test_pairs_without_a_choice_are_left_out(caplog):
    cut_off, same = "<think>2", "<think>hm</think>2"
    rows = [
        {"chosen": said("1+1", one), "rejected": said("1+1", other)}
        for one, other in ((cut_off, same), (same, "2"), ("2", "3"))
    ]
    caplog.set_level("INFO")
    assert to_pairs(Dataset.from_list(rows), arguments(), seed=0)["rejected"][:] == [said("1+1", "3")]
    assert "nothing to choose: 2 of 3 dropped" in caplog.text


def test_answers_beside_a_prompt():
    rows = Dataset.from_list([{"prompt": "1+1", "chosen": "2", "rejected": "3"}])
    assert to_pairs(rows, arguments(), seed=0)[0]["chosen"] == said("1+1", "2")


def test_pairs_that_are_too_close_are_left_out(caplog):
    rows = [
        {"prompt": "q", "chosen": "a", "rejected": "b", "score_chosen": 9.0, "score_rejected": score}
        for score in (1.0, 8.0, 8.5)
    ]
    caplog.set_level("INFO")
    assert len(to_pairs(Dataset.from_list(rows), arguments(min_gap=1.0), seed=0)) == 1
    assert "score gap: 2 of 3 dropped" in caplog.text


def test_length_says_nothing_about_who_is_chosen():
    differences = [3] * 70 + [-3] * 20 + [0] * 5
    kept = [differences[i] for i in balance_by_length(differences, seed=0)]
    assert sum(kept) == 0 and len(kept) == 45
    assert balance_by_length(differences, seed=0) != balance_by_length(differences, seed=1)


def test_harmlessness_sees_the_whole_and_every_answer():
    rows = [{"messages": said("insult", "<think>fool</think>no"), "label": "unsafe"}]
    rows += [{"messages": said("insult", f"<think>I should not</think>no {i}"), "label": "safe"} for i in range(3)]
    pairs = to_pairs(Dataset.from_list(rows), arguments(objective="harmlessness"), seed=0)
    assert len(pairs) == 3, "the rarer label comes as often as the other"
    assert pairs["rejected"][:] == [said("insult", "<think>fool</think>no")] * 3
    assert {pair[-1]["content"] for pair in pairs["chosen"]} == {
        f"<think>I should not</think>no {i}" for i in range(3)
    }


@pytest.mark.parametrize(
    ("rows", "kwargs", "message"),
    [
        ([{"chosen": "a"}], {}, "no column 'rejected'"),
        ([{"chosen": "a", "rejected": "b"}], {"min_gap": 1.0}, "min_gap: .*score_chosen"),
        (
            [{"messages": [], "label": "bad"}],
            {"objective": "harmlessness"},
            "found the label 'bad'; expected safe or unsafe",
        ),
        (
            [{"messages": [], "label": "safe"}],
            {"objective": "harmlessness"},
            "no row of pairs.jsonl is labelled 'unsafe'",
        ),
        (
            [{"prompt": "q", "chosen": "a", "rejected": "b", "score_chosen": 1.0, "score_rejected": 1.0}],
            {"min_gap": 1.0},
            "nothing is left",
        ),
    ],
)
def test_what_is_missing_is_named(rows, kwargs, message):
    with pytest.raises(RecipeError, match=message):
        to_pairs(Dataset.from_list(rows), arguments(**kwargs), seed=0)


def test_unknown_objective():
    with pytest.raises(RecipeError, match="Did you mean 'helpfulness'"):
        arguments(objective="helpfullness")
