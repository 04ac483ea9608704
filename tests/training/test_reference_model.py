"""A run whose reference model is replaced by the policy resumes exactly."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from conftest import ZERO
from safetensors.torch import load_file

from open_r1.data import tiny
from open_r1.training import reference_model
from open_r1.training.checkpoints import find_defect
from open_r1.training.reference_model import restore_reference, save_reference, saved_reference, sync_reference
from open_r1.utils.errors import RecipeError


ARGUMENTS = [*ZERO, "--dataset_params", '{"size": 32}', "--eval_strategy", "no", "--eval_on_start", "false"]
ARGUMENTS += "--per_device_train_batch_size 16 --num_generations 8 --max_completion_length 8".split()
ARGUMENTS += "--beta 0.1 --learning_rate 1e-3 --save_steps 1 --save_total_limit 9".split()
ARGUMENTS += "--sync_ref_model true --ref_model_sync_steps 2".split()
REWARDS = ["--reward_funcs", "{name: group_length, num_generations: 8}"]


@pytest.fixture
def train(script, checkpoint):
    """Trains until a step, and resumes if the folder has checkpoints."""

    def run(folder: Path, max_steps: int, *argv: str):
        options = ["--model_name_or_path", checkpoint, "--output_dir", folder, "--max_steps", max_steps]
        return script("grpo", *ARGUMENTS, *REWARDS, *options, *argv)

    return run


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def are_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("alpha", ["1.0", "0.6"])
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(train, tmp_path, alpha):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    mixup = ["--ref_model_mixup_alpha", alpha]
    assert train(whole, 5, *mixup).code == 0
    assert train(stopped, 3, *mixup).code == 0
    outcome = train(stopped, 5, *mixup)
    assert outcome.code == 0, outcome.err
    assert are_equal(weights(whole), weights(stopped))
    log = [json.loads(line) for line in (whole / "log_history.jsonl").read_text().splitlines()]
    divergences = {entry["step"]: entry["kl"] for entry in log if "kl" in entry}
    assert divergences[2] > 0
    if alpha == "1.0":
        assert divergences[3] == pytest.approx(0, abs=1e-6), "the policy is its own reference after each replacement"


def test_checkpoints_have_the_reference_model_once_it_was_replaced(train, tmp_path):
    assert train(tmp_path, 3, "--ref_model_mixup_alpha", "1.0").code == 0
    checkpoints = [tmp_path / f"checkpoint-{step}" for step in (1, 2, 3)]
    assert [len(saved_reference(checkpoint)) for checkpoint in checkpoints] == [0, 1, 1]
    policy = weights(checkpoints[1])
    for checkpoint in checkpoints[1:]:
        [path] = saved_reference(checkpoint)
        assert are_equal(load_file(path), policy), "the policy of step 2"
    path.write_bytes(path.read_bytes()[:-1])
    assert "reference_model" in find_defect(checkpoints[2]), "the manifest lists it"


def test_a_checkpoint_without_its_reference_model_is_refused(train, tmp_path, caplog):
    assert train(tmp_path, 2).code == 0
    checkpoint = tmp_path / "checkpoint-2"
    shutil.rmtree(checkpoint / reference_model.FOLDER)
    (checkpoint / "manifest.json").unlink()  # as earlier versions wrote it
    outcome = train(tmp_path, 3)
    assert outcome.code == 1 and "sync_ref_model" in outcome.err and "--resume_with_changes true" in outcome.err
    assert train(tmp_path, 3, "--resume_with_changes", "true").code == 0


def test_a_model_of_several_files_is_restored(monkeypatch, tmp_path):
    monkeypatch.setattr(reference_model, "SHARD_BYTES", 500_000)
    saved, _ = tiny.base_model(seed=0)
    save_reference(saved, tmp_path / "reference_model", is_main_process=True)
    assert len(saved_reference(tmp_path)) > 2
    restored, _ = tiny.base_model(seed=1)
    restore_reference(restored, tmp_path / "reference_model")
    assert are_equal(restored.state_dict(), saved.state_dict())


def test_the_reference_of_another_model_is_refused(tmp_path):
    save_reference(torch.nn.Linear(2, 3), tmp_path / "reference_model", is_main_process=True)
    with pytest.raises(RecipeError, match="has the weight bias, which the model lacks"):
        restore_reference(torch.nn.Linear(2, 3, bias=False), tmp_path / "reference_model")
    save_reference(torch.nn.Linear(2, 3, bias=False), tmp_path / "reference_model", is_main_process=True)
    with pytest.raises(RecipeError, match="lacks 1 weights of the model, such as bias"):
        restore_reference(torch.nn.Linear(2, 3), tmp_path / "reference_model")


def test_weights_are_mixed():
    policy, reference = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    expected = 0.25 * policy.weight.data + 0.75 * reference.weight.data
    sync_reference(policy, reference, alpha=0.25)
    assert torch.allclose(reference.weight.data, expected)
