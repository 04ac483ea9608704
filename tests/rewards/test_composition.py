"""The rewards of a recipe combined: domains, `only_if`, and rows excluded from training."""

import asyncio
import copy
import logging
import pickle
import threading
import time
from types import SimpleNamespace

import pytest

from open_r1.configs import RewardSpec
from open_r1.rewards import Composition, text_of
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


def test_a_failing_reward_gives_none_and_is_logged_with_its_traceback(compose, caplog):
    metrics = {}
    rewards = compose("broken")
    state = SimpleNamespace(global_step=7)
    assert rewards.score(["a", "b"], log_metric=metrics.__setitem__, trainer_state=state) == [[None, None]]
    assert metrics == {"rewards/broken/none": 1.0, "rewards/unjudged": 1.0}
    for words in (
        "'broken' failed at step 7",
        "2 completions",
        "Traceback",
        'raise RuntimeError("reward server is gone")',
    ):
        assert words in caplog.text
    caplog.clear()
    rewards.score(["a", "b"])
    assert "'broken' failed" in caplog.text and "Traceback" not in caplog.text, "the traceback is shown once"


def test_a_failing_reward_is_logged_with_the_completion_that_it_fails_for(compose, caplog):
    rewards = compose({"name": "picky", "domain": "math"})
    columns = {"domain": ["chat", "math", "math", "math"], "log_metric": lambda name, value: None}
    assert rewards.score(["a", "b", "no number", "d"], **columns) == [[None] * 4]
    assert "It fails for completion 2 of 3: 'no number'" in caplog.text
    assert rewards.score(["b", "c", "d", "e"], **columns) == [[None, 1.0, 1.0, 1.0]], "the next batch is judged"


def test_a_reward_cannot_end_the_run_as_if_it_had_finished(compose, caplog):
    assert compose("leaves").score(["a"]) == [[None]]
    assert "SystemExit" in caplog.text


def test_a_reward_that_always_fails_stops_the_run(compose):
    rewards = compose("broken", "accuracy", max_unjudged=1.0)
    for _ in range(2):
        rewards.score(["a"], solution=["4"])
    with pytest.raises(RecipeError, match=r"'broken' raised an exception in all of its calls .3..*server is gone"):
        rewards.score(["a"], solution=["4"])


def test_a_reward_that_fails_now_and_then_does_not_stop_the_run(compose):
    rewards = compose("picky", max_unjudged=1.0)
    rewards.score(["a"])
    for _ in range(9):
        assert rewards.score(["no number"]) == [[None]]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("[1.0]", "returned 1 value for 2 completions"),
        ("[1.0] * 3", "returned 3 values for 2 completions"),
        ("None", "returned None; expected a list"),
        ("0.5", r"returned 0.5 \(float\); expected a list"),
        ("'10'", r"returned '10' \(str\); expected a list"),
        ("{'a': 1.0, 'b': 0.0}", "returned {'a': 1.0, 'b': 0.0}"),
        ("np.float64(1)", "expected a list"),
        ("torch.tensor(1.0)", "expected a list"),
        ("[1.0, 'good']", r"returned 'good' \(str\) for completion 2 of 2"),
        ("['1.0', '0.5']", "for completion 1 of 2"),
        ("[[1.0], [0.0]]", "for completion 1 of 2"),
        ("np.ones((2, 2))", "for completion 1 of 2"),
        ("torch.ones(1, 2)", "returned 1 value for 2 completions"),
        ("[1.0, 1j]", "for completion 2 of 2"),
        ("[pd.NA, 1.0]", "for completion 1 of 2"),
        ("np.array(['a', 'b'])", "for completion 1 of 2"),
        ("len", r"<built-in function len> \(builtin_function_or_method\); expected a list"),
    ],
)
def test_what_is_not_one_number_per_completion_stops_the_run(compose, returned, message):
    rewards = compose({"name": "returns", "expression": returned})
    with pytest.raises(RecipeError, match=f"reward_funcs: 'returns' .*{message}"):
        rewards.score(["a", "b"])


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ("[True, False]", [1.0, 0.0]),
        ("(1, 0)", [1.0, 0.0]),
        ("(float(x) for x in (1, 0))", [1.0, 0.0]),
        ("np.array([1, 0], dtype=np.float32)", [1.0, 0.0]),
        ("[np.bool_(True), np.int64(0)]", [1.0, 0.0]),
        ("torch.tensor([1.0, 0.0], dtype=torch.bfloat16, requires_grad=True)", [1.0, 0.0]),
        ("[torch.tensor(1), np.array(0)]", [1.0, 0.0]),
        ("torch.tensor([[1.0], [0.0]])", [1.0, 0.0]),
        ("np.array([[1.0], [0.0]])", [1.0, 0.0]),
        ("pd.Series([1.0, 0.0], index=[5, 3])", [1.0, 0.0]),
        ("[Fraction(1, 2), Decimal('0.5')]", [0.5, 0.5]),
        ("[None, np.nan]", [None, None]),
        ("[torch.tensor(float('nan')), Decimal('NaN')]", [None, None]),
        ("[10**400, float('-inf')]", [None, None]),
    ],
)
def test_numbers_of_every_kind_are_scores(compose, returned, expected):
    assert compose({"name": "returns", "expression": returned}).score(["a", "b"]) == [expected]


def test_columns_may_have_the_names_of_our_own_arguments(compose):
    rewards = compose("accuracy", "format")
    columns = {name: [7] for name in ("index", "reward", "rewards", "prefill", "composition", "name", "batch_size")}
    for function in rewards.for_trainer():
        assert function([RIGHT], solution=["4"], **columns) == [1.0]


def test_a_parameter_of_a_function_takes_precedence_over_a_column_of_its_name(compose):
    rewards = compose({"name": "returns", "expression": "[0.5]"})
    assert rewards.score(["a"], expression=["[1.0]"]) == [[0.5]]


def test_the_language_of_a_row_takes_precedence_over_the_parameter(compose):
    rewards = compose({"name": "language_consistency", "language": "en"})
    thought = "<think>Primero sumamos los dos números y después escribimos el resultado.</think>4"
    assert rewards.score([thought] * 2, language=["es", None], prompts=["2+2?"] * 2) == [[1.0, 0.0]]


def test_a_reward_may_change_the_lists_that_it_gets(compose):
    rewards = compose("consumes", "accuracy")
    assert rewards.score(["4", RIGHT], solution=["4", "4"]) == [[1.0, 0.0], [1.0, 1.0]]


HACKS = """
def hacks(completions, prompts, tests, **kwargs):
    for completion, prompt, row in zip(completions, prompts, tests):
        completion[0]["content"] = prompt[0]["content"] = row[0]["output"] = "HACK"
    return [0.0] * len(completions)
"""


def test_a_reward_may_change_the_messages_that_it_gets(tmp_path):
    (tmp_path / "hacks.py").write_text(HACKS)
    rewards = Composition(RewardSpec.parse_all([f"{tmp_path}/hacks.py:hacks", "accuracy"]))
    batch = {
        "completions": [[{"role": "assistant", "content": RIGHT}]],
        "prompts": [[{"role": "user", "content": "2+2?"}]],
        "tests": [[{"input": "1", "output": "2"}]],
    }
    before = copy.deepcopy(batch)
    assert rewards.score(**batch, solution=["4"]) == [[0.0], [1.0]]
    assert batch == before


@pytest.mark.parametrize("score", ["1e38", "-1e30", "np.float32(3e38)", "10**19"])
def test_scores_that_overflow_in_the_trainer_stop_the_run(compose, score):
    rewards = compose({"name": "returns", "expression": f"[0.5, {score}]"})
    with pytest.raises(RecipeError, match=r"'returns' returned .* for completion 2 of 2; a score of more than 1e\+18"):
        rewards.score(["a", "b"])
    assert compose({"name": "returns", "expression": "[1e15, -1e15]"}).score(["a", "b"]) == [[1e15, -1e15]]


def test_the_first_completions_without_judgement_are_explained(compose, caplog):
    rewards = compose("accuracy", "format")
    columns = {"log_metric": lambda name, value: None, "trainer_state": SimpleNamespace(global_step=3)}
    for _ in range(2):
        rewards.score([RIGHT, RIGHT], solution=["4", "see figure"], **columns)
    [record] = [record for record in caplog.records if "'accuracy' returned None" in record.message]
    assert "1 of 2 completions at step 3" in record.message and "solution 'see figure'" in record.message


def test_trl_does_not_blame_the_rewards_for_rows_without_judgement(compose, caplog):
    compose("format").for_trainer()
    logger = logging.getLogger("trl.trainer.grpo_trainer")
    logger.warning("[RANK 0] All reward functions returned None for the following kwargs:\n{}")
    logger.warning("another warning")
    assert [record.message for record in caplog.records] == ["another warning"]


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
    assert language[2] == language[1]  # the only completion of its prompt in this process: that of the batch
    assert rewards.score([RIGHT], solution=["4"], language=["en"], prompts=["b"])[1] == [None]


def test_short_thoughts_are_not_worse_than_others_if_their_group_is_elsewhere(compose):
    """TRL counts `None` as 0: a thought of three words would lose against one in the right language."""
    english = "<think>First we add the two numbers of the sum.</think>4"
    mixed = "<think>First we add the two numbers 然后再把结果除以二。</think>4"
    short = "<think>two plus two</think>4"
    prompts = ["What is the sum of two and two?", "What is the sum of two and two?", "What is the sum of two and one?"]
    rows = compose("language_consistency").score([english, mixed, short], prompts=prompts)
    assert rows[0][2] == pytest.approx((rows[0][0] + rows[0][1]) / 2) and rows[0][0] > rows[0][1]


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
