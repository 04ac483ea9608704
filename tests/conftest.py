"""Fixtures shared by all tests. Tests run offline and with one thread."""

import os


os.environ |= {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

import asyncio
import runpy
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import hub_server
import huggingface_hub
import pytest
import torch
import yaml
from transformers import AutoModelForSequenceClassification

import open_r1.utils.hub
from open_r1.code_judge import INSTALL_HELP, Bubblewrap
from open_r1.code_judge.process import Limits
from open_r1.code_judge.providers import ColdSandboxes
from open_r1.code_judge.warm import WarmSandboxes
from open_r1.configs import RewardSpec
from open_r1.data import tiny
from open_r1.rewards import Composition
from open_r1.rewards.code import Code


torch.set_num_threads(1)

# Loaded by other processes, where these modules patch vLLM or TRL.
collect_ignore = ["unpacked_weights.py", "slurm/weights_by_file.py"]
ROOT = Path(__file__).parent.parent
BASE = ["--config", "recipes/tiny/sft/config_base.yaml"]
ZERO = ["--config", "recipes/tiny/grpo/config_zero.yaml"]


@dataclass
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def in_repository(monkeypatch):
    """Recipes contain paths relative to the root of the repository."""
    monkeypatch.chdir(ROOT)


@pytest.fixture
def script(monkeypatch, capfd):
    """Runs a script like `python src/open_r1/<stage>.py <arguments>`, but in this process, which saves the imports."""

    def run(stage: str, *argv: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", [f"src/open_r1/{stage}.py", *map(str, argv)])
        code = 0
        try:
            if Path(f"src/open_r1/{stage}.py").exists():
                runpy.run_path(f"src/open_r1/{stage}.py", run_name="__main__")
            else:  # `python -m`
                with warnings.catch_warnings(action="ignore"):  # another test may have imported the module
                    module = "generation.merge" if stage == "merge" else f"builders.{stage}"
                    runpy.run_module(f"open_r1.{module}", run_name="__main__")
        except SystemExit as stop:
            code = stop.code or 0
        return Outcome(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> str:
    """The path of a saved, untrained tiny model with its tokenizer."""
    path = tmp_path_factory.mktemp("checkpoint")
    model, tokenizer = tiny.base_model(seed=0)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return str(path)


@pytest.fixture(scope="session")
def reward_model(checkpoint, tmp_path_factory):
    """The path of a saved, untrained reward model with a chat template."""
    folder = tmp_path_factory.mktemp("reward_model")
    shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=1).save_pretrained(folder)
    shutil.copy("recipes/chat_templates/tiny_chat.jinja", folder / "chat_template.jinja")
    return str(folder)


USER_REWARDS = """
import asyncio
import random
import threading
import time
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import torch

def shout(completions, **kwargs):
    return [float(c.isupper()) for c in completions]

class Brevity:
    def __init__(self, max_words=10):
        self.max_words = max_words
    def __call__(self, completions, **kwargs):
        return [float(len(c.split()) <= self.max_words) for c in completions]

class Server:
    def check(self):
        raise OSError("no server")
    def start(self):
        raise OSError("not started")
    def __call__(self, completions, **kwargs):
        raise OSError("called")

def capped(completions, cap=1.0, **kwargs):
    return [min(cap, float(len(c))) for c in completions]

def no_kwargs(completions):
    return [1.0] * len(completions)

async def later(completions, **kwargs):
    await asyncio.sleep(0.5)
    return [1.0] * len(completions)

async def later_still(completions, **kwargs):
    await asyncio.sleep(0.5)
    return [2.0] * len(completions)

def slow(completions, **kwargs):
    time.sleep(0.5)
    return [float(threading.current_thread() is threading.main_thread())] * len(completions)

def optional(completions, solution=None, **kwargs):
    return [float(s is not None) for s in solution]

CONSTANT = 5

def broken(completions, **kwargs):
    raise RuntimeError("reward server is gone")

def consumes(completions, solution, **kwargs):
    scores = []
    while completions:
        scores.insert(0, float(completions.pop() == solution.pop()))
    return scores

def leaves(completions, **kwargs):
    raise SystemExit(0)

def picky(completions, **kwargs):
    return [1.0 / (completion != "no number") for completion in completions]

def returns(completions, expression="[]", **kwargs):
    return eval(expression)

def unsure(completions, **kwargs):
    return [None if "?" in c else float("nan") if "nan" in c else 1.0 for c in completions]

def infinite(completions, **kwargs):
    return [float("inf"), 1.0]

def levels(completions, level, log_extra=None, **kwargs):
    log_extra and log_extra("level", [str(l) for l in level])
    return [float(l) for l in level]
"""


@pytest.fixture
def compose(tmp_path):
    """Composes rewards of the file above and registered ones, each given as a name or a mapping without the path."""
    path = tmp_path / "user_rewards.py"
    path.write_text(USER_REWARDS)

    def build(*entries, **kwargs):
        entries = [{"name": entry} if isinstance(entry, str) else entry for entry in entries]
        registered = ("accuracy", "format", "language_consistency", "tag_count", "repetition")
        named = [e | {"name": e["name"] if e["name"] in registered else f"{path}:{e['name']}"} for e in entries]
        return Composition(RewardSpec.parse_all(named), **kwargs)

    return build


# Tests that use `judge`, `run` or `reward` run in real sandboxes, once with each kind.
JUDGES = {"cold": ColdSandboxes, "warm": WarmSandboxes}


@pytest.fixture(scope="session", params=JUDGES)
def judge(request):
    if shutil.which("bwrap") is None:
        pytest.skip(INSTALL_HELP)
    return JUDGES[request.param](Bubblewrap())


@pytest.fixture
def run(judge):
    """Runs a program: `run(source, stdin, language, **limits)` returns its outcome."""

    def run(source: str, stdin: str = "", language: str = "python", **limits):
        return judge.run(source, language, stdin, Limits(**{"seconds": 5} | limits))

    return run


@pytest.fixture
def reward(judge):
    """Scores programs: `reward(programs, tests, **parameters)` runs the same tests on each."""

    def reward(programs: list[str], tests: list[dict], language: str = "python", **params) -> list[float | None]:
        code = Code(**{"timeout": 5} | params)
        code.start()
        code.judge.provider = judge
        info = {"language": language, "test_cases": tests}
        texts = [f"<think>…</think>\n```{language}\n{program}\n```" for program in programs]
        return asyncio.run(code(texts, verification_info=[info] * len(texts)))

    return reward


@pytest.fixture
def problems(tmp_path) -> Path:
    """The evaluation recipe of the miniature, reduced to a few problems."""
    recipe = yaml.safe_load(Path("recipes/tiny/eval/config_heldout.yaml").read_text())
    (benchmark,) = [entry for entry in recipe["benchmarks"] if entry["name"] == "problems"]
    path = tmp_path / "eval" / "config_problems.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(recipe | {"benchmarks": [benchmark | {"max_prompts": 8, "num_generations": 1}]}))
    return path


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A fake Hub server that the client in this process and its subprocesses connect to."""
    with hub_server.running() as server:
        monkeypatch.setenv("HF_TOKEN", hub_server.TOKEN)
        # the variables are for subprocesses, the constants for this process
        for key, value in {"HF_ENDPOINT": server.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}.items():
            monkeypatch.setenv(key, value)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        # Xet is the real Hub's storage for large files
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(open_r1.utils.hub, "WAITS", (0.01, 0.01, 0.01))
        yield server


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A running Slurm cluster of two nodes."""
    if not os.environ.get("SLURM"):
        pytest.skip("takes minutes; `make test-all` starts a cluster and runs this")
    from jobs import running  # tests/slurm

    with running(tmp_path_factory.mktemp("cluster")) as started:
        yield started
