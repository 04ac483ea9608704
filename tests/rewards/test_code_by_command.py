"""`python -m open_r1.rewards` judges programs."""

import json
import shutil
import subprocess
import sys

import pytest

from open_r1.code_judge import INSTALL_HELP


COMPLETIONS = [
    "```python\nprint(sum(map(int, input().split())))\n```",
    "```python\nprint(4)\n```",
    "I pass.",
]
ROWS = [{"completion": text, "test_cases": [{"input": "1 2", "output": "3"}]} for text in COMPLETIONS]


def grade(tmp_path, **environment):
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    command = [sys.executable, "-m", "open_r1.rewards", "--reward_funcs", "code"]
    command += ["--dataset_name", tmp_path / "rows.jsonl", "--output_path", tmp_path / "graded.jsonl"]
    return subprocess.run(command, capture_output=True, text=True, env=environment or None)


@pytest.mark.skipif(shutil.which("bwrap") is None, reason=INSTALL_HELP)
def test_grades_a_file(tmp_path):
    done = grade(tmp_path)
    assert done.returncode == 0, done.stderr
    graded = [json.loads(line) for line in (tmp_path / "graded.jsonl").read_text().splitlines()]
    assert [row["rewards/code"] for row in graded] == [1.0, 0.0, 0.0]


def test_missing_bubblewrap_is_an_error_that_names_the_package(tmp_path):
    done = grade(tmp_path, PATH=str(tmp_path))
    assert done.returncode == 1 and "apt-get install bubblewrap" in done.stderr and "Traceback" not in done.stderr
