"""The rewards of a recipe together: domains, gates, and rows that must not train."""

import asyncio
import pickle
import threading
import time

import pytest

from open_r1.rewards import text_of
from open_r1.utils.errors import RecipeError


RIGHT, WRONG = "<think>2+2</think><answer>4</answer>", "<think>2+2</think><answer>5</answer>"


def test_registered_rewards_get_text_whatever_trl_hands_over(own):
    messages = [[{"role": "assistant", "content": "<answer>4</answer>", "reasoning_content": "2+2"}]]
    assert own("format").score(messages) == [[1.0]]
    assert text_of("plain") == "plain"


def test_thought_opened_by_the_prompt_is_put_back(own):
    completion = ["2+2</think><answer>4</answer>"]
    assert own("format").score(completion) == [[0.0]]
    assert own("format", prefill="<think>").score(completion) == [[1.0]]


@pytest.mark.parametrize("name", ["broken", "short"])
def test_a_failing_reward_gives_none_and_is_logged(own, name, caplog):
    metrics = {}
    assert own(name).score(["a", "b"], log_metric=metrics.__setitem__) == [[None, None]]
    assert metrics == {f"rewards/{name}/none": 1.0, "rewards/unjudged": 1.0}
    assert name in caplog.text


def test_an_unjudged_row_gets_none_from_every_reward(own):
    """TRL's sum leaves `None` out: beside a format reward it would count as 0, and train as a wrong answer."""
    metrics = {}
    rows = own("unsure", "accuracy", "format").score(
        [RIGHT + "?", RIGHT, RIGHT, "nan"], solution=["4", "see figure", "4", "4"], log_metric=metrics.__setitem__
    )
    assert rows == [[None, None, 1.0, None], [None, None, 1.0, None], [None, None, 1.0, None]]
    assert metrics["rewards/unjudged"] == 0.75 and metrics["rewards/accuracy/none"] == 0.25


def test_a_reward_with_a_domain_counts_in_its_rows_only(own):
    rewards = own({"name": "accuracy", "domain": "math"}, {"name": "shout", "domain": ["code", "logic"]}, "format")
    columns = {"solution": ["4", "", "", "4"], "domain": ["math", "code", "other", "math"], "prompts": ["q"] * 4}
    assert rewards.score([RIGHT, "A", "a", "nothing"], **columns) == [
        [1.0, None, None, 0.0],
        [None, 1.0, None, None],
        [1.0, 0.0, 0.0, 0.0],
    ]


def test_a_reward_with_a_domain_gets_and_logs_the_columns_of_its_rows(own):
    table = {}
    rewards = own({"name": "levels", "domain": ["math"]})
    row = rewards.score(["a", "b", "c"], level=[1, 2, 3], domain=["math", "x", "math"], log_extra=table.__setitem__)
    assert row == [[1.0, None, 3.0]] and table == {"level": ["1", "", "3"]}


def test_only_if_closes_where_the_other_reward_is_not_positive(own):
    """The format counts only where the answer is right."""
    rewards = own("accuracy", {"name": "format", "only_if": "accuracy"})
    assert rewards.score([RIGHT, WRONG, "\\boxed{4}"], solution=["4"] * 3) == [[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


def test_only_if_closes_where_a_shaping_reward_could_not_judge(own):
    """Otherwise a wrong answer with a thought of digits would earn the mean of the others."""
    words = "<think>We add the numbers and then divide them</think><answer>{}</answer>"
    texts = [words.format(4), RIGHT, words.format(5), WRONG]
    rewards = own("accuracy", {"name": "language_consistency", "only_if": "accuracy"})
    _, language = rewards.score(texts, solution=["4"] * 4, language=["en"] * 4, prompts=["q"] * 4)
    assert language == [1.0, 1.0, 0.0, 0.0]


def test_only_if_does_not_depend_on_the_order_of_the_recipe(own):
    chain = [
        {"name": "tag_count", "only_if": "format"},
        {"name": "format", "only_if": "accuracy"},
        {"name": "accuracy"},
    ]
    rows = own(*chain).score([RIGHT, WRONG], solution=["4", "4"])
    assert (
        rows
        == own(*chain[::-1]).score([RIGHT, WRONG], solution=["4", "4"])[::-1]
        == [[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]]
    )


def test_only_if_does_not_close_in_rows_that_the_other_reward_is_not_for(own):
    rewards = own({"name": "accuracy", "domain": "math"}, {"name": "format", "only_if": "accuracy"})
    assert rewards.score([RIGHT, RIGHT], solution=["5", ""], domain=["math", "chat"]) == [[0.0, None], [0.0, 1.0]]


def test_infinite_rewards_are_none(own):
    assert own("infinite").score(["a", "b"]) == [[None, 1.0]]


def test_unusual_completions_do_not_end_a_run(own):
    parts = [{"role": "assistant", "content": [{"type": "text", "text": RIGHT}]}]
    assert own("format").score([parts]) == [[1.0]]
    assert own("accuracy").score([4, 4], solution=["4", "4"]) == [[None, None]]
    tool = [{"role": "assistant", "content": "I ask."}, {"role": "tool", "content": "The answer is 4"}]
    assert own("accuracy").score([tool], solution=["4"]) == [[0.0]]


def test_a_gap_of_a_shaping_reward_neither_helps_nor_hurts(own):
    """A thought of digits has no language; the mean of the prompt's other completions stands in for it."""
    words = "<think>We add the numbers 然后我们得到最后的答案</think><answer>4</answer>"
    rewards = own("accuracy", "language_consistency")
    accuracy, language = rewards.score(
        [RIGHT, words, RIGHT], solution=["4"] * 3, language=["en"] * 3, prompts=["a", "a", "b"]
    )
    assert accuracy == [1.0] * 3
    assert language[0] == language[1] and 0 < language[1] < 1
    assert language[2] is None  # alone with its prompt


def test_rewards_of_a_batch_overlap_and_those_of_users_stay_in_the_main_thread(own):
    rewards = own("later", "later_still", "slow")
    start = time.monotonic()
    assert rewards.score(["a"]) == [[1.0], [2.0], [1.0]]
    assert time.monotonic() - start < 1.2  # three half seconds side by side


def test_a_batch_is_scored_once_although_the_trainer_asks_each_reward(own):
    calls = []
    first, second = own("accuracy", "format").for_trainer()
    batch, columns = [RIGHT, WRONG], {"solution": ["4", "4"], "log_metric": lambda name, value: calls.append(name)}
    assert first(completions=batch, **columns) == [1.0, 0.0] and second(completions=batch, **columns) == [1.0, 1.0]
    assert calls.count("rewards/unjudged") == 1
    assert first(completions=[WRONG, RIGHT], **columns) == [0.0, 1.0]
    assert first(completions=batch, solution=["5", "5"]) == [0.0, 1.0]  # other columns, another batch


def test_a_new_batch_is_never_taken_for_the_last_one(own):
    """Batches are told apart by the identity of their lists, which new lists may share with those that are gone."""
    [accuracy] = own("accuracy").for_trainer()
    for answer in (4, 5, 4, 4, 5) * 20:
        assert accuracy(completions=[f"<answer>{answer}</answer>"], solution=["4"]) == [float(answer == 4)]


def test_works_in_threads_and_under_asyncio(own):
    """TRL's asynchronous trainer calls rewards with `asyncio.to_thread`."""
    rewards = own("accuracy", "later")

    async def main():
        return await asyncio.gather(*(asyncio.to_thread(rewards.score, [RIGHT], solution=["4"]) for _ in range(4)))

    assert asyncio.run(main()) == [[[1.0], [1.0]]] * 4
    found = []
    thread = threading.Thread(target=lambda: found.append(rewards.score([RIGHT], solution=["4"])))
    thread.start()
    thread.join()
    assert found == [[[1.0], [1.0]]]


def test_too_many_unjudged_completions_stop_the_run(own):
    rewards = own("unsure", "format", max_unjudged=0.25)
    for _ in range(7):
        rewards.score(["a"] * 48 + ["a?"] * 16)
    with pytest.raises(RecipeError, match=r"129 of the last 512 completions could not be judged by unsure"):
        rewards.score(["a"] * 47 + ["a?"] * 17)


def test_a_missing_completion_is_an_unjudged_row(own):
    assert own("accuracy", "format").score([None, RIGHT], solution=["4", "4"]) == [[None, 1.0], [None, 1.0]]


def test_rewards_pickle(own):
    """TRL's asynchronous trainer sends them to another process."""
    first, second = pickle.loads(pickle.dumps(own("accuracy", "format").for_trainer()))
    assert first(completions=[RIGHT], solution=["4"]) == second(completions=[RIGHT], solution=["4"]) == [1.0]
