"""Loading data sets from functions, files and folders, and the errors when that fails."""

import datetime
import json

import pytest
from datasets import Dataset, DatasetDict, Features, LargeList, Value
from trl import SFTConfig

from open_r1.configs import DatasetSpec, ScriptArguments
from open_r1.data.load import load_split, load_train_and_eval, rename_columns, write_rows
from open_r1.utils.errors import RecipeError


ROWS = [{"prompt": "1+1", "solution": "2"}, {"prompt": "2+2", "solution": "4"}]


def load(name, split="train", **kwargs):
    return load_split(DatasetSpec(str(name), split=split, **kwargs), seed=0)


def load_for_run(training_args, **options):
    args = ScriptArguments(**options)
    return load_train_and_eval(args.dataset, args, training_args)


def evaluating(eval_strategy="epoch"):
    return SFTConfig(output_dir="unused", use_cpu=True, bf16=False, eval_strategy=eval_strategy)


def test_files_and_folders(tmp_path):
    data = Dataset.from_list(ROWS)
    data.to_json(tmp_path / "a.jsonl")
    data.to_parquet(tmp_path / "a.parquet")
    data.to_csv(tmp_path / "a.csv")
    DatasetDict({"train": data}).save_to_disk(tmp_path / "folder")
    (tmp_path / "files").mkdir()
    data.to_json(tmp_path / "files" / "train.jsonl")
    data.select([1]).to_json(tmp_path / "files" / "test.jsonl")
    for name in ("a.jsonl", "a.parquet", "a.csv", "folder", "files"):
        assert load(tmp_path / name)["prompt"] == ["1+1", "2+2"]
    assert load(tmp_path / "files", "test")["prompt"] == ["2+2"]


def test_function_in_a_user_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from datasets import Dataset\n"
        "def build(split, seed, size=1):\n"
        "    return Dataset.from_list([{'prompt': split, 'seed': seed}] * size)\n"
    )
    assert load(f"{path}:build", params={"size": 2, "seed": 5})[:] == {"prompt": ["train"] * 2, "seed": [5, 5]}
    with pytest.raises(RecipeError, match="dataset_params.*it takes: split, seed, size"):
        load(f"{path}:build", params={"sise": 2})


def test_evaluation_rows_can_be_limited():
    train, held_out = load_for_run(evaluating(), dataset_name="open_r1.data.tiny:problems", max_eval_samples=3)
    assert len(train) == 4096 and len(held_out) == 3


def test_rows_are_held_out_only_for_evaluation_and_never_from_the_training_split():
    options = {"dataset_name": "open_r1.data.tiny:problems", "dataset_test_split": "train"}
    _, held_out = load_for_run(evaluating(eval_strategy="no"), **options)
    assert held_out is None
    with pytest.raises(RecipeError, match="is what is trained on"):
        load_for_run(evaluating(), **options)


@pytest.fixture
def numbers(tmp_path):
    """A file with ten rows; a file has no test split."""
    Dataset.from_dict({"text": [str(i) for i in range(10)]}).to_json(tmp_path / "numbers.jsonl")
    return str(tmp_path / "numbers.jsonl")


@pytest.mark.parametrize(("size", "count"), [(0.2, 2), (3, 3)])
def test_rows_are_held_out_from_a_data_set_without_a_test_split(numbers, size, count):
    train, held_out = load_for_run(evaluating(), dataset_name=numbers, eval_split_size=size)
    assert len(held_out) == count and sorted([*train["text"], *held_out["text"]]) == [str(i) for i in range(10)]
    assert train["text"] == sorted(train["text"])  # the order of a curriculum is kept
    again = load_for_run(evaluating(), dataset_name=numbers, eval_split_size=size)
    assert [part["text"] for part in again] == [train["text"], held_out["text"]]


def test_held_out_rows_are_not_trained_on_even_without_evaluation(numbers):
    options = {"dataset_name": numbers, "eval_split_size": 0.2}
    train, held_out = load_for_run(evaluating(eval_strategy="no"), **options)
    assert held_out is None and train["text"] == load_for_run(evaluating(), **options)[0]["text"]


def test_a_test_split_is_preferred_to_held_out_rows(tmp_path):
    for split, text in (("train", "a"), ("test", "b")):
        Dataset.from_dict({"text": [text] * 4}).to_json(tmp_path / f"{split}.jsonl")
    train, held_out = load_for_run(evaluating(), dataset_name=str(tmp_path), eval_split_size=1)
    assert len(train) == 4 and held_out["text"] == ["b"] * 4


def test_missing_test_split_names_both_remedies(numbers):
    with pytest.raises(
        RecipeError, match="no split 'test'; it has: train.*Name one of its other splits.*eval_split_size"
    ):
        load_for_run(evaluating(), dataset_name=numbers)


def test_holding_out_all_rows_is_an_error(numbers):
    with pytest.raises(RecipeError, match="eval_split_size: found 10, which is 10 of 10 rows"):
        load_for_run(evaluating(), dataset_name=numbers, eval_split_size=10)
    with pytest.raises(RecipeError, match="eval_split_size: found 1.5; expected a share between 0 and 1, or a number"):
        ScriptArguments(dataset_name=numbers, eval_split_size=1.5)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.jsonl", None, "no file or folder"),
        ("empty.jsonl", "", "is empty"),
        ("broken.jsonl", "{not json}", "cannot read"),
        ("a.jsonl", json.dumps(ROWS[0]), "has no split 'test'; it has: train"),
        ("a.txt", "hello", "expected .jsonl"),
    ],
)
def test_data_that_cannot_be_loaded(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(RecipeError, match="dataset") as error:
        load(tmp_path / name, "test" if "split" in says else "train")
    assert says in str(error.value)


def test_unavailable_hub_data_set():
    with pytest.raises(RecipeError, match="'no-such/data' is not a local file"):
        load("no-such/data")


def test_changed_files_of_a_folder_are_read_again(tmp_path):
    """`datasets` alone would return cached rows if the card of the folder lists the files."""
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: train-*.parquet\n---\n"
    )
    for count in (3, 5):
        Dataset.from_dict({"a": list(range(count))}).to_parquet(tmp_path / "train-00000-of-00001.parquet")
        assert len(load_split(DatasetSpec(str(tmp_path)), seed=0)) == count


def test_written_json_lines_are_human_readable(tmp_path):
    rows = [{"completion": "<think>所以 2+2</think>4", "rewards/accuracy": None, "when": datetime.date(2025, 1, 22)}]
    write_rows(Dataset.from_list(rows), tmp_path / "rows.jsonl")
    text = (tmp_path / "rows.jsonl").read_text()
    assert text == '{"completion": "<think>所以 2+2</think>4", "rewards/accuracy": null, "when": "2025-01-22"}\n'


@pytest.mark.parametrize(
    "golds, says",
    [
        (
            [1.2345678901234568e22],
            "row 1 of 1: .*1.2345678901234568e\\+22, which may have lost digits. Store it as text",
        ),
        (
            [1.5, None, 9007199254740992.0],
            "row 3 of 3: the gold answer is the floating-point number 9007199254740992.0",
        ),
        ([[1.0, 1e22]], "row 1 of 1: .*1e\\+22, which may have lost digits"),
        (
            [datetime.datetime(2024, 1, 31)],
            "the column 'a' has the type Value\\('timestamp.*expected text, numbers or",
        ),
        ([{"value": 1}], "the column 'a' has the type .* need a column of their own"),
    ],
)
def test_gold_answers_that_may_have_changed_are_refused(tmp_path, golds, says):
    Dataset.from_dict({"a": golds}).to_parquet(str(tmp_path / "a.parquet"))
    with pytest.raises(RecipeError, match=f"dataset_solution_column: {says}"):
        rename_columns(load(tmp_path / "a.parquet"), {"solution": "a"})


@pytest.mark.parametrize(
    "feature", [LargeList(Value("large_string")), Value("large_string"), Value("string")], ids=str
)
def test_gold_answers_in_the_types_of_other_libraries(feature):
    gold = ["1", "2"] if isinstance(feature, LargeList) else "1"
    rows = Dataset.from_dict({"a": [gold]}, features=Features({"a": feature}))
    assert rename_columns(rows, {"solution": "a"})["solution"][:] == [gold]


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        ({"prompt": "completion", "completion": "prompt"}, {"prompt": "b", "completion": "a", "solution": "c"}),
        (
            {"prompt": "solution", "completion": "prompt", "solution": "completion"},
            {"prompt": "c", "completion": "a", "solution": "b"},
        ),
        ({"completion": "solution", "solution": "solution"}, {"prompt": "a", "completion": "c"}),
        ({"solution": "completion"}, {"prompt": "a", "solution": "b"}),
        ({"domain": "domain"}, {"prompt": "a", "completion": "b", "solution": "c"}),
    ],
)
def test_columns_can_swap_their_names(columns, row):
    rows = Dataset.from_list([{"prompt": "a", "completion": "b", "solution": "c"}])
    assert rename_columns(rows, columns)[0] == row


@pytest.mark.parametrize(
    "columns",
    [
        {"prompt": "text", "completion": "text"},
        {"prompt": "text", "solution": "text"},
        {"prompt": "prompt", "completion": "prompt"},
    ],
)
def test_two_options_that_name_the_same_column_are_refused(columns):
    rows = Dataset.from_list([{"prompt": "a", "text": "b"}])
    with pytest.raises(RecipeError, match=f"_column: another option names the column '{columns['prompt']}', too"):
        rename_columns(rows, columns)
