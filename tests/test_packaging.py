"""The installed package: its data files, its command line, and its scripts run from any folder."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest


ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The `bin` folder of an environment with the wheel, which uses the dependencies of the current environment."""
    folder = tmp_path_factory.mktemp("packaging")
    source = folder / "source"
    ignore = shutil.ignore_patterns("*.egg-info", "__pycache__")
    shutil.copytree(ROOT / "src", source / "src", ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source]
    subprocess.run(wheel, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    packages = sysconfig.get_paths(vars={"base": str(folder / "venv"), "platbase": str(folder / "venv")})["purelib"]
    Path(packages, "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    (built,) = folder.glob("open_r1-*.whl")
    install = [*pip, "--python", python, "install", "--no-deps", "--no-index", "--ignore-installed", built]
    subprocess.run(install, check=True)
    return python.parent


@pytest.fixture
def run(installed, tmp_path):
    """Runs a program of the `installed` environment in an empty folder."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def run(program: str, *argv: str) -> subprocess.CompletedProcess:
        command = [installed / program, *argv]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run


def test_scripts_run_from_any_folder(run, installed):
    shown = run("python", "-m", "open_r1.grpo", "--help")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("usage: python -m open_r1.grpo --config RECIPE")
    location = run("python", "-c", "import open_r1; print(open_r1.__file__, open_r1.__version__)").stdout
    assert location.startswith(str(installed.parent)), location


def test_command_lists_the_scripts_and_runs_them(run):
    listed = run("open-r1", "--help")
    assert listed.returncode == 0, listed.stderr
    assert "grpo                reinforcement learning with verifiable rewards" in listed.stdout
    assert run("open-r1", "sft", "--help").stdout.startswith("usage: open-r1 sft --config RECIPE")
    wrong = run("open-r1", "gpro")
    assert wrong.returncode == 1 and "unknown command 'gpro'. Did you mean 'grpo'?" in wrong.stderr
    missing = run("open-r1", "grpo", "--config", "missing.yaml")
    assert missing.returncode == 1 and "missing.yaml: there is no such recipe" in missing.stderr


def test_graders_and_data_files_are_installed(run):
    graded = run("python", "-c", r"from open_r1.grading import grade; print(grade(r'So \boxed{\frac12}.', '0.5'))")
    assert graded.stdout.strip() == "1.0", graded.stderr
    program = (
        "from pathlib import Path; import open_r1; top = Path(open_r1.__file__).parent; "
        "names = ('evals/published.yaml', 'grading/README.md', 'code_judge/README.md'); "
        "print([(top / name).is_file() for name in names])"
    )
    assert run("python", "-c", program).stdout.strip() == "[True, True, True]"


def test_every_command_has_a_module():
    from open_r1.__main__ import COMMANDS

    for _, module in COMMANDS.values():
        path = ROOT / "src" / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
