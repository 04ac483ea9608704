"""The house rules that a machine can check: sizes, import direction, names, docstrings."""

import ast
from pathlib import Path

import pytest


SOURCES = sorted(Path("src/open_r1").rglob("*.py")) or sorted((Path(__file__).parent.parent / "src/open_r1").rglob("*.py"))
SCRIPTS = {
    "sft",
    "grpo",
    "reward_model",
    "distillation",
    "generate",
    "evaluation",
    "pipeline",
    "report",
    "validate",
    "launch",
    "serve",
}
SHADOWING = {"datasets", "evaluate", "code", "math", "types", "random", "logging", "tokenize", "trl", "transformers"}
# Who may import whom: a layer imports itself and what stands before it.
LAYERS = [
    "configs",
    "parser",
    "utils",
    "rewards",
    "generation",
    "data",
    "evals",
    "planning",
    "training",
    "stages",
    "jobs",
    "reports",
]


def layer(path: Path) -> str:
    parts = path.parts[path.parts.index("open_r1") + 1 :]
    return parts[-1] if parts[-1] == "__main__.py" else parts[0].removesuffix(".py")  # `python -m` runs a script too


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.name)
def test_sizes_and_docstrings(path):
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says what it is"
    assert text.count("\n") <= 350
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, node.name


def test_the_whole_is_small_and_the_trainers_thin():
    grader = [path for path in SOURCES if path.parent.name == "grading"]  # a library of its own, sized by its policy
    assert sum(path.read_text().count("\n") for path in grader) <= 2200
    judge = [path for path in SOURCES if path.parent.name == "code"]
    assert sum(path.read_text().count("\n") for path in judge) <= 1700
    assert sum(path.read_text().count("\n") for path in SOURCES if path not in grader + judge) <= 12200
    for name in ("sft.py", "grpo.py", "reward_model.py", "distillation.py"):
        assert Path("src/open_r1", name).read_text().count("\n") < 100


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.name)
def test_imports_go_one_way(path):
    own = layer(path)
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "open_r1" else [f"open_r1.{a.name}" for a in node.names]
        for name in names:
            if not name.startswith("open_r1."):
                continue
            other = name.split(".")[1]
            assert other not in SCRIPTS, f"{path} imports the script {other}"
            if own in LAYERS:
                assert LAYERS.index(other) <= LAYERS.index(own), f"{path}: {own} must not import {other}"


def test_no_module_shadows_a_package():
    """Scripts run by path put src/open_r1 first on sys.path."""
    assert not {path.stem for path in Path("src/open_r1").glob("*.py")} & SHADOWING
    assert not {path.name for path in Path("src/open_r1").iterdir() if path.is_dir()} & SHADOWING
