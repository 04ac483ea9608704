"""A vLLM server on the CPU, for benchmarks and tests."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import psutil


ENV = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
# By default the server closes connections that have been idle for five seconds. vLLM's own benchmark client does not
# retry when that happens to a connection that it is about to use.
ENV["VLLM_HTTP_TIMEOUT_KEEP_ALIVE"] = "600"
TEMPLATE = "recipes/chat_templates/tiny_chat.jinja"


class Server:
    """A running server.

    Args:
        model (`str`): Folder of the model, which is also its served name.
        python (`str`, *optional*): Interpreter of an environment with vLLM; defaults to the current one.
        eager (`bool`, *optional*, defaults to `False`): Start in half the time, without compilation.
    """

    def __init__(self, model: str, python: str = sys.executable, eager: bool = False):
        self.model, self.python, self.eager = model, python, eager
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.start()

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        argv = [self.python, "-m", "vllm.entrypoints.cli.main", "serve", self.model, "--port", str(self.port)]
        argv += ["--dtype", "float32", "--max-model-len", "256"]
        argv += ["--chat-template", TEMPLATE, "--disable-uvicorn-access-log"]
        # Processes all prompts of a step in one batch. When vLLM 0.31 splits a prompt, it rewinds the random
        # generator, which is impossible on the CPU and crashes the engine.
        argv += ["--max-num-batched-tokens", "8192", *(["--enforce-eager"] if self.eager else [])]
        # The server logs errors to its standard output, which is redirected to our standard error.
        self.process = subprocess.Popen(argv, env=ENV, start_new_session=True, stdout=2)
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=1).close()
                return
            except OSError:
                assert self.process.poll() is None, "the server ended"
                time.sleep(1)
        raise TimeoutError("the server did not start within five minutes")

    def pin(self) -> None:
        """On two cores, reserves one for the model, since the engine, which polls, would take time from it."""
        if (os.cpu_count() or 1) == 2:
            for process in psutil.Process(self.process.pid).children(recursive=True):
                process.cpu_affinity([0] if "Worker" in process.name() else [1])
            psutil.Process(self.process.pid).cpu_affinity([1])
            psutil.Process().cpu_affinity([1])  # also applies to processes started later

    def kill(self) -> None:
        """Kills the server and its processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
