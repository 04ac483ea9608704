"""Which interpreter and packages programs get."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from open_r1.code_judge import INSTALL_HELP, Bubblewrap, ColdSandboxes, Limits, Outage, WarmSandboxes
from open_r1.code_judge.interpreter import closed_folder
from open_r1.rewards.code import Code


SYSTEM_PYTHON = "/usr/bin/python3"
pytestmark = [
    pytest.mark.skipif(shutil.which("bwrap") is None, reason=INSTALL_HELP),
    pytest.mark.skipif(not os.path.exists(SYSTEM_PYTHON), reason=f"no {SYSTEM_PYTHON}"),
]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder that all users can read."""
    for path in (*tmp_path.parents, tmp_path):
        if "pytest" in str(path):
            path.chmod(0o755)
    return tmp_path


@pytest.fixture
def environment(folder) -> Path:
    """A virtual environment of the system's Python, with a module `shapes` and one named like numpy."""
    path = folder / "venv"
    subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--without-pip", path], check=True)
    [packages] = path.glob("lib/python3*/site-packages")
    (packages / "shapes.py").write_text("def area(a, b): return a * b\n")
    (packages / "numpy.py").write_text("class int64(int):\n    def tolist(self): return int(self)\n")
    return path


@pytest.mark.parametrize("provider", [ColdSandboxes, WarmSandboxes])
def test_programs_get_the_packages_of_a_virtual_environment(environment, provider):
    judge = provider(Bubblewrap(str(environment / "bin/python")))
    outcome = judge.run("import shapes\nprint(shapes.area(2, 3))", "python", "", Limits())
    assert outcome.stdout == b"6\n"
    write = "import shapes\nopen(shapes.__file__, 'w')"
    assert judge.run(write, "python", "", Limits()).status == "failed"
    beside = "import os, sys\nprint(os.listdir(os.path.dirname(sys.prefix)))"
    assert judge.run(beside, "python", "", Limits()).stdout == b"['venv']\n"


def test_results_of_numpy_are_numbers(environment):
    code = Code(python=str(environment / "bin/python"))
    tests = [[{"type": "function_call", "fn_name": "add", "input": [1, 2], "output": 3}]]
    program = "import numpy\ndef add(a, b):\n    return numpy.int64({})"
    completions = [f"```python\n{program.format(result)}\n```" for result in ("a + b", "a - b")]
    assert asyncio.run(code(completions, test_cases=tests * 2)) == [1.0, 0.0]


def test_the_start_says_what_programs_get(environment, caplog):
    caplog.set_level("INFO")
    Code(python=str(environment / "bin/python")).start()
    assert f"({environment}/bin/python); of numpy, scipy" in caplog.text and "it has numpy" in caplog.text


@pytest.mark.parametrize("provider", [ColdSandboxes, WarmSandboxes])
def test_a_folder_of_packages(folder, provider):
    packages = folder / "packages"
    packages.mkdir()
    (packages / "shapes.py").write_text("def area(a, b): return a * b\n")
    judge = provider(Bubblewrap(SYSTEM_PYTHON, str(packages)))
    program = (
        "import os, shapes, subprocess, sys\n"
        "print(shapes.area(2, 3), flush=True)\n"
        "subprocess.run([sys.executable, '-c', 'import shapes; print(shapes.area(2, 4))'])\n"
        "try: open(shapes.__file__, 'w')\n"
        "except OSError: print('read-only')\n"
        f"print(os.path.exists({str(folder)!r}))"
    )
    assert judge.run(program, "python", "", Limits()).stdout == b"6\n8\nread-only\nFalse\n"
    without = provider(Bubblewrap(SYSTEM_PYTHON))
    assert without.run("import shapes", "python", "", Limits()).status == "failed"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"python": "/no/such/python"}, "no interpreter /no/such/python"),
        ({"python": "/bin/sh"}, "/bin/sh does not run as a Python 3 interpreter"),
        ({"packages": "/no/such/folder"}, "packages: no folder /no/such/folder"),
        ({"packages": str(Path.home())}, "packages: .* home folder"),
        ({"packages": "/"}, "packages: / has the home folder"),
    ],
)
def test_what_cannot_be_used_is_named(params, message):
    with pytest.raises(Outage, match=message) as error:
        Bubblewrap(**params)
    assert "apt-get install bubblewrap" not in str(error.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="programs of other users run as themselves")
def test_an_interpreter_in_a_hidden_folder_is_named(environment):
    environment.parent.chmod(0o700)
    python = str(environment / "bin/python")
    with pytest.raises(Outage) as error:
        Code(python=python).start()
    assert f"the interpreter {python} cannot be used in the sandbox" in str(error.value)
    assert f"{environment.parent} can only be entered by its owner" in str(error.value)
    assert "apt-get install bubblewrap" not in str(error.value)
    assert closed_folder([python]) == str(environment.parent)


def test_without_isolation(folder):
    (folder / "shapes.py").write_text("def area(a, b): return a * b\n")
    code = Code(isolation="none", python=sys.executable, packages=str(folder))
    tests = [[{"input": "", "output": "6"}]]
    assert asyncio.run(code(["```python\nimport shapes\nprint(shapes.area(2, 3))\n```"], test_cases=tests)) == [1.0]
