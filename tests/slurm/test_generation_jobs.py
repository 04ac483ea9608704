"""Jobs on a real cluster that generate, evaluate and serve. Tests with a server need vLLM (`make test-all`)."""

import importlib.util
import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from open_r1.generation import read_completions


RECIPE = "recipes/tiny/generate/config_zero.yaml"
SMALL = ["--dataset_params", '{"size": 40}', "--num_generations", 2, "--max_completion_length", 8]
GENERATE = ["slurm/generate.slurm", "--recipe", RECIPE, *SMALL]
ENGINE = ["--vllm_engine", "{max_model_len: 256, max_num_batched_tokens: 8192, enforce_eager: true}"]
ENGINE += ["--dtype", "float32"]
VLLM = importlib.util.find_spec("vllm") is not None
needs_vllm = pytest.mark.skipif(not VLLM, reason="needs vLLM, which `make test-all` installs")
without_vllm = pytest.mark.skipif(VLLM, reason="runs in the environment without vLLM")


@pytest.fixture
def model(checkpoint, tmp_path) -> str:
    """A tiny model with a chat template, which the server requires."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in Path(checkpoint).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "chat_template.jinja").write_text(Path("recipes/chat_templates/tiny_chat.jinja").read_text())
    return str(folder)


def samples(folder):
    return sorted((row["prompt_id"], row["sample"]) for row in read_completions(Path(folder)))


@without_vllm
def test_array_generates_every_shard_once(cluster, model, tmp_path):
    argv = ["--array", "0-2", *GENERATE, "--model_name_or_path", model, "--output_dir", tmp_path / "completions"]
    for run in ("first", "second"):
        job = cluster.sbatch(*argv)
        for task in range(3):
            assert cluster.wait(f"{job}_{task}") == "COMPLETED", cluster.log(f"{job}_{task}")
        keys = samples(tmp_path / "completions")
        assert len(keys) == len(set(keys)) == 80, run
        if run == "first":
            before = {path: path.read_bytes() for path in (tmp_path / "completions").glob("completions-*.jsonl")}
    assert before == {path: path.read_bytes() for path in before} and len(before) == 3


@without_vllm
def test_part_of_an_array_is_refused(cluster, model, tmp_path):
    argv = ["--array", "1-2", *GENERATE, "--model_name_or_path", model, "--output_dir", tmp_path / "completions"]
    job = cluster.sbatch(*argv)
    assert cluster.wait(f"{job}_1") == "FAILED" and "expected 0-2" in cluster.log(f"{job}_1")
    cluster.wait(f"{job}_2")


@without_vllm
def test_generation_near_its_time_limit_is_requeued_and_continues(cluster, model, tmp_path):
    argv = [*GENERATE, "--model_name_or_path", model, "--output_dir", tmp_path / "completions"]
    job = cluster.sbatch(*argv, "--num_generations", 80, "--batch_size", 8)
    for _ in range(600):
        if any(path.stat().st_size for path in (tmp_path / "completions").glob("completions-*.jsonl")):
            break
        time.sleep(0.1)
    subprocess.run(["scancel", "--signal=USR1", "--batch", job], check=True)
    cluster.restart(job)
    assert cluster.wait(job) == "COMPLETED", cluster.log(job)
    assert "goes back into the queue" in cluster.log(job)
    keys = samples(tmp_path / "completions")
    assert len(keys) == len(set(keys)) == 3200


@without_vllm
def test_evaluation_as_a_job(cluster, model, problems, tmp_path):
    argv = ["slurm/evaluate.slurm", "--recipe", problems, "--max_completion_length", 4]
    job = cluster.sbatch(*argv, "--model_name_or_path", model, "--output_dir", tmp_path / "eval")
    assert cluster.wait(job) == "COMPLETED", cluster.log(job)
    assert json.loads((tmp_path / "eval" / "eval.json").read_text())["model"] == model


@without_vllm
def test_server_without_vllm_is_an_error(cluster, model, tmp_path):
    argv = ["--model_name_or_path", model, "--output_dir", tmp_path / "completions"]
    argv += ["--backend", "server", "--base_urls", "http://x/v1"]
    job = cluster.sbatch("slurm/serve.slurm", "--recipe", RECIPE, *argv)
    assert cluster.wait(job) == "FAILED" and "there is no vLLM in this environment" in cluster.log(job)


@needs_vllm
def test_array_with_a_server_for_each_task(cluster, model, tmp_path):
    recipe = tmp_path / "generate" / "config_server.yaml"
    recipe.parent.mkdir()
    text = Path(RECIPE).read_text().replace("max_prompt_length: 40\n", "")
    recipe.write_text(f"{text}\nbackend: server\nbase_urls: [http://localhost:8000/v1]\n")
    argv = ["--array", "0-1", "slurm/generate.slurm", "--recipe", recipe, *SMALL, *ENGINE]
    job = cluster.sbatch(*argv, "--model_name_or_path", model, "--output_dir", tmp_path / "completions")
    for task in range(2):
        assert cluster.wait(f"{job}_{task}", seconds=400) == "COMPLETED", cluster.log(f"{job}_{task}")[-5000:]
    keys = samples(tmp_path / "completions")
    assert len(keys) == len(set(keys)) == 80


@needs_vllm
def test_a_served_model_needs_the_key(cluster, model, problems, tmp_path):
    job = cluster.sbatch("slurm/serve.slurm", "--recipe", RECIPE, "--model_name_or_path", model, *ENGINE)
    path = Path(f"slurm/logs/serve-{job}.env")
    for _ in range(1500):
        if path.exists():
            break
        assert cluster.state(job) in ("PENDING", "RUNNING"), cluster.log(job)[-5000:]
        time.sleep(0.2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    variables = dict(line.removeprefix("export ").split("=", 1) for line in path.read_text().splitlines())
    key, url = variables["OPENAI_API_KEY"], variables["OPENAI_BASE_URL"]
    assert key not in cluster.log(job)
    assert key not in subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout
    for endpoint, status in (("/health", 200), ("/metrics", 401), ("/v1/models", 401)):
        assert httpx.get(url.removesuffix("/v1") + endpoint).status_code == status, "without a key"
    port = int(url.rpartition(":")[2].removesuffix("/v1"))
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [fields[1] for fields in sockets if fields[3] == "0A"]
    addresses = [address for address in listening if int(address.partition(":")[2], 16) == port]
    assert addresses == [f"0100007F:{port:04X}"], "listens on 127.0.0.1 only"

    generate = [RECIPE, *SMALL, "--model_name_or_path", model, "--backend", "server", "--base_urls", url]
    evaluate = [problems, "--model_name_or_path", model, "--backend", "server", "--base_urls", url]
    evaluate += ["--max_completion_length", "4"]
    for script, argv, folder in (("generate", generate, "completions"), ("evaluation", evaluate, "eval")):
        command = [sys.executable, f"src/open_r1/{script}.py", "--config", *map(str, argv)]
        command += ["--output_dir", tmp_path / folder]
        refused = subprocess.run(command, capture_output=True, text=True, env=env_with(None))
        assert refused.returncode == 1 and "401" in refused.stderr + refused.stdout, refused.stderr[-2000:]
        done = subprocess.run(command, capture_output=True, text=True, env=env_with(key))
        assert done.returncode == 0, done.stderr[-3000:]
    assert len(samples(tmp_path / "completions")) == 80 and (tmp_path / "eval" / "eval.json").is_file()
    subprocess.run(["scancel", job], check=True)
    cluster.wait(job)
    for _ in range(200):
        if not path.exists():
            break
        time.sleep(0.1)
    assert not path.exists(), "removed when the server ends"


def env_with(key):
    env = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    return env if key is None else env | {"OPENAI_API_KEY": key}
