"""The supported programming languages: their names, and how to compile and run a program."""

import re
from typing import ClassVar, Protocol


# In isolated mode (no `PYTHON*` variables, no packages of the user), unless a folder of packages is given, which needs
# a variable. CPython's limit on the digits of an integer guards servers against slow conversions; programs here have
# a time limit.
PYTHON_FLAGS = ("{isolated}", "-X", "int_max_str_digits=0")
# What a program needs to send itself a signal.
SIGNALS = re.compile(r"signal|kill|raise|alarm|itimer|timer_create|sigqueue|syscall|ctypes")


class Language(Protocol):
    """Interface of a language.

    Args:
        tags (`set[str]`): Names of the language in code fences and data sets, in lower case.
        names (`re.Pattern`): Other names in data sets, in lower case and without spaces, such as `python3.11`.
        source (`str`): Name of the source file.
        compile (`list[str]`, *optional*):
            Command that compiles the source to `./program`; `None` if programs are interpreted.
        command (`list[str]`):
            Command that runs a program. In both commands, `{box}` is the folder of source and program.
        calls (`bool`): Whether test cases can call single functions (see `function_calls.py`).
    """

    tags: ClassVar[set[str]]
    names: ClassVar[re.Pattern]
    source: ClassVar[str]
    compile: ClassVar[list[str] | None]
    command: ClassVar[list[str]]
    calls: ClassVar[bool]


class Python:
    """Python, run by the sandbox's interpreter in isolated mode (no `PYTHON*` variables or user packages)."""

    tags = {"python", "py", "python3", "py3", "pypy", "pypy3", "ipython"}
    names = re.compile(r"(?:python|pypy|py)[-:]?(?:3(?:\.\d+)*(?:-?64)?(?:\(.*\))?|\(3[^()]*\))?")
    source = "main.py"
    compile = None
    command = ["{python}", *PYTHON_FLAGS, "{box}/main.py"]
    calls = True


class Cpp:
    """C++20, compiled with GCC. Older releases only know the standard as `gnu++2a`."""

    tags = {"cpp", "c++", "cxx", "cc", "cpp17", "cpp20", "c++17", "c++20", "cplusplus"}
    names = re.compile(r"(?:gnu)?(?:c\+\+|cpp|g\+\+)(?:11|14|17|20)?(?:\d\.\d[.\d]*)?(?:-?64)?(?:\(.*\))?")
    source = "main.cpp"
    compile = ["g++", "-std=gnu++2a", "-O2", "-pipe", "-w", "-o", "program", "{box}/main.cpp"]
    command = ["{box}/program"]
    calls = False


LANGUAGES: dict[str, type[Language]] = {"python": Python, "cpp": Cpp}


def may_signal_itself(source: str) -> bool:
    """Whether a program may send itself a signal, to judge by its source.

    The kernel does not deliver signals that end a process to the first one of a namespace, as programs are: one that
    stops itself would go on, and pass if it has printed the right output. Such programs are run as the second process,
    which takes longer. One that hides what it does gains nothing.

    >>> may_signal_itself("os.kill(os.getpid(), 9)"), may_signal_itself("print(1)")
    (True, False)
    """
    return SIGNALS.search(source) is not None


def find_language(name: str | None) -> str | None:
    """Finds the key in `LANGUAGES` for a name of a language; `None` if it is unknown. Defaults to Python.

    >>> find_language("Python 3"), find_language("GNU C++17"), find_language("Python 2"), find_language(None)
    ('python', 'cpp', None, 'python')
    """
    wanted = re.sub(r"[\s_]+", "", (name or "python").lower())
    for key, language in LANGUAGES.items():
        if wanted in language.tags or language.names.fullmatch(wanted):
            return key
    return None
