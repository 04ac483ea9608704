"""Runs an untrusted command in a sandbox and returns its output and how it ended.

`isolation` defines how the command is isolated. Per-process limits (address space, processes, files, CPU time) are set
inside the sandbox; wall-clock time, output and total memory are watched from outside (`process.watch`). Nothing is
written to the host's disk, and the calling process is never forked.
"""

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import IO, Protocol

from open_r1.code_judge.process import MIB, Limits, Outage, Outcome, ProcessEnding, watch


ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONINTMAXSTRDIGITS": "0",  # for programs that start another Python; see `languages.PYTHON_FLAGS`
}
STACK = 64 * MIB  # soft limit, which a program may raise; each thread reserves this much, too
MIN_ADDRESS_SPACE = 8 * 2**30
STATUS_SIZE = 2**16  # bytes of bubblewrap's status to read at once
KILL_WAIT = 0.5  # seconds to wait for bubblewrap to exit after the first process inside was killed


class SandboxCommand:
    """A sandboxed command line, with the file descriptors and the folder to clean up after it.

    Args:
        argv (`list[str]`): The command line.
        inherited (`list[int]`, *optional*):
            File descriptors that the process inherits; closed in this process once it has started.
        status (`int`, *optional*):
            File descriptor on which bubblewrap reports the exit code. It reports none if it could not start the
            program.
        folder (`TemporaryDirectory`, *optional*): Working directory of the command.
    """

    def __init__(
        self,
        argv: list[str],
        inherited: list[int] | None = None,
        status: int | None = None,
        folder: TemporaryDirectory | None = None,
    ):
        self.argv = argv
        self.inherited = inherited or []
        self.status = status
        self.folder = folder
        self._status_text = ""

    def __enter__(self) -> "SandboxCommand":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Closes the descriptors and removes the folder."""
        self._close_inherited()
        if self.status is not None:
            os.close(self.status)
            self.status = None
        if self.folder is not None:
            self.folder.cleanup()

    def start(self, stdin: int, stdout: int, stderr: IO | None = None) -> subprocess.Popen:
        """Starts the process, with its own session and environment.

        Raises:
            Outage: If the command cannot be started.
        """
        try:
            return subprocess.Popen(
                self.argv,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr or subprocess.DEVNULL,
                env=ENVIRONMENT,
                pass_fds=self.inherited,
                cwd=self.folder.name if self.folder else None,
                start_new_session=True,
            )
        except OSError as error:
            raise Outage(f"cannot start {self.argv[0]}: {error}") from error
        finally:
            self._close_inherited()

    def kill(self, process: subprocess.Popen) -> None:
        """Kills the process and everything it started."""
        if process.poll() is None:
            first_inside = self._reported("child-pid")
            if first_inside:
                # The kernel then kills all other processes inside, and bubblewrap, its parent, reaps it.
                with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                    os.kill(first_inside, signal.SIGKILL)
                    process.wait(KILL_WAIT)
        if process.poll() is None or self.status is None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def exit_code(self, process: subprocess.Popen) -> int:
        """The exit code of a process that has ended.

        Raises:
            Outage: If bubblewrap could not start the program.
        """
        if self.status is None:
            return process.returncode
        code = self._reported("exit-code")
        if code is None:
            raise Outage("bubblewrap could not start the program")
        return code

    def _reported(self, name: str) -> int | None:
        """A number that bubblewrap has reported about the sandbox; `None` if it has not (yet)."""
        if self.status is not None:
            os.set_blocking(self.status, False)
            with contextlib.suppress(BlockingIOError):
                self._status_text += os.read(self.status, STATUS_SIZE).decode()
        match = re.search(rf'"{name}"\s*:\s*(-?\d+)', self._status_text)
        return int(match[1]) if match else None

    def _close_inherited(self) -> None:
        while self.inherited:
            os.close(self.inherited.pop())


class Isolation(Protocol):
    """Interface of `Bubblewrap` and `Unisolated`, which build the command line of a sandbox."""

    def command(
        self, command: list[str], files: dict[str, bytes], limits: Limits, nested: bool = False
    ) -> SandboxCommand:
        """Wraps a command so that it runs in the sandbox.

        Args:
            command (`list[str]`):
                The command, in which `{box}` (the folder of the files), `{python}` (the interpreter) and `{isolated}`
                (its option that ignores the environment, unless that has a folder of packages) are filled in.
            files (`dict[str, bytes]`): Name and content of the files in the box, read-only and executable.
            limits (`Limits`): Resource limits; those that the kernel enforces are set inside the sandbox.
            nested (`bool`, *optional*, defaults to `False`): Whether the command may create namespaces itself.
        """
        ...


def kernel_limits(limits: Limits) -> dict[str, int]:
    """The limits that the kernel enforces, by their names in `prlimit`.

    >>> kernel_limits(Limits(processes=8))["nproc"]
    8
    """
    return {
        # Threads reserve more address space than they use; the memory actually used is watched from outside.
        "as": max(MIN_ADDRESS_SPACE, 2 * limits.memory * MIB),
        "nproc": limits.processes,
        "nofile": 128,
        "fsize": limits.disk * MIB,
        "cpu": int(limits.seconds * 2) + 2,
        "core": 0,
    }


def prlimit_command(limits: Limits) -> list[str]:
    """The `prlimit` command, which sets the limits and then executes the program. Setting them in this process would
    require a fork."""
    options = [f"--{name}={value}" for name, value in kernel_limits(limits).items()]
    return ["prlimit", f"--stack={STACK}:", *options, "--"]


def memory_file(content: bytes) -> int:
    """Creates an in-memory file with the given content and returns its file descriptor, positioned at the start."""
    descriptor = os.memfd_create("box")
    remaining = memoryview(content)
    while remaining:
        written = os.write(descriptor, remaining)
        remaining = remaining[written:]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def output_pipe() -> tuple[int, int]:
    """A pipe for the output of a program. Inside the sandbox it can also be opened as `/dev/stdout`."""
    read_end, write_end = os.pipe()
    os.fchmod(write_end, 0o666)
    return read_end, write_end


def run_command(
    isolation: Isolation,
    command: list[str],
    stdin: bytes,
    limits: Limits,
    files: dict[str, bytes],
    stderr: IO | None = None,
) -> Outcome:
    """Runs a command in a new sandbox.

    Args:
        isolation (`Isolation`): How it is isolated.
        command (`list[str]`): The command, in which `{box}` and `{python}` are filled in.
        stdin (`bytes`): Its standard input.
        limits (`Limits`): Resource limits.
        files (`dict[str, bytes]`): The files in its box.
        stderr (`IO`, *optional*): File for its standard error, which is discarded by default.

    Raises:
        Outage: If the sandbox could not be created.
    """
    with isolation.command(command, files, limits) as sandbox:
        source = memory_file(stdin)
        stdout, stdout_end = output_pipe()
        try:
            process = sandbox.start(source, stdout_end, stderr)
        except Outage:
            os.close(stdout)
            raise
        finally:
            os.close(source)
            os.close(stdout_end)
        try:
            outcome = watch(stdout, ProcessEnding(process), process.pid, limits)
        finally:
            sandbox.kill(process)
            os.close(stdout)
        if outcome.status == "ok" and sandbox.exit_code(process) != 0:
            return replace(outcome, status="failed")
        return outcome
