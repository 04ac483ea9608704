"""The report on a run, made from the files that TRL writes, without a tracker."""

import json

import pandas as pd
import pytest

from open_r1.reports.history import consensus_by_step, read_run
from open_r1.reports.run import before_after, draw_curves
from open_r1.rewards.language import mixes_languages
from open_r1.utils.errors import RecipeError


@pytest.fixture
def run_dir(tmp_path):
    """A run of ten steps in which accuracy goes from 0.1 to 1 and the length doubles."""
    (tmp_path / "completions").mkdir()
    log = []
    for step in range(11):
        held_out = {
            "eval_rewards/accuracy/mean": step / 10,
            "eval_rewards/format/mean": 1.0,
            "eval_completions/mean_length": 10 + step,
        }
        train = {
            "reward": 1 + step / 10,
            "rewards/accuracy/mean": step / 10,
            "rewards/format/mean": 1.0,
            "completions/mean_length": 10 + step,
        }
        log += [train | {"step": step}] if step else []
        log += [held_out | {"eval_reward": 1.0, "step": step}] if step % 5 == 0 else []
        text = "<think>3*7=1 so 1+5=6，所以</think><answer>6</answer>" if step > 5 else "<answer>[b] wait</answer>"
        table = pd.DataFrame({"step": step, "prompt": ["Q: a", "Q: b"], "completion": text, "accuracy": 1.0})
        table.to_parquet(tmp_path / "completions" / f"completions_{step:05d}.parquet")
    (tmp_path / "log_history.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in log))
    (tmp_path / "recipe.yaml").write_text("model_name_or_path: base\nnum_generations_eval: 4\n")
    (tmp_path / "train_results.json").write_text('{"train_runtime": 90}')
    return tmp_path


def test_before_and_after_are_the_first_and_the_last_evaluation(run_dir):
    table = before_after(read_run(run_dir))
    assert table.loc["accuracy"].tolist() == [0.0, 1.0] and table.loc["length"].tolist() == [10, 20]


def test_shares_of_reflection_and_language_mixing(run_dir):
    shares = read_run(run_dir).completions.groupby("step")[["reflects", "mixes"]].mean()
    assert shares.loc[0].tolist() == [1.0, 0.0] and shares.loc[10].tolist() == [0.0, 1.0]


def test_majority_of_each_group(run_dir):
    """Seven of 16 answers are correct and the others differ; at the next step, nine agree on a wrong answer."""
    right, wrong = "<answer>4</answer>", [f"<think>1</think><answer>{n}</answer>" for n in range(5, 14)]
    for step, texts in ((9, [right] * 7 + wrong), (10, [right] * 7 + wrong[:1] * 9)):
        table = pd.DataFrame({"step": step, "prompt": "Q: a", "completion": texts, "accuracy": [1.0] * 7 + [0.0] * 9})
        other = table.assign(prompt="not judged", accuracy=None)
        pd.concat([table, other]).to_parquet(run_dir / "completions" / f"completions_{step:05d}.parquet")
    assert consensus_by_step(read_run(run_dir)).loc[[9, 10]].tolist() == [1.0, 0.0]


def test_unfinished_thoughts_do_not_vote(run_dir):
    """Two finished answers outvote three boxes in thoughts that were cut off."""
    texts = ["so</think>\\boxed{4}"] * 2 + ["perhaps \\boxed{5}, or"] * 3
    table = pd.DataFrame({"step": 10, "prompt": "Q: a", "completion": texts, "accuracy": [1.0] * 2 + [0.0] * 3})
    for path in (run_dir / "completions").glob("*.parquet"):
        path.unlink()
    table.to_parquet(run_dir / "completions" / "completions_00010.parquet")
    assert consensus_by_step(read_run(run_dir)).tolist() == [1.0]


def test_tags_and_latex_do_not_count_as_words():
    assert not mixes_languages("<think>所以\\boxed{4}</think>") and mixes_languages("so 所以")


def test_writes_report_and_plots_and_ends_with_ten_lines(run_dir, script):
    outcome = script("report", "--run_dir", run_dir)
    assert outcome.code == 0 and len(outcome.out.strip().splitlines()) <= 10
    for words in (
        "accuracy 0.00 → 1.00",
        "length 10.0 → 20.0 tokens",
        "1.5 minutes",
        "report.md",
        "Qwen2.5-1.5B",
    ):
        assert words in outcome.out
    text = (run_dir / "report" / "report.md").read_text()
    assert "avg@4" in text and "step 0:  <answer>[b] wait</answer>" in text and "step 10:  <think>" in text
    assert f"Made by `python src/open_r1/report.py --run_dir {run_dir}`." in text
    assert (run_dir / "report" / "curves.png").read_bytes().startswith(b"\x89PNG")


def panels_of(run_dir, monkeypatch) -> dict:
    """The visible panels of the curves, by title."""
    figures = []
    monkeypatch.setattr("open_r1.reports.run.save_figure", lambda figure, path: figures.append(figure))
    draw_curves(read_run(run_dir), "title", run_dir / "curves.png")
    return {panel.get_title(): panel for panel in figures[0].axes if panel.get_visible()}


def test_every_panel_has_lines_and_labels(run_dir, monkeypatch):
    panels = panels_of(run_dir, monkeypatch)
    titles = ["rewards in training", "accuracy", "length", "format", "words of reflection", "language mixing"]
    assert list(panels) == titles
    for panel in panels.values():
        assert panel.lines and panel.get_xlabel() == "step" and panel.get_ylabel()


def test_user_rewards_share_a_panel(run_dir, monkeypatch):
    log = (run_dir / "log_history.jsonl").read_text()
    log = log.replace("rewards/accuracy/", "rewards/brevity/").replace("rewards/format/", "rewards/code/")
    (run_dir / "log_history.jsonl").write_text(log)
    panels = panels_of(run_dir, monkeypatch)
    assert "accuracy" not in panels and "format" not in panels
    labels = [line.get_label() for line in panels["other rewards"].lines]
    assert labels == [f"{name}, {where}" for name in ("brevity", "code") for where in ("training prompts", "held out")]
    assert before_after(read_run(run_dir)).loc["brevity"].tolist() == [0.0, 1.0]


def test_minutes_include_all_attempts(run_dir):
    """The trainer reports only the 90 s of the last attempt, but 10 steps of 60 s and 3 evaluations of 30 s ran."""
    entries = [json.loads(line) for line in (run_dir / "log_history.jsonl").read_text().splitlines()]
    for entry in entries:
        entry |= {"eval_runtime": 30.0} if "eval_reward" in entry else {"step_time": 60.0}
    logged_each_second_step = [e for e in entries if "eval_reward" in e or e["step"] % 2 == 0]
    for log in (entries, logged_each_second_step):
        (run_dir / "log_history.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in log))
        assert read_run(run_dir).minutes == 11.5


def test_run_without_evaluations_shows_its_training_prompts(run_dir, script):
    lines = [line for line in (run_dir / "log_history.jsonl").read_text().splitlines(True) if "eval_" not in line]
    (run_dir / "log_history.jsonl").write_text("".join(lines))
    outcome = script("report", "--run_dir", run_dir)
    assert "training prompts" in outcome.out and "accuracy 0.10 → 1.00" in outcome.out


def test_run_that_is_still_training(run_dir, script):
    """No results yet, an incomplete last line, and completions of an earlier, longer run."""
    (run_dir / "train_results.json").unlink()
    with (run_dir / "log_history.jsonl").open("a") as file:
        file.write('{"reward": 1.')
    table = pd.DataFrame({"step": 99, "prompt": ["Q: a"], "completion": "old", "accuracy": 1.0})
    table.to_parquet(run_dir / "completions" / "completions_00099.parquet")
    outcome = script("report", "--run_dir", run_dir)
    assert outcome.code == 0 and "still training" in outcome.out
    assert "step 99" not in (run_dir / "report" / "report.md").read_text()


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="has no log_history.jsonl"):
        read_run(tmp_path)
    (tmp_path / "log_history.jsonl").write_text('{"loss": 1, "step": 1}\n')
    with pytest.raises(RecipeError, match="not a GRPO run"):
        read_run(tmp_path)
