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

from open_r1.code_judge.interpreter import COMMON_PACKAGES, Interpreter, closed_folder, find_interpreter
from open_r1.code_judge.process import MIB, Limits, Outage
from open_r1.code_judge.sandbox import SandboxCommand, memory_file, prlimit_command, run_command
from open_r1.code_judge.seccomp import seccomp_filter


NOBODY = "65534"
NEW_PROC = ["--proc", "/proc"]
EMPTY_PROC = ["--dir", "/proc"]
LINKED_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")  # links into /usr on most systems
SYSTEM_PYTHON = "/usr/bin/python3"
PACKAGES = "/packages"  # where the folder of packages is in the sandbox
PROBE = f"""
import importlib.util, os, platform
if "PYTHONPATH" in os.environ:
    os.listdir(os.environ["PYTHONPATH"])
found = [name for name in {list(COMMON_PACKAGES)} if importlib.util.find_spec(name)]
print(platform.python_version(), *found)
"""
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
            Interpreter for Python programs, which get its packages. Defaults to the current one if the sandbox can
            read it, else to the system's.
        packages (`str`, *optional*):
            Folder of packages that Python programs can import too, as made by `pip install --target`.

    Raises:
        Outage: If bubblewrap or the interpreter does not work; the message says how to fix it.
    """

    def __init__(self, python: str | None = None, packages: str | None = None):
        self.program = shutil.which("bwrap")
        if self.program is None:
            raise Outage(f"{INSTALL_HELP} Found no `bwrap` on PATH.")
        if shutil.which("prlimit") is None:
            raise Outage(f"{INSTALL_HELP} Found no `prlimit` on PATH.")
        self.proc = NEW_PROC
        self.interpreter: Interpreter | None = None
        self.packages = check_packages(packages)
        self.description = ""
        problems = self._choose_interpreter([python] if python else [sys.executable, SYSTEM_PYTHON])
        if self.description:
            if problems and not python:
                self.description += f" (not the run's own: {problems[0]})"
            return
        self.interpreter = None
        output, result = self._try_command(["sh", "-c", "echo 42"])
        if output == "42":
            raise Outage(f"Programs can be isolated, but not run: {'; '.join(problems)}")
        raise Outage(f"{INSTALL_HELP} Here it failed: {'; '.join([result, *problems])}")

    @property
    def python(self) -> str | None:
        """Path of the interpreter inside the sandbox."""
        return self.interpreter.inside if self.interpreter else None

    def _choose_interpreter(self, candidates: list[str]) -> list[str]:
        """Sets the first interpreter that works, and describes it. Returns the problems of the others."""
        problems = []
        interpreters = []
        for candidate in candidates:
            try:
                interpreters.append(find_interpreter(candidate))
            except Outage as outage:
                problems.append(str(outage))
        # In containers, parts of /proc are masked, and the kernel then does not allow mounting a new one. Programs can
        # do without.
        for proc in (NEW_PROC, EMPTY_PROC):
            for interpreter in interpreters:
                self.proc = proc
                self.interpreter = interpreter
                problem = self._find_problem()
                if problem is None:
                    return problems
                if problem not in problems:
                    problems.append(problem)
        return problems

    def _find_problem(self) -> str | None:
        """Runs a test program with the current settings and describes the problem; `None` if it works."""
        answer, result = self._try_command(["{python}", "{isolated}", "-c", PROBE])
        if answer:
            version, *found = answer.split()
            self.description = describe_interpreter(self.interpreter.path, version, found, self.packages)
            return None
        problem = f"{self.interpreter.path}: {result}"
        if os.geteuid() != 0:
            return problem
        # Programs of root run as another user.
        closed_to_python = closed_folder([folder for folder, _ in self.interpreter.folders])
        if closed_to_python:
            return (
                f"the interpreter {self.interpreter.path} cannot be used in the sandbox: programs run as another "
                f"user, and {closed_to_python} can only be entered by its owner; install it where everyone can read "
                "it, such as /opt"
            )
        closed_to_packages = closed_folder([self.packages]) if self.packages else None
        if closed_to_packages:
            return (
                f"the packages in {self.packages} cannot be read in the sandbox: programs run as another user, and "
                f"{closed_to_packages} can only be entered by its owner"
            )
        return problem

    def _try_command(self, command: list[str]) -> tuple[str, str]:
        """Runs a command with the current settings. Returns its output if it succeeds, and how it ended."""
        with TemporaryFile() as stderr:
            try:
                outcome = run_command(self, command, b"", Limits(seconds=30), files={}, stderr=stderr)
                if outcome.status == "ok":
                    return outcome.stdout.decode().strip(), outcome.status
                result = outcome.status
            except Outage as outage:
                result = str(outage)
            stderr.seek(0)
            message = stderr.read(500).decode(errors="replace").strip()
        return "", f"{result} ({message})"

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
        isolated = isolating_option(self.packages)
        argv += [part.format(box="/box", python=self.python, isolated=isolated) for part in command]
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
        for name in LINKED_FOLDERS:
            path = Path("/", name)
            if path.is_symlink():
                argv += ["--symlink", os.readlink(path), str(path)]
            elif path.is_dir():
                argv += ["--ro-bind", str(path), str(path)]
        for path in ("/etc/alternatives", "/etc/ld.so.cache"):
            argv += ["--ro-bind-try", path, path]
        for folder, inside in self.interpreter.folders if self.interpreter else ():
            argv += ["--ro-bind", folder, inside]
        if self.packages:
            argv += ["--ro-bind", self.packages, PACKAGES, "--setenv", "PYTHONPATH", PACKAGES]
        return argv


class Unisolated:
    """No isolation: programs have the same access to files and network as the trainer. The limits still apply.

    Args:
        python (`str`, *optional*): Interpreter for Python programs. Defaults to the current one.
        packages (`str`, *optional*): Folder of packages that Python programs can import too.
    """

    def __init__(self, python: str | None = None, packages: str | None = None):
        self.python = python or sys.executable
        self.packages = check_packages(packages)
        self.description = self.python

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
        if self.packages:
            argv += ["env", f"PYTHONPATH={self.packages}"]
        isolated = isolating_option(self.packages)
        argv += [part.format(box=folder.name, python=self.python, isolated=isolated) for part in command]
        return SandboxCommand(argv, folder=folder)


def check_packages(packages: str | None) -> str | None:
    """The absolute path of a folder of packages.

    Raises:
        Outage: If there is no such folder.
    """
    if packages is None:
        return None
    folder = os.path.abspath(os.path.expanduser(packages))
    if not os.path.isdir(folder):
        raise Outage(f"packages: no folder {packages}; expected one made by `pip install --target`")
    if Path.home().is_relative_to(folder):
        raise Outage(f"packages: {folder} has the home folder in it, which programs must not see")
    return folder


def isolating_option(packages: str | None) -> str:
    """Option of the interpreter that ignores `PYTHON*` variables, unless one of them names the packages."""
    return "-s" if packages else "-I"


def describe_interpreter(path: str, version: str, found: list[str], packages: str | None) -> str:
    """One line about what Python programs run with.

    >>> describe_interpreter("/usr/bin/python3", "3.12.1", ["numpy"], None)
    'Python 3.12.1 (/usr/bin/python3); of numpy, scipy, pandas, sympy, networkx, sortedcontainers it has numpy'
    """
    description = f"Python {version} ({path}); of {', '.join(COMMON_PACKAGES)} it has {', '.join(found) or 'none'}"
    if packages:
        description += f"; packages of {packages}"
    return description
