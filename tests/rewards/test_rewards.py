"""The registry, and what stands between a reward and the trainer."""

import pickle

import pytest

from open_r1.configs import GRPOScriptArguments, RecipeError, RewardSpec
from open_r1.rewards import Reward, build_rewards, check_columns, check_golds, text_of


OWN = """
def shout(completions, **kwargs):
    return [float(c.isupper()) for c in completions]

class Brevity:
    def __init__(self, max_words=10):
        self.max_words = max_words
    def __call__(self, completions, **kwargs):
        return [float(len(c.split()) <= self.max_words) for c in completions]

def capped(completions, cap=1.0, **kwargs):
    return [min(cap, float(len(c))) for c in completions]

def no_kwargs(completions):
    return [1.0] * len(completions)

async def later(completions, **kwargs):
    return [1.0] * len(completions)

def optional(completions, solution=None, **kwargs):
    return [float(s is not None) for s in solution]

CONSTANT = 5

def broken(completions, **kwargs):
    raise RuntimeError("reward server is gone")

def short(completions, **kwargs):
    return [1.0]

def unsure(completions, **kwargs):
    return [None if "?" in c else 1.0 for c in completions]
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own_rewards.py"
    path.write_text(OWN)
    return lambda name, **params: Reward(RewardSpec(f"{path}:{name}", params=params))


def test_own_function_class_and_parameters_from_a_file(own):
    assert own("shout")(completions=["A", "a"]) == [1.0, 0.0]
    assert own("Brevity", max_words=2)(completions=["a b", "a b c"]) == [1.0, 0.0]
    assert own("capped", cap=2)(completions=["aaa"]) == [2.0]


def test_names_are_those_of_the_functions(own):
    """TRL's metrics are `rewards/<name>/mean`."""
    assert own("shout").__name__ == "shout"
    assert [r.__name__ for r in build_rewards([RewardSpec("accuracy"), RewardSpec("format")])] == ["accuracy", "format"]


@pytest.mark.parametrize("name", ["broken", "short"])
def test_reward_that_fails_gives_none_is_counted_and_does_not_raise(own, name, caplog):
    metrics = {}
    rewards = own(name)(completions=["a", "b"], log_metric=metrics.__setitem__)
    assert rewards == [None, None]
    assert metrics == {f"rewards/{name}/none": 1.0}
    assert name in caplog.text


def test_none_is_kept_and_counted(own):
    metrics = {}
    assert own("unsure")(completions=["a?", "b"], log_metric=metrics.__setitem__) == [None, 1.0]
    assert metrics == {"rewards/unsure/none": 0.5}


def test_registered_rewards_get_text_whatever_trl_hands_over():
    messages = [[{"role": "assistant", "content": "<answer>4</answer>", "reasoning_content": "2+2"}]]
    assert Reward(RewardSpec("format"))(completions=messages) == [1.0]
    assert text_of("plain") == "plain"


def test_thought_opened_by_the_prompt_is_put_back():
    completion = ["2+2</think><answer>4</answer>"]
    assert Reward(RewardSpec("format"))(completions=completion) == [0.0]
    assert Reward(RewardSpec("format"), prefill="<think>")(completions=completion) == [1.0]


def test_trl_rewards_work_with_messages_and_with_text():
    reward = Reward(RewardSpec("trl.rewards.think_format_reward"))
    assert reward(completions=[[{"role": "assistant", "content": "<think>a</think>b"}]]) == [1.0]
    assert reward(completions=["<think>a</think>b", "b"]) == [1.0, 0.0]


@pytest.mark.parametrize("name", ["no_kwargs", "later", "CONSTANT"])
def test_what_trl_cannot_call_is_refused_at_the_start(own, name):
    with pytest.raises(RecipeError, match="no function or class" if name == "CONSTANT" else "takes .*kwargs"):
        own(name)


def test_optional_columns_are_known(own):
    assert own("optional").graded and own("optional").columns == set()


def test_file_that_does_not_run_is_refused(tmp_path):
    (tmp_path / "wrong.py").write_text("def reward(:")
    with pytest.raises(RecipeError, match="SyntaxError"):
        Reward(RewardSpec(f"{tmp_path / 'wrong.py'}:reward"))


def test_two_rewards_of_one_name_are_refused():
    """TRL would write both into one metric."""
    with pytest.raises(RecipeError, match="each named once"):
        GRPOScriptArguments(dataset_name="x", reward_funcs=["accuracy", "twin.py:accuracy"])


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (RewardSpec("acuracy"), "unknown reward 'acuracy'. Did you mean 'accuracy'?"),
        (RewardSpec("no.such.module.reward"), "cannot import 'no.such.module'"),
        (RewardSpec("nowhere.py:reward"), "cannot import 'nowhere.py'"),
        (RewardSpec("open_r1.rewards.format:formt_reward"), "Did you mean 'format_reward'?"),
        (RewardSpec("format", params={"max_len": 3}), "'format' has no parameter 'max_len'"),
    ],
)
def test_unknown_rewards_and_parameters(spec, says):
    with pytest.raises(RecipeError, match="reward|import|has no") as error:
        Reward(spec)
    assert says in str(error.value)


def test_missing_column_is_named_with_the_option_that_mends_it():
    with pytest.raises(RecipeError) as error:
        check_columns(build_rewards([RewardSpec("accuracy")]), ["prompt", "answer"])
    assert "'solution'" in str(error.value) and "dataset_solution_column" in str(error.value) and "answer" in str(error.value)


def test_too_many_unusable_golds_stop_the_run(caplog):
    with pytest.raises(RecipeError, match="cannot parse 2 of 4 golds"):
        check_golds(["1", "", "2", " "], limit=0.4)
    check_golds(["1", "", "2", " "], limit=0.5)
    assert "2 of 4 golds cannot be parsed" in caplog.text


def test_rewards_pickle():
    """TRL's asynchronous trainer sends them to another process."""
    reward = pickle.loads(pickle.dumps(Reward(RewardSpec("accuracy"))))
    assert reward(completions=["<answer>1</answer>"], solution=["1"]) == [1.0]
