"""What the start-up box says about packed sequences agrees with what TRL makes of the rows."""

import random

import pytest
from conftest import BASE
from datasets import Dataset
from trl import SFTConfig
from trl.data_utils import pack_dataset

from open_r1.training.sequences import SequenceLengths
from open_r1.utils.errors import RecipeError


def describe(lengths, **options):
    return SequenceLengths.of_rows(lengths, SFTConfig(output_dir="unused", use_cpu=True, bf16=False, **options))


@pytest.mark.parametrize("strategy", ["bfd", "bfd_split", "wrapped"])
def test_rows_in_a_sequence_are_those_of_trl(strategy):
    draw = random.Random(0)
    lengths = [draw.randint(50, 1000 if strategy == "bfd" else 1500) for _ in range(1000)]
    rows = Dataset.from_dict({"input_ids": [[0] * length for length in lengths]})
    packed = pack_dataset(rows, 1000, strategy)
    sequences = describe(lengths, max_length=1000, packing=True, packing_strategy=strategy)
    assert len(lengths) / len(packed) == pytest.approx(sequences.rows, rel=0.06) and sequences.longest == 1000


def test_without_packing_a_row_is_a_sequence():
    sequences = describe([20, 60], max_length=100)
    assert (sequences.rows, sequences.mean, sequences.longest) == (1.0, 40.0, 60)
    assert describe([20, 160], max_length=100).longest == 100
    assert "packing" not in sequences.describe(8)


@pytest.mark.parametrize("max_length", [None, 0])
def test_packed_sequences_have_a_length(max_length):
    with pytest.raises(RecipeError, match="max_length: missing. With `packing: true`"):
        describe([20, 60], max_length=max_length, packing=True)


def test_the_start_up_box_counts_packed_sequences(checkpoint, script, tmp_path):
    def show(*argv):
        options = ["--model_name_or_path", checkpoint, "--output_dir", tmp_path / "out", "--dry_run", "true"]
        size = ["--dataset_params", '{"size": 640}', "--per_device_train_batch_size", "8", "--num_train_epochs", "1"]
        outcome = script("sft", *BASE, *options, *size, "--max_steps", "-1", *argv)
        assert outcome.code == 0, outcome.err
        return " ".join(outcome.out.replace("│", " ").split())

    assert "steps 80 " in show()
    shown = show("--packing", "true", "--max_length", "512")
    assert "packing sequences of 512 tokens, each about" in shown and "rows a step" in shown
    assert "(512 a sequence)" in shown
    steps = int(shown.partition("steps ")[2].split()[0])
    assert 1 < steps < 40
