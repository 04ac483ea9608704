"""The section of a run's report about thinking: length, reflection, attempts and checks."""

import json

import pandas as pd
import pytest

from open_r1.reports.history import read_run
from open_r1.reports.thinking import measure_thinking, paired_accuracy, summarize_thinking, thinking_lines


BLURT = "<answer>3</answer>"
GIVES_UP = "<think>3*4=2=6?✗</think><answer>3</answer>"
FALSE_CLAIM = "<think>3*4=2=6?✓ yes</think><answer>3</answer>"
SEARCH = "<think>3*4=2=6?✗ wait 4*4=6=6?✓ yes</think><answer>4</answer>"


@pytest.fixture
def run_dir(tmp_path):
    """Ten steps; the policy first blurts out, gives up or claims, and from step 6 on it also searches."""
    (tmp_path / "completions").mkdir()
    log = []
    for step in range(1, 11):
        log.append({"step": step, "reward": 1.0, "rewards/accuracy/mean": 0.5, "completions/mean_length": 20.0})
        texts = [BLURT, GIVES_UP, FALSE_CLAIM, BLURT]
        if step > 5:
            texts = [BLURT, SEARCH, SEARCH, SEARCH]
        table = pd.DataFrame({"step": step, "prompt": "Q: x*4=6", "completion": texts})
        table["accuracy"] = [float(text == SEARCH) for text in texts]
        other = pd.DataFrame(
            {"step": step, "prompt": "Q: x+1=4", "completion": [BLURT] * 4, "accuracy": [1.0] * 3 + [None]}
        )
        pd.concat([table, other]).to_parquet(tmp_path / "completions" / f"completions_{step:05d}.parquet")
    (tmp_path / "log_history.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in log))
    return tmp_path


def test_measures_of_each_completion(run_dir):
    measured = measure_thinking(read_run(run_dir))
    last = measured[measured["step"] == 10]
    assert last["attempts"].tolist() == [1, 2, 2, 2, 1, 1, 1, 1]
    assert last["difficulty"].tolist() == [0.25] * 4 + [0.0] * 4
    assert last["characters of right"].isna().tolist() == [True, False, False, False, False, False, False, True]
    assert last["characters of wrong"].notna().sum() == 1, (
        "a completion that was not judged is neither right nor wrong"
    )
    first = measured[measured["step"] == 1]
    assert first["false check"].tolist() == [False, False, True, False] + [False] * 4 and not first["repairs"].any()


def test_accuracy_with_and_without_reflection_is_compared_in_the_same_groups(run_dir):
    accuracy, low, high = paired_accuracy(measure_thinking(read_run(run_dir)))
    assert len(accuracy) == 5 and accuracy["with"].tolist() == [1.0] * 5 and accuracy["without"].tolist() == [0.0] * 5
    assert low == high == 1.0


def test_the_section_and_the_line_for_the_terminal(run_dir):
    section = "\n".join(thinking_lines(measure_thinking(read_run(run_dir)), run_dir))
    assert "| | first 3 logged steps | last 3 |" in section
    assert "| completions with words of reflection (share) | 0.000 | 0.375 |" in section
    assert "| attempts | 1.00 | 1.38 |" in section
    assert "| completions that claim that a false equation holds (share) | 0.125 | 0.000 |" in section
    assert "| rank correlation of length with difficulty | 1.00 | 1.00 |" in section
    assert "In the 5 groups that have both" in section and "+1.000 [+1.000, +1.000]" in section
    assert "is from step 6." in section and SEARCH in section
    assert (run_dir / "thinking.png").read_bytes().startswith(b"\x89PNG")
    line = summarize_thinking(measure_thinking(read_run(run_dir)))
    assert "with reflection 0.00 → 0.38, with a false check 0.12 → 0.00; 1.0 → 1.4 attempts" in line


def test_a_run_without_the_accuracy_reward(run_dir):
    for path in (run_dir / "completions").glob("*.parquet"):
        pd.read_parquet(path).drop(columns="accuracy").to_parquet(path)
    section = "\n".join(thinking_lines(measure_thinking(read_run(run_dir)), run_dir))
    assert "attempts" in section and "of right completions" not in section and "groups that have both" not in section
    assert "right completion" not in section and "difficulty" not in section
    assert "The first completion that" in section and "is from step 6." in section
    assert (run_dir / "thinking.png").is_file()


def test_a_run_in_which_nothing_reflects(run_dir):
    for path in (run_dir / "completions").glob("*.parquet"):
        pd.read_parquet(path).assign(completion=BLURT).to_parquet(path)
    section = "\n".join(thinking_lines(measure_thinking(read_run(run_dir)), run_dir))
    assert "No group has completions with and without" in section
    assert "No right completion notices a mistake or a failed check" in section
