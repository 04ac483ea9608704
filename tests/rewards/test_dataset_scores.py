"""`python -m open_r1.rewards` and the functions it uses."""

import json
import runpy
import sys

import pytest
from datasets import Dataset

from open_r1.configs import RewardSpec
from open_r1.rewards import Composition
from open_r1.rewards.dataset_scores import mean_scores, read_completions, score_dataset
from open_r1.utils.errors import RecipeError


RIGHT, WRONG = "<think>2+2</think><answer>4</answer>", "<think>2+2</think><answer>5</answer>"
ROWS = [
    {"output": RIGHT, "answer": "4", "domain": "math"},
    {"output": WRONG, "answer": "4", "domain": "math"},
    {"output": "\\boxed{B}", "answer": "B", "domain": "stem"},
    {"output": RIGHT, "answer": "see figure", "domain": "stem"},
    {"output": None, "answer": "4", "domain": "stem"},
]


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs `python -m open_r1.rewards` on ROWS; returns the exit status and the output."""
    path = tmp_path / "completions.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*flags):
        columns = ["--dataset_completion_column", "output", "--dataset_solution_column", "answer"]
        monkeypatch.setattr(sys, "argv", ["rewards", "--dataset_name", str(path), *flags, *columns])
        status = 0
        try:
            runpy.run_module("open_r1.rewards", run_name="__main__", alter_sys=True)
        except SystemExit as stop:
            status = stop.code
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


def test_table_by_reward_and_domain(command):
    status, out = command("--reward_funcs", "accuracy", "{name: format, domain: math, only_if: accuracy}")
    assert status == 0
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert ["all", "accuracy", "5", "0.667", "2"] in lines and ["math", "accuracy", "2", "0.500", "0"] in lines
    assert ["stem", "accuracy", "3", "1.000", "2"] in lines and ["math", "format", "2", "0.500", "0"] in lines
    assert not any(line[:2] == ["stem", "format"] for line in lines)


@pytest.mark.parametrize("completion", ["2+2</think>4", "<think>2+2</think>4", "\n<think>2+2</think>4"])
def test_thought_that_the_prompt_opened_is_opened_once(command, tmp_path, completion):
    rows = [{"output": text, "answer": "4"} for text in (None, completion)]
    (tmp_path / "completions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    status, _ = command(
        "--thought_opened",
        "true",
        "--reward_funcs",
        "{name: format, structure: summary}",
        "--output_path",
        "graded.jsonl",
    )
    assert status == 0
    graded = [json.loads(line) for line in (tmp_path / "graded.jsonl").read_text().splitlines()]
    assert [row["rewards/format"] for row in graded] == [None, 1.0]
    assert [row["output"] for row in graded] == [None, completion]


def test_columns_may_have_any_names(command, tmp_path):
    row = {"output": RIGHT, "answer": "4", "prompt": "2+2?", "reward": 5, "rewards/accuracy": 7}
    row |= dict.fromkeys(["index", "self", "completions", "prompts", "log_metric", "log_extra", "trainer_state"], 1)
    (tmp_path / "completions.jsonl").write_text(json.dumps(row))
    status, out = command("--reward_funcs", "accuracy", "language_consistency", "--output_path", "graded.jsonl")
    assert status == 0, out
    graded = json.loads((tmp_path / "graded.jsonl").read_text())
    assert (graded["rewards/accuracy"], graded["completions"], graded["prompts"]) == (1.0, 1, 1)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_graded_rows_are_written(command, tmp_path, suffix):
    status, out = command("--output_path", f"out/graded{suffix}")
    assert status == 0 and "wrote out/graded" in out
    read = {".jsonl": Dataset.from_json, ".parquet": Dataset.from_parquet}[suffix]
    graded = read(f"out/graded{suffix}")
    assert graded["rewards/accuracy"][:] == graded["reward"][:] == [1.0, 0.0, 1.0, None, None]
    names = ["output", "answer", "domain", "rewards/accuracy", "reward"]
    assert graded.column_names == names, "the user's column names are kept"
    assert graded["output"][0] == RIGHT and graded["answer"][0] == "4"
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"graded{suffix}"]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--dataset_name", "none.jsonl"], "no file or folder 'none.jsonl'"),
        (
            ["--output_path", "graded.csv"],
            "output_path: found 'graded.csv'; expected the name of a file that ends in .jsonl or .parquet",
        ),
        (["--reward_funcs", "acuracy"], "unknown reward 'acuracy'. Did you mean 'accuracy'?"),
        (["--reward_funcs", "{name: cosine, max_len: 10}"], "'cosine' needs 'completion_ids'"),
        (["--reward_func", "accuracy"], "unknown option '--reward_func'"),
    ],
)
def test_user_errors_end_with_one_message(command, flags, says):
    status, out = command(*flags)
    assert status == 1 and says in out and "Traceback" not in out


def test_wrong_column_is_named_with_the_option(command, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["rewards", "--dataset_name", "completions.jsonl"])
    with pytest.raises(SystemExit):
        runpy.run_module("open_r1.rewards", run_name="__main__", alter_sys=True)


def test_dry_run_grades_nothing(command):
    status, out = command("--dry_run", "true")
    assert status == 0 and "5 completions" in out and "0.667" not in out


def test_rewards_are_weighted_and_summed_as_in_training():
    rows = Dataset.from_list([{"completion": RIGHT, "solution": "4"}, {"completion": WRONG, "solution": "?"}])
    rewards = Composition([RewardSpec("accuracy"), RewardSpec("format", weight=0.5)])
    scored = score_dataset(rows, rewards, progress=False)
    assert scored["reward"][:] == [1.5, None]
    assert mean_scores(scored, rewards) == [("all", "accuracy", 2, 1.0, 1), ("all", "format", 2, 1.0, 1)]


def test_missing_column_is_an_error_before_any_work():
    with pytest.raises(RecipeError, match="'accuracy' needs the dataset column 'solution'"):
        score_dataset(Dataset.from_list([{"completion": "4"}]), Composition([RewardSpec("accuracy")]))


def test_prompts_and_completions_are_read_in_any_layout():
    prompt = [{"role": "user", "content": "2+2?"}]
    completion = [{"role": "assistant", "content": "4", "reasoning_content": "2+2"}]
    rows = [
        {"prompt": json.dumps(prompt), "completion": json.dumps(completion)},
        {"prompt": "2+2?", "completion": "<think>2+2</think>4"},
        {"prompt": None, "completion": None},
    ]
    read = read_completions(Dataset.from_list(rows))
    assert read["completion"][:] == ["<think>2+2</think>4"] * 2 + [None]
    assert read["prompt"][:] == [prompt, prompt, None]


@pytest.mark.parametrize(
    "completion, says",
    [
        (["4", "5"], "found a list of 2 texts; expected one completion per row"),
        ({"text": "4"}, "found dict {'text': '4'}; expected text or a list of messages"),
        (4, "found int 4; expected text or a list of messages"),
        ([{"role": "user", "content": "2+2?"}], "found a conversation without a message of the assistant"),
    ],
)
def test_what_is_no_completion_is_refused(completion, says):
    with pytest.raises(RecipeError, match=f"dataset_completion_column: row 1 of 1: .*{says}"):
        read_completions(Dataset.from_list([{"completion": completion}]))
