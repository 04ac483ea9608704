"""A running program: what it may use, how it ended, and the eye that is kept on it."""

import contextlib
import os
import re
import select
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


MIB = 2**20
LOOK = 0.05  # seconds between two looks at the memory of a program's processes


RESIDENT = re.compile(r"^(?:RssAnon|RssShmem):\s*(\d+)", re.MULTILINE)


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
        output (`int`): Bytes on standard output.
    """

    seconds: float = 6.0
    memory: int = 512
    processes: int = 64
    disk: int = 64
    output: int = 16 * MIB


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
            if reading and (stdout in ready or over) and not _read(stdout, output, limits.output):
                reading = False  # closed; the program may go on
                poller.unregister(stdout)
            if len(output) > limits.output:
                status = "output"
            elif over:
                status = "ok"
            elif (now := time.monotonic() - started) >= limits.seconds:
                status = "timeout"
            elif now >= look:
                look = now + LOOK
                most = limits.memory * MIB
                status = "memory" if memory_of(pid) > most and memory_of(pid, shared=True) > most else ""
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


def memory_of(pid: int, shared: bool = False) -> int:
    """Bytes of memory that a process and its descendants have for themselves.

    Args:
        pid (`int`): The process.
        shared (`bool`, *optional*, defaults to `False`): Whether to share out what several of them have in common, which takes longer.
    """
    total, pids = 0, [pid]
    while pids:
        pid = pids.pop()
        with contextlib.suppress(OSError, ValueError):
            tasks = os.listdir(f"/proc/{pid}/task")
            for task in tasks:
                pids += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
            total += _shared_out(pid) if shared else max(map(_resident, [f"/proc/{pid}", *_others(pid, tasks)]))
    return total


def _others(pid: int, tasks: list[str]) -> list[str]:
    """The threads of a process whose first one is over, and which says nothing of the memory."""
    return [] if _resident(f"/proc/{pid}") else [f"/proc/{pid}/task/{task}" for task in tasks]


def _resident(path: str) -> int:
    try:
        return 1024 * sum(map(int, RESIDENT.findall(Path(path, "status").read_text())))
    except OSError:
        return 0


def _shared_out(pid: int) -> int:
    try:
        return 1024 * int(
            re.search(r"^Pss_Anon:\s*(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)[1]
        )
    except (OSError, TypeError):  # not for us to read
        return _resident(f"/proc/{pid}")
