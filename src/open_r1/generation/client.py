"""A client of OpenAI-compatible servers (`vllm serve`, SGLang, a cluster's endpoint) with concurrent requests."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterable
from typing import Any

import openai
from openai.types import CompletionChoice
from openai.types.chat.chat_completion import Choice

from open_r1.generation.completion_store import Completion, Request
from open_r1.utils.errors import RecipeError
from open_r1.utils.text import OPEN, join_thought


for name in ("openai", "httpx", "httpx2"):  # they log every request
    logging.getLogger(name).setLevel(logging.WARNING)

# Sampling parameters of OpenAI's API. The others are vLLM's and go into the body of the request.
API_PARAMETERS = ("temperature", "top_p", "max_tokens", "stop")
# For parameters that the recipe does not set: without them, a server takes those of the model's generation config.
ALL_TOKENS = {"top_k": -1, "min_p": 0.0}
IDLE_SECONDS = 1.0  # time without a completion after which `generate` yields `None`


class ServerClient:
    """Generates completions on servers. Each request goes to the server with the fewest active requests.

    Args:
        urls (`list[str]`): Base URLs of the servers, with `/v1`.
        model (`str`): The served model.
        sampling (`dict`): `temperature`, `top_p`, `top_k`, `min_p`, `max_tokens`, `stop`.
        concurrency (`int`, *optional*, defaults to 64): Number of concurrent requests, over all servers.
        attempts (`int`, *optional*, defaults to 5): Attempts per completion. Rate limits (429), server errors (5xx),
            lost connections and empty answers are retried, with growing pauses.
        timeout (`float`, *optional*, defaults to 14400):
            Seconds that one request may take. A request that takes longer is sent again, from the start.
        truncated_attempts (`int`, *optional*, defaults to 0): How often to retry a truncated completion, with
            another seed.
        api_key_env (`str`, *optional*, defaults to `"OPENAI_API_KEY"`): Environment variable with the key of the
            servers.
    """

    def __init__(
        self,
        urls: list[str],
        model: str,
        sampling: dict[str, Any],
        concurrency: int = 64,
        attempts: int = 5,
        timeout: float = 14400.0,
        truncated_attempts: int = 0,
        api_key_env: str = "OPENAI_API_KEY",
    ):
        self.urls = urls
        self.model = model
        self.sampling = sampling
        self.concurrency = concurrency
        self.attempts = attempts
        self.timeout = timeout
        self.truncated_attempts = truncated_attempts
        self.api_key = os.environ.get(api_key_env) or "none"  # a server that needs no key accepts any

    async def generate(self, requests: Iterable[Request]) -> AsyncIterator[tuple[Request, Completion] | None]:
        """Generates the completions of requests.

        Args:
            requests (`Iterable[Request]`): The requests; they are taken one by one as earlier ones are answered.

        Yields:
            `tuple[Request, Completion]`: In the order in which the answers arrive; `None` if none arrives for a
            second.

        Raises:
            RecipeError: If a server cannot be reached, or does not serve the model.
        """
        clients = [self._connect(url) for url in self.urls]
        active_requests = [0] * len(clients)
        waiting = iter(requests)
        results: asyncio.Queue = asyncio.Queue(self.concurrency)

        async def work() -> None:
            for request in waiting:
                server = active_requests.index(min(active_requests))
                active_requests[server] += 1
                completion = await self._complete(clients[server], request)
                active_requests[server] -= 1
                await results.put((request, completion))
            await results.put(None)  # this worker has ended

        try:
            await self._check_servers(clients)
            workers = [asyncio.create_task(work()) for _ in range(self.concurrency)]
            active_workers = len(workers)
            while active_workers:
                try:
                    result = await asyncio.wait_for(results.get(), IDLE_SECONDS)
                except TimeoutError:
                    yield None
                    continue
                if result is None:
                    active_workers -= 1
                else:
                    yield result
            await asyncio.gather(*workers)
        finally:
            await asyncio.gather(*(client.close() for client in clients))

    def _connect(self, url: str) -> openai.AsyncOpenAI:
        retries = self.attempts - 1
        return openai.AsyncOpenAI(base_url=url, api_key=self.api_key, max_retries=retries, timeout=self.timeout)

    async def _check_servers(self, clients: list[openai.AsyncOpenAI]) -> None:
        """Checks that each server answers and serves the model, before any request is sent."""
        for url, client in zip(self.urls, clients, strict=True):
            try:
                served = {model.id: model async for model in client.models.list()}
            except openai.APIError as error:
                raise RecipeError(
                    f"base_urls: no answer from {url}: {error.__cause__ or error}. "
                    "Is the server running, and does the URL end in /v1?"
                ) from error
            if served and self.model not in served:
                raise RecipeError(f"model_name_or_path: {url} serves {', '.join(served)}; found {self.model!r}.")
            self._check_length(url, served.get(self.model))

    def _check_length(self, url: str, model: openai.types.Model | None) -> None:
        """Checks that prompts fit beside the longest completion; otherwise vLLM refuses every request."""
        positions = getattr(model, "max_model_len", None)  # vLLM's, for prompt and completion
        wanted = self.sampling.get("max_tokens")
        if positions is not None and wanted is not None and wanted >= positions:
            raise RecipeError(
                f"max_completion_length: found {wanted}; {url} has {positions} positions for a prompt and its "
                "completion (vLLM's `max_model_len`), so expected a smaller number."
            )

    async def _complete(self, client: openai.AsyncOpenAI, request: Request) -> Completion:
        """Generates one completion. Never raises: a failed completion contains the error."""
        completion = Completion(error="not tried")
        truncated = 0
        for _ in range(self.attempts):
            try:
                completion = await self._send(client, request, seed=request.seed + truncated)
            except openai.APIError as error:  # openai has already retried where that helps
                return Completion(error=_describe(error))
            except Exception as error:  # not an answer of the API: a proxy's page, incomplete JSON, a null message
                completion = Completion(error=_describe(error))
                continue
            if completion.error is not None:
                continue
            if completion.finish_reason != "length" or truncated >= self.truncated_attempts:
                return completion
            truncated += 1
        return completion

    async def _send(self, client: openai.AsyncOpenAI, request: Request, seed: int) -> Completion:
        """Sends a request once."""
        options: dict[str, Any] = {"model": self.model, "seed": seed, "extra_body": {}}
        for name, value in self.sampling.items():
            if value is None:
                value = ALL_TOKENS.get(name)
            if value is None:
                continue
            if name in API_PARAMETERS:
                options[name] = value
            else:
                options["extra_body"][name] = value
        if request.max_tokens is not None:
            options["max_tokens"] = request.max_tokens
        if isinstance(request.prompt, str):
            answer = await client.completions.create(prompt=request.prompt + request.prefix, **options)
        else:
            answer = await client.chat.completions.create(messages=request.prompt, **options)
        if not answer.choices:
            return Completion(error="an empty answer")
        choice = answer.choices[0]
        text = _choice_text(choice)
        if text is None:
            return Completion(error="an answer without text")
        completion = Completion(request.prefix + text)
        if choice.finish_reason == "length":
            completion.finish_reason = "length"
        if answer.usage:
            completion.prompt_tokens = answer.usage.prompt_tokens
            completion.completion_tokens = answer.usage.completion_tokens
        return completion


def _choice_text(choice: CompletionChoice | Choice) -> str | None:
    """The text of a completion or message; a thought that the server split off is put back in front."""
    if isinstance(choice, CompletionChoice):
        return choice.text
    message = choice.message
    thought = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    if thought is None:
        return message.content
    if message.content is None:
        return f"{OPEN}{thought}"
    return join_thought(thought, message.content)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]
