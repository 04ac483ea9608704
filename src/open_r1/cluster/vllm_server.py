"""A vLLM server of our own: started for a model, waited for, and ended.

Its HTTP listens on one address only, never on all, and wants a key, which goes through the environment: command lines can be read by everybody.
Beside servers for generation and evaluation there are those of reinforcement learning, which are on nodes of their own and get new weights from the run.
"""

import importlib.util
import json
import logging
import math
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
from typing import Any

from trl import GRPOConfig, ModelConfig

from open_r1.cluster.slurm import SlurmJob, srun_command
from open_r1.configs import GenerateArguments, GRPOScriptArguments
from open_r1.models.loading import load_model_info
from open_r1.utils.errors import RecipeError


logger = logging.getLogger(__name__)

POLL = 0.5  # seconds
STARTING = 3600.0  # seconds that a server may take to load a model
ENDING = 30.0  # seconds that it may take to end


@dataclass
class Server:
    """A server.

    Args:
        commands (`list[list[str]]`): What starts it: one for each of its nodes, of which the first answers.
        host (`str`): Its address.
        port (`int`): Its port.
        key (`str`): What its clients must have.
        env (`dict[str, str]`): What it is told beside this environment.
    """

    commands: list[list[str]]
    host: str
    port: int
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    env: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> "Server":
        if importlib.util.find_spec("vllm") is None:
            raise RecipeError('there is no vLLM in this environment; pip install -e ".[gpu]".')
        os.environ |= without_proxy(self.host)
        env = os.environ | self.env | {"VLLM_API_KEY": self.key}
        try:
            for command in self.commands:
                logger.info("starting a server: %s", shlex.join(command))
                self.processes.append(subprocess.Popen(command, env=env, start_new_session=True))
            self._until_it_answers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for sign in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + ENDING
            for process in self.processes:
                with suppress(ProcessLookupError):  # it has ended
                    os.killpg(process.pid, sign)
            for process in self.processes:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))

    def status(self) -> int | None:
        """The first status with which one of its parts has ended; `None` while all run."""
        return next((process.returncode for process in self.processes if process.poll() is not None), None)

    def _until_it_answers(self):
        """Waits.

        Raises:
            RecipeError: If it ends instead, or takes too long.
        """
        deadline = time.monotonic() + STARTING
        while time.monotonic() < deadline:
            if (status := self.status()) is not None:
                raise RecipeError(f"the server ended with status {status} before it answered; what it says is above.")
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
            except (OSError, HTTPException):
                time.sleep(POLL)
            else:
                logger.info("%s answers", self.url)
                return
        raise RecipeError(f"the server did not answer within {STARTING:.0f} s.")


def server_for(args: GenerateArguments, model_args: ModelConfig, host: str, port: int, gpus: int) -> Server:
    """A server of a recipe's model on this node, with so many GPUs.

    Raises:
        RecipeError: If there is no one model.
    """
    if not model_args.model_name_or_path:
        raise RecipeError(
            "model_name_or_path: found none; a server has one model, also where a recipe has several `models`: name it."
        )
    given = args.vllm_engine or {}
    engine = (
        {} if "tensor_parallel_size" in given or gpus < 2 else spread(model_args, args.trust_remote_code, gpus)
    ) | given
    if model_args.dtype:
        engine["dtype"] = model_args.dtype
    return Server([serve(model_args, args.trust_remote_code, host, port, engine)], host, port)


def rollout_server(
    script_args: GRPOScriptArguments, args: GRPOConfig, model_args: ModelConfig, job: SlurmJob
) -> Server:
    """The server that draws a run's completions, on the last `vllm_nodes` nodes of its job, with all their GPUs.

    An engine has `vllm_tensor_parallel_size` of them, and there are as many engines as that makes; or it has all of several nodes, and is the only one.

    Raises:
        RecipeError: If there can be no engines of that size, or the recipe names another server.
    """
    if args.vllm_server_base_url:
        raise RecipeError(
            f"vllm_nodes: found {script_args.vllm_nodes}, and vllm_server_base_url; expected one of them."
        )
    nodes = job.nodes[-script_args.vllm_nodes :]
    each, size = job.gpus or job.processes, args.vllm_tensor_parallel_size
    gpus = each * len(nodes)
    if each % size and size != gpus:
        raise RecipeError(
            f"vllm_tensor_parallel_size: found {size}; expected a divisor of the {each} GPUs of a node, or all {gpus} of {len(nodes)} node(s)."
        )
    engine = {
        "tensor_parallel_size": size,
        "data_parallel_size": gpus // size,
        "dtype": "bfloat16" if args.bf16 else "float16" if args.fp16 else "float32",
        "seed": args.seed,
        "weight_transfer_config": {"backend": "nccl"},
        "logprobs_mode": "processed_logprobs",  # those that TRL's importance sampling weighs
        "max_logprobs": -1,
    }
    if length := script_args.length_for_vllm(args):
        engine["max_model_len"] = length
    engine |= script_args.vllm_engine or {}
    addresses = [job.address_of(node) for node in nodes]
    commands = []
    for rank, (node, address) in enumerate(zip(nodes, addresses, strict=True)):
        many = {"nnodes": len(nodes), "node_rank": rank, "master_addr": addresses[0], "master_port": job.port + 1}
        many["data_parallel_rpc_port"] = job.port + 2
        many |= {"headless": True} if rank else {}
        command = serve(
            model_args, args.trust_remote_code, addresses[0], job.port, engine | (many if len(nodes) > 1 else {})
        )
        commands.append(srun_command([node], ["env", f"VLLM_HOST_IP={address}", *command]))
    return Server(commands, addresses[0], job.port, env={"VLLM_SERVER_DEV_MODE": "1"})  # which lets weights in


def serve(model_args: ModelConfig, trusted: bool, host: str, port: int, engine: dict[str, Any]) -> list[str]:
    """The command that serves a model, with options of the engine as `vllm.LLM` has them."""
    engine = engine | ({} if model_args.model_revision == "main" else {"revision": model_args.model_revision})
    engine = engine | ({"trust_remote_code": True} if trusted else {})
    options = [word for key, value in engine.items() for word in flag(key, value)]
    vllm = [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", model_args.model_name_or_path]
    return [*vllm, f"--host={host}", f"--port={port}", "--middleware=open_r1.cluster.api_key_guard.Guard", *options]


def spread(model_args: ModelConfig, trusted: bool, gpus: int) -> dict[str, int]:
    """Engines of as many of these GPUs as the model's attention heads can be divided by, and as many engines as that makes."""
    config = load_model_info(model_args, 0, trusted).config
    size = math.gcd(gpus, config.get_text_config().num_attention_heads)
    return {"tensor_parallel_size": size, "data_parallel_size": gpus // size}


def without_proxy(host: str) -> dict[str, str]:
    """Environment in which clients reach an address directly, also where others go through a proxy."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    hosts = ",".join([*filter(None, [known]), host])
    return {"no_proxy": hosts, "NO_PROXY": hosts}


def flag(key: str, value: Any) -> list[str]:
    """A keyword argument of `vllm.LLM` as an option of `vllm serve`.

    >>> flag("max_model_len", 4096), flag("enforce_eager", True), flag("enable_prefix_caching", False)
    (['--max-model-len=4096'], ['--enforce-eager'], ['--no-enable-prefix-caching'])
    """
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}={json.dumps(value) if isinstance(value, dict | list) else value}"]
