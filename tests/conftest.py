"""Shared by all tests: no network, one thread, scripts run as their users run them."""

import os


os.environ |= {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

import runpy
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from open_r1.data import tiny


torch.set_num_threads(1)

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
    """Recipes name their files from the top of the repository."""
    monkeypatch.chdir(ROOT)


@pytest.fixture
def script(monkeypatch, capfd):
    """Runs a script as `python src/open_r1/<stage>.py <arguments>` would, in this process (which has paid for the imports)."""

    def run(stage: str, *argv: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", [f"src/open_r1/{stage}.py", *map(str, argv)])
        code = 0
        try:
            runpy.run_path(f"src/open_r1/{stage}.py", run_name="__main__")
        except SystemExit as stop:
            code = stop.code or 0
        return Outcome(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> str:
    """An untrained tiny model and its tokenizer, saved."""
    path = tmp_path_factory.mktemp("checkpoint")
    model, tokenizer = tiny.base_model(seed=0)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return str(path)
