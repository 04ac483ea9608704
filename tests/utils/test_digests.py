"""Digests by which runs notice that an input has changed."""

import pytest

from open_r1.utils.digests import SAMPLE_BYTES, SAMPLES, hash_weights


@pytest.mark.parametrize("size", [10, SAMPLE_BYTES + 1, 3 * SAMPLES * SAMPLE_BYTES], ids=["small", "medium", "large"])
@pytest.mark.parametrize("place", [0.0, 0.3, 1.0], ids=["start", "middle", "end"])
def test_weights_that_differ_in_one_tensor_have_another_hash(tmp_path, size, place):
    weights = bytearray(size)
    path = tmp_path / "model.safetensors"
    path.write_bytes(weights)
    before = hash_weights(tmp_path)
    assert hash_weights(tmp_path) == before
    tensor = max(1, 4 * size // SAMPLES)
    start = int(place * (size - tensor))
    weights[start : start + tensor] = b"\1" * tensor
    path.write_bytes(weights)
    assert hash_weights(tmp_path) != before


def test_a_folder_without_weights_has_no_hash(tmp_path):
    assert hash_weights(tmp_path) is None
