"""Resuming uses the newest complete checkpoint; damaged ones are detected and set aside."""

import json
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

from open_r1.training.checkpoints import (
    MANIFEST,
    find_defect,
    last_complete_checkpoint,
    rename_incomplete,
    write_manifest,
)
from open_r1.utils.errors import RecipeError


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of four steps with two checkpoints."""
    folder = tmp_path_factory.mktemp("run") / "base"
    recipe = ["--config", "recipes/tiny/sft/config_base.yaml", "--dataset_params", '{"size": 64}']
    steps = [
        "--output_dir",
        str(folder),
        *"--warmup_steps 0 --max_steps 4 --save_steps 2 --save_total_limit 2".split(),
    ]
    subprocess.run([sys.executable, "src/open_r1/sft.py", *recipe, *steps], check=True, capture_output=True, cwd=ROOT)
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "base")


def truncate_to_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_last_byte(path):
    path.write_bytes(path.read_bytes().rstrip()[:-1])  # dropping only the trailing newline would do no harm


def make_empty(path):
    path.write_bytes(b"")


def fill_with_zeros(path):
    """After a power cut, a file system may keep the length of a file but not its content."""
    path.write_bytes(b"\0" * path.stat().st_size)


def delete(path):
    path.unlink()


def change_step(path):
    path.write_text(json.dumps(json.loads(path.read_text()) | {"global_step": 3}))


def overwrite_with(text):
    def overwrite(path):
        path.write_text(text)

    overwrite.__name__ = f"overwrite with {text[:20]}"
    return overwrite


def claim_four_processes(path):
    state = json.loads(path.read_text())
    state["stateful_callbacks"]["open_r1"]["processes"] = 4
    path.write_text(json.dumps(state))
    path.with_name("rng_state.pth").unlink()
    for rank in range(3):
        (path.parent / f"rng_state_{rank}.pth").write_bytes((path.parent / "optimizer.pt").read_bytes())


def replace_by_index_without_shards(path):
    path.with_name("model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-00001-of-00002.safetensors"}}'
    )
    path.unlink()


def replace_by_empty_index(path):
    path.with_name("model.safetensors.index.json").write_text("{}")
    path.unlink()


def convert_to_deepspeed(checkpoint):
    """Stores weights and optimizer as DeepSpeed does for two processes."""
    (checkpoint / "latest").write_text("global_step4")
    (checkpoint / "global_step4").mkdir()
    for name in (
        "mp_rank_00_model_states.pt",
        *(f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt" for rank in (0, 1)),
    ):
        shutil.copy(checkpoint / "optimizer.pt", checkpoint / "global_step4" / name)
    for name in ("optimizer.pt", "model.safetensors"):
        (checkpoint / name).unlink()


def convert_to_fsdp(checkpoint):
    """Stores weights and optimizer in shards, as FSDP does."""
    for name in ("pytorch_model_fsdp_0", "optimizer_0"):
        (checkpoint / name).mkdir()
        for file in (".metadata", "__0_0.distcp", "__1_0.distcp"):
            (checkpoint / name / file).write_bytes(b"shard")
    for name in ("optimizer.pt", "model.safetensors"):
        (checkpoint / name).unlink()


def deepspeed_with_a_missing_rank(path):
    convert_to_deepspeed(path.parent)
    write_manifest(path.parent)
    (path.parent / "global_step4" / "bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt").unlink()


def fsdp_with_a_truncated_shard(path):
    convert_to_fsdp(path.parent)
    write_manifest(path.parent)
    truncate_to_half(path.parent / "optimizer_0" / "__1_0.distcp")


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


def replace_by_dangling_link(path):
    path.unlink()
    path.symlink_to("/nowhere/at/all")


FILES = [
    "model.safetensors",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
    "training_args.bin",
]
DAMAGES = [
    (name, damage)
    for name in FILES
    for damage in (delete, make_empty, truncate_to_half, drop_last_byte, fill_with_zeros)
]
DAMAGES += [
    ("trainer_state.json", change_step),
    *[
        ("trainer_state.json", overwrite_with(text))
        for text in ("{}", "null", "[]", '{"global_step": 4, "stateful_callbacks": 1}')
    ],
    ("trainer_state.json", claim_four_processes),
    ("config.json", make_empty),
    ("tokenizer.json", truncate_to_half),
    ("model.safetensors", overwrite_with("\xff" * 64)),
    ("model.safetensors", replace_by_index_without_shards),
    ("model.safetensors", replace_by_empty_index),
    ("model.safetensors", replace_by_folder),
    ("optimizer.pt", replace_by_dangling_link),
    ("optimizer.pt", deepspeed_with_a_missing_rank),
    ("optimizer.pt", fsdp_with_a_truncated_shard),
    (MANIFEST, truncate_to_half),
    (MANIFEST, overwrite_with("[]")),
    ("checkpoint-is-incomplete.txt", overwrite_with("checkpointing")),
]


@pytest.mark.parametrize("name, damage", DAMAGES, ids=lambda value: getattr(value, "__name__", value))
def test_damaged_checkpoint_is_reported_skipped_and_renamed(folder, caplog, name, damage):
    complete, broken = folder / "checkpoint-2", folder / "checkpoint-4"
    damage(broken / name)
    assert last_complete_checkpoint(str(folder)) == str(complete)
    assert f"{broken} is incomplete" in caplog.text
    rename_incomplete(str(folder), str(complete))
    assert not broken.exists() and (folder / "checkpoint-4.incomplete-1").is_dir() and complete.is_dir()


# Damage that is found without a manifest (the run was killed before writing one, or another program wrote the files).
DETECTED_WITHOUT_MANIFEST = [
    (name, delete) for name in ("model.safetensors", "optimizer.pt", "rng_state.pth", "trainer_state.json")
]
DETECTED_WITHOUT_MANIFEST += [
    (name, truncate_to_half) for name in ("model.safetensors", "optimizer.pt", "rng_state.pth", "trainer_state.json")
]
DETECTED_WITHOUT_MANIFEST += [
    ("trainer_state.json", change_step),
    ("trainer_state.json", overwrite_with("{}")),
    ("trainer_state.json", claim_four_processes),
    ("checkpoint-is-incomplete.txt", overwrite_with("checkpointing")),
]


@pytest.mark.parametrize(
    "name, damage", DETECTED_WITHOUT_MANIFEST, ids=lambda value: getattr(value, "__name__", value)
)
def test_obvious_damage_is_found_without_a_manifest(folder, name, damage):
    checkpoint = folder / "checkpoint-4"
    (checkpoint / MANIFEST).unlink()
    assert find_defect(checkpoint) is None
    damage(checkpoint / name)
    assert find_defect(checkpoint) is not None


@pytest.mark.parametrize("convert", [convert_to_deepspeed, convert_to_fsdp])
@pytest.mark.parametrize("stateful_callbacks", [{}, 1], ids=str)
def test_checkpoints_of_other_programs_can_be_resumed(folder, convert, stateful_callbacks):
    checkpoint = folder / "checkpoint-4"
    (checkpoint / MANIFEST).unlink()
    (checkpoint / "rng_state.pth").unlink()
    state = checkpoint / "trainer_state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"stateful_callbacks": stateful_callbacks}))
    convert(checkpoint)
    assert find_defect(checkpoint) is None


@pytest.mark.parametrize("shards", ["pytorch_model_fsdp_0", "optimizer_0"])
def test_shards_of_fsdp_need_their_metadata(folder, shards):
    checkpoint = folder / "checkpoint-4"
    (checkpoint / MANIFEST).unlink()
    convert_to_fsdp(checkpoint)
    assert find_defect(checkpoint) is None
    (checkpoint / shards / ".metadata").unlink()
    assert find_defect(checkpoint) == f"no {shards}/.metadata"
    (checkpoint / shards / ".metadata").write_bytes(b"metadata")
    for shard in (checkpoint / shards).glob("*.distcp"):
        shard.unlink()
    assert find_defect(checkpoint) == f"no {shards}/*.distcp"


def test_manifest_lists_every_file_with_its_size(folder):
    checkpoint = folder / "checkpoint-4"
    sizes = json.loads((checkpoint / MANIFEST).read_text())
    assert sizes == {path.name: path.stat().st_size for path in checkpoint.iterdir() if path.name != MANIFEST}


def test_complete_checkpoints_are_kept(folder):
    assert find_defect(folder / "checkpoint-2") is None and find_defect(folder / "checkpoint-4") is None
    rename_incomplete(str(folder), last_complete_checkpoint(str(folder)))
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-4"]


def test_newest_checkpoint_has_the_highest_step_not_the_last_name(folder):
    (folder / "checkpoint-4").rename(folder / "checkpoint-10")
    state = folder / "checkpoint-10" / "trainer_state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"global_step": 10}))
    write_manifest(folder / "checkpoint-10")
    assert last_complete_checkpoint(str(folder)) == str(folder / "checkpoint-10")


def test_temporary_and_renamed_folders_are_not_checkpoints(folder):
    for name in ("tmp-checkpoint-6", "checkpoint-6.tmp", "checkpoint-6.incomplete-1", "checkpoint-best"):
        (folder / name).mkdir()
    (folder / "checkpoint-8").write_text("a file")
    assert last_complete_checkpoint(str(folder)) == str(folder / "checkpoint-4")


def test_run_killed_during_its_first_save_starts_over(folder, caplog):
    shutil.rmtree(folder / "checkpoint-2")
    delete(folder / "checkpoint-4" / "optimizer.pt")
    assert last_complete_checkpoint(str(folder)) is None and "no optimizer.pt" in caplog.text


def test_several_checkpoints_none_of_them_complete_is_an_error(folder):
    for step in (2, 4):
        delete(folder / f"checkpoint-{step}" / "optimizer.pt")
    with pytest.raises(
        RecipeError,
        match=r"none of the 2 checkpoints .* is complete \(checkpoint-4: no optimizer.pt; .*\)\. Repair one",
    ):
        last_complete_checkpoint(str(folder))


def test_no_checkpoint_at_all(tmp_path):
    assert last_complete_checkpoint(str(tmp_path)) is None
    assert last_complete_checkpoint(str(tmp_path / "nowhere")) is None
