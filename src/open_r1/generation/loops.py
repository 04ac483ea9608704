"""The loops that turn requests into stored completions: existing ones are skipped, new ones are stored promptly."""

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from open_r1.generation.client import ServerClient
from open_r1.generation.completion_store import Completion, CompletionStore, Prompt, Request, completion_seed


if TYPE_CHECKING:
    from open_r1.generation.backends import Backend

logger = logging.getLogger(__name__)

LOG_SECONDS = 60.0  # between two log lines, if there is no terminal to show a progress bar
WRITE_SECONDS = 1.0  # completions of servers are written after this time,
WRITE_COUNT = 64  # or when there are this many of them
MAX_FAILURES_IN_A_ROW = 200  # after which the run gives up on the servers


class GenerationProgress:
    """Shows the progress of a run: a bar on a terminal, otherwise one log line per minute.

    Args:
        total (`int`): Completions wanted.
        done (`int`): Completions that already exist.
        is_terminal (`bool`): Whether the output is a terminal.
    """

    def __init__(self, total: int, done: int, is_terminal: bool):
        self.total = total
        self.done = done
        self.failed = 0
        self.tokens = 0
        self.started = time.monotonic()
        self.last_update = self.started
        self.last_log = self.started
        self.is_terminal = is_terminal
        self.bar = Progress(
            TextColumn("generating"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            transient=True,
            disable=not is_terminal,
        )
        self.bar_task = self.bar.add_task("", total=total, completed=done, speed="")

    def __enter__(self) -> "GenerationProgress":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def update(self, generated: list[tuple[Request, Completion]]) -> None:
        """Counts completions that were generated, or failed."""
        for _, completion in generated:
            self.tokens += completion.completion_tokens
            if completion.error is None:
                self.done += 1
            else:
                self.failed += 1
        self.last_update = time.monotonic()
        seconds = self.last_update - self.started
        speed = f"{self.tokens / seconds:,.0f} tokens/s" if seconds else ""
        self.bar.update(self.bar_task, completed=self.done, speed=speed)
        if not self.is_terminal and self.last_update - self.last_log >= LOG_SECONDS:
            self.last_log = self.last_update
            done, total = f"{self.done:,}", f"{self.total:,}"
            logger.info("%s of %s completions, %s, %d failed", done, total, speed, self.failed)


def build_requests(
    ids: list[str], prompts: list[Prompt], prefixes: list[str], num_generations: int, seed: int, max_tokens: int
) -> Iterator[Request]:
    """The requests for all completions, prompt by prompt.

    Args:
        ids (`list[str]`): Ids of the prompts.
        prompts (`list[str]` or `list[list[dict]]`): The prompts.
        prefixes (`list[str]`): The text that the completions of each prompt begin with.
        num_generations (`int`): Completions per prompt.
        seed (`int`): Seed of the run, from which each completion's own seed is derived.
        max_tokens (`int`): Maximum number of tokens per completion.
    """
    for prompt_id, prompt, prefix in zip(ids, prompts, prefixes, strict=True):
        for sample in range(num_generations):
            own_seed = completion_seed(seed, prompt_id, sample)
            yield Request(prompt_id, sample, prompt, own_seed, prefix, max_tokens)


def generate_in_batches(
    requests: list[Request],
    backend: "Backend",
    store: CompletionStore,
    batch_size: int,
    progress: GenerationProgress,
) -> None:
    """Generates in this process.

    A batch always consists of the same requests, so that a resumed run generates the same completions.

    Args:
        requests (`list[Request]`): All requests.
        backend (`Backend`): Generates the completions.
        store (`CompletionStore`): Where the completions are added.
        batch_size (`int`): Requests per batch.
        progress (`GenerationProgress`): Shows the progress.
    """
    for start in range(0, len(requests), batch_size):
        batch = requests[start : start + batch_size]
        if all(map(store.has, batch)):
            continue
        generated = list(zip(batch, backend.generate(batch), strict=True))
        progress.update([pair for pair in generated if not store.has(pair[0])])
        store.add(generated)


def generate_on_servers(
    requests: Iterator[Request], client: ServerClient, store: CompletionStore, progress: GenerationProgress
) -> None:
    """Generates on servers. Requests that fail are recorded in the store; the next run tries them again.

    Args:
        requests (`Iterator[Request]`): All requests.
        client (`ServerClient`): Sends the requests.
        store (`CompletionStore`): Where the completions are added.
        progress (`GenerationProgress`): Shows the progress.
    """
    asyncio.run(_generate_on_servers(requests, client, store, progress))


async def _generate_on_servers(
    requests: Iterator[Request], client: ServerClient, store: CompletionStore, progress: GenerationProgress
) -> None:
    missing = (request for request in requests if not store.has(request))
    failures_in_a_row = 0
    ready: list[tuple[Request, Completion]] = []
    async for result in client.generate(missing):
        if result is not None:
            ready.append(result)
            if result[1].error is None:
                failures_in_a_row = 0
            else:
                failures_in_a_row += 1
        is_time_to_write = (
            result is None or len(ready) >= WRITE_COUNT or time.monotonic() - progress.last_update > WRITE_SECONDS
        )
        if ready and is_time_to_write:
            progress.update(ready)
            await asyncio.to_thread(store.add, ready)  # a slow disk does not hold up the requests
            ready = []
        if failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
            logger.error("%d completions in a row failed, giving up: %s", failures_in_a_row, result[1].error)
            break
    progress.update(ready)
    store.add(ready)
