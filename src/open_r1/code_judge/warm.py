"""The warm judge: sandboxes that are up already, one a thread, which fork a fresh one for each test (see `zygote`).

The same walls as one bubblewrap a test, without its start: the zygote sits in a bubblewrap, and each test gets its own user,
process, mount and IPC namespaces, /tmp and limits within. Whatever passes a limit takes its zygote along.
"""

import json
import os
import select
import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

from open_r1.code_judge import zygote
from open_r1.code_judge.judge import Sandboxed
from open_r1.code_judge.process import MIB, Limits, Outage, Outcome, watch
from open_r1.code_judge.sandbox import STACK, Bubblewrap, caps, memory_file


LASTING = Limits(seconds=10**7, memory=2**20, processes=4096, disk=4096)  # of the zygote; each test has its own


class Zygote:
    """One sandbox that forks others, for one thread.

    Args:
        isolation (`Bubblewrap`): Its walls.

    Raises:
        Outage: If it cannot start.
    """

    def __init__(self, isolation: Bubblewrap):
        self.control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        files = {"zygote.py": Path(zygote.__file__).read_bytes()}
        inner = other.detach()
        self.sandbox = isolation.command(
            ["{python}", "-I", "{box}/zygote.py", str(inner), str(Limits().disk * MIB), str(STACK)],
            files,
            LASTING,
            nested=True,
        )
        self.sandbox.inherit.append(inner)
        self.process = self.sandbox.start(subprocess.DEVNULL, subprocess.DEVNULL)

        self.tests = 0

    def __del__(self):
        self.close()

    def run(self, program: bytes, executable: bool, stdin: bytes, limits: Limits) -> Outcome:
        """Runs a program in a fork of its own.

        Raises:
            Outage: If the zygote is lost. So it is after any limit was passed.
        """
        output, output_end = os.pipe()
        descriptors = [memory_file(stdin), output_end, memory_file(program)]
        os.fchmod(output_end, 0o666)  # so that /dev/stdout can be opened by name
        self.tests += 1
        test = {"id": self.tests, "limits": caps(limits), "executable": executable}
        try:
            socket.send_fds(self.control, [json.dumps(test).encode()], descriptors)
        except OSError as error:
            os.close(output)
            raise Outage(f"the sandbox is gone: {error}") from error
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        try:
            outcome = watch(output, Reply(self.control), self.process.pid, limits)
            answer = self.control.recv(64) if outcome.status == "ok" else b""
        except ConnectionError:
            answer = b""
        finally:
            os.close(output)
        if outcome.status != "ok":
            self.close()
            return outcome
        number, _, code = answer.decode().partition(" ")
        if number != str(self.tests):
            self.close()
            raise Outage("the sandbox is gone, or could not fork another one")
        return outcome if code == "0" else replace(outcome, status="failed")

    def alive(self) -> bool:
        return self.control.fileno() >= 0 and self.process.poll() is None

    def close(self):
        self.control.close()
        self.sandbox.end(self.process)
        self.sandbox.close()


class Reply:
    """Tells when a zygote has answered: its test is over."""

    def __init__(self, control: socket.socket):
        self.descriptor = control.fileno()

    def over(self) -> bool:
        return bool(select.select([self.descriptor], [], [], 0)[0])

    def close(self):
        """The socket stays."""


class Warm(Sandboxed):
    """Judges with sandboxes that are up already; `Sandboxed` where those cannot be.

    Args:
        isolation (`Bubblewrap`): The walls.

    Raises:
        Outage: If there can be no sandbox within another here.
    """

    def __init__(self, isolation: Bubblewrap):
        super().__init__(isolation)
        self._mine = threading.local()
        outcome = self.run("print(6 * 7)", "python", "", Limits(seconds=30))
        if outcome.stdout.strip() != b"42":
            raise Outage(f"no sandbox within another: {outcome}")

    def execute(self, command: list[str], stdin: bytes, limits: Limits, files: dict[str, bytes]) -> Outcome:
        ((name, program),) = files.items()
        mine = getattr(self._mine, "zygote", None)
        if mine is None or not mine.alive():
            mine = self._mine.zygote = Zygote(self.isolation)
        return mine.run(program, name == "program", stdin, limits)
