"""`python -m open_r1.rewards` judges programs."""

import json
import shutil
import subprocess
import sys

import pytest

from open_r1.code_judge import INSTALL_HELP


ROWS = [
    {
        "completion": "```python\nprint(sum(map(int, input().split())))\n```",
        "test_cases": [{"input": "1 2", "output": "3"}],
    },
    {"completion": "```python\nprint(4)\n```", "test_cases": [{"input": "1 2", "output": "3"}]},
    {"completion": "I pass.", "test_cases": [{"input": "1 2", "output": "3"}]},
]


def grade(tmp_path, **environment):
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    argv = [
        "--dataset_name",
        tmp_path / "rows.jsonl",
        "--reward_funcs",
        "code",
        "--output_path",
        tmp_path / "graded.jsonl",
    ]
    return subprocess.run(
        [sys.executable, "-m", "open_r1.rewards", *map(str, argv)],
        capture_output=True,
        text=True,
        env=environment or None,
    )


@pytest.mark.skipif(shutil.which("bwrap") is None, reason=INSTALL_HELP)
def test_grades_a_file(tmp_path):
    done = grade(tmp_path)
    assert done.returncode == 0, done.stderr
    graded = [json.loads(line) for line in (tmp_path / "graded.jsonl").read_text().splitlines()]
    assert [row["rewards/code"] for row in graded] == [1.0, 0.0, 0.0]


def test_says_what_to_install(tmp_path):
    done = grade(tmp_path, PATH=str(tmp_path))
    assert done.returncode == 1 and "apt-get install bubblewrap" in done.stderr and "Traceback" not in done.stderr
