"""Short digests of texts and weights, by which runs notice that an input has changed."""

import hashlib
from pathlib import Path


HASHED_BYTES = 2**20  # of each weight file, at its end


def hash_texts(texts: list[str]) -> str:
    """A hash of some texts, which may contain lone surrogates.

    >>> hash_texts(["a", "b"])
    'c8687a08aa5d6ed2'
    """
    return hashlib.sha256(" ".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def hash_weights(folder: Path) -> str | None:
    """A hash of a local checkpoint; `None` if there is none.

    It changes if a checkpoint is trained again in the same folder. Only the end of each file is read.
    """
    texts = []
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]):
        size = path.stat().st_size
        with path.open("rb") as stream:
            stream.seek(max(0, size - HASHED_BYTES))
            texts.append(f"{path.name} {size} {hashlib.sha256(stream.read()).hexdigest()}")
    return hash_texts(texts) if texts else None
