"""The rewards of a recipe combined: domains, `only_if`, and rows excluded from training."""

import asyncio
import pickle
import threading
import time

import pytest

from open_r1.rewards import text_of
from open_r1.utils.errors import RecipeError


RIGHT, WRONG = "<think>2+2</think><answer>4</answer>", "<think>2+2</think><answer>5</answer>"


def test_registered_rewards_get_text_for_messages_too(compose):
    messages = [[{"role": "assistant", "content": "<answer>4</answer>", "reasoning_content": "2+2"}]]
    assert compose("format").score(messages) == [[1.0]]
    assert text_of("plain") == "plain"


def test_thought_opened_by_the_prompt_is_completed(compose):
    completion = ["2+2</think><answer>4</answer>"]
    assert compose("format").score(completion) == [[0.0]]
    assert compose("format", prefill="<think>").score(completion) == [[1.0]]


@pytest.mark.parametrize("name", ["broken", "short"])
def test_a_failing_reward_gives_none_and_is_logged(compose, name, caplog):
    metrics = {}
    assert compose(name).score(["a", "b"], log_metric=metrics.__setitem__) == [[None, None]]
    assert metrics == {f"rewards/{name}/none": 1.0, "rewards/unjudged": 1.0}
    assert name in caplog.text


def test_an_unjudged_row_gets_none_from_every_reward(compose):
    """TRL's sum skips `None`: with only a format reward left, the row would be trained as a wrong answer."""
    metrics = {}
    rows = compose("unsure", "accuracy", "format").score(
        [RIGHT + "?", RIGHT, RIGHT, "nan"], solution=["4", "see figure", "4", "4"], log_metric=metrics.__setitem__
    )
    assert rows == [[None, None, 1.0, None], [None, None, 1.0, None], [None, None, 1.0, None]]
    assert metrics["rewards/unjudged"] == 0.75 and metrics["rewards/accuracy/none"] == 0.25


def test_a_reward_with_a_domain_scores_only_rows_of_that_domain(compose):
    rewards = compose({"name": "accuracy", "domain": "math"}, {"name": "shout", "domain": ["code", "logic"]}, "format")
    columns = {"solution": ["4", "", "", "4"], "domain": ["math", "code", "other", "math"], "prompts": ["q"] * 4}
    assert rewards.score([RIGHT, "A", "a", "nothing"], **columns) == [
        [1.0, None, None, 0.0],
        [None, 1.0, None, None],
        [1.0, 0.0, 0.0, 0.0],
    ]


def test_a_reward_with_a_domain_gets_and_logs_only_the_columns_of_its_rows(compose):
    table = {}
    rewards = compose({"name": "levels", "domain": ["math"]})
    row = rewards.score(["a", "b", "c"], level=[1, 2, 3], domain=["math", "x", "math"], log_extra=table.__setitem__)
    assert row == [[1.0, None, 3.0]] and table == {"level": ["1", "", "3"]}


def test_only_if_gives_0_where_the_other_reward_is_not_positive(compose):
    """The format counts only where the answer is right."""
    rewards = compose("accuracy", {"name": "format", "only_if": "accuracy"})
    assert rewards.score([RIGHT, WRONG, "\\boxed{4}"], solution=["4"] * 3) == [[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


def test_only_if_gives_0_where_a_shaping_reward_could_not_judge(compose):
    """Otherwise a wrong answer with a thought of digits only would get the mean of the others."""
    words = "<think>We add the numbers and then divide them</think><answer>{}</answer>"
    texts = [words.format(4), RIGHT, words.format(5), WRONG]
    rewards = compose("accuracy", {"name": "language_consistency", "only_if": "accuracy"})
    _, language = rewards.score(texts, solution=["4"] * 4, language=["en"] * 4, prompts=["q"] * 4)
    assert language == [1.0, 1.0, 0.0, 0.0]


def test_only_if_does_not_depend_on_the_order_of_rewards(compose):
    chain = [
        {"name": "tag_count", "only_if": "format"},
        {"name": "format", "only_if": "accuracy"},
        {"name": "accuracy"},
    ]
    forward = compose(*chain).score([RIGHT, WRONG], solution=["4", "4"])
    backward = compose(*chain[::-1]).score([RIGHT, WRONG], solution=["4", "4"])
    assert forward == backward[::-1] == [[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]]


def test_only_if_ignores_rows_outside_the_domain_of_the_other_reward(compose):
    rewards = compose({"name": "accuracy", "domain": "math"}, {"name": "format", "only_if": "accuracy"})
    assert rewards.score([RIGHT, RIGHT], solution=["5", ""], domain=["math", "chat"]) == [[0.0, None], [0.0, 1.0]]


def test_infinite_rewards_are_none(compose):
    assert compose("infinite").score(["a", "b"]) == [[None, 1.0]]


def test_unusual_completions_do_not_raise(compose):
    parts = [{"role": "assistant", "content": [{"type": "text", "text": RIGHT}]}]
    assert compose("format").score([parts]) == [[1.0]]
    assert compose("accuracy").score([4, 4], solution=["4", "4"]) == [[None, None]]
    tool = [{"role": "assistant", "content": "I ask."}, {"role": "tool", "content": "The answer is 4"}]
    assert compose("accuracy").score([tool], solution=["4"]) == [[0.0]]


def test_unjudged_shaping_reward_is_filled_with_the_mean_of_its_group(compose):
    """A thought of digits has no language: it gets the mean over the other completions of its prompt."""
    words = "<think>We add the numbers 然后我们得到最后的答案</think><answer>4</answer>"
    rewards = compose("accuracy", "language_consistency")
    accuracy, language = rewards.score(
        [RIGHT, words, RIGHT], solution=["4"] * 3, language=["en"] * 3, prompts=["a", "a", "b"]
    )
    assert accuracy == [1.0] * 3
    assert language[0] == language[1] and 0 < language[1] < 1
    assert language[2] is None  # the only completion of its prompt


def test_rewards_of_a_batch_run_concurrently_and_user_rewards_in_the_main_thread(compose):
    rewards = compose("later", "later_still", "slow")
    start = time.monotonic()
    assert rewards.score(["a"]) == [[1.0], [2.0], [1.0]]
    assert time.monotonic() - start < 1.2  # three times 0.5 s, concurrently


def test_a_batch_is_scored_once_for_all_rewards(compose):
    calls = []
    first, second = compose("accuracy", "format").for_trainer()
    batch, columns = [RIGHT, WRONG], {"solution": ["4", "4"], "log_metric": lambda name, value: calls.append(name)}
    assert first(completions=batch, **columns) == [1.0, 0.0] and second(completions=batch, **columns) == [1.0, 1.0]
    assert calls.count("rewards/unjudged") == 1
    assert first(completions=[WRONG, RIGHT], **columns) == [0.0, 1.0]
    assert first(completions=batch, solution=["5", "5"]) == [0.0, 1.0]  # different columns make a different batch


def test_a_new_batch_is_never_mistaken_for_the_previous_one(compose):
    """Batches are compared by the `id` of their lists, which a new list may share with a deleted one."""
    [accuracy] = compose("accuracy").for_trainer()
    for answer in (4, 5, 4, 4, 5) * 20:
        assert accuracy(completions=[f"<answer>{answer}</answer>"], solution=["4"]) == [float(answer == 4)]


def test_works_in_threads_and_under_asyncio(compose):
    """TRL's asynchronous trainer calls rewards with `asyncio.to_thread`."""
    rewards = compose("accuracy", "later")

    async def main():
        return await asyncio.gather(*(asyncio.to_thread(rewards.score, [RIGHT], solution=["4"]) for _ in range(4)))

    assert asyncio.run(main()) == [[[1.0], [1.0]]] * 4
    results = []
    thread = threading.Thread(target=lambda: results.append(rewards.score([RIGHT], solution=["4"])))
    thread.start()
    thread.join()
    assert results == [[[1.0], [1.0]]]


def test_too_many_unjudged_completions_stop_the_run(compose):
    rewards = compose("unsure", "format", max_unjudged=0.25)
    for _ in range(7):
        rewards.score(["a"] * 48 + ["a?"] * 16)
    with pytest.raises(RecipeError, match=r"129 of the last 512 completions could not be judged by unsure"):
        rewards.score(["a"] * 47 + ["a?"] * 17)


def test_a_missing_completion_is_an_unjudged_row(compose):
    assert compose("accuracy", "format").score([None, RIGHT], solution=["4", "4"]) == [[None, 1.0], [None, 1.0]]


def test_rewards_pickle(compose):
    """TRL's asynchronous trainer sends them to another process."""
    first, second = pickle.loads(pickle.dumps(compose("accuracy", "format").for_trainer()))
    assert first(completions=[RIGHT], solution=["4"]) == second(completions=[RIGHT], solution=["4"]) == [1.0]
