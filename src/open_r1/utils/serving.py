"""A vLLM server of our own: started for a model, waited for, and ended.

It listens on one address only, never on all, and wants a key, which goes through the environment: command lines can be read by everybody.
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
from dataclasses import dataclass
from typing import Any

from trl import ModelConfig

from open_r1.configs import GenerateArguments, RecipeError


logger = logging.getLogger(__name__)

POLL = 0.5  # seconds
STARTING = 3600.0  # seconds that a server may take to load a model
ENDING = 30.0  # seconds that it may take to end


@dataclass
class Server:
    """A server.

    Args:
        command (`list[str]`): What starts it.
        host (`str`): Its address.
        port (`int`): Its port.
        key (`str`): What its clients must have.
    """

    command: list[str]
    host: str
    port: int
    key: str
    process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> "Server":
        logger.info("starting a server: %s", shlex.join(self.command))
        if importlib.util.find_spec("vllm") is None:
            raise RecipeError('there is no vLLM in this environment; pip install -e ".[gpu]".')
        self.process = subprocess.Popen(self.command, env=os.environ | {"VLLM_API_KEY": self.key}, start_new_session=True)
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sign)
                self.process.wait(ENDING)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue

    def _wait(self):
        """Waits until it answers.

        Raises:
            RecipeError: If it ends instead, or takes too long.
        """
        deadline = time.monotonic() + STARTING
        while time.monotonic() < deadline:
            if (status := self.process.poll()) is not None:
                raise RecipeError(f"the server ended with status {status} before it answered; what it says is above.")
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
            except OSError:
                time.sleep(POLL)
            else:
                logger.info("%s answers", self.url)
                return
        raise RecipeError(f"the server did not answer within {STARTING:.0f} s.")


def server_for(args: GenerateArguments, model_args: ModelConfig, host: str, port: int, gpus: int) -> Server:
    """A server of a recipe's model, spread over so many GPUs unless its `vllm_engine` says otherwise."""
    engine = {"tensor_parallel_size": max(1, gpus)} | (args.vllm_engine or {})
    options = [f"--host={host}", f"--port={port}", *(word for key, value in engine.items() for word in flag(key, value))]
    options += [f"--revision={model_args.model_revision}"] if model_args.model_revision != "main" else []
    options += [f"--dtype={model_args.dtype}"] if model_args.dtype else []
    options += ["--trust-remote-code"] if args.trust_remote_code else []
    # As a module: the command `vllm serve` asks for a package of another name than vLLM's build for the CPU has.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model_args.model_name_or_path]
    return Server([*command, *options], host, port, secrets.token_urlsafe(24))


def flag(key: str, value: Any) -> list[str]:
    """A keyword argument of `vllm.LLM` as an option of `vllm serve`.

    >>> flag("max_model_len", 4096), flag("enforce_eager", True), flag("enable_prefix_caching", False)
    (['--max-model-len=4096'], ['--enforce-eager'], ['--no-enable-prefix-caching'])
    """
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}={json.dumps(value) if isinstance(value, dict | list) else value}"]
