"""Completions from OpenAI-compatible servers (`vllm serve`, SGLang, a cluster's endpoint): many requests at once, several servers."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterable
from typing import Any

import openai

from open_r1.generation.completion_store import Completion, Request
from open_r1.utils.errors import RecipeError


for name in ("openai", "httpx", "httpx2"):  # a line a request, and more
    logging.getLogger(name).setLevel(logging.WARNING)

OURS = ("temperature", "top_p", "max_tokens", "stop")  # what the API knows; vLLM takes the rest in the body


TICK = 1.0  # seconds without a completion after which what came before is written


class Servers:
    """Draws completions from servers, each request from the one with the fewest under way.

    Args:
        urls (`list[str]`): Their base URLs, with `/v1`.
        model (`str`): The served model.
        sampling (`dict`): `temperature`, `top_p`, `top_k`, `min_p`, `max_tokens`, `stop`.
        concurrency (`int`): Requests at once, over all servers.
        attempts (`int`): Tries of one completion. Refusals (429), errors (5xx), lost connections and empty answers are tried
            again, the client waits in between; a completion that was cut off is tried again `truncated_attempts` times.
        timeout (`float`): Seconds that one request may take.
        api_key_env (`str`): Environment variable that holds the key; a server without one needs none.
    """

    def __init__(
        self,
        urls: list[str],
        model: str,
        sampling: dict[str, Any],
        concurrency: int = 64,
        attempts: int = 5,
        timeout: float = 3600.0,
        truncated_attempts: int = 0,
        api_key_env: str = "OPENAI_API_KEY",
    ):
        self.urls, self.model, self.sampling = urls, model, sampling
        self.concurrency, self.attempts, self.timeout, self.truncated_attempts = (
            concurrency,
            attempts,
            timeout,
            truncated_attempts,
        )
        self.key = os.environ.get(api_key_env) or "none"

    async def draw(self, jobs: Iterable[Request]) -> AsyncIterator[tuple[Request, Completion] | None]:
        """Completions in the order in which they come, and `None` where a second passes without one.

        Raises:
            RecipeError: If no server can be reached, or none has the model.
        """
        clients = [
            openai.AsyncOpenAI(base_url=url, api_key=self.key, max_retries=self.attempts - 1, timeout=self.timeout)
            for url in self.urls
        ]
        busy = [0] * len(clients)
        results: asyncio.Queue = asyncio.Queue(self.concurrency)
        waiting = iter(jobs)

        async def work():
            for job in waiting:
                which = min(range(len(clients)), key=busy.__getitem__)
                busy[which] += 1
                sample = await self._one(clients[which], job)
                busy[which] -= 1
                await results.put((job, sample))
            await results.put(None)

        try:
            await self._check(clients)
            workers = [asyncio.create_task(work()) for _ in range(self.concurrency)]
            left = len(workers)
            while left:
                try:
                    result = await asyncio.wait_for(results.get(), TICK)
                except TimeoutError:
                    yield None
                    continue
                if result is None:
                    left -= 1
                else:
                    yield result
            await asyncio.gather(*workers)
        finally:
            await asyncio.gather(*(client.close() for client in clients))

    async def _check(self, clients: list):
        """Stops at once where nothing could come back."""
        for url, client in zip(self.urls, clients, strict=True):
            try:
                served = [model.id async for model in client.models.list()]
            except openai.APIError as error:
                raise RecipeError(
                    f"base_urls: no answer from {url}: {error.__cause__ or error}. Is the server up, and the URL's end /v1?"
                ) from error
            if served and self.model not in served:
                raise RecipeError(f"model_name_or_path: {url} serves {', '.join(served)}; found {self.model!r}.")

    async def _one(self, client, job: Request) -> Completion:
        """One completion. Never raises: what cannot be had says why."""
        sample = Completion(error="not tried")
        truncated = 0
        for _ in range(self.attempts):
            try:
                sample = await self._ask(client, job, truncated)
            except openai.APIError as error:  # the client has tried again where that makes sense
                return Completion(error=_told(error))
            except Exception as error:  # an answer that is none: a proxy's page, half a JSON, a message that is null
                sample = Completion(error=_told(error))
                continue
            if sample.error is None and (sample.finish_reason != "length" or truncated >= self.truncated_attempts):
                return sample
            truncated += sample.error is None
        return sample

    async def _ask(self, client, job: Request, again: int) -> Completion:
        options = {key: self.sampling[key] for key in OURS if self.sampling.get(key) is not None}
        body = {key: value for key, value in self.sampling.items() if key not in OURS and value is not None}
        options |= {"model": self.model, "seed": job.seed + again, "extra_body": body}
        if isinstance(job.prompt, str):
            answer = await client.completions.create(prompt=job.prompt, **options)
        else:
            answer = await client.chat.completions.create(messages=job.prompt, **options)
        if not answer.choices:
            return Completion(error="an empty answer")
        choice, usage = answer.choices[0], answer.usage
        text = choice.text if isinstance(job.prompt, str) else _whole(choice.message)
        if text is None:
            return Completion(error="an answer without text")
        reason = "length" if choice.finish_reason == "length" else "stop"
        return Completion(text, reason, usage.prompt_tokens if usage else 0, usage.completion_tokens if usage else 0)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def _whole(message) -> str | None:
    """Thought and answer, where the server has split them."""
    thought = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    if thought is None:
        return message.content
    return f"<think>{thought}</think>{message.content}" if message.content is not None else f"<think>{thought}"
