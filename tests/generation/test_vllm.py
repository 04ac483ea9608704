"""Real vLLM on the CPU, in its own environment: `make test-all` runs these.

vLLM is compared with transformers for the same weights: with greedy sampling the same text, and the same token counts.
"""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from vllm_server import ENV, Server

from open_r1.data.completions import read_completions
from open_r1.utils.jsonl import read_lines


pytest.importorskip("vllm", reason="vLLM is not installed here; `make test-all` makes an environment that has it")

TEMPLATE = "recipes/chat_templates/tiny_chat.jinja"
SHORT = ["--max_completion_length", "16", "--num_generations", "1"]
PARAMS = ["--dataset_params", '{"size": 40}']


@pytest.fixture(scope="module")
def server(checkpoint):
    server = Server(checkpoint, eager=True)
    yield server
    server.kill()


@pytest.fixture
def generate(checkpoint):
    """`generate.py` in a process of its own, since vLLM starts processes and keeps memory."""

    def generate(folder, *argv, code=0):
        base = [sys.executable, "src/open_r1/generate.py", "--config", "recipes/tiny/generate/config_zero.yaml"]
        base += ["--model_name_or_path", checkpoint, "--output_dir", str(folder), *PARAMS, *SHORT]
        run = subprocess.run([*base, *map(str, argv)], capture_output=True, text=True, env=ENV)
        assert run.returncode == code, run.stderr[-3000:]
        return run

    return generate


def content(folder):
    rows = read_completions(Path(folder))
    return {
        (r["prompt_id"], r["sample"]): (
            r["completion"],
            r["finish_reason"],
            r["prompt_tokens"],
            r["completion_tokens"],
        )
        for r in rows
    }


SAME = 0.7  # share of the texts; if prompts were tokenized differently, no text would be the same


def alike(one, other):
    """The share of completions that are the same; the counts of prompt tokens must always be.

    The model is untrained: two tokens may be almost equally likely, and a text may end within a character.
    """
    assert one.keys() == other.keys() and all(one[key][2] == other[key][2] for key in one)
    return sum(one[key][:2] == other[key][:2] for key in one) / len(one)


def test_a_server_gives_the_same_as_transformers(server, generate, tmp_path):
    generate(tmp_path / "here", "--temperature", 0)
    generate(tmp_path / "served", "--temperature", 0, "--backend", "server", "--base_urls", server.url)
    assert alike(content(tmp_path / "here"), content(tmp_path / "served")) >= SAME


def test_messages_go_through_the_chat_template(server, generate, tmp_path):
    argv = ["--temperature", 0, "--prompt_template", "", "--chat_template_path", TEMPLATE]
    generate(tmp_path / "here", *argv)
    generate(tmp_path / "served", *argv, "--backend", "server", "--base_urls", server.url)
    assert alike(content(tmp_path / "here"), content(tmp_path / "served")) >= SAME


def test_vllm_in_this_process_gives_the_same_as_transformers(generate, tmp_path):
    engine = ["--backend", "vllm", "--dtype", "float32", "--vllm_engine", "{max_model_len: 256, enforce_eager: true}"]
    generate(tmp_path / "here", "--temperature", 0)
    generate(tmp_path / "engine", "--temperature", 0, *engine)
    assert alike(content(tmp_path / "here"), content(tmp_path / "engine")) >= SAME


def test_completions_differ_and_each_has_its_seed(server, generate, tmp_path):
    argv = ["--num_generations", 4, "--backend", "server", "--base_urls", server.url]
    generate(tmp_path / "one", *argv)
    generate(tmp_path / "two", *argv)
    one, two = content(tmp_path / "one"), content(tmp_path / "two")
    assert len({text for text, *_ in one.values()}) > 100
    assert sum(one[key] == two[key] for key in one) / len(one) > 0.9


def test_a_server_that_dies_while_generating(checkpoint, generate, tmp_path):
    """Its answers are kept, the other requests are reported as failed, and the next run generates them."""
    server = Server(checkpoint, eager=True)
    argv = ["--dataset_params", '{"size": 3000}', "--backend", "server", "--base_urls", server.url, "--attempts", "2"]
    base = [sys.executable, "src/open_r1/generate.py", "--config", "recipes/tiny/generate/config_zero.yaml", *SHORT]
    base += ["--model_name_or_path", checkpoint, "--output_dir", str(tmp_path / "out"), "--concurrency", "8", *argv]
    process = subprocess.Popen(base, env=ENV, stdout=subprocess.PIPE, text=True)
    path = tmp_path / "out/completions-00000-of-00001.jsonl"
    while not (path.exists() and path.stat().st_size) and process.poll() is None:
        time.sleep(0.05)
    server.kill()
    out, _ = process.communicate()
    there = len(list(read_lines(path)))
    assert process.returncode == 1 and 0 < there < 3000 and f"{3000 - there:,} failed" in out
    server.start()
    generate(tmp_path / "out", *argv)
    server.kill()
    assert len(content(tmp_path / "out")) == 3000
