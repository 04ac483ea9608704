"""`evaluation.py` run as users run it: it generates, grades, writes results, resumes and compares."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from datasets import Dataset
from safetensors.torch import load_file, save_file

from open_r1.configs import Benchmark
from open_r1.evals import run_benchmarks
from open_r1.evals.measures import summarize
from open_r1.evals.run_benchmarks import grade_completions
from open_r1.generation import driver


@pytest.fixture
def evaluate(script, checkpoint, tmp_path):
    data = tmp_path / "mine.jsonl"
    rows = [{"question": f"{i}+1 = ?", "gold": str((i + 1) % 10), "remark": "see figure"} for i in range(6)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = {"name": "mine", "dataset_name": str(data), "dataset_split": "train"}
    benchmark |= {"dataset_prompt_column": "question", "dataset_solution_column": "gold"}
    benchmark |= {"num_generations": 3, "reward_funcs": ["accuracy", "format"]}
    keys = yaml.safe_load(Path("recipes/tiny/eval/config_heldout.yaml").read_text()) | {"max_completion_length": 8}
    del keys["models"]
    recipe = tmp_path / "config_mine.yaml"
    recipe.write_text(yaml.safe_dump(keys | {"model_name_or_path": checkpoint, "benchmarks": [benchmark]}))

    def evaluate(*argv, name="one"):
        return script("evaluation", "--config", recipe, "--output_dir", tmp_path / "eval" / name, *argv)

    return evaluate


def test_generates_grades_and_writes(evaluate, tmp_path):
    outcome = evaluate()
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "eval/one"
    evaluation = json.loads((folder / "eval.json").read_text())
    measures = evaluation["benchmarks"]["mine"]
    assert measures["avg@3"]["problems"] == 6 and measures["format"]["value"] == 0.0
    assert "| mine | avg@3 |" in outcome.out and "| mine | avg@3 |" in (folder / "README.md").read_text()
    assert str(folder / "eval.json") in outcome.out, "the last line names the result file"
    assert (folder / "mine.parquet").is_file() and evaluation["recipe"]["max_completion_length"] == 8
    before = (folder / "mine/completions-00000-of-00001.jsonl").stat().st_mtime_ns
    assert evaluate().code == 0, "the same command again only grades"
    assert (folder / "mine/completions-00000-of-00001.jsonl").stat().st_mtime_ns == before


def test_thoughts_opened_by_the_prompt_are_completed(tmp_path):
    """`<think>` is prepended before grading, so that a thought that was cut off has no answer."""
    texts = ["so</think>\\boxed{4}"] * 2 + ["perhaps \\boxed{5}, or"] * 3
    rows = {"prompt_id": "0", "prompt": "2+2", "solution": "4", "finish_reason": "stop", "completion_tokens": 9}
    Dataset.from_list([rows | {"completion": text} for text in texts]).to_parquet(tmp_path / "train.parquet")
    benchmark = Benchmark.parse({"name": "mine", "dataset_name": "mine.jsonl", "dataset_solution_column": "solution"})
    rows = Dataset.from_parquet(str(tmp_path / "train.parquet"))
    scored = grade_completions(rows, benchmark, thought_opened=True, progress=False)
    summary = summarize(scored, benchmark)
    assert summary["avg@5"]["value"] == 0.4 and summary["cons@5"]["value"] == 1.0


def test_a_retrained_checkpoint_in_the_same_folder_is_another_model(evaluate, checkpoint, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(checkpoint, model)
    assert evaluate("--model_name_or_path", model).code == 0
    weights = load_file(model / "model.safetensors")
    save_file({name: tensor + 0.01 for name, tensor in weights.items()}, model / "model.safetensors", {"format": "pt"})
    outcome = evaluate("--model_name_or_path", model)
    assert outcome.code == 1 and "weights" in outcome.err


def test_standings_are_checked_before_anything_is_generated(evaluate, tmp_path):
    (tmp_path / "standings.jsonl").write_text("")
    benchmark = {"name": "mine", "dataset_name": str(tmp_path / "mine.jsonl"), "dataset_split": "train"}
    benchmark |= {"dataset_prompt_column": "question", "standings": str(tmp_path / "standings.jsonl")}
    outcome = evaluate("--benchmarks", json.dumps(benchmark))
    assert outcome.code == 1 and "no column 'contest_id'" in outcome.err and not (tmp_path / "eval").exists()


def test_a_missing_gold_column_is_found_before_anything_is_generated(evaluate, tmp_path):
    """Even that of the last benchmark. The message names the columns and the key that selects one."""
    good = {"name": "mine", "dataset_name": str(tmp_path / "mine.jsonl"), "dataset_split": "train"}
    good |= {"dataset_prompt_column": "question", "dataset_solution_column": "gold"}
    without_gold = {key: value for key, value in good.items() if key != "dataset_solution_column"} | {"name": "other"}
    outcome = evaluate("--benchmarks", json.dumps(good), json.dumps(without_gold))
    assert outcome.code == 1 and not (tmp_path / "eval").exists()
    assert "benchmarks: other: dataset_solution_column: the data set has no column 'answer'" in outcome.err
    assert "found: question, gold, remark" in outcome.err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset_prompt_column": "problem"}, "other: dataset_prompt_column: the data set has no column 'problem'"),
        (
            {"dataset_solution_column": "remark"},
            "other: none of the gold answers can be parsed, such as ['see figure'",
        ),
        ({"dataset_name": "nowhere.jsonl"}, "other: dataset_name: no file or folder 'nowhere.jsonl'"),
        ({"reward_funcs": [{"name": "cosine", "max_len": 8}]}, "other: reward 'cosine' needs 'completion_ids'"),
        (
            {"reward_funcs": [{"name": "helpfulness", "model": "no/model"}]},
            "other: reward_funcs: 'helpfulness' cannot start",
        ),
        ({"reward_funcs": ["acuracy"]}, "other: reward_funcs: unknown reward 'acuracy'"),
    ],
)
def test_every_benchmark_is_checked_before_anything_is_generated(evaluate, tmp_path, changes, message):
    good = {"name": "mine", "dataset_name": str(tmp_path / "mine.jsonl"), "dataset_split": "train"}
    good |= {"dataset_prompt_column": "question", "dataset_solution_column": "gold"}
    outcome = evaluate("--benchmarks", json.dumps(good), json.dumps(good | {"name": "other"} | changes))
    assert outcome.code == 1 and f"benchmarks: {message}" in outcome.err and not (tmp_path / "eval").exists()


def test_every_model_is_checked_before_anything_is_generated(evaluate, checkpoint, tmp_path):
    outcome = evaluate("--models", checkpoint, tmp_path / "missing")
    assert outcome.code == 1 and "no model in" in outcome.err and not (tmp_path / "eval").exists()


def test_results_of_other_benchmarks_are_not_replaced(evaluate, tmp_path):
    """Evaluating other problems with the same recipe writes to the same folder by default."""
    assert evaluate().code == 0
    before = (tmp_path / "eval/one/eval.json").read_text()
    own = {"name": "own", "dataset_name": str(tmp_path / "mine.jsonl"), "dataset_split": "train"}
    own |= {"dataset_prompt_column": "question", "dataset_solution_column": "gold", "num_generations": 1}
    outcome = evaluate("--benchmarks", json.dumps(own))
    assert outcome.code == 1 and "has the results of mine, which those of own would replace" in outcome.err
    assert "--output_dir" in outcome.err and (tmp_path / "eval/one/eval.json").read_text() == before
    outcome = evaluate("--benchmarks", json.dumps(own), name="own")
    assert outcome.code == 0 and "| own | avg@1 |" in outcome.out


def test_compares_evaluations_side_by_side(evaluate, script, tmp_path):
    evaluate()
    evaluate("--seed", 1, name="two")
    outcome = script("evaluation", "--compare", tmp_path / "eval/one", tmp_path / "eval/two")
    assert outcome.code == 0 and "| benchmark | measure | one | two |" in outcome.out


def test_each_of_several_models_has_its_own_folder(evaluate, checkpoint, tmp_path):
    (tmp_path / "other").symlink_to(checkpoint)
    outcome = evaluate("--models", checkpoint, tmp_path / "other", name="all")
    assert outcome.code == 0 and f"| benchmark | measure | {Path(checkpoint).name} | other |" in outcome.out
    names = (Path(checkpoint).name, "other")
    one, other = (json.loads((tmp_path / "eval/all" / name / "eval.json").read_text()) for name in names)
    assert one["benchmarks"] == other["benchmarks"] and one["model"] == checkpoint


def test_dry_run_generates_nothing(evaluate, tmp_path):
    outcome = evaluate("--dry_run", "true")
    assert outcome.code == 0 and "18 completions: 3 of each of 6 prompts" in outcome.out
    assert not (tmp_path / "eval").exists()


def test_published_models_are_checked_before_anything_is_generated(evaluate, tmp_path):
    outcome = evaluate("--published", "DeepSeek-R2")
    assert outcome.code == 1 and "Did you mean 'DeepSeek-R1'" in outcome.err and not (tmp_path / "eval").exists()


def test_each_model_is_loaded_once_and_its_memory_is_free_before_grading(evaluate, checkpoint, tmp_path, monkeypatch):
    """An engine holds most of a GPU's memory: neither the next model nor the rewards' models would fit beside it."""
    events = []
    load, grade = driver.load_backend, run_benchmarks.grade_completions

    def record_load(args, model_args, tokenizer):
        backend = load(args, model_args, tokenizer)
        events.append(f"load {Path(model_args.model_name_or_path).name}")
        close = backend.close

        def record_close():
            close()
            events.append("close")

        backend.close = record_close
        return backend

    def record_grade(*args):
        events.append("grade")
        return grade(*args)

    monkeypatch.setattr(driver, "load_backend", record_load)
    monkeypatch.setattr(run_benchmarks, "grade_completions", record_grade)
    benchmark = {"dataset_name": str(tmp_path / "mine.jsonl"), "dataset_split": "train", "num_generations": 1}
    benchmark |= {"dataset_prompt_column": "question", "dataset_solution_column": "gold"}
    benchmarks = [json.dumps(benchmark | {"name": name}) for name in ("one", "two")]
    models = [tmp_path / "first", tmp_path / "second"]
    for model in models:
        shutil.copytree(checkpoint, model)
    outcome = evaluate("--models", *models, "--benchmarks", *benchmarks)
    assert outcome.code == 0, outcome.err
    expected = []
    for model in models:
        expected += [f"load {model.name}", "close", "grade", "grade"]
    assert events == expected
