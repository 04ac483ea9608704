"""The supported programming languages: their names, and how to compile and run a program."""

from typing import ClassVar, Protocol


class Language(Protocol):
    """Interface of a language.

    Args:
        tags (`set[str]`): Names of the language in code fences and data sets, in lower case.
        source (`str`): Name of the source file.
        compile (`list[str]`, *optional*):
            Command that compiles the source to `./program`; `None` if programs are interpreted.
        command (`list[str]`):
            Command that runs a program. In both commands, `{box}` is the folder of source and program.
        calls (`bool`): Whether test cases can call single functions (see `function_calls.py`).
    """

    tags: ClassVar[set[str]]
    source: ClassVar[str]
    compile: ClassVar[list[str] | None]
    command: ClassVar[list[str]]
    calls: ClassVar[bool]


class Python:
    """Python, run by the sandbox's interpreter in isolated mode (no `PYTHON*` variables or user packages)."""

    tags = {"python", "py", "python3", "py3", "pypy", "pypy3", "ipython"}
    source = "main.py"
    compile = None
    command = ["{python}", "-I", "{box}/main.py"]
    calls = True


class Cpp:
    """C++20, compiled with GCC. Older releases only know the standard as `gnu++2a`."""

    tags = {"cpp", "c++", "cxx", "cc", "cpp17", "cpp20", "c++17", "c++20", "cplusplus"}
    source = "main.cpp"
    compile = ["g++", "-std=gnu++2a", "-O2", "-pipe", "-w", "-o", "program", "{box}/main.cpp"]
    command = ["{box}/program"]
    calls = False


LANGUAGES: dict[str, type[Language]] = {"python": Python, "cpp": Cpp}


def find_language(name: str | None) -> str | None:
    """Finds the key in `LANGUAGES` for a name of a language; `None` if it is unknown. Defaults to Python.

    >>> find_language("Python3"), find_language("c++"), find_language("cobol"), find_language(None)
    ('python', 'cpp', None, 'python')
    """
    wanted = (name or "python").strip().lower()
    for key, language in LANGUAGES.items():
        if wanted in language.tags:
            return key
    return None
