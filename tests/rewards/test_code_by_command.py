"""`python -m open_r1.rewards` judges programs."""

import json
import runpy
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


DOUBLE = "```python\nprint(int(input()) * 2)\n```"
LISTS = {"inputs": ["3\n"], "outputs": ["6\n"]}
LAYOUTS = {
    "open-r1": {"verification_info": {"language": "python", "test_cases": [{"input": "3", "output": "6"}]}},
    "LiveCodeBench": {"public_test_cases": '[{"input": "3", "output": "6", "testtype": "stdin"}]'},
    "TACO": {"input_output": json.dumps(LISTS)},
    "TACO, encoded twice": {"input_output": json.dumps(json.dumps(LISTS))},
    "TACO, as values": {"test_cases": LISTS},
    "Eurus": {"reward_model": {"style": "rule", "ground_truth": json.dumps(LISTS)}},
    "CodeContests": {
        "public_tests": {"input": ["3\n"], "output": ["6\n"]},
        "private_tests": {"input": [], "output": []},
    },
    "Python 3": {"test_cases": [{"input": "3", "output": "6"}], "language": "Python 3"},
}


@pytest.fixture
def grade_rows(tmp_path, monkeypatch, capsys):
    """Runs `python -m open_r1.rewards` on rows, in this process; returns its output."""

    def run(rows: list[dict]) -> str:
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["rewards", "--dataset_name", str(path), "--reward_funcs", "code"])
        runpy.run_module("open_r1.rewards", run_name="__main__", alter_sys=True)
        return capsys.readouterr().out

    return run


@pytest.mark.skipif(shutil.which("bwrap") is None, reason=INSTALL_HELP)
@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_of_test_cases(grade_rows, name):
    rows = [{"completion": text, **LAYOUTS[name]} for text in (DOUBLE, DOUBLE.replace("2", "3"))]
    [line] = [line for line in grade_rows(rows).splitlines() if "code" in line and "│" in line]
    assert [cell.strip() for cell in line.split("│")[1:-1]] == ["all", "code", "2", "0.500", "0"]


@pytest.mark.skipif(shutil.which("bwrap") is None, reason=INSTALL_HELP)
def test_reasons_why_completions_are_not_judged(grade_rows):
    rows = [{"completion": DOUBLE, "input_output": json.dumps(LISTS), "language": "javascript"}] * 2
    rows += [{"completion": DOUBLE, "input_output": '{"inputs": ["3"], "outputs": []}', "language": None}]
    out = grade_rows(rows)
    assert "code: 2 not judged: programs in 'javascript' cannot be run; expected one of python, cpp" in out
    assert "code: 1 not judged: input_output has 1 inputs, but 0 outputs" in out
