"""Judges on this machine: programs compiled and run in sandboxes, one fresh sandbox a test."""

import threading
from collections import OrderedDict
from typing import Protocol

from open_r1.code_judge.languages import LANGUAGES
from open_r1.code_judge.process import Limits, Outcome
from open_r1.code_judge.sandbox import Bubblewrap, Unisolated, run


COMPILING = Limits(seconds=15, memory=1024, processes=64, disk=256, output=32 * 2**20)
CACHE = 64 * 2**20  # bytes of compiled programs kept


class Provider(Protocol):
    """A judge: here, or by HTTP. One method, called on several threads at once."""

    def run(self, source: str, language: str, stdin: str, limits: Limits) -> Outcome:
        """Runs a program.

        Args:
            source (`str`): The program.
            language (`str`): `python` or `cpp`.
            stdin (`str`): What it reads.
            limits (`Limits`): What it may use.

        Raises:
            Outage: If the judge is at fault. The row then does not train.
        """
        ...


class Sandboxed:
    """One sandbox a test: nothing is shared, whatever a program does. Compiled programs are kept, by content.

    Args:
        isolation (`Bubblewrap` or `Unisolated`): The walls.
    """

    def __init__(self, isolation: Bubblewrap | Unisolated):
        self.isolation = isolation
        self._compiled: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._size, self._lock = 0, threading.Lock()

    def run(self, source: str, language: str, stdin: str, limits: Limits) -> Outcome:
        files = self.files(source, language)
        if files is None:
            return Outcome("compile")
        return self.execute(LANGUAGES[language].command, stdin.encode("utf-8", "surrogateescape"), limits, files)

    def execute(self, command: list[str], stdin: bytes, limits: Limits, files: dict[str, bytes]) -> Outcome:
        return run(self.isolation, command, stdin, limits, files)

    def files(self, source: str, language: str) -> dict[str, bytes] | None:
        """What lies in the box of a program: its source, or what that compiles to; `None` if it does not compile."""
        kind, content = LANGUAGES[language], source.encode("utf-8", "surrogatepass")
        if kind.compile is None:
            return {kind.source: content}
        with self._lock:
            program = self._compiled.get((language, source))
            if program is not None:
                self._compiled.move_to_end((language, source))
        if program is None:
            # The program comes back over standard output, so that nothing of the host can be written.
            script = f"{' '.join(kind.compile)} >/dev/null && cat program"
            outcome = run(self.isolation, ["sh", "-c", script], b"", COMPILING, {kind.source: content})
            program = outcome.stdout if outcome.status == "ok" else b""
            if outcome.status in ("ok", "failed"):  # it may have more time when the machine is less busy
                self._keep((language, source), program)
        return {"program": program} if program else None

    def _keep(self, key: tuple[str, str], program: bytes):
        with self._lock:
            self._size += len(program) + len(key[1]) if key not in self._compiled else 0
            self._compiled[key] = program
            while self._size > CACHE:
                (_, source), old = self._compiled.popitem(last=False)
                self._size -= len(old) + len(source)
