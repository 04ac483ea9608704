"""Providers run programs for the judge: their interface, and a provider that creates a new sandbox for each run."""

import threading
from collections import OrderedDict
from typing import Protocol

from open_r1.code_judge.languages import LANGUAGES, Language, may_signal_itself
from open_r1.code_judge.process import Limits, Outcome
from open_r1.code_judge.sandbox import Isolation, run_command


COMPILER_LIMITS = Limits(seconds=15, memory=1024, processes=64, disk=256, output=32 * 2**20)
AS_SECOND_PROCESS = ["sh", "-c", '"$@"; exit $?', "sh"]
COMPILED_SIZE = 64 * 2**20  # bytes; size of the cache of compiled programs


class Provider(Protocol):
    """Runs programs, on this machine or elsewhere. `run` is called from several threads at once."""

    def run(self, source: str, language: str, stdin: str, limits: Limits) -> Outcome:
        """Runs a program.

        Args:
            source (`str`): Source code of the program.
            language (`str`): A key of `LANGUAGES`: `python` or `cpp`.
            stdin (`str`): Standard input of the program.
            limits (`Limits`): Resource limits.

        Raises:
            Outage: If the provider fails. The row is then not trained on.
        """
        ...


class ColdSandboxes:
    """Runs each program in a new sandbox, so that runs share nothing. Caches compiled programs.

    Args:
        isolation (`Isolation`): `Bubblewrap` or `Unisolated`.
    """

    def __init__(self, isolation: Isolation):
        self.isolation = isolation
        # Compiled programs by language and source; `b""` for programs that do not compile.
        self._compiled: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._compiled_size = 0
        self._lock = threading.Lock()

    def run(self, source: str, language: str, stdin: str, limits: Limits) -> Outcome:
        """Runs a program; see `Provider.run`."""
        files = self._files(source, language)
        if files is None:
            return Outcome("compile")
        stdin_bytes = stdin.encode("utf-8", "surrogateescape")
        return self.execute(LANGUAGES[language].command, stdin_bytes, limits, files, may_signal_itself(source))

    def execute(
        self, command: list[str], stdin: bytes, limits: Limits, files: dict[str, bytes], second_process: bool
    ) -> Outcome:
        """Runs a command with its files, if asked as the second process; see `run_command` and `may_signal_itself`."""
        if second_process:
            command = [*AS_SECOND_PROCESS, *command]
        return run_command(self.isolation, command, stdin, limits, files)

    def _files(self, source: str, language: str) -> dict[str, bytes] | None:
        """The files of a program: its source or its executable; `None` if it does not compile."""
        if LANGUAGES[language].compile is None:
            name = LANGUAGES[language].source
            return {name: source.encode("utf-8", "surrogatepass")}
        program = self._find_compiled((language, source))
        if program is None:
            program = self._compile(source, language)
        if not program:
            return None
        return {"program": program}

    def _compile(self, source: str, language: str) -> bytes:
        """Compiles a program in a sandbox. Returns the executable, or `b""` if that fails."""
        compiler: type[Language] = LANGUAGES[language]
        compile_command = " ".join(compiler.compile)
        # The executable is returned on standard output, so that the sandbox does not have to write to the host.
        script = f"{compile_command} >/dev/null && cat program"
        files = {compiler.source: source.encode("utf-8", "surrogatepass")}
        outcome = run_command(
            self.isolation,
            ["sh", "-c", script],
            stdin=b"",
            limits=COMPILER_LIMITS,
            files=files,
        )
        program = b""
        if outcome.status == "ok":
            program = outcome.stdout
        if outcome.status in ("ok", "failed"):  # a timeout is not cached: next time, the machine may be less busy
            self._keep_compiled((language, source), program)
        return program

    def _find_compiled(self, key: tuple[str, str]) -> bytes | None:
        with self._lock:
            program = self._compiled.get(key)
            if program is not None:
                self._compiled.move_to_end(key)
            return program

    def _keep_compiled(self, key: tuple[str, str], program: bytes) -> None:
        _, source = key
        with self._lock:
            if key not in self._compiled:
                self._compiled_size += len(source) + len(program)
            self._compiled[key] = program
            while self._compiled_size > COMPILED_SIZE:
                (_, old_source), old_program = self._compiled.popitem(last=False)
                self._compiled_size -= len(old_source) + len(old_program)
