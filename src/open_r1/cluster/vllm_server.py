"""Starts a vLLM server for a model, waits until it is ready, and stops it.

A server listens on one address only, never on all. It requires an API key, which is passed in the environment because
every user can read command lines. Servers for generation and evaluation run on the node of the job. Servers for the
rollouts of reinforcement learning have nodes of their own and receive new weights from the trainer.
"""

import importlib.util
import json
import logging
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from open_r1.cluster.slurm import SlurmJob, srun_command
from open_r1.configs import GenerateArguments, GRPOScriptArguments
from open_r1.utils.errors import RecipeError


if TYPE_CHECKING:
    from transformers import PreTrainedConfig
    from trl import GRPOConfig, ModelConfig

logger = logging.getLogger(__name__)

POLL = 0.5  # seconds
START_TIMEOUT = 3600.0  # seconds that a server may take to load its model
STOP_TIMEOUT = 30.0  # seconds after SIGTERM until SIGKILL
MIDDLEWARE = "open_r1.cluster.api_key_guard.ApiKeyGuard"


@dataclass
class Server:
    """A vLLM server, which runs within a `with` block.

    Args:
        commands (`list[list[str]]`): The commands that start it, one per node. The first node answers requests.
        host (`str`): Its address.
        port (`int`): Its port.
        key (`str`, *optional*): The API key that clients must send; random by default.
        env (`dict[str, str]`, *optional*): Additional environment variables.
        processes (`list[subprocess.Popen]`, *optional*): Its processes, once it has been started.
    """

    commands: list[list[str]]
    host: str
    port: int
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    env: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its base URL, without `/v1`."""
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> "Server":
        if importlib.util.find_spec("vllm") is None:
            raise RecipeError('there is no vLLM in this environment; pip install -e ".[gpu]".')
        os.environ.update(no_proxy_variables(self.host))
        env = os.environ | self.env | {"VLLM_API_KEY": self.key}
        try:
            for command in self.commands:
                logger.info("starting a server: %s", shlex.join(command))
                self.processes.append(subprocess.Popen(command, env=env, start_new_session=True))
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def status(self) -> int | None:
        """The exit status of the first of its processes that has exited; `None` while all are running."""
        for process in self.processes:
            if process.poll() is not None:
                return process.returncode
        return None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            status = self.status()
            if status is not None:
                raise RecipeError(f"the server ended with status {status} before it answered; its output is above.")
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
            except (OSError, HTTPException):
                time.sleep(POLL)
            else:
                logger.info("%s answers", self.url)
                return
        raise RecipeError(f"the server did not answer within {START_TIMEOUT:.0f} s.")

    def _stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + STOP_TIMEOUT
            for process in self.processes:
                with suppress(ProcessLookupError):  # it has ended
                    os.killpg(process.pid, number)
            for process in self.processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))


def local_server(args: GenerateArguments, model_args: "ModelConfig", host: str, port: int, gpus: int) -> Server:
    """A server for a recipe's model on this node.

    Args:
        args (`GenerateArguments`): The recipe; its `vllm_engine` holds engine arguments.
        model_args (`ModelConfig`): The model.
        host (`str`): Address to listen on.
        port (`int`): Port to listen on.
        gpus (`int`): Number of GPUs of this node.

    Raises:
        RecipeError: If the recipe does not name a single model.
    """
    if not model_args.model_name_or_path:
        raise RecipeError(
            "model_name_or_path: missing. A server serves one model; name it, even if the recipe has several `models`."
        )
    engine = dict(args.vllm_engine or {})
    if gpus > 1:
        engine |= parallel_sizes(model_args, args.trust_remote_code, gpus, engine)
    if model_args.dtype:
        engine.setdefault("dtype", model_args.dtype)
    command = serve_command(model_args, args.trust_remote_code, host, port, engine)
    return Server([command], host, port)


def rollout_server(
    script_args: GRPOScriptArguments, args: "GRPOConfig", model_args: "ModelConfig", job: SlurmJob
) -> Server:
    """The server that generates the rollouts of a training run, on the last `vllm_nodes` nodes of its job.

    It uses all GPUs of these nodes: either each engine has `vllm_tensor_parallel_size` GPUs of one node, or a single
    engine has all GPUs of all nodes.

    Args:
        script_args (`GRPOScriptArguments`): Our options of the run.
        args (`GRPOConfig`): TRL's options.
        model_args (`ModelConfig`): The model.
        job (`SlurmJob`): The job of the run.

    Raises:
        RecipeError: If engines of that size are not possible, or the recipe also names another server.
    """
    if args.vllm_server_base_url:
        raise RecipeError(
            f"vllm_nodes: found {script_args.vllm_nodes}, and vllm_server_base_url; expected one of them."
        )
    nodes = job.nodes[-script_args.vllm_nodes :]
    engine = _rollout_engine(script_args, args, len(nodes), job.gpus or job.processes)
    addresses = [job.address_of(node) for node in nodes]
    host = addresses[0]
    commands = []
    for rank, (node, address) in enumerate(zip(nodes, addresses, strict=True)):
        engine_of_node = dict(engine)
        if len(nodes) > 1:
            engine_of_node["nnodes"] = len(nodes)
            engine_of_node["node_rank"] = rank
            engine_of_node["master_addr"] = host
            engine_of_node["master_port"] = job.port + 1
            engine_of_node["data_parallel_rpc_port"] = job.port + 2
            if rank > 0:
                engine_of_node["headless"] = True
        command = serve_command(model_args, args.trust_remote_code, host, job.port, engine_of_node)
        commands.append(srun_command([node], job.gpus, ["env", f"VLLM_HOST_IP={address}", *command]))
    return Server(commands, host, job.port, env={"VLLM_SERVER_DEV_MODE": "1"})  # otherwise it accepts no weights


def _rollout_engine(
    script_args: GRPOScriptArguments, args: "GRPOConfig", nodes: int, gpus_per_node: int
) -> dict[str, Any]:
    """The engine arguments that do not depend on the node."""
    gpus = gpus_per_node * nodes
    engine_size = args.vllm_tensor_parallel_size
    if gpus_per_node % engine_size != 0 and engine_size != gpus:
        raise RecipeError(
            f"vllm_tensor_parallel_size: found {engine_size}; expected a divisor of the {gpus_per_node} GPUs of a "
            f"node, or all {gpus} of {nodes} node(s)."
        )
    dtype = "float32"
    if args.bf16:
        dtype = "bfloat16"
    elif args.fp16:
        dtype = "float16"
    engine = {
        "tensor_parallel_size": engine_size,
        "data_parallel_size": gpus // engine_size,
        "dtype": dtype,
        "seed": args.seed,
        "weight_transfer_config": {"backend": "nccl"},
        "logprobs_mode": "processed_logprobs",  # as TRL's importance sampling expects
        "max_logprobs": -1,
    }
    max_length = script_args.length_for_vllm(args)
    if max_length:
        engine["max_model_len"] = max_length
    return engine | (script_args.vllm_engine or {})


def serve_command(
    model_args: "ModelConfig", trust_remote_code: bool, host: str, port: int, engine: dict[str, Any]
) -> list[str]:
    """The command that serves a model.

    Args:
        model_args (`ModelConfig`): The model.
        trust_remote_code (`bool`): Whether to run code that comes with it.
        host (`str`): Address to listen on.
        port (`int`): Port to listen on.
        engine (`dict`): Keyword arguments of `vllm.LLM`.
    """
    command = [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", model_args.model_name_or_path]
    command += [f"--host={host}", f"--port={port}", f"--middleware={MIDDLEWARE}"]
    # Clients choose the sampling parameters. Otherwise those that they omit come from the model's generation config.
    engine = {"generation_config": "vllm"} | engine
    if model_args.model_revision != "main":
        engine["revision"] = model_args.model_revision
    if trust_remote_code:
        engine["trust_remote_code"] = True
    command += [serve_option(name, value) for name, value in engine.items()]
    return command


def serve_option(name: str, value: Any) -> str:
    """A keyword argument of `vllm.LLM` as an option of `vllm serve`.

    >>> serve_option("max_model_len", 4096), serve_option("enforce_eager", True), serve_option("headless", False)
    ('--max-model-len=4096', '--enforce-eager', '--no-headless')
    """
    name = name.replace("_", "-")
    if value is True:
        return f"--{name}"
    if value is False:
        return f"--no-{name}"
    if isinstance(value, dict | list):
        value = json.dumps(value)
    return f"--{name}={value}"


def parallel_sizes(
    model_args: "ModelConfig", trust_remote_code: bool, gpus: int, engine: dict[str, Any]
) -> dict[str, int]:
    """Chooses the size of an engine, by default the largest that the model allows, and as many engines as fit.

    Args:
        model_args (`ModelConfig`): The model.
        trust_remote_code (`bool`): Whether to run code that comes with it.
        gpus (`int`): Number of GPUs of this node.
        engine (`dict`):
            Engine arguments, which may set `tensor_parallel_size`, `pipeline_parallel_size` and `data_parallel_size`.

    Raises:
        RecipeError: If these need more GPUs than there are.
    """
    from open_r1.models.loading import load_model_info  # imports torch

    stages = engine.get("pipeline_parallel_size", 1)
    engines = engine.get("data_parallel_size", 1)
    tensor_size = engine.get("tensor_parallel_size", 1)
    if tensor_size * stages * engines > gpus:
        raise RecipeError(
            f"vllm_engine: {engines} engine(s) of {stages} pipeline stage(s) of {tensor_size} GPU(s) need more than "
            f"the {gpus} GPUs of a node."
        )
    if "tensor_parallel_size" not in engine:
        config = load_model_info(model_args, 0, trust_remote_code).config
        tensor_size = _largest_tensor_size(config.get_text_config(), gpus // (stages * engines))
    if "data_parallel_size" not in engine:
        engines = gpus // (tensor_size * stages)
    return {"tensor_parallel_size": tensor_size, "data_parallel_size": engines}


def _largest_tensor_size(config: "PreTrainedConfig", gpus: int) -> int:
    """The largest power of two by which vLLM can divide the GPUs and the attention heads.

    Vocabularies are padded to multiples of 64, so they cannot be divided by other numbers.
    """
    heads = config.num_attention_heads
    key_heads = getattr(config, "num_key_value_heads", None) or heads
    size = 1
    while gpus % (2 * size) == 0 and heads % (2 * size) == 0:
        size *= 2
        if key_heads % size != 0 and size % key_heads != 0:  # neither divided among GPUs nor copied
            return size // 2
    return size


def no_proxy_variables(host: str) -> dict[str, str]:
    """Environment variables that make clients connect to a host directly, even if a proxy is configured."""
    existing = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    hosts = f"{existing},{host}" if existing else host
    return {"no_proxy": hosts, "NO_PROXY": hosts}
