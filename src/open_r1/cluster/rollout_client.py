"""TRL's client for a vLLM server, with two additions: an API key, and one request with its own seed per prompt."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from trl.generation import vllm_generation
from trl.generation.vllm_client import VLLMClient


MAX_CONCURRENT_REQUESTS = 256


class SeededClient(VLLMClient):
    """Sends one request per prompt.

    TRL sends all prompts in one request. The engines of a server all start with the same random state, so they would
    generate the same completions for a group whose prompts are spread over them. And the response to a rollout of long
    thoughts would be gigabytes of JSON. The seeds come from torch's random state, which checkpoints contain.
    """

    def check_server(self, *args: Any, **kwargs: Any) -> None:
        """Waits until the server answers. TRL calls this first, so this is where the HTTP session is set up."""
        api_key = os.environ.get("VLLM_API_KEY")
        if api_key:
            self.session.headers["Authorization"] = f"Bearer {api_key}"
        # The same retries as TRL's adapter, but more connections.
        adapter = self.session.get_adapter(self.base_url)
        larger_adapter = type(adapter)(pool_maxsize=MAX_CONCURRENT_REQUESTS, max_retries=adapter.max_retries)
        self.session.mount(self.base_url, larger_adapter)
        super().check_server(*args, **kwargs)

    def generate(
        self,
        prompts: list,
        features: list | None = None,
        generation_kwargs: dict | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Generates completions; arguments and result are those of `VLLMClient.generate`."""
        seeds = torch.randint(2**31, (len(prompts),)).tolist()

        def generate_for_prompt(index: int) -> dict[str, Any]:
            seeded_kwargs = {"seed": seeds[index], **(generation_kwargs or {})}
            features_of_prompt = features[index : index + 1] if features else features
            return VLLMClient.generate(
                self, [prompts[index]], features_of_prompt, generation_kwargs=seeded_kwargs, **kwargs
            )

        with ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS) as pool:
            answers = list(pool.map(generate_for_prompt, range(len(prompts))))
        return _concatenate(answers)


def use_seeded_client() -> None:
    """Makes TRL's trainers use `SeededClient`."""
    vllm_generation.VLLMClient = SeededClient


def _concatenate(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Concatenates the rows of all answers; a field that is `None` in the first answer stays `None`."""
    result: dict[str, Any] = {}
    for name, values in answers[0].items():
        if values is None:
            result[name] = None
            continue
        result[name] = []
        for answer in answers:
            result[name].extend(answer[name])
    return result
