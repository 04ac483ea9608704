"""Runs a program that nobody trusts: one command, its input, what it printed, and how it ended.

`Bubblewrap` isolates with bubblewrap (https://github.com/containers/bubblewrap): no network, user, process, IPC and mount
namespaces of its own, the system read-only, 64 MiB of /tmp as the only writable place, an empty environment, no home. Limits on
memory, processes, files and CPU time stand inside; wall-clock time, output and memory of all processes together are watched from here.
`Unisolated` keeps the limits and drops the walls. Nothing is written to the host's disk, and nothing forks the caller.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from open_r1.code_judge.process import MIB, Exit, Limits, Outage, Outcome, watch
from open_r1.code_judge.seccomp import seccomp_filter


NOBODY = "65534"
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}
STACK = 64 * MIB  # unless a program asks for more; and so much does a thread reserve
ADDRESSES = 8 * 2**30
INSTALL = (
    "isolation: programs are run in bubblewrap. Install it (`apt-get install bubblewrap`, `dnf install bubblewrap` or conda-forge's; "
    "the PyPI package of that name is another one) and allow user namespaces (user.max_user_namespaces > 0; on Ubuntu 24.04 "
    "kernel.apparmor_restrict_unprivileged_userns=0 or its bwrap profile). Or name a `provider`, a judge on another machine. "
    "`isolation: none` runs generated programs with all your rights."
)


class Command:
    """A command line, the descriptors that its process inherits, and what is to be cleared away after it.

    Args:
        argv (`list[str]`): The command line.
        inherit (`list[int]`, *optional*): Descriptors for the process alone; closed here once it runs.
        status (`int`, *optional*): Where bubblewrap will tell the exit code, and nothing if it could not start the program.
        folder (`TemporaryDirectory`, *optional*): Where it runs.
    """

    def __init__(self, argv: list[str], inherit: list[int] = (), status: int | None = None, folder=None):
        self.argv, self.inherit, self.status, self.folder = argv, list(inherit), status, folder
        self._said = ""

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.release()
        if self.status is not None:
            os.close(self.status)
            self.status = None
        if self.folder is not None:
            self.folder.cleanup()

    def start(self, stdin: int, stdout: int, stderr=None) -> subprocess.Popen:
        """Starts the process, in a session and with an environment of its own."""
        try:
            return subprocess.Popen(
                self.argv, stdin=stdin, stdout=stdout, stderr=stderr or subprocess.DEVNULL, env=ENVIRONMENT, pass_fds=self.inherit,
                cwd=self.folder and self.folder.name, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise Outage(f"cannot start {self.argv[0]}: {error}") from error
        finally:
            self.release()

    def end(self, process: subprocess.Popen):
        """Ends the process and all that it started."""
        if process.poll() is None and (inner := self._number("child-pid")):
            # The first process inside: the kernel ends all others with it, and bubblewrap, its parent, leaves no zombie of it.
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                os.kill(inner, signal.SIGKILL)
                process.wait(0.5)
        if process.poll() is None or self.status is None:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _number(self, name: str) -> int | None:
        """What bubblewrap has told of itself so far."""
        if self.status is not None:
            os.set_blocking(self.status, False)
            with contextlib.suppress(BlockingIOError):
                self._said += os.read(self.status, 65536).decode()
        match = re.search(rf'"{name}"\s*:\s*(-?\d+)', self._said)
        return int(match[1]) if match else None

    def release(self):
        while self.inherit:
            os.close(self.inherit.pop())

    def exit_code(self, process: subprocess.Popen) -> int:
        """How an ended process ended.

        Raises:
            Outage: If bubblewrap could not start the program.
        """
        code = process.returncode if self.status is None else self._number("exit-code")
        if code is None:
            raise Outage("bubblewrap could not start the program")
        return code


class Bubblewrap:
    """The command line of a sandbox.

    Args:
        python (`str`, *optional*): Interpreter for Python programs. By default this one where the sandbox can read it, else the
            system's.

    Raises:
        Outage: Where bubblewrap cannot work, with what to do about it.
    """

    def __init__(self, python: str | None = None):
        self.program = shutil.which("bwrap")
        if self.program is None or shutil.which("prlimit") is None:
            raise Outage(f"{INSTALL} Found no `{'prlimit' if self.program else 'bwrap'}` on PATH.")
        own = os.path.realpath(sys.executable)
        candidates = [python] if python else [own, "/usr/bin/python3"]
        self.proc, problems = ["--proc", "/proc"], []
        # In a container part of /proc is masked, and the kernel then allows no new one; programs can do without.
        for self.proc in (["--proc", "/proc"], ["--dir", "/proc"]):
            for candidate in candidates:
                self.python = os.path.realpath(candidate)
                problem = self._problem()
                if problem is None:
                    return
                problems.append(problem)
        raise Outage(f"{INSTALL} Here it failed: {'; '.join(dict.fromkeys(problems))}")

    def _problem(self) -> str | None:
        """What is wrong with this interpreter in this sandbox; `None` if nothing."""
        if not os.access(self.python, os.X_OK):
            return f"no interpreter {self.python}"
        with tempfile.TemporaryFile() as errors:
            try:
                outcome = run(self, ["{python}", "-I", "-c", "print(6 * 7)"], b"", Limits(seconds=30), errors=errors)
                ended = outcome.status
            except Outage as outage:
                outcome, ended = None, str(outage)
            errors.seek(0)
            said = errors.read(500).decode(errors="replace").strip()
        return None if outcome and outcome.stdout.strip() == b"42" else f"{self.python}: {ended} ({said})"

    def command(self, command: list[str], files: dict[str, bytes], limits: Limits, nested: bool = False) -> Command:
        """The command line of a command in the sandbox.

        Args:
            command (`list[str]`): What to run; `{box}` and `{python}` are filled in.
            files (`dict[str, bytes]`): What lies in the box, read-only and executable.
            limits (`Limits`): Memory, processes and disk hold inside.
            nested (`bool`, *optional*, defaults to `False`): Whether it may make namespaces of its own.
        """
        status, status_end = os.pipe()
        argv, inherit = [*self._walls(limits, nested), "--json-status-fd", str(status_end)], [status_end]
        for name, content in files.items():
            inherit.append(memory_file(content))
            argv += ["--perms", "0555", "--ro-bind-data", str(inherit[-1]), f"/box/{name}"]
        if calls := seccomp_filter():
            inherit.append(memory_file(calls))
            argv += ["--seccomp", str(inherit[-1])]
        argv += ["--remount-ro", "/", "--chdir", "/tmp", "--", *prlimit(limits)]
        return Command([*argv, *(part.format(box="/box", python=self.python) for part in command)], inherit, status)

    def _walls(self, limits: Limits, nested: bool) -> list[str]:
        # Should memory run out, the kernel takes these first.
        argv = ["sh", "-c", 'echo 1000 > /proc/self/oom_score_adj; exec "$@"', "sh"]
        # Root is bound by no limit on processes, so it becomes nobody.
        argv += ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"] if os.geteuid() == 0 else []
        argv += [self.program, "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--as-pid-1"]
        argv += [] if nested else ["--disable-userns"]
        argv += ["--ro-bind", "/usr", "/usr"]
        if os.path.isdir("/usr/src"):  # where container images keep their application
            argv += ["--size", "4096", "--tmpfs", "/usr/src", "--remount-ro", "/usr/src"]
        for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            path = Path("/", name)
            if path.is_symlink():
                argv += ["--symlink", os.readlink(path), str(path)]
            elif path.is_dir():
                argv += ["--ro-bind", str(path), str(path)]
        for path in ("/etc/alternatives", "/etc/ld.so.cache", self._home_of_python()):
            argv += ["--ro-bind-try", path, path] if path else []
        argv += [*self.proc, "--dev", "/dev", "--dir", "/box"]
        argv += ["--size", str(limits.disk * MIB), "--tmpfs", "/tmp", "--size", str(MIB), "--tmpfs", "/dev/shm"]
        return [*argv, "--remount-ro", "/dev"]

    def _home_of_python(self) -> str | None:
        home = str(Path(self.python).parent.parent)
        return None if home in ("/", "/usr") or home.startswith("/usr/") else home


class Unisolated:
    """No walls: a program can read and send whatever the trainer can. The limits hold all the same.

    Args:
        python (`str`, *optional*): Interpreter for Python programs, by default this one.
    """

    def __init__(self, python: str | None = None):
        self.python = python or sys.executable

    def command(self, command: list[str], files: dict[str, bytes], limits: Limits, nested: bool = False) -> Command:
        """As `Bubblewrap.command`; the box is a folder for temporary files."""
        folder = tempfile.TemporaryDirectory()
        for name, content in files.items():
            Path(folder.name, name).write_bytes(content)
            Path(folder.name, name).chmod(0o555)
        argv = [*prlimit(limits), *(part.format(box=folder.name, python=self.python) for part in command)]
        return Command(argv, folder=folder)


def caps(limits: Limits) -> dict[str, int]:
    """The limits that the kernel holds for each process, under the names that prlimit has for them."""
    return {
        "as": max(ADDRESSES, 2 * limits.memory * MIB),  # a thread reserves more than it uses; what is used is watched
        "nproc": limits.processes,
        "nofile": 128,
        "fsize": limits.disk * MIB,
        "cpu": int(limits.seconds * 2) + 2,
        "core": 0,
    }


def prlimit(limits: Limits) -> list[str]:
    """The command that sets limits and becomes the program; set from here they would need a fork of the trainer."""
    return ["prlimit", f"--stack={STACK}:", *(f"--{name}={cap}" for name, cap in caps(limits).items()), "--"]


def memory_file(content: bytes) -> int:
    """A descriptor, at its start, of a file that is on no disk."""
    descriptor = os.memfd_create("box")
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def run(
    isolation, command: list[str], stdin: bytes, limits: Limits, files: dict[str, bytes] | None = None, errors=None
) -> Outcome:
    """Runs a command in a sandbox of its own.

    Args:
        isolation (`Bubblewrap` or `Unisolated`): The walls.
        command (`list[str]`): Command, with `{box}` and `{python}`.
        stdin (`bytes`): What it reads.
        limits (`Limits`): What it may use.
        files (`dict[str, bytes]`, *optional*): What lies in its box.
        errors (*optional*): File that standard error goes to; by default nowhere.

    Raises:
        Outage: If no sandbox could be made.
    """
    with isolation.command(command, files or {}, limits) as sandbox:
        source, (stdout, stdout_end) = memory_file(stdin), os.pipe()
        os.fchmod(stdout_end, 0o666)  # so that /dev/stdout can be opened by name
        try:
            process = sandbox.start(source, stdout_end, errors)
        except Outage:
            os.close(stdout)
            raise
        finally:
            os.close(source)
            os.close(stdout_end)
        try:
            outcome = watch(stdout, Exit(process), process.pid, limits)
        finally:
            sandbox.end(process)
            os.close(stdout)
        if outcome.status != "ok" or sandbox.exit_code(process) == 0:
            return outcome
        return replace(outcome, status="failed")
