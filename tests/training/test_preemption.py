"""Preemption: real runs receive real signals, save a checkpoint, and continue to the same result."""

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
from open_r1.training.reference_model import saves_reference
from open_r1.training.save_guards import DiskFullGuard, NonFiniteGuard, find_shortage, is_finite
from open_r1.utils.errors import RecipeError


SMALL = "--per_device_train_batch_size 16 --num_generations 8 --max_completion_length 8".split()
SMALL += "--eval_strategy no --eval_on_start false --save_steps 100 --max_steps 8".split()
SMALL += ["--dataset_params", '{"size": 32}']


def start(folder, checkpoint, *more, launcher=(), **env):
    """Starts a short GRPO run with two steps per round of generation."""
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
def uninterrupted(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted") / "zero"
    assert start(folder, checkpoint).wait() == 0
    return folder


def test_signals_save_a_checkpoint_and_the_resumed_run_ends_with_the_same_weights(uninterrupted, checkpoint, tmp_path):
    folder = tmp_path / "zero"
    for sent, after_step, stops_at in ((signal.SIGTERM, 1, (2, 4)), (signal.SIGUSR1, 5, (6,))):
        process = start(folder, checkpoint)
        wait_for_step(folder, after_step, process)
        process.send_signal(sent)
        assert process.wait() == 85
        stopped = json.loads((folder / "stopped.json").read_text())
        assert stopped["reason"] == sent.name and stopped["step"] in stops_at, "after a round of generation"
        assert (folder / f"checkpoint-{stopped['step']}").is_dir()
        assert not (folder / "model.safetensors").exists() and not (folder / "train_results.json").exists()
    assert "the same command continues" in folder.with_suffix(".log").read_text()
    assert start(folder, checkpoint).wait() == 0
    assert weights(folder) == weights(uninterrupted) and losses(folder) == losses(uninterrupted)
    assert not (folder / "stopped.json").exists()


def test_ctrl_c_once_saves_a_checkpoint_and_stops(uninterrupted, checkpoint, tmp_path):
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
    assert weights(folder) == weights(uninterrupted)


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


def test_stop_file_stops_the_run(checkpoint, tmp_path):
    folder = tmp_path / "zero"
    process = start(folder, checkpoint)
    wait_for_step(folder, 1, process)
    (folder / STOP).touch()
    assert process.wait() == 85
    assert json.loads((folder / "stopped.json").read_text())["reason"] == "there was a file STOP"


def test_run_stops_before_its_job_ends(checkpoint, tmp_path):
    folder = tmp_path / "zero"
    job_ends = int(time.time()) + 60  # exactly the time reserved for saving
    process = start(folder, checkpoint, SLURM_JOB_END_TIME=str(job_ends))
    assert process.wait() == 85
    assert json.loads((folder / "stopped.json").read_text()) == {"step": 2, "reason": "its job's time is nearly over"}


def test_all_processes_stop_when_one_of_them_gets_the_signal(checkpoint, tmp_path):
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


def test_forked_worker_is_killed_by_a_signal(tmp_path):
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


def test_non_finite_weights_stop_the_run_and_are_never_saved(checkpoint, tmp_path):
    folder = tmp_path / "zero"
    process = start(folder, checkpoint, "--learning_rate", "1e38", "--save_steps", "2", "--max_grad_norm", "0")
    assert process.wait() == 1
    log = folder.with_suffix(".log").read_text()
    assert "NaN or infinite" in log and "Traceback" not in log
    assert not list(folder.glob("checkpoint-*")) and not (folder / "model.safetensors").exists()


def test_too_many_non_finite_losses_in_a_row_stop_the_run():
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
def full_disk(tmp_path, monkeypatch):
    """An output folder with one checkpoint, on a disk without space for another."""
    (tmp_path / "checkpoint-2").mkdir()
    (tmp_path / "checkpoint-2" / "model.safetensors").write_bytes(b"x" * 1000)
    monkeypatch.setattr(save_guards.shutil, "disk_usage", lambda path: SimpleNamespace(free=1100))
    return SimpleNamespace(output_dir=str(tmp_path), device=torch.device("cpu"))


@pytest.mark.parametrize("choice", ["stop", "skip"])
def test_no_disk_space_for_a_checkpoint(full_disk, caplog, choice):
    state, control = SimpleNamespace(global_step=4, is_world_process_zero=True), SimpleNamespace(should_save=True)
    callback, model = DiskFullGuard(choice), torch.nn.Linear(2, 2)
    if choice == "stop":
        with pytest.raises(
            RecipeError, match="0.0 MB free, and a checkpoint takes 0.0 MB. The last checkpoint is .*checkpoint-2"
        ):
            callback.on_step_end(full_disk, state, control, model=model)
    else:
        callback.on_step_end(full_disk, state, control, model=model)
        assert not control.should_save and "step 4 is not saved" in caplog.text


def test_first_checkpoint_with_a_reference_model_needs_more_space(tmp_path, monkeypatch):
    checkpoint = tmp_path / "checkpoint-4"
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").write_bytes(bytes(400))
    (checkpoint / "optimizer.pt").write_bytes(bytes(800))
    monkeypatch.setattr(save_guards.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1500))
    assert find_shortage(tmp_path, with_reference=False) is None
    assert "a checkpoint takes 0.0 MB" in find_shortage(tmp_path, with_reference=True)
    (checkpoint / "reference_model").mkdir()
    (checkpoint / "reference_model/model.safetensors").write_bytes(b"")  # this one has it already
    assert find_shortage(tmp_path, with_reference=True) is None


@pytest.mark.parametrize(
    ("step", "options", "has_reference"),
    [(8, {}, True), (7, {}, False), (8, {"save_only_model": True}, False), (8, {"sync_ref_model": False}, False)],
)
def test_checkpoints_that_have_a_reference_model(step, options, has_reference):
    args = {"sync_ref_model": True, "ref_model_sync_steps": 8, "save_only_model": False} | options
    assert saves_reference(SimpleNamespace(**args), step) == has_reference


def test_is_finite_detects_nan_weights():
    model = torch.nn.Linear(2, 2)
    assert is_finite(model)
    model.bias.data[1] = float("nan")
    assert not is_finite(model)


def test_final_model_is_checked_even_without_checkpoints(tmp_path):
    model = torch.nn.Linear(2, 2)
    model.bias.data[0] = float("inf")
    args = SimpleNamespace(output_dir=str(tmp_path), device=torch.device("cpu"))
    control, callback = SimpleNamespace(should_save=False), NonFiniteGuard(3)
    callback.on_step_end(args, SimpleNamespace(global_step=8, max_steps=9), control, model=model)
    with pytest.raises(RecipeError, match="the weights are NaN or infinite"):
        callback.on_step_end(args, SimpleNamespace(global_step=9, max_steps=9), control, model=model)
