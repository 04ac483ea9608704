"""GRPO with completions from a real vLLM engine in the same process, on the CPU (`make test-all` installs vLLM)."""

import json
import os
import subprocess
import sys
from statistics import mean

import pytest
from conftest import BASE, ZERO


pytest.importorskip("vllm", reason="needs vLLM, which `make test-all` installs")

WINDOW = 3
MARGIN = 0.3  # of a reward between 0 and 2


def run(script: str, *argv) -> str:
    """Runs a script in its own process, since vLLM does not release its memory."""
    env = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"}
    done = subprocess.run(
        [sys.executable, f"src/open_r1/{script}.py", *map(str, argv)], capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return done.stdout


def test_reward_rises_with_completions_from_vllm(tmp_path):
    base, zero = tmp_path / "base", tmp_path / "zero"
    data = '{"size": 3200, "levels": [2]}'
    run("sft", *BASE, "--output_dir", base, "--dataset_params", data, "--max_steps", 200, "--save_steps", 200)
    small = "--per_device_train_batch_size 64 --num_generations 8 --max_completion_length 24 --max_steps 24".split()
    small += "--learning_rate 2e-4 --eval_strategy no --eval_on_start false".split()
    small += ["--dataset_params", '{"size": 512, "levels": [2]}']
    vllm = "--use_vllm true --vllm_mode colocate --vllm_gpu_memory_utilization 0.1 --dtype float32".split()
    vllm += ["--reward_funcs", "accuracy", "format", "{name: 'tests/unpacked_weights.py:nothing', weight: 0}"]
    output = run("grpo", *ZERO, *small, *vllm, "--model_name_or_path", base, "--output_dir", zero)
    assert "importance sampling" in output and "sequence_mask, at most 3" in output
    logged = [entry for entry in map(json.loads, (zero / "log_history.jsonl").open()) if "reward" in entry]
    assert len(logged) == 24
    first = mean(entry["reward"] for entry in logged[:WINDOW])
    last = mean(entry["reward"] for entry in logged[-WINDOW:])
    assert last - first > MARGIN, f"mean reward rises from {first:.2f} to {last:.2f} (windows of {WINDOW} steps)"
    # trainer and vLLM have the same weights after each step, so the ratios of their probabilities stay near 1
    ratios = [entry["sampling/importance_sampling_ratio/mean"] for entry in logged]
    assert all(0.9 < ratio < 1.1 for ratio in ratios), ratios
