"""Resuming: from the newest checkpoint that is whole."""

import json

import pytest

from open_r1.utils.checkpoints import last_complete_checkpoint


def make(folder, step, **files):
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    content = {"trainer_state.json": json.dumps({"global_step": step}), "model.safetensors": "w", "optimizer.pt": "o"}
    content |= {"scheduler.pt": "s", "training_args.bin": "a"}
    for name, text in (content | files).items():
        if text is not None:
            (path / name).write_text(text)
    return str(path)


def test_newest_by_number_not_by_name(tmp_path):
    make(tmp_path, 9)
    newest = make(tmp_path, 10)
    assert last_complete_checkpoint(str(tmp_path)) == newest


@pytest.mark.parametrize(
    "damage",
    [
        {"trainer_state.json": None},
        {"trainer_state.json": '{"global_'},
        {"trainer_state.json": '{"global_step": 5}'},
        {"model.safetensors": None},
        {"optimizer.pt": ""},
        {"scheduler.pt": None},
        {"model.safetensors": None, "model.safetensors.index.json": '{"weight_map": {"a": "model-1.safetensors"}}'},
    ],
    ids=str,
)
def test_damaged_one_is_named_and_passed_over(tmp_path, caplog, damage):
    whole, broken = make(tmp_path, 10), make(tmp_path, 20, **damage)
    assert last_complete_checkpoint(str(tmp_path)) == whole
    assert broken in caplog.text and "incomplete" in caplog.text


def test_none_at_all(tmp_path):
    assert last_complete_checkpoint(str(tmp_path)) is None
    assert last_complete_checkpoint(str(tmp_path / "nowhere")) is None
