"""Warm worker processes with a hard deadline: for work on untrusted text that may loop or eat memory, in C code as well.

A worker is a fresh Python (`python -m open_r1.utils.workers module:function`), not a fork of the trainer: it holds no CUDA, no
torch, none of the trainer's threads. It imports the function once and then forks one child that serves items. A kernel timer
ends a child that overruns, whatever code it is in, and the next child is forked in milliseconds, imports done. The same timer
ends it if the trainer was killed. What is not covered: a worker may read files and open sockets; this is no sandbox for code.
"""

import atexit
import logging
import os
import pickle
import queue
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
from concurrent.futures import Future
from typing import Any

from open_r1.utils.imports import import_object


logger = logging.getLogger(__name__)

GRACE = 5.0  # seconds after the deadline before the whole worker is thought lost: it may be starting, or stopped
START = 120.0  # seconds for a worker to import its function, on a busy machine with a cold disk
GIBIBYTE = 2**30


class ItemError(Exception):
    """An item got no result. `reason`: `timeout` (its deadline), `memory` (its cap), `error` (raised), `died` (killed from
    outside, twice)."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Workers:
    """A pool of workers for one function. Safe to call from any thread; the processes start at the first call.

    Args:
        function (`str`): `package.module:function` of one argument that pickles; its result must pickle too.
        count (`int`): Processes.
        seconds (`float`): Deadline of an item in wall-clock seconds, from when a worker takes it up.
        memory (`float`, *optional*, defaults to 2): Cap on the address space of a worker, in GiB.
        warm_up (`list`, *optional*): Harmless items that a worker works off before the first one, to fill its caches.

    >>> with Workers("math:factorial", count=1, seconds=0.5) as workers:
    ...     [workers.submit(3).result(), workers.submit(10**9).exception().reason]
    [6, 'timeout']
    """

    def __init__(self, function: str, count: int, seconds: float, memory: float = 2.0, warm_up: list | None = None):
        self.function, self.count, self.seconds, self.memory, self.warm_up = (
            function,
            count,
            seconds,
            memory,
            warm_up or [],
        )
        self._queue: queue.SimpleQueue = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._processes: dict[int, subprocess.Popen | None] = {}
        self._pid = os.getpid()
        self._closing = threading.Event()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_):
        self.close()

    def __getstate__(self) -> dict:  # a reward travels to the processes of an asynchronous trainer; its workers do not
        return {name: getattr(self, name) for name in ("function", "count", "seconds", "memory", "warm_up")}

    def __setstate__(self, state: dict):
        self.__init__(**state)

    def start(self):
        """Starts the processes, if they are not running; they warm up while the caller goes on."""
        if self._pid != os.getpid():  # a fork has none of the threads
            self.__init__(**self.__getstate__())
        with self._lock:
            if not self._threads:
                self._threads = [
                    threading.Thread(target=self._drive, args=(i,), daemon=True) for i in range(self.count)
                ]
                for thread in self._threads:
                    thread.start()
                atexit.register(self.close)

    def submit(self, item: Any) -> Future:
        """The future result of one item; its exception is an `ItemError`. An item that does not pickle raises here."""
        data = pickle.dumps(item)
        self.start()
        future: Future = Future()
        self._queue.put((data, future))
        return future

    def close(self):
        """Ends the processes at once, items undone. The next `submit` starts new ones."""
        with self._lock:
            self._closing.set()
            while not self._queue.empty():
                try:
                    self._queue.get_nowait()[1].cancel()
                except queue.Empty:
                    break
            for _ in self._threads:
                self._queue.put(None)
            for process in list(self._processes.values()):
                _end(process)
            for thread in self._threads:
                thread.join(self.seconds + GRACE)
            self._threads = []
            self._closing.clear()
            atexit.unregister(self.close)

    def pids(self) -> list[int]:
        """The running processes, for monitoring."""
        return sorted(process.pid for process in list(self._processes.values()) if process is not None)

    def _drive(self, index: int):
        """One thread a process: hands it items and replaces it when it is lost."""
        try:
            process = self._processes[index] = self._spawn()
        except (OSError, EOFError):  # the first item will say why
            process = None
        while (task := self._queue.get()) is not None:
            data, future = task
            if not future.set_running_or_notify_cancel():
                continue
            for _attempt in (1, 2):  # an item whose worker was killed from outside gets another chance
                try:
                    process = self._processes[index] = process or self._spawn()
                    result = _ask(process, data, self.seconds + GRACE)
                except (OSError, EOFError) as error:
                    if self._closing.is_set():
                        result = ("died", "closed")
                        process = self._processes[index] = None
                        break
                    logger.warning("a worker of %s was lost (%s), starting another", self.function, error or "closed")
                    _end(process)
                    process = self._processes[index] = None
                    result = ("died", str(error))
                if result[0] != "died":
                    break
            if result[0] == "ok":
                future.set_result(result[1])
            else:
                future.set_exception(ItemError(*result))
        _end(process)
        self._processes[index] = None

    def _spawn(self) -> subprocess.Popen:
        # -P: files of the current folder that are named like standard modules stay out of it.
        command = [
            sys.executable,
            "-P",
            "-m",
            "open_r1.utils.workers",
            self.function,
            str(self.seconds),
            str(self.memory),
        ]
        # A session of its own: Ctrl-C goes to the trainer, which then closes the pool. One thread: many workers share a node.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True, bufsize=0
        )
        try:
            _send(process.stdin, self.warm_up)
            _receive(process.stdout, START)  # it says when it is ready
        except (OSError, EOFError):
            _end(process)
            raise
        return process


def _ask(process: subprocess.Popen, data: bytes, seconds: float) -> tuple:
    _write(process.stdin, data)
    return _receive(process.stdout, seconds)


def _send(stream, item: Any):
    _write(stream, pickle.dumps(item))


def _write(stream, data: bytes):
    data = memoryview(struct.pack("!Q", len(data)) + data)
    while data:
        data = data[stream.write(data) :]


def _receive(stream, seconds: float | None = None) -> Any:
    (size,) = struct.unpack("!Q", _read(stream, 8, seconds))
    return pickle.loads(_read(stream, size, seconds))


def _read(stream, size: int, seconds: float | None) -> bytes:
    parts = []
    while size:
        if seconds is not None and not select.select([stream], [], [], seconds)[0]:
            raise EOFError(f"no answer in {seconds:g} s")
        part = stream.read(min(size, 1 << 20))
        if not part:
            raise EOFError("closed its pipe")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _end(process: subprocess.Popen | None):
    if process is None:
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)  # the worker and its child
    except ProcessLookupError:
        pass
    process.wait()


def _serve(function: Any, seconds: float, memory: float, inbox, outbox):
    """The child: item by item, each under the timer, whose default action ends the process even within C code."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (int(memory * GIBIBYTE),) * 2)
    except (ValueError, OSError):  # macOS knows no such limit
        pass
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            item = _receive(inbox)
        except EOFError:  # the trainer is gone, or closed the pool
            os._exit(0)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            result = pickle.dumps(("ok", function(item)))
        except (MemoryError, RecursionError) as error:
            result = pickle.dumps(("memory", type(error).__name__))
        except Exception as error:
            result = pickle.dumps(("error", f"{type(error).__name__}: {error}"[:500]))
        signal.setitimer(signal.ITIMER_REAL, 0)
        _write(outbox, result)


def main():
    path, seconds, memory = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    inbox, outbox = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what the function prints must not get among the results
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    function = import_object(path)
    for item in _receive(inbox):
        function(item)
    _send(outbox, "ready")
    while True:
        child = os.fork()
        if child == 0:
            _serve(function, seconds, memory, inbox, outbox)
        _, status = os.waitpid(child, 0)
        if status == 0:
            sys.exit()
        by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        reasons = {signal.SIGALRM: "timeout", signal.SIGSEGV: "memory", signal.SIGABRT: "memory"}
        _send(outbox, (reasons.get(by, "died"), f"signal {by}"))


if __name__ == "__main__":
    main()
