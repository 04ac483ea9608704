"""Every file of recipes/accelerate_configs, with two real processes on the CPU: the same losses as one process has, and a checkpoint to go on from.

`make test-all` runs these, in an environment that has DeepSpeed.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import BASE, ZERO

from open_r1.training.checkpoints import find_defect, last_complete_checkpoint


CONFIGS = ["ddp", "zero2", "zero3", "fsdp2"]
if not os.environ.get("DISTRIBUTED"):
    pytest.skip("takes minutes and needs DeepSpeed; `make test-all` has both", allow_module_level=True)

SFT = [*BASE, "--dataset_params", '{"size": 64}', "--warmup_steps", 0, "--logging_steps", 1, "--save_total_limit", 2]
GRPO = [
    *ZERO,
    "--dataset_params",
    '{"size": 32}',
    "--num_generations",
    8,
    "--max_completion_length",
    8,
    "--eval_strategy",
    "no",
]
GRPO += ["--eval_on_start", "false", "--save_total_limit", 2]
SCRIPTED = Path(__file__).with_name("scripted.py")
RATED = [
    "--steps_per_generation",
    1,
    "--max_steps",
    4,
    "--save_steps",
    4,
    "--learning_rate",
    1e-3,
    "--reward_funcs",
    "accuracy",
    "format",
    "{name: group_length, num_generations: 8}",
]


def launch(config, script, folder, *argv):
    """`accelerate launch` with one of our files, changed in what a machine without GPUs needs."""
    shape = ["--num_processes", 1]
    if config is not None:
        keys = yaml.safe_load(Path(f"recipes/accelerate_configs/{config}.yaml").read_text())
        keys |= {"use_cpu": True, "num_processes": 2, "mixed_precision": "no", "main_process_port": 29517}
        path = folder.parent / f"{config}.yaml"
        path.write_text(yaml.safe_dump(keys))
        shape = ["--config_file", path]
    program = Path(sys.executable).with_name("accelerate")
    argv = [program, "launch", "--quiet", *shape, script, "--output_dir", folder, *argv]
    run = subprocess.run(list(map(str, argv)), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    return run


def losses(folder, key="loss"):
    entries = map(json.loads, (folder / "log_history.jsonl").read_text().splitlines())
    return {entry["step"]: entry[key] for entry in entries if key in entry}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone") / "base"
    launch(
        None,
        "src/open_r1/sft.py",
        folder,
        *SFT,
        "--per_device_train_batch_size",
        16,
        "--max_steps",
        4,
        "--save_steps",
        2,
    )
    return folder


@pytest.mark.parametrize("config", CONFIGS)
def test_fine_tuning_has_the_losses_of_one_process_and_continues(alone, tmp_path, config):
    folder = tmp_path / "base"
    argv = [*SFT, "--per_device_train_batch_size", 8, "--max_steps", 4, "--save_steps", 2]
    launch(config, "src/open_r1/sft.py", folder, *argv)
    assert losses(folder) == pytest.approx(losses(alone), rel=1e-4)
    whole, newest = folder / "checkpoint-2", folder / "checkpoint-4"
    assert find_defect(whole) is None and find_defect(newest) is None
    before = losses(folder)
    for path in newest.rglob("*"):  # any one file gone, and the checkpoint before it is taken
        if path.suffix in (".pt", ".pth", ".bin", ".distcp") or path.name in (".metadata", "trainer_state.json"):
            content = path.read_bytes()
            path.unlink()
            assert last_complete_checkpoint(str(folder)) == str(whole), path
            path.write_bytes(content[: len(content) // 2])
            assert last_complete_checkpoint(str(folder)) == str(whole), path
            path.write_bytes(content)
    (folder / "train_results.json").unlink()
    (newest / "trainer_state.json").unlink()
    run = launch(config, "src/open_r1/sft.py", folder, *argv)
    assert f"resuming from {whole}" in run.stderr
    assert losses(folder) == pytest.approx(before, rel=1e-4)


@pytest.mark.parametrize("config", CONFIGS)
def test_reinforcement_learning_runs(checkpoint, tmp_path, config):
    folder = tmp_path / "zero"
    argv = [
        *GRPO,
        "--model_name_or_path",
        checkpoint,
        "--per_device_train_batch_size",
        8,
        "--max_steps",
        2,
        "--save_steps",
        2,
    ]
    launch(config, "src/open_r1/grpo.py", folder, *argv)
    assert list(losses(folder, "reward")) == [1, 2] and find_defect(folder / "checkpoint-2") is None


@pytest.fixture(scope="module")
def rewarded(checkpoint, tmp_path_factory):
    """Reinforcement learning by one process, with completions that are not drawn."""
    folder = tmp_path_factory.mktemp("rewarded") / "zero"
    launch(
        None, SCRIPTED, folder, *GRPO, *RATED, "--model_name_or_path", checkpoint, "--per_device_train_batch_size", 16
    )
    return folder


@pytest.mark.parametrize("config", CONFIGS)
def test_reinforcement_learning_has_the_losses_of_one_process(rewarded, checkpoint, tmp_path, config):
    folder = tmp_path / "zero"
    launch(
        config, SCRIPTED, folder, *GRPO, *RATED, "--model_name_or_path", checkpoint, "--per_device_train_batch_size", 8
    )
    for key in ("reward", "loss", "grad_norm", "entropy"):
        expected = losses(rewarded, key)
        assert len(expected) == 4 and len(set(expected.values())) == 4, "they change"
        assert losses(folder, key) == pytest.approx(expected, rel=1e-3, abs=1e-6), key
