"""Resuming: from the newest checkpoint that is whole."""

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
    recipe = [
        "--config",
        "recipes/tiny/sft/config_base.yaml",
        "--dataset_params",
        '{"size": 64}',
        "--warmup_steps",
        "0",
    ]
    steps = ["--output_dir", str(folder), "--max_steps", "4", "--save_steps", "2", "--save_total_limit", "2"]
    subprocess.run([sys.executable, "src/open_r1/sft.py", *recipe, *steps], check=True, capture_output=True, cwd=ROOT)
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "base")


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def one_byte_less(path):
    path.write_bytes(path.read_bytes().rstrip()[:-1])  # beside a last line end, which may go


def empty(path):
    path.write_bytes(b"")


def zeros(path):
    """What a file system may leave of a file after a power cut: its length."""
    path.write_bytes(b"\0" * path.stat().st_size)


def gone(path):
    path.unlink()


def other_step(path):
    path.write_text(json.dumps(json.loads(path.read_text()) | {"global_step": 3}))


def writes(text):
    def write(path):
        path.write_text(text)

    write.__name__ = f"writes {text[:20]}"
    return write


def four_processes(path):
    state = json.loads(path.read_text())
    state["stateful_callbacks"]["open_r1"]["processes"] = 4
    path.write_text(json.dumps(state))
    path.with_name("rng_state.pth").unlink()
    for rank in range(3):
        (path.parent / f"rng_state_{rank}.pth").write_bytes((path.parent / "optimizer.pt").read_bytes())


def index_without_shards(path):
    path.with_name("model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-00001-of-00002.safetensors"}}'
    )
    path.unlink()


def empty_index(path):
    path.with_name("model.safetensors.index.json").write_text("{}")
    path.unlink()


def as_deepspeed(checkpoint):
    """Weights and optimizer as DeepSpeed writes them, for two processes."""
    (checkpoint / "latest").write_text("global_step4")
    (checkpoint / "global_step4").mkdir()
    for name in (
        "mp_rank_00_model_states.pt",
        *(f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt" for rank in (0, 1)),
    ):
        shutil.copy(checkpoint / "optimizer.pt", checkpoint / "global_step4" / name)
    for name in ("optimizer.pt", "model.safetensors"):
        (checkpoint / name).unlink()


def as_fsdp(checkpoint):
    """Weights and optimizer as FSDP writes them, in shards."""
    for name in ("pytorch_model_fsdp_0", "optimizer_0"):
        (checkpoint / name).mkdir()
        for file in (".metadata", "__0_0.distcp", "__1_0.distcp"):
            (checkpoint / name / file).write_bytes(b"shard")
    for name in ("optimizer.pt", "model.safetensors"):
        (checkpoint / name).unlink()


def of_deepspeed_without_a_rank(path):
    as_deepspeed(path.parent)
    write_manifest(path.parent)
    (path.parent / "global_step4" / "bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt").unlink()


def of_fsdp_with_half_a_shard(path):
    as_fsdp(path.parent)
    write_manifest(path.parent)
    half(path.parent / "optimizer_0" / "__1_0.distcp")


def folder_instead(path):
    path.unlink()
    path.mkdir()


def link_to_nowhere(path):
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
DAMAGES = [(name, damage) for name in FILES for damage in (gone, empty, half, one_byte_less, zeros)]
DAMAGES += [
    ("trainer_state.json", other_step),
    *[
        ("trainer_state.json", writes(text))
        for text in ("{}", "null", "[]", '{"global_step": 4, "stateful_callbacks": 1}')
    ],
    ("trainer_state.json", four_processes),
    ("config.json", empty),
    ("tokenizer.json", half),
    ("model.safetensors", writes("\xff" * 64)),
    ("model.safetensors", index_without_shards),
    ("model.safetensors", empty_index),
    ("model.safetensors", folder_instead),
    ("optimizer.pt", link_to_nowhere),
    ("optimizer.pt", of_deepspeed_without_a_rank),
    ("optimizer.pt", of_fsdp_with_half_a_shard),
    (MANIFEST, half),
    (MANIFEST, writes("[]")),
    ("checkpoint-is-incomplete.txt", writes("checkpointing")),
]


@pytest.mark.parametrize("name, damage", DAMAGES, ids=lambda value: getattr(value, "__name__", value))
def test_damaged_one_is_named_passed_over_and_renamed(folder, caplog, name, damage):
    whole, broken = folder / "checkpoint-2", folder / "checkpoint-4"
    damage(broken / name)
    assert last_complete_checkpoint(str(folder)) == str(whole)
    assert f"{broken} is incomplete" in caplog.text
    rename_incomplete(str(folder), str(whole))
    assert not broken.exists() and (folder / "checkpoint-4.incomplete-1").is_dir() and whole.is_dir()


# What is seen without a manifest: of a run that was killed before it wrote one, or of another program.
ROUGHLY = [(name, gone) for name in ("model.safetensors", "optimizer.pt", "rng_state.pth", "trainer_state.json")]
ROUGHLY += [(name, half) for name in ("model.safetensors", "optimizer.pt", "rng_state.pth", "trainer_state.json")]
ROUGHLY += [
    ("trainer_state.json", other_step),
    ("trainer_state.json", writes("{}")),
    ("trainer_state.json", four_processes),
    ("checkpoint-is-incomplete.txt", writes("checkpointing")),
]


@pytest.mark.parametrize("name, damage", ROUGHLY, ids=lambda value: getattr(value, "__name__", value))
def test_without_a_manifest_it_is_checked_roughly(folder, name, damage):
    checkpoint = folder / "checkpoint-4"
    (checkpoint / MANIFEST).unlink()
    assert find_defect(checkpoint) is None
    damage(checkpoint / name)
    assert find_defect(checkpoint) is not None


@pytest.mark.parametrize("convert", [as_deepspeed, as_fsdp])
@pytest.mark.parametrize("stateful_callbacks", [{}, 1], ids=str)
def test_those_of_other_programs_are_resumed_from(folder, convert, stateful_callbacks):
    checkpoint = folder / "checkpoint-4"
    (checkpoint / MANIFEST).unlink()
    (checkpoint / "rng_state.pth").unlink()
    state = checkpoint / "trainer_state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"stateful_callbacks": stateful_callbacks}))
    convert(checkpoint)
    assert find_defect(checkpoint) is None


def test_manifest_has_every_file_and_its_size(folder):
    checkpoint = folder / "checkpoint-4"
    sizes = json.loads((checkpoint / MANIFEST).read_text())
    assert sizes == {path.name: path.stat().st_size for path in checkpoint.iterdir() if path.name != MANIFEST}


def test_whole_ones_are_whole_and_stay(folder):
    assert find_defect(folder / "checkpoint-2") is None and find_defect(folder / "checkpoint-4") is None
    rename_incomplete(str(folder), last_complete_checkpoint(str(folder)))
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-4"]


def test_newest_by_number_not_by_name(folder):
    (folder / "checkpoint-4").rename(folder / "checkpoint-10")
    state = folder / "checkpoint-10" / "trainer_state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"global_step": 10}))
    write_manifest(folder / "checkpoint-10")
    assert last_complete_checkpoint(str(folder)) == str(folder / "checkpoint-10")


def test_what_is_half_written_elsewhere_is_no_checkpoint(folder):
    for name in ("tmp-checkpoint-6", "checkpoint-6.tmp", "checkpoint-6.incomplete-1", "checkpoint-best"):
        (folder / name).mkdir()
    (folder / "checkpoint-8").write_text("a file")
    assert last_complete_checkpoint(str(folder)) == str(folder / "checkpoint-4")


def test_killed_during_the_first_save_starts_anew(folder, caplog):
    shutil.rmtree(folder / "checkpoint-2")
    gone(folder / "checkpoint-4" / "optimizer.pt")
    assert last_complete_checkpoint(str(folder)) is None and "no optimizer.pt" in caplog.text


def test_several_and_none_whole_is_for_somebody_to_look_at(folder):
    for step in (2, 4):
        gone(folder / f"checkpoint-{step}" / "optimizer.pt")
    with pytest.raises(
        RecipeError,
        match=r"none of the 2 checkpoints .* is complete \(checkpoint-4: no optimizer.pt; .*\)\. Repair one",
    ):
        last_complete_checkpoint(str(folder))


def test_none_at_all(tmp_path):
    assert last_complete_checkpoint(str(tmp_path)) is None
    assert last_complete_checkpoint(str(tmp_path / "nowhere")) is None
