"""The rows of fine-tuning are read and tokenized by one process; the others read its result from the cache.

`make test-all` runs these.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import BASE


if not os.environ.get("DISTRIBUTED"):
    pytest.skip("takes a minute; `make test-all` runs it", allow_module_level=True)

ONE_STEP = "--max_steps 1 --warmup_steps 0 --save_strategy no --eval_strategy no --dataset_num_proc 2".split()
ONE_STEP += ["--chat_template_path", "recipes/chat_templates/tiny_chat.jinja", "--dataset_params", "{}"]
ONE_STEP += ["--max_length", "64", "--per_device_train_batch_size", "2"]


@pytest.fixture
def data(tmp_path) -> Path:
    path = tmp_path / "conversations.jsonl"
    with path.open("w") as file:
        for number in range(200):
            answer = f"<think>{number % 10}*3</think><answer>{number % 7}</answer>"
            messages = [{"role": "user", "content": f"{number % 9}*3"}, {"role": "assistant", "content": answer}]
            file.write(json.dumps({"messages": messages}) + "\n")
    return path


def cached_files(processes: int, data: Path, folder: Path) -> list[str]:
    """Trains for one step with an empty cache; returns how often each result was written to the cache."""
    options = ["--quiet", "--num_processes", processes, "--main_process_port", 29531]
    if processes > 1:
        options.append("--multi_gpu")  # with `--cpu`, accelerate would start one process
    command = [Path(sys.executable).with_name("accelerate"), "launch", *options, "src/open_r1/sft.py", *BASE]
    command += ["--dataset_name", data, "--output_dir", folder / "output", *ONE_STEP]
    cache = folder / "cache"
    env = os.environ | {"HF_DATASETS_CACHE": str(cache)}
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=env)
    assert run.returncode == 0, run.stderr[-3000:]
    return sorted(path.name for path in cache.rglob("cache-*.arrow"))


def test_several_processes_prepare_rows_as_often_as_one(data, tmp_path):
    alone = cached_files(1, data, tmp_path / "one")
    together = cached_files(2, data, tmp_path / "two")
    assert len(together) == len(alone) > 0, "each process has prepared rows of its own"
