"""Data sets of generated shapes, as every script reads them: each ends in a clear message that names the first row
that cannot be used, or in rows that say exactly what the user's rows say."""

import copy
import csv
import json
import string
from pathlib import Path

import pytest
from datasets import disable_progress_bars
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rich.console import Console
from trl import SFTConfig

from open_r1.builders.distill import read_source
from open_r1.builders.rows import load_completions
from open_r1.configs import (
    DatasetSpec,
    DistillArguments,
    RejectionArguments,
    RewardModelScriptArguments,
    RewardSpec,
    SFTScriptArguments,
    Source,
)
from open_r1.configs.parser import RecipeParser
from open_r1.data import tiny
from open_r1.data.load import load_split
from open_r1.data.preferences import to_pairs
from open_r1.data.training_rows import to_training_rows
from open_r1.data.training_text import check_training_text
from open_r1.generation import driver
from open_r1.rewards import Composition
from open_r1.rewards.dataset_scores import read_completions
from open_r1.training.rl_prompts import load_prompts
from open_r1.utils.errors import RecipeError


TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token if m.role == 'assistant' }}{% endfor %}"
SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt"}
# Texts of the miniature's vocabulary, some of which look like JSON or like numbers.
TEXTS = st.text(string.ascii_letters + string.digits + " .+=[]{}\":,'", min_size=1, max_size=12).filter(str.strip)
# Columns that trainers interpret by name, and columns that belong to another layout.
OTHER_COLUMNS = {
    "image": None,
    "images": [],
    "completions": "x",
    "prompts": "x",
    "completion_ids": [1],
    "log_extra": 1,
    "self": "x",
    "id": 7,
    "meta": {"source": "x"},
}
shapes = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # examples are small; making them smaller would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def conversations(draw):
    """A conversation that ends with an answer, as (role, text) pairs."""
    turns = []
    if draw(st.booleans()):
        turns.append(("system", draw(TEXTS)))
    for _ in range(draw(st.integers(1, 3))):
        turns.append(("user", draw(TEXTS)))
        turns.append(("assistant", draw(TEXTS)))
    return turns


@st.composite
def answers(draw):
    """A thought (or none) and an answer."""
    return draw(st.none() | TEXTS.map(str.strip)), draw(TEXTS)


LAYOUTS = st.sampled_from(["openai", "parts", "reasoning_content", "extra keys", "sharegpt", "json", "sharegpt json"])


def lay_out(turns, layout, thought=None):
    """A conversation as a data set in some layout has it; a thought belongs to the last turn."""
    if thought is not None and layout != "reasoning_content":
        role, text = turns[-1]
        turns = [*turns[:-1], (role, f"<think>{thought}</think>{text}")]
    if layout.startswith("sharegpt"):
        messages = [{"from": SHAREGPT[role], "value": text} for role, text in turns]
    else:
        messages = [{"role": role, "content": text} for role, text in turns]
    if layout == "parts":
        for message in messages:
            text = message["content"]
            message["content"] = [{"type": "text", "text": text[:3]}, {"type": "text", "text": text[3:]}]
    if layout == "reasoning_content" and thought is not None:
        messages[-1]["reasoning_content"] = thought
    if layout == "extra keys":
        messages[-1] |= {"weight": 1, "name": None, "tool_calls": None}
    if layout.endswith("json"):
        return json.dumps(messages)
    return messages


def as_messages(turns, thought=None):
    """What any layout of a conversation has to be read as."""
    if thought is not None:
        role, text = turns[-1]
        turns = [*turns[:-1], (role, f"<think>{thought}</think>{text}")]
    return [{"role": role, "content": text} for role, text in turns]


# What can stand where a conversation should.
FAULTS = st.sampled_from(
    [
        None,
        [],
        5,
        True,
        {"a": 1},
        ["a", "b"],
        [None],
        [[]],
        [{"role": "user"}],
        [{"role": "user", "content": None}],
        [{"role": "alien", "content": "x"}],
        [{"content": "x"}],
        [{"role": "assistant", "content": [{"type": "image", "image": "x"}]}],
        [{"role": "assistant", "content": 5}],
    ]
)


@st.composite
def positions_of_fault(draw, count):
    """Where a row is that cannot be used; `None` in half of the cases."""
    return draw(st.none() | st.integers(0, count - 1))


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """Writes rows to a new file each time, as JSON lines, and returns its path."""
    folder = tmp_path_factory.mktemp("shapes")
    disable_progress_bars()
    names = iter(range(10**6))

    def write(rows):
        path = folder / f"{next(names)}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    return write


@pytest.fixture(scope="module")
def tokenizer():
    chat_tokenizer = tiny.tokenizer()
    chat_tokenizer.chat_template = TEMPLATE
    return chat_tokenizer


@st.composite
def row_counts(draw):
    """Few rows, or so many that the last one is in another batch than the first."""
    return draw(st.sampled_from([1, 2, 3, 4, 5, 1100]))


def assert_names_row(path, load, position, count):
    """Loading stops with one message about the first row that cannot be used, or about the file."""
    with pytest.raises(RecipeError) as raised:
        load(path)
    message = str(raised.value)
    assert f"row {position + 1} of {count}: " in message, message


def load_for_sft(path, tokenizer):
    dataset = load_split(DatasetSpec(path), seed=0)
    dataset = to_training_rows(dataset, SFTScriptArguments(dataset_name=path), "text")
    check_training_text(dataset, tokenizer, SFTConfig(output_dir="unused", use_cpu=True, bf16=False))
    return dataset


@shapes
@given(st.data())
def test_sft(write, tokenizer, data):
    count = data.draw(row_counts())
    turns = data.draw(conversations())
    thought = data.draw(st.none() | TEXTS.map(str.strip))
    layout = data.draw(LAYOUTS)
    column = data.draw(st.sampled_from(["messages", "conversations"]))
    others = data.draw(st.sets(st.sampled_from([*OTHER_COLUMNS, "prompt", "text"])))
    row = {column: lay_out(turns, layout, thought)} | {name: OTHER_COLUMNS.get(name, "x") for name in others}
    rows = [copy.deepcopy(row) for _ in range(count)]
    position = data.draw(positions_of_fault(count))
    if position is not None:
        fault = data.draw(FAULTS | st.just(lay_out([("user", "x")], layout)))
        rows[position][column] = fault
    path = write(rows)

    def load(path):
        return load_for_sft(path, tokenizer)

    if position is not None:
        return assert_names_row(path, load, position, count)
    expected = {"messages": as_messages(turns, thought)}
    assert load(path).to_list() == [expected] * count


@shapes
@given(st.data())
def test_sft_on_prompts_and_completions(write, tokenizer, data):
    count = data.draw(row_counts())
    turns = data.draw(conversations())
    layout = data.draw(LAYOUTS)
    prompt_is_text, completion_is_text = data.draw(st.booleans()), data.draw(st.booleans())
    prompt, answer = turns[:-1], turns[-1]
    if prompt_is_text:
        prompt = [("user", turns[0][1])]
    row = {
        "prompt": prompt[0][1] if prompt_is_text else lay_out(prompt, layout),
        "completion": answer[1] if completion_is_text else lay_out([answer], layout),
        "text": "not trained on",
    }
    rows = [copy.deepcopy(row) for _ in range(count)]
    position = data.draw(positions_of_fault(count))
    if position is not None:
        rows[position][data.draw(st.sampled_from(["prompt", "completion"]))] = data.draw(FAULTS)
    path = write(rows)

    def load(path):
        return load_for_sft(path, tokenizer)

    if position is not None:
        return assert_names_row(path, load, position, count)
    expected = {"prompt": as_messages(prompt), "completion": as_messages([answer])}
    if prompt_is_text and completion_is_text:
        expected = {"prompt": prompt[0][1], "completion": answer[1]}
    assert load(path).to_list() == [expected] * count


@pytest.fixture(scope="module")
def grpo():
    recipe = ["--config", "recipes/tiny/grpo/config_zero.yaml", "--eval_strategy", "no", "--eval_on_start", "false"]
    recipe += ["--max_prompt_length", "1000", "--dataset_prompt_column", "prompt"]
    return RecipeParser("grpo").parse(recipe)


@shapes
@given(st.data())
def test_grpo(write, tokenizer, grpo, data):
    script_args, training_args, _ = copy.deepcopy(grpo)
    count = data.draw(row_counts())
    turns = data.draw(conversations())
    layout = data.draw(LAYOUTS)
    column = data.draw(st.sampled_from(["prompt", "question", "messages"]))
    is_text = data.draw(st.booleans())
    uses_template = data.draw(st.booleans())
    ends_with_answer = data.draw(st.booleans())
    prompt = [("user", turns[0][1])] if is_text else turns[:-1]
    others = data.draw(st.sets(st.sampled_from(list(OTHER_COLUMNS))))
    given_turns = turns if ends_with_answer else prompt
    row = {column: prompt[0][1] if is_text else lay_out(given_turns, layout), "answer": "72"}
    rows = [row | {name: OTHER_COLUMNS[name] for name in others} for _ in range(count)]
    position = data.draw(positions_of_fault(count))
    if position is not None:
        rows[position] = rows[position] | {column: data.draw(FAULTS | st.just(" "))}
    path = write(rows)
    script_args.dataset_name, script_args.dataset_params = path, None
    script_args.dataset_prompt_column, script_args.dataset_solution_column = column, "answer"
    if not uses_template:
        script_args.prompt_template = None
    rewards = Composition(RewardSpec.parse_all(["accuracy"]))

    def load(path):
        return load_prompts(script_args, training_args, tokenizer, rewards)[0]

    if position is not None and (not uses_template or len(prompt) == 1 or position == 0):
        return assert_names_row(path, load, position, count)
    if uses_template and len(prompt) > 1:
        with pytest.raises(RecipeError, match="row 1 of .*prompt_template takes a single question"):
            load(path)
        return None
    loaded = load(path)
    assert set(loaded.column_names) & set(OTHER_COLUMNS) <= {"id", "meta"}
    assert loaded["solution"][:] == ["72"] * count
    if uses_template:
        assert all(prompt[0][1] in text and "role" not in text for text in loaded["prompt"])
    else:
        assert loaded["prompt"][:] == [as_messages(prompt)] * count


@pytest.fixture(scope="module")
def generation():
    options = ["--model_name_or_path", "m", "--backend", "server", "--base_urls", "http://localhost:1/v1"]
    return RecipeParser("generate").parse([*options, "--dataset_name", "x", "--output_dir", "unused"])


@shapes
@given(st.data())
def test_generation(write, generation, data):
    args, model_args = copy.deepcopy(generation)
    count = data.draw(row_counts())
    turns = data.draw(conversations())[:-1]
    layout = data.draw(LAYOUTS)
    others = data.draw(st.sets(st.sampled_from(list(OTHER_COLUMNS))))
    rows = [{"prompt": lay_out(turns, layout)} | {name: OTHER_COLUMNS[name] for name in others} for _ in range(count)]
    position = data.draw(positions_of_fault(count))
    if position is not None:
        rows[position]["prompt"] = data.draw(FAULTS | st.just(" "))
    args.dataset_name = write(rows)

    def load(path):
        args.dry_run = True
        driver.generate_completions(args, model_args, Console(quiet=True))
        return driver._load_prompts(args, None)

    if position is not None:
        return assert_names_row(args.dataset_name, load, position, count)
    assert load(args.dataset_name)["prompt"][:] == [as_messages(turns)] * count


@shapes
@given(st.data())
def test_builders_that_select_completions(write, data):
    count = data.draw(row_counts())
    turns = data.draw(conversations())
    thought, answer = data.draw(answers())
    layout = data.draw(LAYOUTS)
    prompt_is_text, completion_is_text = data.draw(st.booleans()), data.draw(st.booleans())
    [expected] = as_messages([("assistant", answer)], thought)
    row = {
        "prompt": turns[0][1] if prompt_is_text else lay_out(turns[:-1], layout),
        "completion": expected["content"] if completion_is_text else lay_out([("assistant", answer)], layout, thought),
        "solution": "72",
        "prompt_id": data.draw(st.sampled_from([None, "7", 7])),
    }
    rows = [copy.deepcopy(row) for _ in range(count)]
    position = data.draw(positions_of_fault(count))
    if position is not None:
        column = data.draw(st.sampled_from(["prompt", "completion"]))
        fault = data.draw(FAULTS)
        if column == "completion" and fault is None:  # a generation that failed
            fault = 5
        rows[position][column] = fault
    path = write(rows)
    args = RejectionArguments(dataset_name=path, output_dir="unused")

    def load(path):
        return load_completions(args)

    if position is not None:
        return assert_names_row(path, load, position, count)
    loaded = load(path)
    assert loaded["completion"][:] == [expected["content"]] * count
    assert loaded["prompt"][:] == [turns[0][1] if prompt_is_text else as_messages(turns[:-1])] * count
    assert len(set(loaded["prompt_id"])) == 1


@shapes
@given(st.data())
def test_distillation_sources(write, data):
    count = data.draw(row_counts())
    turns = data.draw(conversations())
    layout = data.draw(LAYOUTS)
    column = data.draw(st.sampled_from(["messages", "conversations", "prompt"]))
    row = {column: lay_out(turns, layout)}
    if column == "prompt":
        row = {"prompt": lay_out(turns[:-1], layout), "completion": turns[-1][1]}
    rows = [copy.deepcopy(row) for _ in range(count)]
    position = data.draw(positions_of_fault(count))
    if position is not None:
        rows[position][column] = data.draw(FAULTS.filter(bool))  # blank rows are filtered out later, and reported
    source = Source(write(rows))
    args = DistillArguments(output_dir="unused", sources=[{"dataset_name": source.dataset_name}])

    def load(path):
        return read_source(source, args)

    if position is not None:
        return assert_names_row(source.dataset_name, load, position, count)
    loaded = load(source.dataset_name)
    assert loaded["prompt"][:] == [as_messages(turns[:-1])] * count
    assert loaded["completion"][:] == [turns[-1][1]] * count


@shapes
@given(st.data())
def test_reward_models(write, data):
    count = data.draw(row_counts())
    turns = data.draw(conversations())
    layout = data.draw(LAYOUTS)
    row = {"chosen": lay_out(turns, layout), "rejected": lay_out([*turns[:-1], ("assistant", "no")], layout)}
    if data.draw(st.booleans()):
        row = {"prompt": lay_out(turns[:-1], layout), "chosen": turns[-1][1], "rejected": "no"}
    rows = [copy.deepcopy(row) for _ in range(count)]
    position = data.draw(positions_of_fault(count))
    if position is not None:
        fault = data.draw(FAULTS | st.just([{"role": "user", "content": "x"}]))
        rows[position][data.draw(st.sampled_from(["chosen", "rejected"]))] = fault
    path = write(rows)
    args = RewardModelScriptArguments(dataset_name=path, balance_lengths=False)

    def load(path):
        return to_pairs(load_split(DatasetSpec(path), seed=0), args, seed=0)

    if position is not None:
        return assert_names_row(path, load, position, count)
    [*prompt, chosen] = as_messages(turns)
    chosen["content"] = chosen["content"].strip()
    if chosen["content"] == "no":
        return None
    assert (
        load(path).to_list()
        == [{"chosen": [*prompt, chosen], "rejected": [*prompt, {"role": "assistant", "content": "no"}]}] * count
    )


@shapes
@given(st.data())
def test_rewards_command(write, data):
    count = data.draw(row_counts())
    thought, answer = data.draw(answers())
    layout = data.draw(LAYOUTS)
    rows = [{"completion": lay_out([("assistant", answer)], layout, thought), "solution": "72"} for _ in range(count)]
    position = data.draw(positions_of_fault(count))
    if position is not None:
        rows[position]["completion"] = data.draw(FAULTS.filter(lambda fault: fault is not None))
    path = write(rows)

    def load(path):
        return read_completions(load_split(DatasetSpec(path), seed=0))

    if position is not None:
        return assert_names_row(path, load, position, count)
    [expected] = as_messages([("assistant", answer)], thought)
    assert load(path)["completion"][:] == [expected["content"]] * count


GOLDS = st.lists(
    st.integers(-(2**70), 2**70) | st.integers(-9, 9) | st.floats(-1e15, 1e15) | st.booleans() | TEXTS | st.none(),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
@shapes
@given(GOLDS)
def test_gold_answers_are_those_of_the_file(write, grpo, tokenizer, suffix, golds):
    """Whatever numbers, texts and gaps are in a column."""
    script_args, training_args, _ = copy.deepcopy(grpo)
    path = Path(write([{"prompt": "2+2?", "solution": gold} for gold in golds]))
    if suffix == "csv":
        path = path.with_suffix(".csv")
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("prompt", "solution"), *(("2+2?", gold) for gold in golds)])
    script_args.dataset_name, script_args.dataset_params, script_args.prompt_template = str(path), None, None
    script_args.max_unusable_golds = 1.0
    rewards = Composition(RewardSpec.parse_all(["accuracy"]))
    loaded, _ = load_prompts(script_args, training_args, tokenizer, rewards)
    for gold, read in zip(golds, loaded["solution"], strict=True):
        assert str(read) == str(gold)
