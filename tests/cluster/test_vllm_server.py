"""The commands that start vLLM servers, access to them, and how they end."""

import asyncio
import json
import math
import signal
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import Qwen2Config
from trl import GRPOConfig, ModelConfig
from trl.generation.vllm_client import VLLMClient

from open_r1.cluster import launch, vllm_server
from open_r1.cluster.api_key_guard import ApiKeyGuard
from open_r1.cluster.rollout_client import SeededClient
from open_r1.cluster.vllm_server import Server, local_server, no_proxy_variables, parallel_sizes, rollout_server
from open_r1.configs import GRPOScriptArguments
from open_r1.configs.parser import RecipeParser
from open_r1.configs.recipes import stage_of
from open_r1.utils.errors import RecipeError


NODES = ["node1", "node2", "node3", "node4"]


@pytest.fixture
def job():
    addresses = {node: f"10.0.0.{i}" for i, node in enumerate(NODES, 1)}
    return SimpleNamespace(nodes=NODES, gpus=8, processes=8, port=20001, address_of=addresses.get)


def rollout_options(job, nodes: int, engine_size: int, **engine) -> list[dict[str, str]]:
    """The options of the rollout server, for each of its nodes."""
    script_args = GRPOScriptArguments(
        dataset_name="x.jsonl", max_prompt_length=1024, vllm_nodes=nodes, vllm_engine=engine or None
    )
    args = GRPOConfig(
        "unused", use_cpu=True, bf16=True, max_completion_length=8192, vllm_tensor_parallel_size=engine_size, seed=7
    )
    server = rollout_server(script_args, args, ModelConfig(model_name_or_path="me/model"), job)
    assert server.url.startswith("http://10.0.0.") and server.env == {"VLLM_SERVER_DEV_MODE": "1"}
    # every user of the machine can read command lines
    assert not any(server.key in word for command in server.commands for word in command)
    options = []
    for command in server.commands:
        words = command[command.index("env") + 1 :]
        pairs = [word.removeprefix("--").partition("=") for word in words if word.startswith(("--", "VLLM_"))]
        options.append({name: value for name, _, value in pairs} | {"node": command[command.index("--nodelist") + 1]})
    return options


def test_engines_use_the_gpus_of_the_last_nodes(job):
    (only,) = rollout_options(job, 1, 4, max_num_seqs=512)
    expected = {
        "node": "node4",
        "host": "10.0.0.4",
        "tensor-parallel-size": "4",
        "data-parallel-size": "2",
        "max-model-len": "9216",
        "max-num-seqs": "512",
        "dtype": "bfloat16",
        "seed": "7",
        "logprobs-mode": "processed_logprobs",
        "middleware": "open_r1.cluster.api_key_guard.ApiKeyGuard",
    }
    assert {name: only[name] for name in expected} == expected
    assert json.loads(only["weight-transfer-config"]) == {"backend": "nccl"}
    assert "nnodes" not in only and "headless" not in only


def test_engines_are_spread_over_nodes(job):
    options = rollout_options(job, 4, 4)
    assert [node["node"] for node in options] == NODES
    assert ["headless" in node for node in options] == [False, True, True, True]
    sizes = {(node["tensor-parallel-size"], node["data-parallel-size"], node["nnodes"]) for node in options}
    assert sizes == {("4", "8", "4")}
    ports = {(node["port"], node["master-port"], node["data-parallel-rpc-port"]) for node in options}
    assert ports == {("20001", "20002", "20003")}


def test_engine_may_be_larger_than_a_node(job):
    first, second = rollout_options(job, 2, 16)
    for rank, node in enumerate((first, second)):
        assert (node["node"], node["VLLM_HOST_IP"]) == (f"node{rank + 3}", f"10.0.0.{rank + 3}")
        assert (node["nnodes"], node["node-rank"], node["master-addr"]) == ("2", str(rank), "10.0.0.3")
        assert (node["tensor-parallel-size"], node["data-parallel-size"]) == ("16", "1")
    assert "headless" not in first and "headless" in second, "the first node serves requests"


def test_engines_that_do_not_fit_the_gpus_are_an_error(job):
    message = "vllm_tensor_parallel_size: found 3; expected a divisor of the 8 GPUs of a node, or all 8"
    with pytest.raises(RecipeError, match=message):
        rollout_options(job, 1, 3)
    with pytest.raises(RecipeError, match="found 16; expected a divisor of the 8 GPUs of a node, or all 32"):
        rollout_options(job, 4, 16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vllm_engine": {"max_num_seqs": 8}}, "which is 0"),
        (
            {"vllm_engine": "{data_parallel_size: 8}", "vllm_nodes": 1},
            "the GPUs of an engine are set by `vllm_tensor_parallel_size`",
        ),
        ({"vllm_nodes": -1}, "vllm_nodes: found -1"),
    ],
)
def test_server_options_without_a_server_are_an_error(options, message):
    with pytest.raises(RecipeError, match=message):
        GRPOScriptArguments(dataset_name="x.jsonl", **options)


def test_vllm_nodes_that_are_unused_or_not_started_are_an_error():
    script_args = GRPOScriptArguments(dataset_name="x.jsonl", vllm_nodes=1)
    with pytest.raises(RecipeError, match="without `use_vllm: true` and `vllm_mode: server`"):
        script_args.require_server(GRPOConfig("unused", use_cpu=True, bf16=False))
    args = GRPOConfig("unused", use_cpu=True, bf16=False, use_vllm=True, vllm_mode="server")
    with pytest.raises(RecipeError, match="start the server yourself"):
        script_args.require_server(args)
    args.vllm_server_base_url = "http://10.0.0.4:20001"
    script_args.require_server(args)


@pytest.mark.parametrize(
    ("heads", "key_heads", "gpus", "engine", "expected"),
    [
        (28, 4, 8, {}, (4, 2)),
        (32, 8, 8, {}, (8, 1)),
        (12, 2, 8, {}, (4, 2)),
        (7, 7, 8, {}, (1, 8)),
        (40, 10, 8, {}, (2, 4)),  # 10 key heads cannot be divided by 4
        (12, 2, 6, {}, (2, 3)),  # the vocabulary cannot be divided by 6
        (28, 4, 7, {}, (1, 7)),
        (32, 8, 8, {"pipeline_parallel_size": 2}, (4, 1)),
        (32, 8, 8, {"data_parallel_size": 4}, (2, 4)),
        (12, 2, 8, {"data_parallel_size": 1}, (4, 1)),
        (32, 8, 8, {"tensor_parallel_size": 2}, (2, 4)),
        (32, 8, 8, {"tensor_parallel_size": 2, "pipeline_parallel_size": 2}, (2, 2)),
        (32, 8, 8, {"tensor_parallel_size": 2, "data_parallel_size": 1}, (2, 1)),
    ],
)
def test_engines_use_all_gpus_and_divide_the_attention_heads(monkeypatch, heads, key_heads, gpus, engine, expected):
    config = Qwen2Config(num_attention_heads=heads, num_key_value_heads=key_heads)
    monkeypatch.setattr("open_r1.models.loading.load_model_info", lambda *_: SimpleNamespace(config=config))
    sizes = parallel_sizes(ModelConfig(model_name_or_path="me/model"), False, gpus, engine)
    assert (sizes["tensor_parallel_size"], sizes["data_parallel_size"]) == expected


@pytest.mark.parametrize(
    "engine",
    [
        {"pipeline_parallel_size": 16},
        {"tensor_parallel_size": 16},
        {"tensor_parallel_size": 4, "data_parallel_size": 4},
    ],
)
def test_engines_larger_than_the_node_are_an_error(engine):
    with pytest.raises(RecipeError, match="need more than the 8 GPUs"):
        parallel_sizes(ModelConfig(model_name_or_path="me/model"), False, 8, engine)


RECIPES = Path(__file__).parents[2] / "recipes"
INFERENCE = sorted([*RECIPES.glob("*/generate/*.yaml"), *RECIPES.glob("*/eval/*.yaml")])


def served_options(recipe: Path, *argv: str) -> list[str]:
    """The options of `vllm serve` for a recipe, on a node with one GPU."""
    model = ["--model_name_or_path", "me/model"]
    args, model_args = RecipeParser(stage_of(recipe)).parse(["--config", str(recipe), *model, *argv])
    (command,) = local_server(args, model_args, "127.0.0.1", 20001, 1).commands
    return command


@pytest.mark.parametrize("recipe", INFERENCE, ids=lambda path: str(path.relative_to(RECIPES)))
def test_models_are_served_in_the_type_in_which_they_were_saved(recipe):
    options = served_options(recipe)
    assert [option for option in options if option.startswith("--dtype")] == ["--dtype=auto"]


def test_type_of_a_served_model_can_be_chosen():
    recipe = Path("recipes/tiny/generate/config_zero.yaml")
    assert "--dtype=float16" in served_options(recipe, "--dtype", "float16")
    engine_options = served_options(recipe, "--vllm_engine", "{dtype: bfloat16}")
    assert [option for option in engine_options if option.startswith("--dtype")] == ["--dtype=bfloat16"]


def test_sampling_parameters_do_not_come_from_the_model():
    """vLLM would fill those that a client does not send from the model's generation config."""
    recipe = Path("recipes/tiny/generate/config_zero.yaml")
    assert "--generation-config=vllm" in served_options(recipe)
    assert "--generation-config=auto" in served_options(recipe, "--vllm_engine", "{generation_config: auto}")


def test_server_is_reached_without_the_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "localhost")
    assert no_proxy_variables("10.0.0.4") == {"no_proxy": "localhost,10.0.0.4", "NO_PROXY": "localhost,10.0.0.4"}


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/health", None, 200),
        ("/v1/models", "k", 200),
        ("/v1/models", "other", 401),
        ("/update_weights", None, 401),
        ("/metrics", None, 401),
    ],
)
def test_only_health_is_open_without_the_key(monkeypatch, path, key, status):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    sent = []

    async def send(message):
        sent.append(message)

    monkeypatch.setenv("VLLM_API_KEY", "k")
    headers = [(b"authorization", f"Bearer {key}".encode())] if key else []
    asyncio.run(ApiKeyGuard(app)({"type": "http", "path": path, "headers": headers}, None, send))
    assert sent[0]["status"] == status


@dataclass
class Adapter:
    pool_maxsize: int
    max_retries: int


@pytest.fixture
def client(monkeypatch):
    """A client whose server is replaced by a function: each completion consists of its prompt and its seed."""

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


def test_client_sends_the_key(client, monkeypatch):
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    client.check_server()
    assert "Authorization" not in client.session.headers
    monkeypatch.setenv("VLLM_API_KEY", "k")
    client.check_server()
    assert client.session.headers["Authorization"] == "Bearer k"
    assert client.session.mounted == {client.base_url: Adapter(256, 5)}


def test_each_completion_has_its_own_seed_that_a_resumed_run_repeats(client):
    torch.manual_seed(1)
    first = client.generate(list(range(500)), n=2)
    torch.manual_seed(1)
    assert client.generate(list(range(500)), n=2) == first, "checkpoints restore the state of torch's random numbers"
    assert first["prompt_ids"] == list(range(500)) and first["logprobs"] is None
    prompts = [prompt for prompt, _ in first["completion_ids"]]
    assert prompts == [i // 2 for i in range(1000)], "in order, with each group together"
    assert len({seed for _, seed in first["completion_ids"]}) == 1000


def test_server_without_vllm_is_an_error(monkeypatch):
    monkeypatch.setattr(vllm_server.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match="there is no vLLM"), Server([["true"]], "127.0.0.1", 1):
        pass


def test_server_that_ends_early_or_does_not_end_leaves_no_process(monkeypatch):
    monkeypatch.setattr(vllm_server.importlib.util, "find_spec", lambda name: True)
    server = Server([["sleep", "60"], ["false"]], "127.0.0.1", 1)
    with pytest.raises(RecipeError, match="ended with status 1 before it answered"), server:
        pass
    assert [process.returncode for process in server.processes] == [-15, 1]
    monkeypatch.setattr(vllm_server, "STOP_TIMEOUT", 0.5)
    monkeypatch.setattr(vllm_server.Server, "_wait_until_ready", lambda self: time.sleep(0.5))
    ignores_sigterm = ["bash", "-c", "trap '' TERM; while :; do sleep 1; done"]
    with Server([ignores_sigterm, ["sleep", "60"]], "127.0.0.1", 1) as server:
        assert server.status() is None
    assert [process.returncode for process in server.processes] == [-9, -15]


def test_generation_watches_its_server(monkeypatch, tmp_path):
    """Otherwise every request would be tried several times, and fail."""
    watched = []

    def run_command(command, job, server):
        watched.append(server)
        return 0

    server = SimpleNamespace(url="http://127.0.0.1:20001", key="k")
    monkeypatch.setattr(launch, "local_server", lambda *_: nullcontext(server))
    monkeypatch.setattr(launch, "run_command", run_command)
    monkeypatch.setenv("OPENAI_API_KEY", "restored after the test")
    recipe = RECIPES / "OpenR1-Distill-7B/generate/config_r1.yaml"
    job = SimpleNamespace(id="7", port=20001, gpus=8, warned=False)
    result = launch.generate_or_evaluate(recipe, "generate", ["--output_dir", str(tmp_path)], job)
    assert result.status == 0 and watched == [server]


def test_run_whose_server_has_ended_does_not_wait_forever(tmp_path):
    job, ended = SimpleNamespace(end=math.inf, warned=False), SimpleNamespace(status=lambda: 137)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(RecipeError, match="vLLM ended with status 137 while the run went on"):
            launch.run_command(["sleep", "1"], job, tmp_path / "STOP", ended)
    finally:
        signal.signal(signal.SIGTERM, handler)
