"""Isolates programs from the machine.

`Bubblewrap` uses bubblewrap (https://github.com/containers/bubblewrap): no network; separate user, process, IPC and
mount namespaces; a read-only system; 64 MiB of `/tmp` and 1 MiB of `/dev/shm` as the only writable places; a minimal
environment and no home folder. `Unisolated` applies the limits but no isolation.
"""

import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from open_r1.code_judge.process import MIB, Limits, Outage
from open_r1.code_judge.sandbox import SandboxCommand, memory_file, prlimit_command, run_command
from open_r1.code_judge.seccomp import seccomp_filter


NOBODY = "65534"
NEW_PROC = ["--proc", "/proc"]
EMPTY_PROC = ["--dir", "/proc"]
SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
SET_OOM_SCORE = ["sh", "-c", 'echo 1000 > /proc/self/oom_score_adj; exec "$@"', "sh"]
INSTALL_HELP = (
    "isolation: programs are run in bubblewrap. Install it (`apt-get install bubblewrap`, `dnf install bubblewrap` or "
    "conda-forge's; the PyPI package of that name is a different one) and allow user namespaces "
    "(user.max_user_namespaces > 0; on Ubuntu 24.04 kernel.apparmor_restrict_unprivileged_userns=0 or its bwrap "
    "profile). Or set `provider` to run programs on another machine. `isolation: none` runs generated programs with "
    "all your rights."
)


class Bubblewrap:
    """Isolates programs with bubblewrap. The constructor runs a test program to check that it works.

    Args:
        python (`str`, *optional*):
            Interpreter for Python programs. Defaults to the current one if the sandbox can read it, else to the
            system's.

    Raises:
        Outage: If bubblewrap does not work; the message says how to fix it.
    """

    def __init__(self, python: str | None = None):
        self.program = shutil.which("bwrap")
        if self.program is None:
            raise Outage(f"{INSTALL_HELP} Found no `bwrap` on PATH.")
        if shutil.which("prlimit") is None:
            raise Outage(f"{INSTALL_HELP} Found no `prlimit` on PATH.")
        candidates = [python] if python else [os.path.realpath(sys.executable), "/usr/bin/python3"]
        problems = []
        # In containers, parts of /proc are masked, and the kernel then does not allow mounting a new one. Programs can
        # do without.
        for proc in (NEW_PROC, EMPTY_PROC):
            for candidate in candidates:
                self.proc = proc
                self.python = os.path.realpath(candidate)
                problem = self._find_problem()
                if problem is None:
                    return
                if problem not in problems:
                    problems.append(problem)
        raise Outage(f"{INSTALL_HELP} Here it failed: {'; '.join(problems)}")

    def _find_problem(self) -> str | None:
        """Runs a test program with the current settings and describes the problem; `None` if it works."""
        if not os.access(self.python, os.X_OK):
            return f"no interpreter {self.python}"
        with TemporaryFile() as stderr:
            try:
                command = ["{python}", "-I", "-c", "print(6 * 7)"]
                outcome = run_command(self, command, b"", Limits(seconds=30), files={}, stderr=stderr)
                if outcome.stdout.strip() == b"42":
                    return None
                result = outcome.status
            except Outage as outage:
                result = str(outage)
            stderr.seek(0)
            message = stderr.read(500).decode(errors="replace").strip()
        return f"{self.python}: {result} ({message})"

    def command(
        self, command: list[str], files: dict[str, bytes], limits: Limits, nested: bool = False
    ) -> SandboxCommand:
        """Wraps a command; see `Isolation.command`."""
        status, status_end = os.pipe()
        inherited = [status_end]
        argv = [*self._isolating_command(limits, nested), "--json-status-fd", str(status_end)]
        for name, content in files.items():
            descriptor = memory_file(content)
            inherited.append(descriptor)
            argv += ["--perms", "0555", "--ro-bind-data", str(descriptor), f"/box/{name}"]
        system_calls = seccomp_filter()
        if system_calls is not None:
            descriptor = memory_file(system_calls)
            inherited.append(descriptor)
            argv += ["--seccomp", str(descriptor)]
        argv += ["--remount-ro", "/", "--chdir", "/tmp", "--", *prlimit_command(limits)]
        argv += [part.format(box="/box", python=self.python) for part in command]
        return SandboxCommand(argv, inherited, status)

    def _isolating_command(self, limits: Limits, nested: bool) -> list[str]:
        """Bubblewrap and its options, without the files of the box."""
        argv = list(SET_OOM_SCORE)  # so that the kernel kills programs first if memory runs out
        if os.geteuid() == 0:  # since the limit on processes does not apply to root
            argv += ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
        argv += [self.program, "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--as-pid-1"]
        if not nested:
            argv += ["--disable-userns"]
        argv += [*self._system_folders(), *self.proc, "--dev", "/dev", "--dir", "/box"]
        argv += ["--size", str(limits.disk * MIB), "--tmpfs", "/tmp"]
        argv += ["--size", str(MIB), "--tmpfs", "/dev/shm"]
        return [*argv, "--remount-ro", "/dev"]

    def _system_folders(self) -> list[str]:
        """Options for the parts of the system that a program may read: programs and libraries."""
        argv = ["--ro-bind", "/usr", "/usr"]
        if os.path.isdir("/usr/src"):  # hidden, since container images often keep their application there
            argv += ["--size", "4096", "--tmpfs", "/usr/src", "--remount-ro", "/usr/src"]
        for name in SYSTEM_FOLDERS:
            path = Path("/", name)
            if path.is_symlink():
                argv += ["--symlink", os.readlink(path), str(path)]
            elif path.is_dir():
                argv += ["--ro-bind", str(path), str(path)]
        readable = ["/etc/alternatives", "/etc/ld.so.cache"]
        prefix = str(Path(self.python).parent.parent)
        if prefix not in ("/", "/usr") and not prefix.startswith("/usr/"):
            readable.append(prefix)
        for path in readable:
            argv += ["--ro-bind-try", path, path]
        return argv


class Unisolated:
    """No isolation: programs have the same access to files and network as the trainer. The limits still apply.

    Args:
        python (`str`, *optional*): Interpreter for Python programs. Defaults to the current one.
    """

    def __init__(self, python: str | None = None):
        self.python = python or sys.executable

    def command(
        self, command: list[str], files: dict[str, bytes], limits: Limits, nested: bool = False
    ) -> SandboxCommand:
        """Prepares a command; see `Isolation.command`. The box is a temporary folder."""
        folder = TemporaryDirectory()
        for name, content in files.items():
            path = Path(folder.name, name)
            path.write_bytes(content)
            path.chmod(0o555)
        argv = prlimit_command(limits)
        argv += [part.format(box=folder.name, python=self.python) for part in command]
        return SandboxCommand(argv, folder=folder)
