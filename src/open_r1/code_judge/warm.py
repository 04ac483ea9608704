"""Sandboxes that are started in advance: one fork server per thread forks a new sandbox for each run.

The isolation is the same as with a new bubblewrap for each run, without its startup time: the fork server
(`fork_server`) runs in bubblewrap, and each run gets its own user, process, mount and IPC namespaces, `/tmp` and
limits inside. After a run that exceeds a limit, the fork server is replaced.
"""

import json
import os
import select
import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

from open_r1.code_judge import fork_server
from open_r1.code_judge.languages import PYTHON_FLAGS
from open_r1.code_judge.process import MIB, Limits, Outage, Outcome, watch
from open_r1.code_judge.providers import ColdSandboxes
from open_r1.code_judge.sandbox import STACK, Isolation, kernel_limits, memory_file, output_pipe


SERVER_LIMITS = Limits(seconds=10**7, memory=2**20, processes=4096, disk=4096)  # generous, since each run has its own
ANSWER_SIZE = 64  # bytes


class ForkServer:
    """A running fork server, for use by a single thread.

    Args:
        isolation (`Isolation`): How it is isolated.

    Raises:
        Outage: If it cannot be started.
    """

    def __init__(self, isolation: Isolation):
        self.control, server_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        server_descriptor = server_end.detach()
        command = [
            "{python}",
            *PYTHON_FLAGS,
            "{box}/fork_server.py",
            str(server_descriptor),
            str(Limits().disk * MIB),
            str(STACK),
        ]
        files = {"fork_server.py": Path(fork_server.__file__).read_bytes()}
        self.sandbox = isolation.command(command, files, SERVER_LIMITS, nested=True)
        self.sandbox.inherited.append(server_descriptor)
        self.process = self.sandbox.start(subprocess.DEVNULL, subprocess.DEVNULL)
        self.runs = 0

    def __del__(self) -> None:
        self.close()

    def run(
        self, program: bytes, executable: bool, stdin: bytes, limits: Limits, second_process: bool = False
    ) -> Outcome:
        """Runs a program in a new sandbox inside the fork server's.

        Args:
            program (`bytes`): Source of a Python program, or an executable.
            executable (`bool`): Whether `program` is an executable.
            stdin (`bytes`): Standard input of the program.
            limits (`Limits`): Resource limits.
            second_process (`bool`, *optional*, defaults to `False`):
                Whether an executable may send itself signals; see `may_signal_itself`.

        Raises:
            Outage: If the fork server has died or was closed, as after a run that exceeded a limit.
        """
        stdout, stdout_end = output_pipe()
        self.runs += 1
        try:
            message = {
                "id": self.runs,
                "limits": kernel_limits(limits),
                "executable": executable,
                "second_process": second_process,
            }
            self._send_run(message, program, stdin, stdout_end)
            outcome = watch(stdout, Answer(self.control), self.process.pid, limits)
        finally:
            os.close(stdout)
        if outcome.status != "ok":
            self.close()
            return outcome
        run_id, _, exit_code = self._receive_answer().partition(" ")
        if run_id != str(self.runs):
            self.close()
            raise Outage("the sandbox is gone, or could not fork another one")
        if exit_code != "0":
            return replace(outcome, status="failed")
        return outcome

    def _send_run(self, message: dict, program: bytes, stdin: bytes, stdout: int) -> None:
        """Sends a run to the fork server and closes `stdout` in this process."""
        descriptors = [memory_file(stdin), stdout, memory_file(program)]
        try:
            socket.send_fds(self.control, [json.dumps(message).encode()], descriptors)
        except OSError as error:
            raise Outage(f"the sandbox is gone: {error}") from error
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _receive_answer(self) -> str:
        """Id and exit code of the finished run; empty if the fork server is gone."""
        try:
            return self.control.recv(ANSWER_SIZE).decode()
        except ConnectionError:
            return ""

    def is_alive(self) -> bool:
        """Whether the fork server can run programs."""
        return self.control.fileno() >= 0 and self.process.poll() is None

    def close(self) -> None:
        """Kills the fork server and all processes inside its sandbox."""
        self.control.close()
        self.sandbox.kill(self.process)
        self.sandbox.close()


class Answer:
    """Detects the end of a run in a fork server, which then sends an answer."""

    def __init__(self, control: socket.socket):
        self.descriptor = control.fileno()

    def is_over(self) -> bool:
        """Whether the answer has arrived."""
        readable, _, _ = select.select([self.descriptor], [], [], 0)
        return bool(readable)

    def close(self) -> None:
        """Does nothing, since the socket is needed for the next run."""


class WarmSandboxes(ColdSandboxes):
    """Runs programs in sandboxes that are started in advance.

    Args:
        isolation (`Isolation`): How they are isolated.

    Raises:
        Outage: If this machine does not allow nested sandboxes; `ColdSandboxes` may still work.
    """

    def __init__(self, isolation: Isolation):
        super().__init__(isolation)
        self._local = threading.local()
        outcome = self.run("print(6 * 7)", "python", "", Limits(seconds=30))
        if outcome.stdout.strip() != b"42":
            raise Outage(f"a sandbox cannot contain another one here: {outcome}")

    def execute(
        self, command: list[str], stdin: bytes, limits: Limits, files: dict[str, bytes], second_process: bool
    ) -> Outcome:
        """Runs the program, the only entry of `files`, in the fork server of this thread."""
        ((name, program),) = files.items()
        server = getattr(self._local, "server", None)
        if server is None or not server.is_alive():
            server = ForkServer(self.isolation)
            self._local.server = server
        return server.run(program, name == "program", stdin, limits, second_process)
