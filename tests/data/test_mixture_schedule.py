"""Prompts from several data sets, mixed by weight and training step."""

import datetime
import json

import pytest
from datasets import Dataset

from open_r1.configs import GRPOScriptArguments, PromptSource
from open_r1.configs.parser import RecipeParser
from open_r1.configs.recipes import read_recipe
from open_r1.data.mixture_schedule import SOURCE, load_sources, order_rows_by_step, schedule_rows
from open_r1.data.prompts import to_prompts
from open_r1.utils.errors import RecipeError


NO_EVALUATION = ("--eval_strategy", "no", "--eval_on_start", "false")


def shares(sources, sizes, max_steps=20, steps=1, per_round=8, seed=0):
    """The scheduled rows, and the share of the first source in each round."""
    rows = [list(range(sum(sizes[:i]), sum(sizes[: i + 1]))) for i in range(len(sizes))]
    drawn = list(schedule_rows(rows, sources, max_steps, steps, per_round, seed))
    rounds = [drawn[i : i + per_round] for i in range(0, len(drawn), per_round)]
    return drawn, [sum(row < sizes[0] for row in round_) / per_round for round_ in rounds]


def test_weights_hold_in_every_round_and_sources_start_at_their_step():
    both = [PromptSource("math", weight=3), PromptSource("chat", weight=1, from_step=12)]
    _, share = shares(both, [100, 40])
    assert share[:12] == [1.0] * 12 and share[12:] == [0.75] * 8


def test_a_source_ends_at_its_last_step():
    _, share = shares([PromptSource("easy", until_step=5), PromptSource("hard", from_step=5)], [50, 50], max_steps=10)
    assert share == [1.0] * 5 + [0.0] * 5


def test_all_rows_are_used_before_any_is_repeated():
    drawn, _ = shares([PromptSource("a")], [24], max_steps=6)
    assert sorted(drawn[:24]) == sorted(drawn[24:]) == list(range(24)) and drawn[:24] != drawn[24:]


def test_small_weights_are_respected_over_many_rounds():
    _, share = shares([PromptSource("a", weight=99), PromptSource("b", weight=1)], [100, 100], max_steps=100)
    assert sum(1 - value for value in share) * 8 == pytest.approx(8, abs=1)


def test_a_round_uses_the_sources_of_its_first_step():
    drawn, share = shares([PromptSource("a", until_step=3), PromptSource("b")], [30, 30], max_steps=8, steps=4)
    assert len(drawn) == 16 and share == [0.5, 0.0]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"weight": 1}, "a mapping with a dataset_name"),
        ({"dataset_name": "a", "weight": 0}, "positive number"),
        ({"dataset_name": "a", "from_step": 5, "until_step": 5}, "0 ≤ from < until"),
        ({"dataset_name": "a", "form_step": 5}, "Did you mean 'from_step'?"),
        ({"dataset_name": "a", "from_step": "5"}, "expected int"),
    ],
)
def test_invalid_sources_are_refused(entry, message):
    with pytest.raises(RecipeError, match=message.replace("?", r"\?")):
        PromptSource.parse(entry)


@pytest.fixture
def files(tmp_path):
    math = [{"question": f"{i}+1", "answer": str(i + 1)} for i in range(30)]
    chat = [{"prompt": f"hello {i}", "domain": "general-helpful"} for i in range(10)]
    for name, rows in (("math", math), ("chat", chat)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = {"dataset_prompt_column": "question", "dataset_solution_column": "answer"}
    return [
        {"dataset_name": str(tmp_path / "math.jsonl"), "domain": "math"} | columns,
        {"dataset_name": str(tmp_path / "chat.jsonl"), "from_step": 2},
    ]


def test_columns_of_all_sources_are_unified(files):
    rows, held_out = load_sources(GRPOScriptArguments(sources=files), grpo_args(*NO_EVALUATION))
    assert held_out is None
    assert {"prompt", "solution", "domain", SOURCE} <= set(rows.column_names) and len(rows) == 40
    assert rows[0] == {"prompt": "0+1", "solution": "1", "domain": "math", SOURCE: 0}
    assert rows[35]["solution"] is None and rows[35]["domain"] == "general-helpful"


def test_columns_of_a_source_can_have_any_names(tmp_path):
    """NuminaMath, Tulu and Big-Math have a column `source`."""
    row = {"solution": "2+2?", "prompt": "4", "source": "numina"}
    (tmp_path / "math.jsonl").write_text(json.dumps(row) + "\n")
    source = {"dataset_name": str(tmp_path / "math.jsonl")}
    columns = {"dataset_prompt_column": "solution", "dataset_solution_column": "prompt"}
    rows, _ = load_sources(GRPOScriptArguments(sources=[source | columns]), grpo_args(*NO_EVALUATION))
    assert rows[0] == {"prompt": "2+2?", "solution": "4", "source": "numina", SOURCE: 0}
    columns["dataset_solution_column"] = "solution"
    with pytest.raises(RecipeError, match="math.jsonl: dataset_solution_column: another option names .*'solution'"):
        load_sources(GRPOScriptArguments(sources=[source | columns]), grpo_args(*NO_EVALUATION))


def mix(tmp_path, *sources, **options):
    """The prompts of several data sets, given as lists of rows."""
    entries = []
    for number, rows in enumerate(sources):
        path = tmp_path / f"{number}.parquet"
        Dataset.from_list(rows).to_parquet(str(path))
        entries.append({"dataset_name": str(path)})
    args = GRPOScriptArguments(sources=entries, **options)
    rows, _ = load_sources(args, grpo_args(*NO_EVALUATION))
    return to_prompts(rows, args, None, with_solution=True)


def test_sources_may_have_columns_of_other_types(tmp_path):
    """GSM8K has numbers for gold answers and MATH has text; one has conversations and the other questions."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "3+3?"}]
    gsm8k = [{"prompt": "2+2?", "solution": n, "meta": {"level": 1}, "id": 7} for n in (4, None)]
    math = [{"prompt": messages, "solution": "\\frac12", "meta": "algebra", "id": None}]
    lists = [{"prompt": "1,2?", "solution": ["1", "2"], "meta": [1]}]
    rows = mix(tmp_path, gsm8k, math, lists)
    assert rows["solution"][:] == [4, None, "\\frac12", ["1", "2"]]
    assert rows["meta"][:] == [{"level": 1}, {"level": 1}, "algebra", [1]]
    assert rows["id"][:] == [7, 7, None, None]
    assert rows["prompt"][0] == [{"role": "user", "content": "2+2?"}] and rows["prompt"][2] == messages


@pytest.mark.parametrize("value", [{"a": 1}, [{"a": 1}], ["a"], "a", 1, None], ids=str)
def test_a_column_may_have_nothing_but_nulls_in_one_source(tmp_path, value):
    rows = [{"prompt": "1+1", "solution": "2", "extra": extra} for extra in (None, value)]
    assert mix(tmp_path, rows[:1], rows[1:])["extra"][:] == [None, value]
    assert mix(tmp_path, rows[1:], rows[:1])["extra"][:] == [value, None]


def test_questions_and_conversations_fill_a_template_of_text(tmp_path):
    path = tmp_path / "q.jinja"
    path.write_text("Q: {{ prompt }}")
    conversations = [{"prompt": [{"role": "user", "content": "3+3?"}], "solution": "6"}]
    rows = mix(tmp_path, [{"prompt": "2+2?", "solution": "4"}], conversations, prompt_template=str(path))
    assert rows["prompt"][:] == ["Q: 2+2?", "Q: 3+3?"]


def test_golds_of_several_types_must_be_exact(tmp_path):
    texts = [{"prompt": "1?", "solution": "1"}]
    with pytest.raises(RecipeError, match="1.parquet: dataset_solution_column: row 1 of 1: .*may have lost digits"):
        mix(tmp_path, texts, [{"prompt": "2?", "solution": 1e22}])
    with pytest.raises(RecipeError, match="1.parquet: dataset_solution_column: the column 'solution' has the type"):
        mix(tmp_path, texts, [{"prompt": "2?", "solution": {"value": "2"}}])


@pytest.mark.parametrize(
    ("value", "type_name"),
    [(b"\xff", "binary"), (datetime.date(2024, 1, 31), "date32"), ([datetime.datetime(2024, 1, 31)], "timestamp")],
)
def test_types_that_cannot_be_mixed_are_named_with_their_sources(tmp_path, value, type_name):
    texts = [{"prompt": "1?", "solution": "1", "raw": "x"}]
    message = f"the column 'raw' has several types.*'string'.* in .*0.parquet, .*'{type_name}.* in .*1.parquet"
    with pytest.raises(RecipeError, match=message):
        mix(tmp_path, texts, [{"prompt": "2?", "solution": "2", "raw": value}])
    rows = mix(tmp_path, [texts[0] | {"raw": value}], [{"prompt": "2?", "solution": "2", "raw": value}])
    assert rows["raw"][:] == [value, value]


def test_missing_column_is_named(files):
    files[0]["dataset_prompt_column"] = "questoin"
    with pytest.raises(RecipeError, match="math.jsonl: dataset_prompt_column: .*Did you mean 'question'"):
        load_sources(GRPOScriptArguments(sources=files), grpo_args(*NO_EVALUATION))


def test_row_without_a_question_is_named_with_its_source(files):
    path = files[1]["dataset_name"]
    with open(path, "a") as file:
        file.write('{"prompt": null, "domain": "general-helpful"}\n')
    with pytest.raises(RecipeError, match="chat.jsonl: dataset_prompt_column: row 11 of 11: the question: found null"):
        load_sources(GRPOScriptArguments(sources=files), grpo_args(*NO_EVALUATION))


def test_rows_of_each_source_are_held_out_and_never_trained_on(files):
    args = GRPOScriptArguments(sources=files, eval_split_size=0.1)
    rows, held_out = load_sources(args, grpo_args())
    assert len(rows) == 36 and len(held_out) == 4 and set(held_out[SOURCE]) == {0, 1}
    assert not set(held_out["prompt"]) & set(rows["prompt"])


def grpo_args(*argv):
    recipe = ["--config", "recipes/tiny/grpo/config_zero.yaml"]
    batch = ["--per_device_train_batch_size", "8", "--num_generations", "4"]
    return RecipeParser("grpo").parse([*recipe, *batch, *argv])[1]


def test_the_trainer_keeps_the_scheduled_order():
    rows = Dataset.from_dict({"prompt": list("abcdefgh"), SOURCE: [0] * 4 + [1] * 4})
    args = grpo_args("--max_steps", "4")
    ordered = order_rows_by_step(rows, [PromptSource("a"), PromptSource("b", from_step=2)], args)
    assert len(ordered) == 8 and args.shuffle_dataset is False and ordered.column_names == ["prompt"]
    assert set(ordered["prompt"][:4]) == set("abcd") and {"e", "f", "g", "h"} & set(ordered["prompt"][4:6])


def test_only_mathematics_prompts_ask_for_a_boxed_answer(files):
    """As in the R1 recipes, one template serves all sources and depends on the domain."""
    template = "recipes/prompts/boxed_mathematics.jinja"
    args = GRPOScriptArguments(user_template=template, sources=files)
    rows, _ = load_sources(args, grpo_args(*NO_EVALUATION))
    prompts = to_prompts(rows, args, None, with_solution=False)
    for prompt, domain in zip(prompts["prompt"], prompts["domain"], strict=True):
        assert ("boxed{}" in prompt[-1]["content"]) is (domain == "math")


def test_a_round_must_be_a_whole_number_of_steps():
    rows = Dataset.from_dict({"prompt": ["a"], SOURCE: [0]})
    with pytest.raises(RecipeError, match="steps_per_generation × num_iterations is 1, gradient_accumulation_steps 4"):
        args = grpo_args("--gradient_accumulation_steps", "4", "--steps_per_generation", "1")
        order_rows_by_step(rows, [PromptSource("a")], args)


def test_max_steps_is_required():
    rows = Dataset.from_dict({"prompt": ["a"], SOURCE: [0]})
    with pytest.raises(RecipeError, match="max_steps: missing"):
        order_rows_by_step(rows, [PromptSource("a")], grpo_args("--max_steps", "-1"))


def test_texts_that_look_like_json_stay_texts_beside_numbers(tmp_path):
    numbers = [{"prompt": "a", "solution": 4}]
    texts = [{"prompt": "b", "solution": text} for text in ("007", "[1, 2]", "true", '"x"', "null")]
    sources = []
    for name, rows in (("numbers", numbers), ("texts", texts)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        sources.append({"dataset_name": str(path)})
    rows, _ = load_sources(GRPOScriptArguments(sources=sources), grpo_args(*NO_EVALUATION))
    assert rows["solution"][:] == [4, "007", "[1, 2]", "true", '"x"', "null"]


def save_in_the_shapes_of_the_hub(folder):
    """The sources of R1's last stage, with the columns and types that they have on the Hub."""
    math = []
    for i in range(6):
        question = f"What is {i}+1?"
        math.append(
            {
                "problem": question,
                "solution": f"It is {i + 1}.",
                "answer": str(i + 1),
                "source": "olympiads",
                "is_reasoning_complete": [True, False],
                "generations": ["<think>a</think>b", "<think>c"],
                "correctness_llama": None if i % 2 else [True, True],
                "finish_reasons": None,
                "correctness_count": 1,
                "messages": [
                    {"content": question, "role": "user"},
                    {"content": "<think>a</think>b", "role": "assistant"},
                ],
            }
        )
    chat = [{"prompt": [{"content": f"Write a poem about {i}.", "role": "user"}]} for i in range(6)]
    harm = [{"prompt": f"How do I do a bad thing {i}?"} for i in range(6)]
    paths = []
    for name, rows in (("math", math), ("chat", chat), ("harm", harm)):
        paths.append(str(folder / f"{name}.parquet"))
        Dataset.from_list(rows).to_parquet(paths[-1])
    return paths


@pytest.mark.parametrize("model", ["DeepSeek-R1", "Qwen2.5-1.5B", "Qwen2.5-7B"])
def test_recipes_of_r1_read_their_sources_as_they_are_on_the_hub(tmp_path, model):
    """Questions as text, as lists of messages, beside lists, nested columns and nulls."""
    path = f"recipes/{model}/grpo/config_r1.yaml"
    sources = read_recipe(path)["sources"]
    for source, file in zip(sources, save_in_the_shapes_of_the_hub(tmp_path), strict=True):
        source["dataset_name"] = file
    argv = ["--config", path, "--use_cpu", "true", "--sources", *map(json.dumps, sources)]
    args, training_args, _ = RecipeParser("grpo").parse(argv)
    args.max_prompt_length = None
    rows, _ = load_sources(args, training_args)
    prompts = to_prompts(rows, args, None, with_solution=True)
    math, chat, harm = (prompts[i] for i in (1, 6, 12))
    assert math["prompt"][0]["content"].startswith("What is 1+1?\n") and math["solution"] == "2"
    assert chat["prompt"] == [{"role": "user", "content": "Write a poem about 0."}]
    assert harm["prompt"] == [{"role": "user", "content": "How do I do a bad thing 0?"}]
    assert [row["domain"] for row in (math, chat, harm)] == ["math", "general-helpful", "general-harmless"]
    assert chat["solution"] is None and harm["solution"] is None
