"""The languages that programs may be written in: their names, and how to compile and run a program."""

from typing import ClassVar, Protocol


class Language(Protocol):
    """What the judge needs to know about a language.

    Args:
        tags (`set[str]`): Its names, as tags of code fences and in data sets, in lower case.
        source (`str`): Name of the source file.
        compile (`list[str]`, *optional*): Command that makes `./program` from the source; `None` for a script.
        command (`list[str]`): Command that runs it. In both commands, `{box}` is the folder of source and program.
        calls (`bool`): Whether tests can call single functions (see `function_calls.py`).
    """

    tags: ClassVar[set[str]]
    source: ClassVar[str]
    compile: ClassVar[list[str] | None]
    command: ClassVar[list[str]]
    calls: ClassVar[bool]


class Python:
    """The interpreter of the sandbox, without environment variables and packages of the user."""

    tags = {"python", "py", "python3", "py3", "pypy", "pypy3", "ipython"}
    source = "main.py"
    compile = None
    command = ["{python}", "-I", "{box}/main.py"]
    calls = True


class Cpp:
    """GCC with C++20; older releases of it know the standard as `gnu++2a` only."""

    tags = {"cpp", "c++", "cxx", "cc", "cpp17", "cpp20", "c++17", "c++20", "cplusplus"}
    source = "main.cpp"
    compile = ["g++", "-std=gnu++2a", "-O2", "-pipe", "-w", "-o", "program", "{box}/main.cpp"]
    command = ["{box}/program"]
    calls = False


LANGUAGES: dict[str, type[Language]] = {"python": Python, "cpp": Cpp}


def find_language(name: str | None) -> str | None:
    """The key of a language in `LANGUAGES` by any of its names; Python without a name, `None` if it is unknown.

    >>> find_language("Python3"), find_language("c++"), find_language("cobol"), find_language(None)
    ('python', 'cpp', None, 'python')
    """
    wanted = (name or "python").strip().lower()
    for key, language in LANGUAGES.items():
        if wanted in language.tags:
            return key
    return None
