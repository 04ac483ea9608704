"""GRPO with the code reward, on the CPU."""

import json
import shutil

import pytest
from conftest import ZERO

from open_r1.code_judge import INSTALL_HELP


INFO = {"language": "python", "test_cases": [{"type": "stdin_stdout", "fn_name": None, "input": "1 2", "output": "3"}]}


@pytest.mark.skipif(shutil.which("bwrap") is None, reason=INSTALL_HELP)
@pytest.mark.parametrize("info", [INFO, json.dumps(INFO)], ids=["mapping", "text"])
def test_grpo_trains_two_steps_with_the_code_reward(info, script, checkpoint, tmp_path):
    rows = [{"problem": f"{n}+{n}", "verification_info": info} for n in range(16)]
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    paths = ["--model_name_or_path", checkpoint, "--output_dir", tmp_path / "out"]
    paths += ["--dataset_name", tmp_path / "problems.jsonl"]
    rewards = ["--reward_funcs", "{name: code, mode: fraction, timeout: 3}", "{name: format, weight: 0.1}"]
    small = "--per_device_train_batch_size 16 --num_generations 8 --max_completion_length 8 --max_steps 2".split()
    small += "--eval_strategy no --eval_on_start false".split()
    outcome = script("grpo", *ZERO, *paths, *rewards, *small)
    assert outcome.code == 0, outcome.err
    history = [json.loads(line) for line in (tmp_path / "out/log_history.jsonl").read_text().splitlines()]
    logged = [entry for entry in history if "reward" in entry]
    assert len(logged) == 2
    assert all(entry["rewards/code/mean"] == 0 and entry["rewards/code/none"] == 0 for entry in logged)
    assert all(entry["code/no_program"] == 1 for entry in logged)  # an untrained model writes no programs


def test_missing_test_cases_are_reported_early(script, checkpoint, tmp_path):
    (tmp_path / "problems.jsonl").write_text('{"problem": "1+1", "solution": "2"}\n')
    argv = ["--model_name_or_path", checkpoint, "--dataset_name", tmp_path / "problems.jsonl"]
    argv += "--reward_funcs code --eval_strategy no --eval_on_start false --dry_run true".split()
    outcome = script("grpo", *ZERO, *argv)
    assert outcome.code == 1 and "'code' needs one of the dataset columns verification_info" in outcome.err
