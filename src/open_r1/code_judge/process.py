"""Limits and outcomes of programs, and the loop that watches a running program."""

import contextlib
import os
import re
import select
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


MIB = 2**20
MEMORY_CHECK_INTERVAL = 0.05  # seconds
POLL_INTERVAL = 0.005  # seconds, on kernels without pidfd, where the end of a process has to be polled
READ_SIZE = 2**16  # bytes
RESIDENT = re.compile(r"^(?:RssAnon|RssShmem):\s*(\d+)", re.MULTILINE)
PROPORTIONAL = re.compile(r"^Pss_Anon:\s*(\d+)", re.MULTILINE)


class Outage(Exception):
    """Raised if the judge or its provider failed, rather than the program."""


@dataclass(frozen=True)
class Limits:
    """Resource limits for one run of a program.

    Args:
        seconds (`float`, *optional*, defaults to 6): Wall-clock time.
        memory (`int`, *optional*, defaults to 512): MiB for all processes of the program together.
        processes (`int`, *optional*, defaults to 64): Number of processes and threads.
        disk (`int`, *optional*, defaults to 64): MiB in `/tmp`.
        output (`int`, *optional*, defaults to 16 MiB): Bytes on standard output.
    """

    seconds: float = 6.0
    memory: int = 512
    processes: int = 64
    disk: int = 64
    output: int = 16 * MIB


@dataclass(frozen=True)
class Outcome:
    """How a run of a program ended.

    Args:
        status (`str`):
            `ok` (exit code 0), `failed` (another exit code, or a signal), `timeout`, `memory` or `output` (a limit was
            exceeded), or `compile` (the program does not compile).
        stdout (`bytes`, *optional*): Standard output of the program.
        seconds (`float`, *optional*): Wall-clock time of the run.
    """

    status: str
    stdout: bytes = b""
    seconds: float = 0.0


class Ending(Protocol):
    """Detects the end of a program.

    Args:
        descriptor (`int`, *optional*):
            File descriptor that becomes readable when the program ends; `None` if the caller has to poll.
    """

    descriptor: int | None

    def is_over(self) -> bool:
        """Whether the program has ended."""
        ...

    def close(self) -> None:
        """Closes the descriptor, if it is not used for anything else."""
        ...


class ProcessEnding:
    """Detects the end of a child process; on kernels before 5.3 by polling."""

    def __init__(self, process: subprocess.Popen):
        self.process = process
        try:
            self.descriptor = os.pidfd_open(process.pid)
        except OSError:
            self.descriptor = None

    def is_over(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    def close(self) -> None:
        """Closes the descriptor."""
        if self.descriptor is not None:
            os.close(self.descriptor)


def watch(stdout: int, ending: Ending, pid: int, limits: Limits) -> Outcome:
    """Reads the output of a program until it ends or exceeds a limit. The caller then kills any remaining processes.

    Args:
        stdout (`int`): The read end of its standard output.
        ending (`Ending`): Detects the end of the program, even if another process still holds its output open.
        pid (`int`): A process that has the program among its descendants.
        limits (`Limits`): Limits; those on seconds, memory and output are enforced here.

    Returns:
        `Outcome`: `ok`, or the limit that was exceeded.
    """
    os.set_blocking(stdout, False)
    started = time.monotonic()
    next_memory_check = MEMORY_CHECK_INTERVAL
    poller = select.poll()
    poller.register(stdout, select.POLLIN)
    if ending.descriptor is not None:
        poller.register(ending.descriptor, select.POLLIN)
    output = bytearray()
    is_open = True
    status = ""
    try:
        while not status:
            wait = POLL_INTERVAL
            if ending.descriptor is not None:
                wait = min(limits.seconds, next_memory_check) - (time.monotonic() - started)
            ready = poller.poll(max(0.0, wait) * 1000)
            is_over = ending.is_over()
            if is_open and (is_over or _contains(ready, stdout)):
                is_open = _read_available(stdout, output, limits.output)
                if not is_open:  # the program may keep running after closing its output
                    poller.unregister(stdout)
            elapsed = time.monotonic() - started
            if len(output) > limits.output:
                status = "output"
            elif is_over:
                status = "ok"
            elif elapsed >= limits.seconds:
                status = "timeout"
            elif elapsed >= next_memory_check:
                next_memory_check = elapsed + MEMORY_CHECK_INTERVAL
                if _exceeds_memory(pid, limits.memory * MIB):
                    status = "memory"
    finally:
        ending.close()
    return Outcome(status, bytes(output), time.monotonic() - started)


def _contains(events: list[tuple[int, int]], descriptor: int) -> bool:
    return any(ready == descriptor for ready, _ in events)


def _read_available(descriptor: int, output: bytearray, limit: int) -> bool:
    """Appends all available data to `output`, until that exceeds `limit` bytes. Returns `False` at end of file."""
    while len(output) <= limit:
        try:
            data = os.read(descriptor, READ_SIZE)
        except BlockingIOError:
            return True
        if not data:
            return False
        output += data
    return True


def _exceeds_memory(pid: int, limit: int) -> bool:
    """Whether a process and its descendants exceed a memory limit. First tries a fast upper bound of the exact sum."""
    return memory_usage(pid) > limit and memory_usage(pid, proportional=True) > limit


def memory_usage(pid: int, proportional: bool = False) -> int:
    """The memory in bytes that a process and its descendants have allocated.

    Args:
        pid (`int`): Id of the process.
        proportional (`bool`, *optional*, defaults to `False`):
            Whether to count memory shared by several processes only once, which takes longer.
    """
    total = 0
    pids = [pid]
    while pids:
        pid = pids.pop()
        with contextlib.suppress(OSError, ValueError):  # the process may have ended in the meantime
            threads = os.listdir(f"/proc/{pid}/task")
            for thread in threads:
                children = Path(f"/proc/{pid}/task/{thread}/children").read_text()
                pids.extend(map(int, children.split()))
            if proportional:
                total += _proportional_memory(pid)
            else:
                total += _resident_memory(pid, threads)
    return total


def _resident_memory(pid: int, threads: list[str]) -> int:
    own = _read_resident(f"/proc/{pid}")
    if own:
        return own
    # If the first thread has ended, it reports no memory, although the other threads still use some.
    return max([0, *(_read_resident(f"/proc/{pid}/task/{thread}") for thread in threads)])


def _read_resident(folder: str) -> int:
    try:
        status = Path(folder, "status").read_text()
    except OSError:
        return 0
    return 1024 * sum(map(int, RESIDENT.findall(status)))


def _proportional_memory(pid: int) -> int:
    try:
        match = PROPORTIONAL.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except OSError:
        match = None
    if match is None:  # not readable by this user
        return _read_resident(f"/proc/{pid}")
    return 1024 * int(match[1])
