"""Training with every file of recipes/accelerate_configs, in two real processes on the CPU.

Losses must equal those of one process, and checkpoints must be resumable.

`make test-all` runs these in an environment that has DeepSpeed.
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

SFT = [*BASE, "--dataset_params", '{"size": 64}']
SFT += "--warmup_steps 0 --logging_steps 1 --save_total_limit 2 --max_steps 4 --save_steps 2".split()
GRPO = [*ZERO, "--dataset_params", '{"size": 32}']
GRPO += "--num_generations 8 --max_completion_length 8 --save_total_limit 2".split()
GRPO += "--eval_strategy no --eval_on_start false".split()
SCRIPTED = Path(__file__).with_name("scripted.py")
FOUR_STEPS = "--steps_per_generation 1 --max_steps 4 --save_steps 4 --learning_rate 1e-3".split()
FOUR_STEPS += ["--reward_funcs", "accuracy", "format", "{name: group_length, num_generations: 8}"]


def launch(config, script, folder, *argv):
    """`accelerate launch` with one of our configurations, adapted to two processes on the CPU."""
    processes = ["--num_processes", 1]
    if config is not None:
        keys = yaml.safe_load(Path(f"recipes/accelerate_configs/{config}.yaml").read_text())
        keys |= {"use_cpu": True, "num_processes": 2, "mixed_precision": "no", "main_process_port": 29517}
        path = folder.parent / f"{config}.yaml"
        path.write_text(yaml.safe_dump(keys))
        processes = ["--config_file", path]
    program = Path(sys.executable).with_name("accelerate")
    argv = [program, "launch", "--quiet", *processes, script, "--output_dir", folder, *argv]
    run = subprocess.run(list(map(str, argv)), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    return run


def losses(folder, key="loss"):
    entries = map(json.loads, (folder / "log_history.jsonl").read_text().splitlines())
    return {entry["step"]: entry[key] for entry in entries if key in entry}


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """The output folder of an SFT run with one process."""
    folder = tmp_path_factory.mktemp("one_process") / "base"
    launch(None, "src/open_r1/sft.py", folder, *SFT, "--per_device_train_batch_size", 16)
    return folder


@pytest.mark.parametrize("config", CONFIGS)
def test_sft_has_the_losses_of_one_process_and_resumes(one_process, tmp_path, config):
    folder = tmp_path / "base"
    argv = [*SFT, "--per_device_train_batch_size", 8]
    launch(config, "src/open_r1/sft.py", folder, *argv)
    assert losses(folder) == pytest.approx(losses(one_process), rel=1e-4)
    older, newest = folder / "checkpoint-2", folder / "checkpoint-4"
    assert find_defect(older) is None and find_defect(newest) is None
    before = losses(folder)
    for path in newest.rglob("*"):  # without any one of these files, the checkpoint before it is used
        if path.suffix in (".pt", ".pth", ".bin", ".distcp") or path.name in (".metadata", "trainer_state.json"):
            content = path.read_bytes()
            path.unlink()
            assert last_complete_checkpoint(str(folder)) == str(older), path
            path.write_bytes(content[: len(content) // 2])
            assert last_complete_checkpoint(str(folder)) == str(older), path
            path.write_bytes(content)
    (folder / "train_results.json").unlink()
    (newest / "trainer_state.json").unlink()
    run = launch(config, "src/open_r1/sft.py", folder, *argv)
    assert f"resuming from {older}" in run.stderr
    assert losses(folder) == pytest.approx(before, rel=1e-4)


@pytest.mark.parametrize("config", CONFIGS)
def test_grpo_runs(checkpoint, tmp_path, config):
    folder = tmp_path / "zero"
    argv = [
        "--model_name_or_path",
        checkpoint,
        *"--per_device_train_batch_size 8 --max_steps 2 --save_steps 2".split(),
    ]
    launch(config, "src/open_r1/grpo.py", folder, *GRPO, *argv)
    assert list(losses(folder, "reward")) == [1, 2] and find_defect(folder / "checkpoint-2") is None


@pytest.fixture(scope="module")
def grpo_one_process(checkpoint, tmp_path_factory):
    """The output folder of a GRPO run with one process and scripted completions."""
    folder = tmp_path_factory.mktemp("grpo_one_process") / "zero"
    argv = ["--model_name_or_path", checkpoint, "--per_device_train_batch_size", 16]
    launch(None, SCRIPTED, folder, *GRPO, *FOUR_STEPS, *argv)
    return folder


@pytest.mark.parametrize("config", CONFIGS)
def test_grpo_has_the_losses_of_one_process(grpo_one_process, checkpoint, tmp_path, config):
    folder = tmp_path / "zero"
    argv = ["--model_name_or_path", checkpoint, "--per_device_train_batch_size", 8]
    launch(config, SCRIPTED, folder, *GRPO, *FOUR_STEPS, *argv)
    for key in ("reward", "loss", "grad_norm", "entropy"):
        expected = losses(grpo_one_process, key)
        assert len(expected) == 4 and len(set(expected.values())) == 4, "values differ between steps"
        assert losses(folder, key) == pytest.approx(expected, rel=1e-3, abs=1e-6), key


SYNC = "--beta 0.1 --sync_ref_model true --ref_model_sync_steps 2 --ref_model_mixup_alpha 1.0".split()


@pytest.fixture(scope="module")
def synchronized_one_process(checkpoint, tmp_path_factory):
    """The output folder of an uninterrupted GRPO run whose reference model is replaced twice."""
    folder = tmp_path_factory.mktemp("synchronized") / "zero"
    argv = ["--model_name_or_path", checkpoint, "--per_device_train_batch_size", 16, *SYNC, "--save_steps", 3]
    launch(None, SCRIPTED, folder, *GRPO, *FOUR_STEPS, *argv, "--max_steps", 6)
    return folder


@pytest.mark.parametrize("config", CONFIGS)
def test_reference_model_is_replaced_saved_and_restored(synchronized_one_process, checkpoint, tmp_path, config):
    """Interrupted between two replacements, the run has the divergences of one that was not."""
    folder = tmp_path / "zero"
    argv = ["--model_name_or_path", checkpoint, "--per_device_train_batch_size", 8, *SYNC, "--save_steps", 3]
    for max_steps in (3, 6):
        launch(config, SCRIPTED, folder, *GRPO, *FOUR_STEPS, *argv, "--max_steps", max_steps)
    expected = losses(synchronized_one_process, "kl")
    assert expected[2] > 1e-4 and expected[4] > 1e-4 and expected[5] == pytest.approx(0, abs=1e-6)
    assert losses(folder, "kl") == pytest.approx(expected, rel=1e-2, abs=1e-6)
    assert find_defect(folder / "checkpoint-3") is None
    assert list((folder / "checkpoint-3" / "reference_model").iterdir())


@pytest.fixture(scope="module")
def judged_one_process(checkpoint, reward_model, tmp_path_factory):
    """The output folder of a GRPO run with a reward model, in one process."""
    folder = tmp_path_factory.mktemp("judged") / "zero"
    argv = ["--model_name_or_path", checkpoint, "--per_device_train_batch_size", 16, "--max_steps", 2]
    launch(None, SCRIPTED, folder, *GRPO, *FOUR_STEPS, *argv, "--reward_funcs", judge(reward_model))
    return folder


def judge(reward_model):
    return f"{{name: harmlessness, model: {reward_model}}}"


@pytest.mark.parametrize("config", CONFIGS)
def test_reward_models_are_whole_in_every_process(judged_one_process, checkpoint, reward_model, tmp_path, config):
    folder = tmp_path / "zero"
    argv = ["--model_name_or_path", checkpoint, "--per_device_train_batch_size", 8, "--max_steps", 2]
    launch(config, SCRIPTED, folder, *GRPO, *FOUR_STEPS, *argv, "--reward_funcs", judge(reward_model))
    expected = losses(judged_one_process, "rewards/harmlessness/mean")
    assert len(expected) == 2
    assert losses(folder, "rewards/harmlessness/mean") == pytest.approx(expected, rel=1e-4)


REWARD_MODEL = "--config recipes/tiny/reward_model/config_helpfulness.yaml --logging_steps 1 --max_steps 2".split()
REWARD_MODEL += "--save_steps 2 --eval_strategy no --eval_on_start false --warmup_steps 0".split()


@pytest.fixture(scope="module")
def reward_model_of_one_process(reward_model, tmp_path_factory):
    """The output folder of a reward model's training with one process; its scalar head is there already."""
    folder = tmp_path_factory.mktemp("reward_model_of_one_process") / "rm"
    argv = ["--model_name_or_path", reward_model, "--per_device_train_batch_size", 16]
    launch(None, "src/open_r1/reward_model.py", folder, *REWARD_MODEL, *argv)
    return folder


@pytest.mark.parametrize("config", ["zero3", "fsdp2"])
def test_reward_models_are_trained_as_in_one_process(reward_model_of_one_process, reward_model, tmp_path, config):
    folder = tmp_path / "rm"
    argv = ["--model_name_or_path", reward_model, "--per_device_train_batch_size", 8]
    launch(config, "src/open_r1/reward_model.py", folder, *REWARD_MODEL, *argv)
    assert losses(folder) == pytest.approx(losses(reward_model_of_one_process), rel=1e-4)
    assert find_defect(folder / "checkpoint-2") is None
