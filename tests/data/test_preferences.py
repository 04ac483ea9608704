"""Preference pairs and safety labels as training data of reward models."""

import pytest
from datasets import Dataset

from open_r1.configs import RewardModelScriptArguments
from open_r1.data.preferences import balance_by_length, to_pairs
from open_r1.utils.errors import RecipeError


def chat(question, answer):
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def arguments(**kwargs):
    return RewardModelScriptArguments(dataset_name="pairs.jsonl", **{"balance_lengths": False} | kwargs)


def test_helpfulness_pairs_contain_only_the_summary():
    rows = Dataset.from_list(
        [{"chosen": chat("1+1", "<think>easy</think>\n\n2"), "rejected": chat("1+1", "<think>2")}]
    )
    [pair] = to_pairs(rows, arguments(), seed=0)
    assert pair == {"chosen": chat("1+1", "2"), "rejected": chat("1+1", "")}


def test_pairs_with_unfinished_or_equal_answers_are_dropped(caplog):
    cut_off, same = "<think>2", "<think>hm</think>2"
    rows = [
        {"chosen": chat("1+1", chosen), "rejected": chat("1+1", rejected)}
        for chosen, rejected in ((cut_off, same), (same, "2"), ("2", "3"))
    ]
    caplog.set_level("INFO")
    assert to_pairs(Dataset.from_list(rows), arguments(), seed=0)["rejected"][:] == [chat("1+1", "3")]
    assert "nothing to choose: 2 of 3 dropped" in caplog.text


def test_chosen_and_rejected_answers_to_a_prompt_column():
    rows = Dataset.from_list([{"prompt": "1+1", "chosen": "2", "rejected": "3"}])
    assert to_pairs(rows, arguments(), seed=0)[0]["chosen"] == chat("1+1", "2")


def test_pairs_with_a_small_score_gap_are_dropped(caplog):
    rows = [
        {"prompt": "q", "chosen": "a", "rejected": "b", "score_chosen": 9.0, "score_rejected": score}
        for score in (1.0, 8.0, 8.5)
    ]
    caplog.set_level("INFO")
    assert len(to_pairs(Dataset.from_list(rows), arguments(min_gap=1.0), seed=0)) == 1
    assert "score gap: 2 of 3 dropped" in caplog.text


def test_balancing_removes_the_correlation_with_length():
    differences = [3] * 70 + [-3] * 20 + [0] * 5
    kept = [differences[i] for i in balance_by_length(differences, seed=0)]
    assert sum(kept) == 0 and len(kept) == 45
    assert balance_by_length(differences, seed=0) != balance_by_length(differences, seed=1)


def test_harmlessness_uses_full_completions_and_every_answer():
    rows = [{"messages": chat("insult", "<think>fool</think>no"), "label": "unsafe"}]
    rows += [{"messages": chat("insult", f"<think>I should not</think>no {i}"), "label": "safe"} for i in range(3)]
    pairs = to_pairs(Dataset.from_list(rows), arguments(objective="harmlessness"), seed=0)
    assert len(pairs) == 3, "the rarer label is repeated"
    assert pairs["rejected"][:] == [chat("insult", "<think>fool</think>no")] * 3
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
def test_errors_name_what_is_missing(rows, kwargs, message):
    with pytest.raises(RecipeError, match=message):
        to_pairs(Dataset.from_list(rows), arguments(**kwargs), seed=0)


def test_unknown_objective():
    with pytest.raises(RecipeError, match="Did you mean 'helpfulness'"):
        arguments(objective="helpfullness")


@pytest.mark.parametrize(
    "bad, kwargs, says",
    [
        ({"score_chosen": None}, {"min_gap": 1.0}, "row 2 of 2: found the scores None and 1.0; expected numbers"),
        ({"label": None}, {"objective": "harmlessness"}, "row 2 of 2: found the label None; expected safe or unsafe"),
        ({"prompt": None}, {}, "row 2 of 2: prompt: found null; expected text or a list of messages"),
    ],
)
def test_row_that_cannot_be_used_is_named(bad, kwargs, says):
    row = {"prompt": "q", "chosen": "a", "rejected": "b", "completion": "c", "label": "safe"}
    row |= {"score_chosen": 9.0, "score_rejected": 1.0}
    with pytest.raises(RecipeError, match=f"dataset: {says}"):
        to_pairs(Dataset.from_list([row, row | bad]), arguments(**kwargs), seed=0)


def test_answers_alone_have_no_question():
    with pytest.raises(RecipeError, match="row 1 of 1: chosen: found an answer alone; expected a conversation, or"):
        to_pairs(Dataset.from_list([{"chosen": "a", "rejected": "b"}]), arguments(), seed=0)


SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "1+1", "chosen": [SYSTEM, *chat("", "2")[1:]], "rejected": [SYSTEM, *chat("", "3")[1:]]},
        {"prompt": "1+1", "chosen": "2", "rejected": "3", "system": "Be brief."},
        {"chosen": chat("1+1", "2"), "rejected": chat("1+1", "3"), "system": "Be brief."},
        {
            "prompt": [SYSTEM, *chat("1+1", "")[:1]],
            "chosen": [SYSTEM, *chat("", "2")[1:]],
            "rejected": chat("", "3")[1:],
        },
        {"prompt": "not used", "chosen": [SYSTEM, *chat("1+1", "2")], "rejected": [SYSTEM, *chat("1+1", "3")]},
    ],
)
def test_prompt_and_system_message_of_a_pair(row):
    [pair] = to_pairs(Dataset.from_list([row]), arguments(), seed=0)
    assert pair == {"chosen": [SYSTEM, *chat("1+1", "2")], "rejected": [SYSTEM, *chat("1+1", "3")]}


def test_answers_to_different_requests_are_dropped(caplog):
    caplog.set_level("INFO")
    rows = [
        {"chosen": chat("1+1", "2"), "rejected": chat("2+2", "5")},
        {"chosen": chat("1+1", "2"), "rejected": chat("1+1", "5")},
    ]
    assert len(to_pairs(Dataset.from_list(rows), arguments(), seed=0)) == 1
    assert "nothing to choose: 1 of 2 dropped" in caplog.text and "answers to different requests" in caplog.text


def test_scores_may_be_text():
    """As in a CSV file, where some scores are written as integers."""
    row = {"prompt": "q", "chosen": "a", "rejected": "b", "score_chosen": "9", "score_rejected": "1.5"}
    assert len(to_pairs(Dataset.from_list([row]), arguments(min_gap=1.0), seed=0)) == 1


def test_dialogues_of_hh_rlhf():
    start = "\n\nHuman: hi\n\nAssistant: Hello!\n\nHuman: 1+1?\n\nPlease.\n\nAssistant: "
    [pair] = to_pairs(Dataset.from_list([{"chosen": f"{start}2", "rejected": f"{start}3"}]), arguments(), seed=0)
    assert pair["chosen"] == [*chat("hi", "Hello!"), *chat("1+1?\n\nPlease.", "2")]
    assert pair["rejected"][-1]["content"] == "3"
    for text in ("the Human: 2", "Assistant: 2", "2\n\nHuman: and then?\n\nAssistant: 3"):
        with pytest.raises(RecipeError, match="found an answer alone"):
            to_pairs(Dataset.from_list([{"chosen": text, "rejected": "3"}]), arguments(), seed=0)
    rows = [{"chosen": f"{start}2\n\nHuman: thanks", "rejected": f"{start}3"}]
    with pytest.raises(RecipeError, match="ends with a message of the user"):
        to_pairs(Dataset.from_list(rows), arguments(), seed=0)
