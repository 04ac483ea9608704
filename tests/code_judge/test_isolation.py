"""Isolation in different environments, and the errors where it is impossible."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from open_r1.code_judge import INSTALL_HELP, Bubblewrap
from open_r1.code_judge.process import Outage
from open_r1.configs import RewardSpec
from open_r1.rewards import Composition
from open_r1.rewards.code import Code
from open_r1.utils.errors import RecipeError


needs_bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason=INSTALL_HELP)
JUDGE = """
import sys, types
for name in ("open_r1", "open_r1.code_judge"):  # only the judge, which needs no other packages
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [{source!r} + "/" + name.replace(".", "/")]
from open_r1.code_judge.providers import ColdSandboxes
from open_r1.code_judge.process import Limits, Outage
from open_r1.code_judge.isolation import Bubblewrap
from open_r1.code_judge.warm import WarmSandboxes
isolation = Bubblewrap()
print(isolation.proc[0], ColdSandboxes(isolation).run("print(input())", "python", "hi", Limits()).stdout)
try:
    print(WarmSandboxes(isolation).run("print(input())", "python", "hi", Limits()).stdout)
except Outage as outage:
    print(outage)
"""


def make_readable_by_all(path: Path):
    for folder in (*path.parents, path):
        if "pytest" in str(folder):
            folder.chmod(0o755)


def test_refuses_to_start_without_bubblewrap(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RecipeError, match="apt-get install bubblewrap"):
        Composition([RewardSpec("code")]).for_trainer()


def test_refuses_to_start_where_bubblewrap_fails(monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    fake.chmod(0o755)
    make_readable_by_all(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Outage, match="user namespaces.*setting up uid map: Permission denied"):
        Code().start()


@needs_bwrap
def test_a_missing_interpreter_is_named():
    with pytest.raises(Outage, match="/no/such/python"):
        Bubblewrap("/no/such/python")


def test_running_without_isolation_is_explicit_and_logged(caplog, tmp_path):
    code = Code(isolation="none")
    text = "```python\nimport os\nprint(os.path.exists('/etc/passwd'), os.environ.get('HF_TOKEN'))\n```"
    tests = [[{"input": "", "output": "True None"}]]
    assert asyncio.run(code([text], test_cases=tests)) == [1.0]
    assert "WITH YOUR PERMISSIONS" in caplog.text
    loop = (
        "```python\nimport os\nif os.fork() == 0: os.execv('/bin/sleep', ['sleep', '7654.325'])\nwhile True: pass\n```"
    )
    assert asyncio.run(Code(isolation="none", timeout=1)([loop], test_cases=tests)) == [0.0]
    assert "7654.325" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


@needs_bwrap
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to switch to another user")
def test_works_for_an_unprivileged_user(tmp_path):
    source = tmp_path / "src"
    shutil.copytree("src", source)
    make_readable_by_all(tmp_path)
    command = "setpriv --reuid 65534 --regid 65534 --clear-groups /usr/bin/python3 -c".split()
    command.append(JUDGE.format(source=str(source)))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")
    assert done.stdout == "--proc b'hi\\n'\nb'hi\\n'\n", done.stderr


@needs_bwrap
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mask part of /proc")
def test_cold_sandboxes_work_in_a_container_with_a_masked_proc():
    masked = ["unshare", "--mount", "sh", "-c", 'mount --bind /dev/null /proc/timer_list && exec "$@"', "sh"]
    command = [*masked, sys.executable, "-c", JUDGE.format(source="src")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("--dir b'hi\\n'\n"), done.stdout + done.stderr
    assert "the sandbox is gone" in done.stdout  # warm sandboxes do not work there; the reward then uses cold ones
