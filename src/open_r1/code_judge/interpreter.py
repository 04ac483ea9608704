"""Which Python interpreter programs run with, and the folders that it needs inside the sandbox.

A virtual environment is used with its packages: the sandbox gets its folder and that of the Python that it is based
on, read-only.
"""

import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from open_r1.code_judge.process import Outage


ASK_TIMEOUT = 60  # seconds
# What an interpreter says about itself, which no path tells: it may be a link, a script of pyenv or in an environment.
QUESTION = "import sys; print(sys.executable, sys.prefix, sys.base_prefix, sep='\\n')"
# Folders of the system, which every sandbox has.
SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# Folders that are replaced or hidden in the sandbox. An interpreter in one of them is moved to `MOVED`, as are virtual
# environments, which work anywhere, so that programs do not see the folder that they are in.
REPLACED_FOLDERS = ("/tmp", "/dev", "/proc", "/box", "/usr/src")
MOVED = "/python"
# Programs are told at the start which of these they can import.
COMMON_PACKAGES = ("numpy", "scipy", "pandas", "sympy", "networkx", "sortedcontainers")


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter.

    Args:
        path (`str`): Its path on this machine.
        inside (`str`): Its path in the sandbox.
        folders (`tuple[tuple[str, str], ...]`): Folders that it needs: path on this machine, path in the sandbox.
    """

    path: str
    inside: str
    folders: tuple[tuple[str, str], ...]


def find_interpreter(python: str) -> Interpreter:
    """Finds an interpreter and the folders that it needs, by asking it.

    Args:
        python (`str`): Path or name of an interpreter, such as `.venv/bin/python` or `python3.12`.

    Raises:
        Outage: If it does not exist or does not run, or if its folder must not be shown to programs.
    """
    found = shutil.which(os.path.expanduser(python))
    if found is None:
        raise Outage(f"python: no interpreter {python}; expected the path of one, such as /usr/bin/python3")
    executable, prefix, base_prefix = _ask(os.path.abspath(found))
    if not _is_in(executable, prefix):
        executable = os.path.realpath(executable)
    folders = []
    for folder in dict.fromkeys([prefix, base_prefix]):
        if _is_in(str(Path.home()), folder):
            raise Outage(
                f"python: {python} is installed in {folder}, and programs would see the home folder with it; use an "
                "interpreter with a folder of its own, such as a virtual environment"
            )
        if _is_in_any(folder, SYSTEM_FOLDERS) and not _is_in_any(folder, REPLACED_FOLDERS):
            continue
        is_environment = folder != base_prefix
        inside = folder
        if is_environment or _is_in_any(folder, REPLACED_FOLDERS):
            inside = MOVED + folder
        folders.append((folder, inside))
    inside = executable
    for folder, folder_inside in reversed(folders):
        if _is_in(executable, folder):
            inside = folder_inside + executable.removeprefix(folder)
    return Interpreter(executable, inside, tuple(folders))


def closed_folder(paths: list[str]) -> str | None:
    """The first folder on the way to one of these paths that other users than its owner cannot enter, if any."""
    for path in paths:
        for folder in reversed([Path(path), *Path(path).parents]):
            try:
                mode = folder.stat().st_mode
            except OSError:
                return str(folder)
            if not mode & stat.S_IXOTH:
                return str(folder)
    return None


def _ask(python: str) -> tuple[str, str, str]:
    """The executable, the prefix and the prefix of the base installation of an interpreter."""
    if python == sys.executable:
        return sys.executable, sys.prefix, sys.base_prefix
    try:
        answer = subprocess.run(
            [python, "-I", "-c", QUESTION],
            capture_output=True,
            text=True,
            timeout=ASK_TIMEOUT,
            check=True,
        )
        executable, prefix, base_prefix = answer.stdout.splitlines()
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise Outage(f"python: {python} does not run as a Python 3 interpreter: {error}") from error
    return executable, prefix, base_prefix


def _is_in_any(path: str, folders: tuple[str, ...]) -> bool:
    return any(_is_in(path, folder) for folder in folders)


def _is_in(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)
