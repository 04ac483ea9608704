"""Real vLLM on the CPU, in its own environment (`make test-all`).

vLLM is compared with transformers for the same weights: greedy sampling must give the same text and token counts.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from vllm_server import ENV, Server

from open_r1.data.completions import read_completions
from open_r1.utils.jsonl import read_lines


pytest.importorskip("vllm", reason="needs vLLM, which `make test-all` installs")

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
    """Runs `generate.py` in its own process, since vLLM starts processes and does not release its memory."""

    def generate(folder, *argv, code=0):
        base = [sys.executable, "src/open_r1/generate.py", "--config", "recipes/tiny/generate/config_zero.yaml"]
        base += ["--model_name_or_path", checkpoint, "--output_dir", str(folder), *PARAMS, *SHORT]
        run = subprocess.run([*base, *map(str, argv)], capture_output=True, text=True, env=ENV)
        assert run.returncode == code, run.stderr[-3000:]
        return run

    return generate


def content(folder):
    rows = read_completions(Path(folder))
    columns = ("completion", "finish_reason", "prompt_tokens", "completion_tokens")
    return {(row["prompt_id"], row["sample"]): tuple(row[column] for column in columns) for row in rows}


MIN_EQUAL = 0.7  # share of completions; if prompts were tokenized differently, none would be equal


def equal_share(one, other):
    """The share of equal completions, after checking that all prompts have the same number of tokens.

    The model is untrained, so two tokens may be almost equally likely, and a text may end within a character.
    """
    assert one.keys() == other.keys() and all(one[key][2] == other[key][2] for key in one)
    return sum(one[key][:2] == other[key][:2] for key in one) / len(one)


def test_server_gives_the_same_completions_as_transformers(server, generate, tmp_path):
    generate(tmp_path / "transformers", "--temperature", 0)
    generate(tmp_path / "served", "--temperature", 0, "--backend", "server", "--base_urls", server.url)
    assert equal_share(content(tmp_path / "transformers"), content(tmp_path / "served")) >= MIN_EQUAL


def test_messages_go_through_the_chat_template(server, generate, tmp_path):
    argv = ["--temperature", 0, "--prompt_template", "", "--chat_template_path", TEMPLATE]
    generate(tmp_path / "transformers", *argv)
    generate(tmp_path / "served", *argv, "--backend", "server", "--base_urls", server.url)
    assert equal_share(content(tmp_path / "transformers"), content(tmp_path / "served")) >= MIN_EQUAL


def test_vllm_in_the_same_process_gives_the_same_completions_as_transformers(generate, tmp_path):
    engine = ["--backend", "vllm", "--dtype", "float32", "--vllm_engine", "{max_model_len: 256, enforce_eager: true}"]
    generate(tmp_path / "transformers", "--temperature", 0)
    generate(tmp_path / "engine", "--temperature", 0, *engine)
    assert equal_share(content(tmp_path / "transformers"), content(tmp_path / "engine")) >= MIN_EQUAL


def test_completions_differ_and_are_reproducible(server, generate, tmp_path):
    argv = ["--num_generations", 4, "--backend", "server", "--base_urls", server.url]
    generate(tmp_path / "one", *argv)
    generate(tmp_path / "two", *argv)
    one, two = content(tmp_path / "one"), content(tmp_path / "two")
    assert len({text for text, *_ in one.values()}) > 100
    assert sum(one[key] == two[key] for key in one) / len(one) > 0.9


def test_generation_survives_a_server_that_dies(checkpoint, generate, tmp_path):
    """Its completions are kept, the other requests are reported as failed, and the next run generates them."""
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
    completed = len(list(read_lines(path)))
    assert process.returncode == 1 and 0 < completed < 3000 and f"{3000 - completed:,} failed" in out
    server.start()
    generate(tmp_path / "out", *argv)
    server.kill()
    assert len(content(tmp_path / "out")) == 3000


def test_prefixes_are_continued_as_by_transformers(generate, tmp_path):
    rows = [{"problem": f"{i}+1", "prefix": f"<think>{i}+1="} for i in range(40)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    argv = ["--dataset_name", data, "--dataset_params", "{}", "--dataset_prefix_column", "prefix", "--temperature", 0]
    engine = ["--backend", "vllm", "--dtype", "float32", "--vllm_engine", "{max_model_len: 256, enforce_eager: true}"]
    generate(tmp_path / "transformers", *argv)
    generate(tmp_path / "engine", *argv, *engine)
    one, other = content(tmp_path / "transformers"), content(tmp_path / "engine")
    assert equal_share(one, other) >= MIN_EQUAL
    assert all(text.startswith("<think>") for text, *_ in other.values())
