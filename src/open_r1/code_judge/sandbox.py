"""Runs one command, which nobody trusts, in a sandbox: its input, what it printed, and how it ended.

How the command is isolated is the business of `isolation`. Limits on memory, processes, files and CPU time are set
inside; wall-clock time, output and the memory of all processes together are watched from outside (`process.watch`).
Nothing is written to the host's disk, and the calling process is never forked.
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


ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}
STACK = 64 * MIB  # unless a program asks for more; also what each thread reserves
MIN_ADDRESS_SPACE = 8 * 2**30
STATUS_SIZE = 2**16  # bytes of bubblewrap's status to read at once
KILL_WAIT = 0.5  # seconds for bubblewrap to end after the first process inside was killed


class SandboxCommand:
    """A command line, the descriptors that its process inherits, and what has to be cleaned up after it.

    Args:
        argv (`list[str]`): The command line.
        inherited (`list[int]`, *optional*): Descriptors for the process; closed here once it runs.
        status (`int`, *optional*): Where bubblewrap reports the exit code. It reports none if it could not start the
            program.
        folder (`TemporaryDirectory`, *optional*): Where the command runs.
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
        """Starts the process, with a session and an environment of its own.

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
        """Kills the process and all that it started."""
        if process.poll() is None:
            first_inside = self._reported("child-pid")
            if first_inside:
                # The kernel kills all others inside with it, and bubblewrap, its parent, does not leave it as a
                # zombie.
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
        """A number that bubblewrap has reported about the sandbox so far."""
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
    """Builds the command line of a sandbox: `Bubblewrap` or `Unisolated`."""

    def command(
        self, command: list[str], files: dict[str, bytes], limits: Limits, nested: bool = False
    ) -> SandboxCommand:
        """Wraps a command.

        Args:
            command (`list[str]`): What to run; `{box}` (a folder) and `{python}` (the interpreter) are filled in.
            files (`dict[str, bytes]`): Name and content of the files in the box, read-only and executable.
            limits (`Limits`): Memory, processes and disk are enforced inside.
            nested (`bool`, *optional*, defaults to `False`): Whether the command may make namespaces of its own.
        """
        ...


def kernel_limits(limits: Limits) -> dict[str, int]:
    """The limits that the kernel enforces for each process, under the names that `prlimit` has for them.

    >>> kernel_limits(Limits(processes=8))["nproc"]
    8
    """
    return {
        # A thread reserves more than it uses; what is used is watched.
        "as": max(MIN_ADDRESS_SPACE, 2 * limits.memory * MIB),
        "nproc": limits.processes,
        "nofile": 128,
        "fsize": limits.disk * MIB,
        "cpu": int(limits.seconds * 2) + 2,
        "core": 0,
    }


def prlimit_command(limits: Limits) -> list[str]:
    """The command that sets limits and then becomes the program. Setting them from here would mean forking this
    process."""
    options = [f"--{name}={value}" for name, value in kernel_limits(limits).items()]
    return ["prlimit", f"--stack={STACK}:", *options, "--"]


def memory_file(content: bytes) -> int:
    """A descriptor of a file in memory with that content, positioned at its start."""
    descriptor = os.memfd_create("box")
    remaining = memoryview(content)
    while remaining:
        written = os.write(descriptor, remaining)
        remaining = remaining[written:]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def output_pipe() -> tuple[int, int]:
    """A pipe for the output of a program, which can also be opened by name, as `/dev/stdout`, inside the sandbox."""
    reading_end, writing_end = os.pipe()
    os.fchmod(writing_end, 0o666)
    return reading_end, writing_end


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
        command (`list[str]`): The command, with `{box}` and `{python}`.
        stdin (`bytes`): What it reads.
        limits (`Limits`): What it may use.
        files (`dict[str, bytes]`): The files in its box.
        stderr (`IO`, *optional*): File for its standard error, which is discarded by default.

    Raises:
        Outage: If no sandbox could be made.
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
