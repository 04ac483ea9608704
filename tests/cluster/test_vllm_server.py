"""Commands that start vLLM's servers, and who is let in."""

import asyncio
import json
import math
import signal
import time
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from transformers import Qwen2Config
from trl import GRPOConfig, ModelConfig
from trl.generation.vllm_client import VLLMClient

from open_r1.cluster import launch
from open_r1.cluster import vllm_server as serving
from open_r1.cluster.api_key_guard import Guard
from open_r1.cluster.rollout_client import SeededClient
from open_r1.cluster.vllm_server import rollout_server, spread, without_proxy
from open_r1.configs import GRPOScriptArguments
from open_r1.utils.errors import RecipeError


NODES = ["node1", "node2", "node3", "node4"]


@pytest.fixture
def job():
    addresses = {node: f"10.0.0.{i}" for i, node in enumerate(NODES, 1)}
    return SimpleNamespace(nodes=NODES, gpus=8, processes=8, port=20001, address_of=addresses.get)


def rollouts(job, count: int, size: int, **more) -> list[dict[str, str]]:
    """Options of the server of each node."""
    script_args = GRPOScriptArguments(
        dataset_name="x.jsonl", max_prompt_length=1024, vllm_nodes=count, vllm_engine=more or None
    )
    args = GRPOConfig(
        "unused", use_cpu=True, bf16=True, max_completion_length=8192, vllm_tensor_parallel_size=size, seed=7
    )
    server = rollout_server(script_args, args, ModelConfig(model_name_or_path="me/model"), job)
    assert server.url.startswith("http://10.0.0.") and server.env == {"VLLM_SERVER_DEV_MODE": "1"}
    assert not any(server.key in word for command in server.commands for word in command), (
        "command lines can be read by everybody"
    )
    told = []
    for command in server.commands:
        words = command[command.index("env") + 1 :]
        pairs = [word.removeprefix("--").partition("=") for word in words if word.startswith(("--", "VLLM_"))]
        told.append({name: value for name, _, value in pairs} | {"node": command[command.index("--nodelist") + 1]})
    return told


def test_engines_have_the_gpus_of_the_last_nodes(job):
    (only,) = rollouts(job, 1, 4, max_num_seqs=512)
    assert (only["node"], only["host"], only["tensor-parallel-size"], only["data-parallel-size"]) == (
        "node4",
        "10.0.0.4",
        "4",
        "2",
    )
    assert (only["max-model-len"], only["max-num-seqs"], only["dtype"], only["seed"]) == (
        "9216",
        "512",
        "bfloat16",
        "7",
    )
    assert (
        json.loads(only["weight-transfer-config"]) == {"backend": "nccl"}
        and only["logprobs-mode"] == "processed_logprobs"
    )
    assert (
        "nnodes" not in only and "headless" not in only and only["middleware"] == "open_r1.cluster.api_key_guard.Guard"
    )


def test_engines_are_spread_over_nodes(job):
    each = rollouts(job, 4, 4)
    assert [one["node"] for one in each] == NODES and ["headless" in one for one in each] == [False, True, True, True]
    assert {(one["tensor-parallel-size"], one["data-parallel-size"], one["nnodes"]) for one in each} == {
        ("4", "8", "4")
    }
    ports = {(one["port"], one["master-port"], one["data-parallel-rpc-port"]) for one in each}
    assert ports == {("20001", "20002", "20003")}


def test_engine_may_be_larger_than_a_node(job):
    first, second = rollouts(job, 2, 16)
    for rank, each in enumerate((first, second)):
        assert (each["node"], each["VLLM_HOST_IP"]) == (f"node{rank + 3}", f"10.0.0.{rank + 3}")
        assert (each["nnodes"], each["node-rank"], each["master-addr"]) == ("2", str(rank), "10.0.0.3")
        assert (each["tensor-parallel-size"], each["data-parallel-size"]) == ("16", "1")
    assert "headless" not in first and "headless" in second, "the first answers"


def test_engines_that_do_not_come_out_even_are_an_error(job):
    with pytest.raises(
        RecipeError, match="vllm_tensor_parallel_size: found 3; expected a divisor of the 8 GPUs of a node, or all 8"
    ):
        rollouts(job, 1, 3)
    with pytest.raises(RecipeError, match="found 16; expected a divisor of the 8 GPUs of a node, or all 32"):
        rollouts(job, 4, 16)


@pytest.mark.parametrize("more, told", [
    ({"vllm_engine": {"max_num_seqs": 8}}, "of which there are none"),
    ({"vllm_engine": "{data_parallel_size: 8}", "vllm_nodes": 1}, "an engine's GPUs are vllm_tensor_parallel_size"),
    ({"vllm_nodes": -1}, "vllm_nodes: found -1"),
])  # fmt: skip
def test_options_of_no_server_are_an_error(more, told):
    with pytest.raises(RecipeError, match=told):
        GRPOScriptArguments(dataset_name="x.jsonl", **more)


def test_nodes_that_nobody_asks_or_nobody_has_started_are_an_error():
    script_args = GRPOScriptArguments(dataset_name="x.jsonl", vllm_nodes=1)
    with pytest.raises(RecipeError, match="without `use_vllm: true` and `vllm_mode: server`"):
        script_args.require_server(GRPOConfig("unused", use_cpu=True, bf16=False))
    args = GRPOConfig("unused", use_cpu=True, bf16=False, use_vllm=True, vllm_mode="server")
    with pytest.raises(RecipeError, match="start the server yourself"):
        script_args.require_server(args)
    args.vllm_server_base_url = "http://10.0.0.4:20001"
    script_args.require_server(args)


def test_engines_are_as_large_as_the_heads_can_be_divided_by(monkeypatch):
    for heads, expected in ((28, (4, 2)), (32, (8, 1)), (12, (4, 2)), (7, (1, 8))):
        monkeypatch.setattr(
            serving,
            "load_model_info",
            lambda *_, heads=heads: SimpleNamespace(config=Qwen2Config(num_attention_heads=heads)),
        )
        found = spread(ModelConfig(model_name_or_path="me/model"), False, 8)
        assert (found["tensor_parallel_size"], found["data_parallel_size"]) == expected


def test_server_is_reached_without_the_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "localhost")
    assert without_proxy("10.0.0.4") == {"no_proxy": "localhost,10.0.0.4", "NO_PROXY": "localhost,10.0.0.4"}


@pytest.mark.parametrize("path, given, status", [
    ("/health", None, 200), ("/v1/models", "k", 200), ("/v1/models", "other", 401), ("/update_weights", None, 401), ("/metrics", None, 401),
])  # fmt: skip
def test_nothing_but_health_without_the_key(monkeypatch, path, given, status):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    sent = []

    async def send(message):
        sent.append(message)

    monkeypatch.setenv("VLLM_API_KEY", "k")
    headers = [(b"authorization", f"Bearer {given}".encode())] if given else []
    asyncio.run(Guard(app)({"type": "http", "path": path, "headers": headers}, None, send))
    assert sent[0]["status"] == status


@dataclass
class Adapter:
    pool_maxsize: int
    max_retries: int


@pytest.fixture
def client(monkeypatch):
    """Ours, with TRL's answers instead of a server's: each completion says its prompt and its seed."""

    def answer(self, prompts, images, n, generation_kwargs):
        (prompt,) = prompts
        return {
            "prompt_ids": prompts,
            "completion_ids": [[prompt, generation_kwargs["seed"] + i] for i in range(n)],
            "logprobs": None,
        }

    monkeypatch.setattr(VLLMClient, "__init__", lambda self: None)
    monkeypatch.setattr(VLLMClient, "check_server", lambda self: None)
    monkeypatch.setattr(VLLMClient, "generate", answer)
    client = SeededClient()
    session = SimpleNamespace(headers={}, mounted={}, get_adapter=lambda url: Adapter(64, 5))
    session.mount = session.mounted.__setitem__
    client.session, client.base_url = session, "http://10.0.0.4:20001"
    return client


def test_client_of_trl_says_the_key(client, monkeypatch):
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    client.check_server()
    assert "Authorization" not in client.session.headers
    monkeypatch.setenv("VLLM_API_KEY", "k")
    client.check_server()
    assert client.session.headers["Authorization"] == "Bearer k"
    assert client.session.mounted == {client.base_url: Adapter(256, 5)}


def test_each_prompt_has_a_seed_of_its_own_and_the_same_after_a_resume(client):
    torch.manual_seed(1)
    first = client.generate(list(range(500)), n=2)
    torch.manual_seed(1)
    assert client.generate(list(range(500)), n=2) == first, "torch's random numbers are those of a checkpoint"
    assert first["prompt_ids"] == list(range(500)) and first["logprobs"] is None
    assert [prompt for prompt, _ in first["completion_ids"]] == [i // 2 for i in range(1000)], (
        "in order, a group together"
    )
    assert len({seed for _, seed in first["completion_ids"]}) == 1000


def test_server_without_vllm_is_an_error(monkeypatch):
    monkeypatch.setattr(serving.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match="there is no vLLM"), serving.Server([["true"]], "127.0.0.1", 1):
        pass


def test_server_that_ends_early_or_late_leaves_nothing_behind(monkeypatch):
    monkeypatch.setattr(serving.importlib.util, "find_spec", lambda name: True)
    server = serving.Server([["sleep", "60"], ["false"]], "127.0.0.1", 1)
    with pytest.raises(RecipeError, match="ended with status 1 before it answered"), server:
        pass
    assert [process.returncode for process in server.processes] == [-15, 1]
    monkeypatch.setattr(serving, "ENDING", 0.5)
    monkeypatch.setattr(serving.Server, "_until_it_answers", lambda self: time.sleep(0.5))
    with serving.Server(
        [["bash", "-c", "trap '' TERM; while :; do sleep 1; done"], ["sleep", "60"]], "127.0.0.1", 1
    ) as server:
        assert server.status() is None
    assert [process.returncode for process in server.processes] == [-9, -15]


def test_run_whose_server_has_ended_does_not_wait_for_ever(tmp_path):
    job, ended = SimpleNamespace(end=math.inf, warned=False), SimpleNamespace(status=lambda: 137)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(RecipeError, match="vLLM ended with status 137 while the run went on"):
            launch.run(["sleep", "1"], job, tmp_path / "STOP", ended)
    finally:
        signal.signal(signal.SIGTERM, handler)
