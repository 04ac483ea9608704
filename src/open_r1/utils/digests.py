"""Short digests of texts and weights, by which runs notice that an input has changed."""

import hashlib
from pathlib import Path


SAMPLES = 256  # of each weight file, evenly spaced
SAMPLE_BYTES = 2**14


def hash_texts(texts: list[str]) -> str:
    """A hash of some texts, which may contain lone surrogates.

    >>> hash_texts(["a", "b"])
    'c8687a08aa5d6ed2'
    """
    return hashlib.sha256(" ".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def hash_weights(folder: Path) -> str | None:
    """A hash of a local checkpoint; `None` if there is none.

    It changes if a checkpoint is trained again in the same folder, even if only some of its weights are. Of each file,
    samples are read, from its start to its end.
    """
    texts = []
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]):
        size = path.stat().st_size
        digest = hashlib.sha256()
        last_start = max(0, size - SAMPLE_BYTES)
        with path.open("rb") as stream:
            for number in range(SAMPLES):
                stream.seek(last_start * number // (SAMPLES - 1))
                digest.update(stream.read(SAMPLE_BYTES))
        texts.append(f"{path.name} {size} {digest.hexdigest()}")
    return hash_texts(texts) if texts else None
