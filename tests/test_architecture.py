"""Design rules that can be checked automatically: import direction, module names, docstrings."""

import ast
from pathlib import Path

import pytest


ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src/open_r1"
MODULES = sorted(SOURCE.rglob("*.py"))
SHADOWING = {"datasets", "evaluate", "code", "math", "types", "random", "logging", "tokenize", "trl", "transformers"}
# A subpackage ("room") may import itself and those before it in this list. Scripts, the modules beside the rooms, may
# import any room; no module imports a script.
ROOMS = "utils grading code_judge configs models data rewards generation".split()
ROOMS += "builders planning evals cluster training pipelines reports".split()
# Standalone libraries: of our own code they import only `utils`.
LIBRARIES = ["grading", "code_judge"]


def room_of(path: Path) -> str | None:
    """The folder of `src/open_r1` that contains a module; `None` for a script."""
    parts = path.relative_to(SOURCE).parts
    return parts[0] if len(parts) > 1 else None


def imported_rooms(path: Path) -> set[str]:
    """The rooms and scripts of open_r1 that a module imports, at the top or inside functions."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "open_r1":
            names += [f"open_r1.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return {name.split(".")[1] for name in names if name.startswith("open_r1.")}


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def test_every_room_is_listed():
    assert sorted(ROOMS) == sorted(path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_follow_the_order_of_rooms(path):
    room = room_of(path)
    for other in imported_rooms(path):
        assert other in ROOMS, f"imports the script {other}"
        if room in LIBRARIES:
            assert other in (room, "utils"), f"{room} is a standalone library but imports {other}"
        elif room:
            assert ROOMS.index(other) <= ROOMS.index(room), f"{room} must not import {other}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_has_docstrings(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "module without a docstring"


def test_trainers_are_thin():
    for name in ("sft.py", "grpo.py", "reward_model.py", "distillation.py"):
        assert len((SOURCE / name).read_text().splitlines()) < 100


def test_no_module_shadows_a_package():
    """A script run by its path puts src/open_r1 first on sys.path."""
    assert not {path.stem for path in SOURCE.iterdir()} & SHADOWING
