"""Sends new weights to a vLLM server in a file, for tests without GPUs.

TRL sends them by NCCL, which needs GPUs. When this file is loaded, as that of a reward, TRL collects the weights as
usual and vLLM loads them like a checkpoint. The rest of the server mode is unchanged.
"""

import os
import tempfile
from pathlib import Path

from safetensors.torch import save_file
from trl.generation.vllm_client import VLLMClient


FOLDER = Path(tempfile.mkdtemp(dir=os.environ.get("WEIGHTS")))


def even(completions, **kwargs) -> list[float]:
    """A reward that an untrained model sometimes gets, so that its weights change."""
    return [float(len(completion) % 2 == 0) for completion in completions]


def init_communicator(self, device=0):
    assert self.get_server_info()["weight_transfer_config"] is not None, "TRL checks this before it starts"


def update_named_params(self, metadata, named_params):
    weights = {name: value.detach().clone().contiguous() for name, value in named_params}
    assert [name for name, _, _ in metadata] == list(weights)
    save_file(weights, FOLDER / "model.safetensors")
    self._post(
        f"{self.base_url}/collective_rpc", json={"method": "reload_weights", "kwargs": {"weights_path": str(FOLDER)}}
    )


VLLMClient.init_communicator = init_communicator
VLLMClient.update_named_params = update_named_params
