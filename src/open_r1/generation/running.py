"""From prompts to completions that are kept: what is there is not drawn again, what comes is written at once."""

import asyncio
import logging
import time
from collections.abc import Iterator

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from open_r1.generation.backends import Backend
from open_r1.generation.client import Servers
from open_r1.generation.completion_store import Completion, CompletionStore, Prompt, Request, seed_of


logger = logging.getLogger(__name__)

EVERY = 60.0  # seconds between two lines of the log, where there is no terminal to show a bar
AT_ONCE = 64  # completions of a server that are written together, if they come so fast
MOST_IN_A_ROW = 200  # failures, after which nothing is to be expected of the servers


def jobs_of(ids: list[str], prompts: list[Prompt], samples: int, seed: int) -> Iterator[Request]:
    """All completions to draw, prompt by prompt."""
    for prompt_id, prompt in zip(ids, prompts, strict=True):
        for sample in range(samples):
            yield Request(prompt_id, sample, prompt, seed_of(seed, prompt_id, sample))


def draw_batches(jobs: list[Request], backend: Backend, store: CompletionStore, batch_size: int, progress: "Meter"):
    """Draws in this process. A batch is always made of the same jobs, so that it comes out the same after a restart."""
    for start in range(0, len(jobs), batch_size):
        batch = jobs[start : start + batch_size]
        if all(map(store.has, batch)):
            continue
        drawn = list(zip(batch, backend.draw(batch), strict=True))
        progress.show([pair for pair in drawn if not store.has(pair[0])])
        store.add(drawn)


def draw_from_servers(jobs: Iterator[Request], servers: Servers, store: CompletionStore, progress: "Meter"):
    """Draws from servers; what is lost to errors is written down, and tried again by the next run."""

    async def run():
        failures, ready = 0, []
        async for drawn in servers.draw(job for job in jobs if not store.has(job)):
            if drawn is not None:
                failures = failures + 1 if drawn[1].error else 0
                ready.append(drawn)
            if ready and (len(ready) >= AT_ONCE or drawn is None or time.monotonic() - progress.written > 1):
                progress.show(ready)
                await asyncio.to_thread(
                    store.add, ready
                )  # the disk may take its time, the servers need not wait for it
                ready = []
            if failures >= MOST_IN_A_ROW:
                logger.error("%d completions in a row failed, giving up: %s", failures, drawn[1].error)
                break
        progress.show(ready)
        store.add(ready)

    asyncio.run(run())


class Meter:
    """Shows how far a run is: a bar on a terminal, else a line a minute.

    Args:
        total (`int`): Completions wanted.
        done (`int`): Those that were there before.
        terminal (`bool`): Whether there is one.
    """

    def __init__(self, total: int, done: int, terminal: bool):
        self.total, self.done, self.tokens, self.failed = total, done, 0, 0
        self.started = self.written = self.said = time.monotonic()
        columns = (
            TextColumn("generating"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, transient=True, disable=not terminal)
        self.task = self.bar.add_task("", total=total, completed=done, speed="")
        self.terminal = terminal

    def __enter__(self) -> "Meter":
        self.bar.start()
        return self

    def __exit__(self, *_):
        self.bar.stop()

    def show(self, drawn: list[tuple[Request, Completion]]):
        """Counts completions."""
        failed = sum(sample.error is not None for _, sample in drawn)
        self.failed, self.done = self.failed + failed, self.done + len(drawn) - failed
        self.tokens += sum(sample.completion_tokens for _, sample in drawn)
        self.written = time.monotonic()
        seconds = self.written - self.started
        speed = f"{self.tokens / seconds:,.0f} tokens/s" if seconds else ""
        self.bar.update(self.task, completed=self.done, speed=speed)
        if not self.terminal and self.written - self.said >= EVERY:
            self.said = self.written
            logger.info("%s of %s completions, %s, %d failed", f"{self.done:,}", f"{self.total:,}", speed, self.failed)
