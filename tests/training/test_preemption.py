"""Stopping in time: real runs that get real signals, and what they are worth when they go on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import ZERO

from open_r1.training import save_guards
from open_r1.training.preemption import STOP, Preemption
from open_r1.training.save_guards import DiskFullGuard, NonFiniteGuard, is_finite
from open_r1.utils.errors import RecipeError


SMALL = [
    "--per_device_train_batch_size",
    "16",
    "--num_generations",
    "8",
    "--max_completion_length",
    "8",
    "--dataset_params",
]
SMALL += [
    '{"size": 32}',
    "--eval_strategy",
    "no",
    "--eval_on_start",
    "false",
    "--save_steps",
    "100",
    "--max_steps",
    "8",
]


def start(folder, checkpoint, *more, launcher=(), **env):
    """A short run of reinforcement learning, two steps a round of generation."""
    argv = [*(launcher or [sys.executable]), "src/open_r1/grpo.py", *ZERO, *SMALL, "--steps_per_generation", "2"]
    argv += ["--model_name_or_path", checkpoint, "--output_dir", folder, *more]
    folder.parent.mkdir(exist_ok=True)
    log = folder.with_suffix(".log").open("a")
    return subprocess.Popen(list(map(str, argv)), stdout=log, stderr=log, env=os.environ | env, start_new_session=True)


def wait_for_step(folder, step, process):
    path = folder / "log_history.jsonl"
    while process.poll() is None:
        if path.exists() and any(json.loads(line)["step"] >= step for line in path.read_text().splitlines()):
            return
        time.sleep(0.01)
    raise AssertionError(folder.with_suffix(".log").read_text()[-3000:])


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def losses(folder):
    lines = (folder / "log_history.jsonl").read_text().splitlines()
    return [(entry["step"], entry["loss"], entry.get("reward")) for entry in map(json.loads, lines) if "loss" in entry]


@pytest.fixture(scope="module")
def undisturbed(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "zero"
    assert start(folder, checkpoint).wait() == 0
    return folder


def test_signals_stop_it_with_a_checkpoint_and_the_same_command_ends_the_same(undisturbed, checkpoint, tmp_path):
    folder = tmp_path / "zero"
    for sign, after, at in ((signal.SIGTERM, 1, (2, 4)), (signal.SIGUSR1, 5, (6,))):
        process = start(folder, checkpoint)
        wait_for_step(folder, after, process)
        process.send_signal(sign)
        assert process.wait() == 85
        stopped = json.loads((folder / "stopped.json").read_text())
        assert stopped["reason"] == sign.name and stopped["step"] in at, "after a round of generation"
        assert (folder / f"checkpoint-{stopped['step']}").is_dir()
        assert not (folder / "model.safetensors").exists() and not (folder / "train_results.json").exists()
    assert "the same command continues" in folder.with_suffix(".log").read_text()
    assert start(folder, checkpoint).wait() == 0
    assert weights(folder) == weights(undisturbed) and losses(folder) == losses(undisturbed)
    assert not (folder / "stopped.json").exists()


def test_ctrl_c_once_saves_a_checkpoint_and_stops(undisturbed, checkpoint, tmp_path):
    folder = tmp_path / "zero"
    process = start(folder, checkpoint)
    wait_for_step(folder, 1, process)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    stopped = json.loads((folder / "stopped.json").read_text())
    assert stopped["reason"] == "SIGINT" and (folder / f"checkpoint-{stopped['step']}").is_dir()
    log = folder.with_suffix(".log").read_text()
    assert "Ctrl-C again quits at once" in log and "the same command continues" in log and "Traceback" not in log
    assert start(folder, checkpoint).wait() == 0
    assert weights(folder) == weights(undisturbed)


def test_ctrl_c_twice_quits_at_once(checkpoint, tmp_path):
    folder = tmp_path / "zero"
    process = start(folder, checkpoint, "--steps_per_generation", "8", "--save_steps", "96")
    wait_for_step(folder, 1, process)
    process.send_signal(signal.SIGINT)
    while "Ctrl-C again" not in folder.with_suffix(".log").read_text():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert not list(folder.glob("checkpoint-*")) and not (folder / "stopped.json").exists()


def test_a_file_stops_it(checkpoint, tmp_path):
    folder = tmp_path / "zero"
    process = start(folder, checkpoint)
    wait_for_step(folder, 1, process)
    (folder / STOP).touch()
    assert process.wait() == 85
    assert json.loads((folder / "stopped.json").read_text())["reason"] == "there was a file STOP"


def test_the_end_of_its_job_stops_it(checkpoint, tmp_path):
    folder = tmp_path / "zero"
    job_ends = int(time.time()) + 60  # what is kept for a save, and no second more
    process = start(folder, checkpoint, SLURM_JOB_END_TIME=str(job_ends))
    assert process.wait() == 85
    assert json.loads((folder / "stopped.json").read_text()) == {"step": 2, "reason": "its job's time is nearly over"}


def test_two_processes_of_which_one_gets_the_signal_stop_together(checkpoint, tmp_path):
    folder = tmp_path / "zero"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29511"]
    more = ["--ddp_backend", "gloo", "--per_device_train_batch_size", "8"]
    process = start(folder, checkpoint, *more, launcher=torchrun)
    wait_for_step(folder, 1, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGTERM)
    assert process.wait(timeout=120) != 0
    assert json.loads((folder / "stopped.json").read_text())["reason"] == "SIGTERM"
    saved = {path.name for path in next(folder.glob("checkpoint-*")).iterdir()}
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= saved
    assert start(folder, checkpoint, *more, launcher=torchrun).wait() == 0
    assert "resuming from" in folder.with_suffix(".log").read_text()


def test_a_worker_that_was_forked_from_the_run_dies_of_its_signal(tmp_path):
    callback = Preemption(str(tmp_path), 1)
    state, control = SimpleNamespace(is_world_process_zero=True, global_step=1, max_steps=9), SimpleNamespace()
    callback.on_train_begin(None, state, control)
    try:
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM and not callback.request
    finally:
        callback.on_train_end(None, state, control)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_numbers_that_are_none_end_the_run_and_do_not_reach_a_checkpoint(checkpoint, tmp_path):
    folder = tmp_path / "zero"
    process = start(folder, checkpoint, "--learning_rate", "1e38", "--save_steps", "2", "--max_grad_norm", "0")
    assert process.wait() == 1
    log = folder.with_suffix(".log").read_text()
    assert "NaN or infinite" in log and "Traceback" not in log
    assert not list(folder.glob("checkpoint-*")) and not (folder / "model.safetensors").exists()


def test_loss_may_be_none_a_few_times_in_a_row():
    callback, state = NonFiniteGuard(3), SimpleNamespace(global_step=7)
    args = SimpleNamespace(output_dir="/nowhere")
    for loss in (1.0, float("nan"), float("inf"), 2.0, float("nan"), float("nan")):
        callback.on_log(args, state, None, logs={"loss": loss, "grad_norm": 1.0})
    callback.on_log(args, state, None, logs={"eval_loss": float("nan")})
    with pytest.raises(
        RecipeError, match=r"step 7: .* 3 logged steps in a row \(max_non_finite\)\. There is no checkpoint yet"
    ):
        callback.on_log(args, state, None, logs={"loss": 1.0, "grad_norm": float("inf")})


@pytest.fixture
def full(tmp_path, monkeypatch):
    """A run's folder with a checkpoint, on a disk on which there is no room for another."""
    (tmp_path / "checkpoint-2").mkdir()
    (tmp_path / "checkpoint-2" / "model.safetensors").write_bytes(b"x" * 1000)
    monkeypatch.setattr(save_guards.shutil, "disk_usage", lambda path: SimpleNamespace(free=1100))
    return SimpleNamespace(output_dir=str(tmp_path), device=torch.device("cpu"))


@pytest.mark.parametrize("choice", ["stop", "skip"])
def test_no_room_for_a_checkpoint(full, caplog, choice):
    state, control = SimpleNamespace(global_step=4, is_world_process_zero=True), SimpleNamespace(should_save=True)
    callback, model = DiskFullGuard(choice), torch.nn.Linear(2, 2)
    if choice == "stop":
        with pytest.raises(
            RecipeError, match="0.0 MB free, and a checkpoint takes 0.0 MB. The last checkpoint is .*checkpoint-2"
        ):
            callback.on_step_end(full, state, control, model=model)
    else:
        callback.on_step_end(full, state, control, model=model)
        assert not control.should_save and "step 4 is not saved" in caplog.text


def test_weights_that_are_no_numbers():
    model = torch.nn.Linear(2, 2)
    assert is_finite(model)
    model.bias.data[1] = float("nan")
    assert not is_finite(model)


def test_the_model_of_a_run_without_checkpoints_is_looked_at_too(tmp_path):
    model = torch.nn.Linear(2, 2)
    model.bias.data[0] = float("inf")
    args = SimpleNamespace(output_dir=str(tmp_path), device=torch.device("cpu"))
    control, callback = SimpleNamespace(should_save=False), NonFiniteGuard(3)
    callback.on_step_end(args, SimpleNamespace(global_step=8, max_steps=9), control, model=model)
    with pytest.raises(RecipeError, match="the weights are NaN or infinite"):
        callback.on_step_end(args, SimpleNamespace(global_step=9, max_steps=9), control, model=model)
