"""The languages that programs may be written in. Another one is another class here: tags, how to compile it, how to run it."""

from typing import ClassVar, Protocol


class Language(Protocol):
    """What the judge needs to know of a language.

    Args:
        tags (`set[str]`): Tags of its code fences, in lower case.
        source (`str`): Name of the source file.
        compile (`list[str]`, *optional*): Command that makes `./program` from the source; none for a script.
        command (`list[str]`): Command that runs it. In both, `{box}` is the folder of source and program.
        calls (`bool`): Whether single functions can be called (see `calls.py`).
    """

    tags: ClassVar[set[str]]
    source: ClassVar[str]
    compile: ClassVar[list[str] | None]
    command: ClassVar[list[str]]
    calls: ClassVar[bool]


class Python:
    """The interpreter of the sandbox, without environment and user's packages."""

    tags = {"python", "py", "python3", "py3", "pypy", "pypy3", "ipython"}
    source = "main.py"
    compile = None
    command = ["{python}", "-I", "{box}/main.py"]
    calls = True


class Cpp:
    """GCC; C++20, of which `gnu++2a` is the name that older ones know too."""

    tags = {"cpp", "c++", "cxx", "cc", "cpp17", "cpp20", "c++17", "c++20", "cplusplus"}
    source = "main.cpp"
    compile = ["g++", "-std=gnu++2a", "-O2", "-pipe", "-w", "-o", "program", "{box}/main.cpp"]
    command = ["{box}/program"]
    calls = False


LANGUAGES: dict[str, type[Language]] = {"python": Python, "cpp": Cpp}


def language_of(name: str | None) -> str | None:
    """The key of a language by any of its names; `None` if it is not known.

    >>> language_of("Python3"), language_of("c++"), language_of("cobol"), language_of(None)
    ('python', 'cpp', None, 'python')
    """
    wanted = (name or "python").strip().lower()
    return next((key for key, language in LANGUAGES.items() if wanted in language.tags), None)
