"""A running program: what it may use, how it ended, and the eye that is kept on it."""

import contextlib
import os
import re
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


MIB = 2**20
LOOK = 0.1  # seconds between two looks at the memory of a program's processes


class Outage(Exception):
    """The judge is at fault, not the program."""


@dataclass(frozen=True)
class Limits:
    """What one run may use.

    Args:
        seconds (`float`): Wall-clock time.
        memory (`int`): MiB, of all its processes together.
        processes (`int`): Processes and threads.
        disk (`int`): MiB in /tmp.
        output (`int`): MiB on standard output.
    """

    seconds: float = 6.0
    memory: int = 512
    processes: int = 64
    disk: int = 64
    output: int = 16


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        status (`str`): `ok` (exit code 0), `failed` (another one, or a signal), `timeout`, `memory` or `output` (a limit was
            passed), `compile` (there is no program).
        stdout (`bytes`): What it printed.
        seconds (`float`): Wall-clock time that it took.
    """

    status: str
    stdout: bytes = b""
    seconds: float = 0.0


class Exit:
    """Tells when a process is over: a descriptor to wait for, or, on kernels before 5.3, none."""

    def __init__(self, process: subprocess.Popen):
        self.process = process
        try:
            self.descriptor = os.pidfd_open(process.pid)
        except OSError:
            self.descriptor = None

    def over(self) -> bool:
        return self.process.poll() is not None

    def close(self):
        if self.descriptor is not None:
            os.close(self.descriptor)


def watch(stdout: int, ending, pid: int, limits: Limits) -> Outcome:
    """Reads what a program prints until it ends or passes a limit; the caller then ends it.

    Args:
        stdout (`int`): The reading end of its standard output.
        ending (`Exit`): When it is over. What still holds its output open then does not matter.
        pid (`int`): The process whose descendants it is among.
        limits (`Limits`): Seconds, memory and output hold here.
    """
    os.set_blocking(stdout, False)
    poller, started, look = select.poll(), time.monotonic(), LOOK
    poller.register(stdout, select.POLLIN)
    if ending.descriptor is not None:
        poller.register(ending.descriptor, select.POLLIN)
    output, status, reading = bytearray(), "", True
    try:
        while not status:
            now = time.monotonic() - started
            wait = min(limits.seconds, look) - now if ending.descriptor is not None else 0.005
            ready = {descriptor for descriptor, _ in poller.poll(max(0.0, wait) * 1000)}
            over = ending.over()
            if reading and (stdout in ready or over) and not _read(stdout, output, limits.output * MIB):
                reading = False  # closed; the program may go on
                poller.unregister(stdout)
            if len(output) > limits.output * MIB:
                status = "output"
            elif over:
                status = "ok"
            elif (now := time.monotonic() - started) >= limits.seconds:
                status = "timeout"
            elif now >= look:
                look = now + LOOK
                status = "memory" if memory_of(pid) > limits.memory * MIB else ""
    finally:
        ending.close()
    return Outcome(status, bytes(output), time.monotonic() - started)


def _read(descriptor: int, output: bytearray, most: int) -> bool:
    """Takes what is there, up to a bit more than `most`; false at the end."""
    while len(output) <= most:
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return True
        if not data:
            return False
        output += data
    return True


def memory_of(pid: int) -> int:
    """Bytes of memory that a process and its descendants have for themselves."""
    total, pids = 0, [pid]
    while pids:
        pid = pids.pop()
        with contextlib.suppress(OSError, ValueError):
            status = Path(f"/proc/{pid}/status").read_text()
            total += 1024 * sum(map(int, re.findall(r"^(?:RssAnon|RssShmem):\s*(\d+)", status, re.MULTILINE)))
            for task in os.listdir(f"/proc/{pid}/task"):
                pids += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return total


def end(process: subprocess.Popen, group: bool = False):
    """Ends a sandbox and all in it: with its first process the kernel ends the rest.

    Args:
        process (`Popen`): Its outermost process, which leads a group of its own; a sandbox that is still being made is in it.
        group (`bool`, *optional*, defaults to `False`): Whether to end the group even if its leader is over.
    """
    if group or process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
