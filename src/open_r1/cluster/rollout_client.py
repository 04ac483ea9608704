"""TRL's client of a vLLM server, as we use it: with a key, and a seed for each prompt."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from trl.generation import vllm_generation
from trl.generation.vllm_client import VLLMClient


AT_ONCE = 256  # requests


class SeededClient(VLLMClient):
    """Asks for each prompt by itself.

    In one request for all, the engines of a server, which begin with the same random numbers, would draw the same completions for a group that is
    spread over them; and the answer of a rollout of long thoughts would be gigabytes of one JSON. Seeds come from torch's random numbers, which
    checkpoints keep.
    """

    def check_server(self, *args, **kwargs):  # the first thing that it does
        if key := os.environ.get("VLLM_API_KEY"):
            self.session.headers["Authorization"] = f"Bearer {key}"
        adapter = self.session.get_adapter(self.base_url)  # as patient, for more connections
        self.session.mount(self.base_url, type(adapter)(pool_maxsize=AT_ONCE, max_retries=adapter.max_retries))
        super().check_server(*args, **kwargs)

    def generate(
        self, prompts: list, features: list | None = None, generation_kwargs: dict | None = None, **kwargs
    ) -> dict[str, Any]:
        seeds = torch.randint(2**31, (len(prompts),)).tolist()

        def one(index: int) -> dict[str, Any]:
            mine = {"seed": seeds[index], **(generation_kwargs or {})}
            images = features and features[index : index + 1]
            return VLLMClient.generate(self, [prompts[index]], images, generation_kwargs=mine, **kwargs)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(one, range(len(prompts))))
        return {name: [row for answer in answers for row in answer[name]] if values is not None else None
                for name, values in answers[0].items()}  # fmt: skip


def use_seeded_client():
    """From now on TRL makes its clients so."""
    vllm_generation.VLLMClient = SeededClient
