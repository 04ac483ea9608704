"""`make gpu-check` runs in a shrunken version on a CPU, skips what is not installed, and fails if a part fails."""

import json
import subprocess
import sys
from argparse import Namespace

import gpu_check
import pytest


def run(*options):
    command = [sys.executable, "benchmarks/gpu_check.py", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True)


def test_shrunken_version_runs_every_part_that_is_installed(tmp_path):
    done = run("--shrunken", "--output", tmp_path / "check.json", "--parts", "environment", "attention", "sft", "grpo")
    results = json.loads((tmp_path / "check.json").read_text())
    assert done.returncode == 0, done.stdout
    assert {name: result["status"] for name, result in results.items()} == dict.fromkeys(results, "ok")
    assert results["sft"]["tokens per second"] > 0 and results["sft"]["peak memory, planned (GiB)"] >= 0
    assert results["grpo"]["completions per step"] == 16
    assert results["grpo"]["recipe"] == "recipes/Qwen2.5-1.5B/grpo/config_zero.yaml"
    for line in ("tokens per second", "seconds per step", "written to"):
        assert line in done.stdout


@pytest.mark.skipif(gpu_check.has_gpu(), reason="this machine has a GPU")
def test_machine_without_a_gpu_is_told_so(tmp_path):
    done = run("--output", tmp_path / "check.json")
    assert done.returncode == 2 and "no GPU was found" in done.stdout
    assert not (tmp_path / "check.json").exists()


def test_parts_are_skipped_for_missing_packages_and_fail_for_anything_else(monkeypatch):
    def needs_package(options):
        gpu_check.require("torch", "no_such_package")

    def imports_package(options):
        import no_such_package  # noqa: F401

    def breaks(options):
        raise RuntimeError("CUDA out of memory")

    options = Namespace(shrunken=True)
    for part, status, reason in [
        (needs_package, "skipped", "not installed: no_such_package"),
        (imports_package, "skipped", "not installed: no_such_package"),
        (breaks, "failed", "RuntimeError: CUDA out of memory"),
    ]:
        monkeypatch.setitem(gpu_check.PARTS, "sft", part)
        assert gpu_check.run_part("sft", options) == {"status": status, "reason": reason}
    assert gpu_check.run_part_in_process("sft", options, seconds=5)["reason"] == "no time is left"


def test_the_steps_that_are_measured_leave_out_the_first():
    timer = gpu_check.make_timer()
    timer.ends = [0.0, 10.0, 11.0, 12.0]
    assert timer.seconds_per_step() == 1.0
    timer.ends = [0.0, 10.0]
    with pytest.raises(RuntimeError, match="at least two steps"):
        timer.seconds_per_step()
