"""vLLM on all GPUs of a machine: one engine per group of GPUs, each in a process of its own."""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn

import torch
from transformers import PreTrainedTokenizerBase
from trl import ModelConfig

from open_r1.configs import GenerateArguments
from open_r1.generation.backends import VLLMBackend
from open_r1.generation.completion_store import Completion, Request
from open_r1.utils.errors import RecipeError


STOP_TIMEOUT = 60.0  # seconds that an engine may take to free its GPUs
STOP_ATTEMPTS = 12  # in this time; a signal is lost if it arrives just before a call that waits


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them. CUDA is not initialized."""
    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(index) for index in range(count)]
    return named.split(",")[:count]


def assign_gpus(gpus: list[str], engine: dict[str, Any]) -> list[str]:
    """Divides GPUs among engines.

    Args:
        gpus (`list[str]`): The GPUs of this machine.
        engine (`dict`): `vllm_engine` of the recipe. An engine has `tensor_parallel_size` ×
            `pipeline_parallel_size` GPUs, and there are `data_parallel_size` engines; by default as many as fit.

    Returns:
        `list[str]`: The GPUs of each engine, as a value of `CUDA_VISIBLE_DEVICES`; empty without GPUs.

    Raises:
        RecipeError: If there are too few GPUs.

    >>> assign_gpus(["0", "1", "2", "3"], {"tensor_parallel_size": 2})
    ['0,1', '2,3']
    """
    if not gpus:
        return []
    size = engine.get("tensor_parallel_size", 1) * engine.get("pipeline_parallel_size", 1)
    count = engine.get("data_parallel_size") or max(1, len(gpus) // size)
    if count * size > len(gpus):
        raise RecipeError(
            f"vllm_engine: {count} engine(s) of {size} GPU(s) need {count * size}, and {len(gpus)} are visible; "
            "change tensor_parallel_size, pipeline_parallel_size or data_parallel_size."
        )
    return [",".join(gpus[index * size : (index + 1) * size]) for index in range(count)]


class ParallelBackend:
    """Generates with several vLLM engines at once. Each batch is divided among them.

    `vllm.LLM` has no data parallelism. The seeds of completions do not depend on the engine, so their number does not
    change what is sampled.

    Args:
        gpus_of_engines (`list[str]`): The GPUs of each engine.
        model_args (`ModelConfig`): The model.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        args (`GenerateArguments`): How to sample.

    Raises:
        RecipeError: If an engine does not start.
    """

    def __init__(
        self,
        gpus_of_engines: list[str],
        model_args: ModelConfig,
        tokenizer: PreTrainedTokenizerBase,
        args: GenerateArguments,
    ):
        self.engines = [EngineProcess(gpus, model_args, tokenizer, args) for gpus in gpus_of_engines]
        try:
            for engine in self.engines:
                engine.receive()  # it is ready
        except BaseException:
            self.close()
            raise

    def generate(self, requests: list[Request]) -> list[Completion]:
        """Generates the completions of a batch.

        Args:
            requests (`list[Request]`): The batch.
        """
        engines = self.engines[: len(requests)]
        count = len(engines)
        for index, engine in enumerate(engines):
            engine.send(requests[index::count])
        completions = [Completion()] * len(requests)
        for index, engine in enumerate(engines):
            completions[index::count] = engine.receive()
        return completions

    def close(self) -> None:
        """Ends all engines."""
        for engine in self.engines:
            engine.connection.close()
        for engine in self.engines:
            engine.stop()


class EngineProcess:
    """A process with one vLLM engine.

    Args:
        gpus (`str`): Its GPUs, as a value of `CUDA_VISIBLE_DEVICES`.
        model_args (`ModelConfig`): The model.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        args (`GenerateArguments`): How to sample.
    """

    def __init__(
        self, gpus: str, model_args: ModelConfig, tokenizer: PreTrainedTokenizerBase, args: GenerateArguments
    ):
        context = multiprocessing.get_context("spawn")
        self.gpus = gpus
        self.connection, connection_of_process = context.Pipe()
        self.process = context.Process(
            target=run_engine, args=(connection_of_process, gpus, model_args, tokenizer, args)
        )
        self.process.start()
        connection_of_process.close()

    def send(self, requests: list[Request]) -> None:
        """Sends requests to it."""
        with suppress(BrokenPipeError):  # it has ended, which `receive` reports
            self.connection.send(requests)

    def receive(self) -> list[Completion]:
        """Waits for its answer to the last requests. The first answer is empty: the engine has started.

        Raises:
            RecipeError: If it has failed.
        """
        try:
            answer = self.connection.recv()
        except (EOFError, ConnectionResetError) as error:
            self.process.join(STOP_TIMEOUT)
            raise RecipeError(
                f"vLLM on GPU {self.gpus} ended with status {self.process.exitcode}; its output is above."
            ) from error
        if isinstance(answer, str):
            raise RecipeError(f"vLLM on GPU {self.gpus} failed: {answer}")
        return answer

    def stop(self) -> None:
        """Ends it, even in the middle of a batch."""
        for _ in range(STOP_ATTEMPTS):
            self.process.terminate()
            self.process.join(STOP_TIMEOUT / STOP_ATTEMPTS)
            if not self.process.is_alive():
                return
        self.process.kill()
        self.process.join()


def run_engine(
    connection: Connection,
    gpus: str,
    model_args: ModelConfig,
    tokenizer: PreTrainedTokenizerBase,
    args: GenerateArguments,
) -> None:
    """Answers requests with a vLLM engine until the connection is closed.

    Args:
        connection (`Connection`): Where lists of requests arrive, and lists of completions, or an error, are sent.
        gpus (`str`): The GPUs to use.
        model_args (`ModelConfig`): The model.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        args (`GenerateArguments`): How to sample.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the main process, which then ends this one
    signal.signal(signal.SIGTERM, exit_on_sigterm)
    threading.Thread(target=end_with_main_process, daemon=True).start()
    os.environ["CUDA_VISIBLE_DEVICES"] = gpus
    backend = None
    try:
        backend = VLLMBackend(model_args, tokenizer, args)
        connection.send([])
        while True:
            connection.send(backend.generate(connection.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the connection was closed
    except Exception as error:
        traceback.print_exc()
        connection.send(f"{type(error).__name__}: {error}")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends already
        if backend is not None:
            backend.close()


def exit_on_sigterm(*_: object) -> NoReturn:
    """Handles SIGTERM by exiting, so that the engine is closed."""
    sys.exit(0)


def end_with_main_process() -> None:
    """Ends this process when the main one has ended, even if that was killed: engines would keep their GPUs."""
    wait([multiprocessing.parent_process().sentinel])
    while True:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_TIMEOUT / STOP_ATTEMPTS)
