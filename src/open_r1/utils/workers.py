"""Worker processes with a hard deadline per item, for untrusted text on which even C code may hang or eat memory.

A worker is a fresh Python process (`python -m open_r1.utils.workers module:function`), not a fork of the trainer: it
has no CUDA, no torch and none of the trainer's threads. It imports the function once, processes the warm-up items, and
forks a child that processes items one by one:

    pool (thread per worker) ── pipe ──► worker: imports, warm-up ── fork ──► child: items, each under a kernel timer
                                              └── forks a new child when the last one was killed

The timer's signal kills the child whatever code it is running, and a new child, with all imports already done, is
forked in milliseconds. The same timer also ends a child whose trainer was killed. Each message is a pickle, preceded
by its length in eight bytes; an answer is `("ok", result)` or the reason and details of an `ItemError`.

This is not a sandbox for code: a worker may read files and open sockets.

Why not the library `pebble`? There, a timeout kills the whole process, including its imports and warm-up (1 s instead
of 5 ms for the math grader); its workers import the training script again; and a worker in an endless loop outlives a
killed trainer.
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
from collections.abc import Callable
from concurrent.futures import Future
from typing import IO, Any, NoReturn

from open_r1.utils.imports import import_object


logger = logging.getLogger(__name__)

GRACE = 5.0  # seconds after the deadline until a worker is considered lost; it may still be starting, or be suspended
START_TIMEOUT = 120.0  # seconds for a worker to import its function, on a busy machine with a cold disk
ATTEMPTS = 2  # per item, in case its worker is killed from outside
GIBIBYTE = 2**30
LENGTH = struct.Struct("!Q")  # before each message
READ_SIZE = 2**20  # bytes
MAX_DETAIL = 500  # characters
# Reason of the `ItemError`, by the signal that killed the child.
REASONS = {signal.SIGALRM: "timeout", signal.SIGSEGV: "memory", signal.SIGABRT: "memory"}


class ItemError(Exception):
    """Raised for an item that has no result.

    Args:
        reason (`str`): `timeout` (the deadline passed), `memory` (the memory cap was exceeded), `error` (the function
            raised an exception), or `died` (the worker was killed from outside twice).
        detail (`str`, *optional*): Details, such as the exception or the signal.
    """

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Workers:
    """A pool of worker processes that run one function. Thread-safe; the processes start with the first item.

    Args:
        function (`str`):
            `package.module:function`, a function of one argument. Argument and result must be picklable.
        count (`int`): Number of processes.
        seconds (`float`): Deadline per item in wall-clock seconds, counted from when a worker starts on it.
        memory (`float`, *optional*, defaults to 2): Cap on the address space of a worker, in GiB.
        warm_up (`list`, *optional*): Harmless items that each worker processes at startup to fill its caches.

    >>> with Workers("math:factorial", count=1, seconds=0.5) as workers:
    ...     [workers.submit(3).result(), workers.submit(10**9).exception().reason]
    [6, 'timeout']
    """

    def __init__(self, function: str, count: int, seconds: float, memory: float = 2.0, warm_up: list | None = None):
        self.function = function
        self.count = count
        self.seconds = seconds
        self.memory = memory
        self.warm_up = warm_up or []
        self._queue: queue.SimpleQueue[tuple[bytes, Future] | None] = queue.SimpleQueue()  # `None` ends a thread
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._processes: dict[int, subprocess.Popen] = {}  # by index of their thread
        self._pid = os.getpid()
        self._is_closing = threading.Event()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __getstate__(self) -> dict:
        # An asynchronous trainer pickles rewards for its other processes; each of these starts its own workers.
        return {
            "function": self.function,
            "count": self.count,
            "seconds": self.seconds,
            "memory": self.memory,
            "warm_up": self.warm_up,
        }

    def __setstate__(self, state: dict) -> None:
        self.__init__(**state)

    def start(self) -> None:
        """Starts the processes if they are not running. They warm up in the background."""
        if self._pid != os.getpid():  # threads do not survive a fork
            self.__init__(**self.__getstate__())
        with self._lock:
            if self._threads:
                return
            for index in range(self.count):
                thread = threading.Thread(target=self._serve_queue, args=(index,), daemon=True)
                self._threads.append(thread)
                thread.start()
            atexit.register(self.close)

    def submit(self, item: Any) -> Future:
        """Adds an item to the queue. Raises immediately if the item cannot be pickled.

        Returns:
            `Future`: The result of the item, or an `ItemError`.
        """
        data = pickle.dumps(item)
        self.start()
        future: Future = Future()
        self._queue.put((data, future))
        return future

    def close(self) -> None:
        """Kills the processes and cancels all queued items. The next `submit` starts new processes."""
        with self._lock:
            self._is_closing.set()
            self._cancel_queue()
            for _ in self._threads:
                self._queue.put(None)
            for process in list(self._processes.values()):
                _kill(process)
            for thread in self._threads:
                thread.join(self.seconds + GRACE)
            self._threads = []
            self._is_closing.clear()
            atexit.unregister(self.close)

    def pids(self) -> list[int]:
        """The ids of the running processes, for monitoring."""
        return sorted(process.pid for process in list(self._processes.values()))

    def _cancel_queue(self) -> None:
        while True:
            try:
                task = self._queue.get_nowait()
            except queue.Empty:
                return
            if task is not None:
                _, future = task
                future.cancel()

    def _serve_queue(self, index: int) -> None:
        """Body of the thread that feeds one process with items until the pool is closed."""
        try:
            self._processes[index] = self._spawn()
        except (OSError, EOFError):
            pass  # the first item retries the start and reports the error
        while True:
            task = self._queue.get()
            if task is None:
                break
            data, future = task
            if not future.set_running_or_notify_cancel():
                continue
            status, value = self._process_item(index, data)
            if status == "ok":
                future.set_result(value)
            else:
                future.set_exception(ItemError(status, value))
        process = self._processes.pop(index, None)
        if process is not None:
            _kill(process)

    def _process_item(self, index: int, data: bytes) -> tuple[str, Any]:
        """The worker's answer to an item. If the worker is lost, it is replaced and the item retried once."""
        answer = ("died", "")
        for _ in range(ATTEMPTS):
            try:
                if index not in self._processes:
                    self._processes[index] = self._spawn()
                answer = _ask(self._processes[index], data, self.seconds + GRACE)
            except (OSError, EOFError) as error:
                process = self._processes.pop(index, None)
                if self._is_closing.is_set():
                    return ("died", "closed")
                logger.warning("lost a worker of %s (%s), starting another", self.function, error or "closed")
                if process is not None:
                    _kill(process)
                answer = ("died", str(error))
            status, _ = answer
            if status != "died":
                break
        return answer

    def _spawn(self) -> subprocess.Popen:
        """Starts a worker and waits until it is ready."""
        command = [
            sys.executable,
            "-P",  # so that files in the current folder cannot shadow standard modules
            "-m",
            "open_r1.utils.workers",
            self.function,
            str(self.seconds),
            str(self.memory),
        ]
        environment = os.environ | {
            "OMP_NUM_THREADS": "1",  # since many workers share a node
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # so that Ctrl-C reaches only the trainer, which then closes the pool
            bufsize=0,
        )
        try:
            _send(process.stdin, pickle.dumps(self.warm_up))
            _receive(process.stdout, START_TIMEOUT)
        except (OSError, EOFError):
            _kill(process)
            raise
        return process


def _ask(process: subprocess.Popen, data: bytes, timeout: float) -> tuple[str, Any]:
    _send(process.stdin, data)
    return _receive(process.stdout, timeout)


def _kill(process: subprocess.Popen) -> None:
    """Kills a worker and its child."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _send(stream: IO[bytes], data: bytes) -> None:
    remaining = memoryview(LENGTH.pack(len(data)) + data)
    while remaining:
        written = stream.write(remaining)
        remaining = remaining[written:]


def _receive(stream: IO[bytes], timeout: float | None = None) -> Any:
    """Reads a message.

    Raises:
        EOFError: If the other end is closed, or sends nothing for `timeout` seconds.
    """
    (length,) = LENGTH.unpack(_read(stream, LENGTH.size, timeout))
    return pickle.loads(_read(stream, length, timeout))


def _read(stream: IO[bytes], size: int, timeout: float | None) -> bytes:
    parts = []
    while size > 0:
        if timeout is not None:
            readable, _, _ = select.select([stream], [], [], timeout)
            if not readable:
                raise EOFError(f"no answer in {timeout:g} s")
        part = stream.read(min(size, READ_SIZE))
        if not part:
            raise EOFError("closed its pipe")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _run_child(function: Callable, seconds: float, memory: float, inbox: IO[bytes], outbox: IO[bytes]) -> NoReturn:
    """Processes items, each under a timer. Its signal has no handler, so it kills the process even inside C code."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    limit = int(memory * GIBIBYTE)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ValueError, OSError):  # macOS does not support this limit
        pass
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            item = _receive(inbox)
        except EOFError:  # the trainer died or closed the pool
            os._exit(0)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        answer = _call(function, item)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(outbox, answer)


def _call(function: Callable, item: Any) -> bytes:
    """The pickled answer to an item. A result that cannot be pickled is reported as an error of the function."""
    try:
        return pickle.dumps(("ok", function(item)))
    except (MemoryError, RecursionError) as error:
        return pickle.dumps(("memory", type(error).__name__))
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"
        return pickle.dumps(("error", detail[:MAX_DETAIL]))


def main() -> None:
    """Runs a worker: imports the function, then forks one child after another and reports what killed it."""
    path, seconds, memory = sys.argv[1:]
    inbox = os.fdopen(os.dup(0), "rb", buffering=0)
    outbox = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # prints of the function must not end up in the answers
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    function = import_object(path)
    for item in _receive(inbox):
        function(item)
    _send(outbox, pickle.dumps("ready"))
    while True:
        child = os.fork()
        if child == 0:
            _run_child(function, float(seconds), float(memory), inbox, outbox)
        _, status = os.waitpid(child, 0)
        if status == 0:
            sys.exit()
        signal_number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        reason = REASONS.get(signal_number, "died")
        _send(outbox, pickle.dumps((reason, f"signal {signal_number}")))


if __name__ == "__main__":
    main()
