"""Sends updated weights to a vLLM server in a file, for tests without GPUs.

TRL sends them with NCCL, which needs GPUs. Loading this file, as the file of a reward, patches TRL: it still collects
the weights as usual, but vLLM then loads them like a checkpoint. The rest of the server mode is unchanged.
"""

import os
import tempfile
from pathlib import Path

from safetensors.torch import save_file
from trl.generation.vllm_client import VLLMClient


FOLDER = Path(tempfile.mkdtemp(dir=os.environ.get("WEIGHTS")))


def even(completions, **kwargs) -> list[float]:
    """A reward that an untrained model sometimes earns, so that its weights change."""
    return [float(len(completion) % 2 == 0) for completion in completions]


def init_communicator(self, device=0):
    assert self.get_server_info()["weight_transfer_config"] is not None, "TRL checks this before training"


def update_named_params(self, metadata, named_params):
    weights = {name: value.detach().clone().contiguous() for name, value in named_params}
    assert [name for name, _, _ in metadata] == list(weights)
    save_file(weights, FOLDER / "model.safetensors")
    call = {"method": "reload_weights", "kwargs": {"weights_path": str(FOLDER)}}
    self._post(f"{self.base_url}/collective_rpc", json=call)


VLLMClient.init_communicator = init_communicator
VLLMClient.update_named_params = update_named_params
