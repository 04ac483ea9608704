"""TRL sends new weights to a server by NCCL, which needs GPUs. Where this is read, as the file of a reward, they go by a file instead: TRL collects them as
it always does, and vLLM loads them as it would load a checkpoint. All else of the server mode is as it is."""

import os
import tempfile
from pathlib import Path

from safetensors.torch import save_file
from trl.generation.vllm_client import VLLMClient


FOLDER = Path(tempfile.mkdtemp(dir=os.environ.get("WEIGHTS")))


def even(completions, **kwargs) -> list[float]:
    """A reward that an untrained model has now and then, so that its weights change."""
    return [float(len(completion) % 2 == 0) for completion in completions]


def init_communicator(self, device=0):
    assert self.get_server_info()["weight_transfer_config"] is not None, "as TRL asks before it begins"


def update_named_params(self, metadata, named_params):
    weights = {name: value.detach().clone().contiguous() for name, value in named_params}
    assert [name for name, _, _ in metadata] == list(weights)
    save_file(weights, FOLDER / "model.safetensors")
    self._post(
        f"{self.base_url}/collective_rpc", json={"method": "reload_weights", "kwargs": {"weights_path": str(FOLDER)}}
    )


VLLMClient.init_communicator = init_communicator
VLLMClient.update_named_params = update_named_params
