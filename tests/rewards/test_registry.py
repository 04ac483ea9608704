"""Resolving names in `reward_funcs` to functions, and the mistakes that are found before anything is loaded."""

import asyncio
import inspect
import subprocess
import sys

import pytest
from datasets import Dataset

from open_r1.configs import DatasetSpec, GRPOScriptArguments, RewardSpec
from open_r1.data.load import load_split
from open_r1.rewards import Composition, check_columns, check_domains, check_golds, check_samples
from open_r1.rewards.composition import Reward
from open_r1.rewards.registry import REWARDS, SHAPING, resolve
from open_r1.utils.errors import RecipeError


def test_functions_and_classes_from_a_user_file(compose):
    assert compose("shout").score(["A", "a"]) == [[1.0, 0.0]]
    assert compose({"name": "Brevity", "max_words": 2}).score(["a b", "a b c"]) == [[1.0, 0.0]]
    assert compose({"name": "capped", "cap": 2}).score(["aaa"]) == [[2.0]]


def test_rewards_keep_their_names(compose):
    """TRL's metrics are `rewards/<name>/mean`."""
    assert [column.__name__ for column in compose("shout", "accuracy").for_trainer()] == ["shout", "accuracy"]


def test_trl_rewards_work_with_messages_and_with_text():
    reward = Composition([RewardSpec("trl.rewards.think_format_reward")])
    assert reward.score([[{"role": "assistant", "content": "<think>a</think>b"}]]) == [[1.0]]
    assert reward.score(["<think>a</think>b", "b"]) == [[1.0, 0.0]]


@pytest.mark.parametrize("name", ["no_kwargs", "CONSTANT"])
def test_reward_that_trl_cannot_call_is_an_error(compose, name):
    with pytest.raises(RecipeError, match="not a function or class" if name == "CONSTANT" else "must take .*kwargs"):
        compose(name)


def test_optional_columns_are_not_required(compose):
    assert compose("optional").rewards[0].takes_solution and compose("optional").rewards[0].columns == set()


def test_file_with_a_syntax_error_is_an_error(tmp_path):
    (tmp_path / "wrong.py").write_text("def reward(:")
    with pytest.raises(RecipeError, match="SyntaxError"):
        Reward(RewardSpec(f"{tmp_path / 'wrong.py'}:reward"))


def test_two_rewards_with_the_same_name_are_an_error():
    """TRL would log both under the same metric."""
    with pytest.raises(RecipeError, match="each named once"):
        GRPOScriptArguments(dataset_name="x", reward_funcs=["accuracy", "twin.py:accuracy"])


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("acuracy", "unknown reward 'acuracy'. Did you mean 'accuracy'?"),
        ("no.such.module.reward", "cannot import 'no.such.module'"),
        ("nowhere.py:reward", "cannot import 'nowhere.py'"),
        ("open_r1.rewards.format:tag_cuont", "Did you mean 'tag_count'?"),
        ({"name": "format", "max_len": 3}, "'format' has no parameter 'max_len'"),
        ("cosine", "needs 'max_len', as in `{name: cosine, max_len: …}`"),
        ({"name": "repetition", "max_penalty": 1.0}, "max_penalty 1.0 should not be positive"),
        ({"name": "format", "weight": "half"}, "weight of 'format' is 'half'; expected a number"),
        ({"name": "format", "domain": 3}, "domain of 'format' is 3"),
        ({"name": "format", "only_if": "accuracy"}, "only_if of 'format' is 'accuracy'; expected another reward"),
        (
            {"name": "language_consistency", "language": "klingon"},
            "unknown language 'klingon'; supported: ar (Arabic)",
        ),
        ({"weight": 1}, "expected a name or a mapping"),
    ],
)
def test_unknown_rewards_and_parameters(entry, says):
    with pytest.raises(RecipeError) as error:
        Composition(RewardSpec.parse_all([entry]))
    assert says in str(error.value)


def test_missing_column_is_named_with_its_option():
    with pytest.raises(RecipeError) as error:
        check_columns(Composition([RewardSpec("accuracy")]).rewards, ["prompt", "answer"])
    for part in ("'solution'", "dataset_solution_column", "answer"):
        assert part in str(error.value)


def test_reward_with_a_domain_needs_the_domain_column():
    with pytest.raises(RecipeError, match="'format' needs the dataset column 'domain'"):
        check_columns(Composition([RewardSpec("format", domain=["math"])]).rewards, ["prompt", "solution"])


def of_domains(*domains):
    return Dataset.from_dict({"domain": list(domains)})


def test_domains_of_recipe_and_data_must_match():
    rewards = Composition([RewardSpec("accuracy", domain=["math", "stem"])]).rewards
    for_all = Composition([RewardSpec("format")]).rewards
    check_domains(rewards, of_domains("math", "stem"))
    with pytest.raises(RecipeError, match="domain 'stem', but the data set has no such rows; it has: math"):
        check_domains(rewards, of_domains("math", None))
    with pytest.raises(RecipeError, match=r"rows of the domain 'code' \(row 3 of 3\) have no reward"):
        check_domains(rewards, of_domains("math", "stem", "code"))
    with pytest.raises(RecipeError, match=r"rows without a domain \(row 2 of 3\) have no reward"):
        check_domains(rewards, of_domains("math", None, "stem"))
    check_domains([*rewards, *for_all], of_domains("math", "stem", "code", None))


@pytest.mark.parametrize(
    ("domains", "found"),
    [
        ([["Math -> Algebra"], ["Math"]], r"a list in row 1 of 2: \['Math -> Algebra'\]"),
        ([{"name": "math"}, {"name": "stem"}], "a dict in row 1 of 2: {'name': 'math'}"),
        ([1, 2], "an? int in row 1 of 2: 1"),
    ],
)
def test_domains_must_be_text(domains, found):
    rewards = Composition([RewardSpec("accuracy", domain=["math"])]).rewards
    with pytest.raises(RecipeError, match=f"column 'domain' has {found}; expected text such as 'math'"):
        check_domains(rewards, of_domains(*domains))


def test_domains_of_several_types_are_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"domain": "math"}\n{"domain": ["math"]}\n')
    rewards = Composition([RewardSpec("accuracy", domain=["math"])]).rewards
    with pytest.raises(RecipeError, match="column 'domain' has a list in row 2 of 2"):
        check_domains(rewards, load_split(DatasetSpec(str(path)), seed=0))


def test_too_many_unusable_golds_are_an_error(caplog):
    accuracy = Reward(RewardSpec("accuracy"))
    golds = Dataset.from_dict({"solution": ["1", "", "2", " "]})
    with pytest.raises(RecipeError, match=r"cannot parse 2 of 4 golds, such as '' \(row 2 of 4\), ' ' \(row 4 of 4\)"):
        check_golds(accuracy, golds, limit=0.4)
    check_golds(accuracy, golds, limit=0.5)
    assert "2 of 4 golds cannot be parsed" in caplog.text


def test_golds_at_the_end_of_a_large_data_set_are_checked():
    golds = Dataset.from_dict({"solution": ["1"] * 1000 + [None] * 3000, "domain": ["math"] * 1500 + ["code"] * 2500})
    with pytest.raises(RecipeError, match="of 1000 golds"):
        check_golds(Reward(RewardSpec("accuracy")), golds, limit=0.5)
    with pytest.raises(RecipeError, match="of 1000 golds"):
        check_golds(Reward(RewardSpec("accuracy", domain=["math"])), golds, limit=0.2)
    check_golds(Reward(RewardSpec("accuracy", domain=["math"])), golds, limit=0.5)


def test_rows_are_those_of_the_file_even_if_some_were_held_out():
    golds = Dataset.from_dict({"solution": ["1", "2", "3", None]}).select([3, 0])
    with pytest.raises(RecipeError, match=r"None \(row 4 of 4\)"):
        check_golds(Reward(RewardSpec("accuracy")), golds, limit=0)
    with pytest.raises(RecipeError, match="such as row 4 of 4: its gold"):
        check_samples(Composition([RewardSpec("cosine", params={"max_len": 9})]).rewards, golds, limit=0)


def test_every_reward_accepts_all_arguments_that_trl_passes():
    assert SHAPING < set(REWARDS)
    names = ("accuracy", "format", "tag_count", "repetition", "language_consistency")
    specs = [RewardSpec(name) for name in names]
    specs.append(RewardSpec("cosine", params={"max_len": 8}))
    specs.append(RewardSpec("group_length", params={"num_generations": 2}))
    specs.append(RewardSpec("soft_overlong", params={"max_len": 8, "cache": 4}))
    specs.append(RewardSpec("code", domain=["code"]))
    load_a_model = {"helpfulness", "harmlessness"}  # tested in test_preference.py
    assert {spec.name for spec in specs} == set(REWARDS) - load_a_model
    rows = Composition(specs).score(
        ["<think>We add the two numbers and get four.</think><answer>4</answer>"] * 2,
        prompts=["What is the sum of the two numbers?"] * 2,
        completion_ids=[[1, 2, 3, 4]] * 2,
        solution=["4", "5"],
        level=[1, 1],
        domain=["math", "math"],
        trainer_state=None,
    )
    assert all(len(row) == 2 and None not in row for row in rows[:-1])
    assert rows[-1] == [None, None]  # code has no rows of its domain


PARAMS = {  # for rewards without defaults, or whose defaults are unsuitable for tests
    "cosine": {"max_len": 8},
    "code": {"isolation": "none"},
    "group_length": {"num_generations": 4},
    "soft_overlong": {"max_len": 8, "cache": 4},
}
THOUGHT = "We add the two numbers and get four."
PROGRAM = "```python\nprint(4)\n```"
TEXTS = [
    f"<think>{THOUGHT}</think><answer>4</answer>",
    f"<think>{THOUGHT}</think>{PROGRAM}",
    f"{PROGRAM}\nThe program prints the sum of both numbers: \\boxed{{5}}",
]


def as_messages(text: str) -> list[dict]:
    """A completion as TRL passes it for conversations, with the thought in `reasoning_content`."""
    thought, closed, answer = text.removeprefix("<think>").partition("</think>")
    if not closed:
        return [{"role": "assistant", "content": text}]
    return [{"role": "assistant", "reasoning_content": thought, "content": answer}]


@pytest.mark.parametrize("name", REWARDS)
def test_text_and_messages_get_the_same_reward_and_none_gets_none(name, reward_model):
    """The reward is called directly, as in a notebook; a row without a completion is not judged."""
    params = PARAMS.get(name, {})
    if name in ("helpfulness", "harmlessness"):
        params = {"model": reward_model}
    function = resolve(RewardSpec(name, params=params))
    columns = {
        "prompts": ["What is the sum of the two numbers?"] * 4,
        "completion_ids": [[1, 2, 3], [1, 2, 3, 4, 5, 6], [1, 1, 1, 1], []],
        "solution": ["4"] * 4,
        "test_cases": [[{"input": "", "output": "4"}]] * 4,
        "log_metric": lambda name, value: None,
        "log_extra": lambda column, values: None,
    }

    def rewards(completions: list) -> list[float | None]:
        result = function(completions=completions, **columns)
        return asyncio.run(result) if inspect.iscoroutine(result) else result

    text_rewards = rewards([*TEXTS, None])
    assert text_rewards == rewards([*map(as_messages, TEXTS), None])
    assert None not in text_rewards[:3] and text_rewards[3] is None
    assert rewards([None] * 4) == [None] * 4


def test_importing_the_rewards_is_fast_and_does_not_import_torch():
    """Data builders, evaluation and scripts of users import the rewards without needing torch."""
    code = """
import sys, time
start = time.process_time()
import open_r1.rewards
print(time.process_time() - start, 'torch' in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, torch = run.stdout.split()
    assert float(seconds) < 1 and torch == "False"
