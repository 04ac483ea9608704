"""What reaches vLLM's engine, and how engines share the GPUs of a machine. Engines are replaced by a stand-in."""

import multiprocessing
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from rich.console import Console
from transformers import AutoModelForCausalLM, AutoTokenizer

from open_r1.configs.parser import RecipeParser
from open_r1.configs.recipes import stage_of
from open_r1.generation import engines
from open_r1.generation.backends import TransformersBackend, VLLMBackend
from open_r1.generation.completion_store import Request
from open_r1.generation.driver import LazyBackend, generate_completions, load_backend
from open_r1.generation.engines import ParallelBackend, assign_gpus, visible_gpus
from open_r1.utils.errors import RecipeError


ZERO = "recipes/tiny/generate/config_zero.yaml"
FOLDER = Path(__file__).parents[2] / "recipes"
RECIPES = sorted([*FOLDER.glob("*/generate/*.yaml"), *FOLDER.glob("*/eval/*.yaml")])


@dataclass
class StandIn:
    """A stand-in for `vllm`: its engines record their arguments, and answer each prompt with its seed."""

    created: list[tuple[str, dict]] = field(default_factory=list)
    shutdowns: int = 0

    def module(self) -> ModuleType:
        module = ModuleType("vllm")
        module.LLM = self.create
        module.SamplingParams = lambda **options: SimpleNamespace(**options)
        return module

    def create(self, model: str, **options) -> SimpleNamespace:
        self.created.append((model, options))
        core = SimpleNamespace(shutdown=self.count_shutdown)
        return SimpleNamespace(generate=self.generate, llm_engine=SimpleNamespace(engine_core=core))

    def count_shutdown(self) -> None:
        self.shutdowns += 1

    def generate(self, prompts, parameters, use_tqdm) -> list[SimpleNamespace]:
        outputs = []
        for prompt, parameter in zip(prompts, parameters, strict=True):
            completion = SimpleNamespace(text=f"{prompt} {parameter.seed}", finish_reason="stop", token_ids=[1])
            outputs.append(SimpleNamespace(outputs=[completion], prompt_token_ids=[1, 2]))
        return outputs


@pytest.fixture
def vllm(monkeypatch):
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "vllm", stand_in.module())
    return stand_in


def parse(recipe, *argv):
    return RecipeParser(stage_of(Path(recipe))).parse(["--config", str(recipe), *map(str, argv)])


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_every_recipe_gives_vllm_the_type_in_which_the_model_was_saved(vllm, recipe):
    args, model_args = parse(recipe, "--model_name_or_path", "me/model")
    VLLMBackend(model_args, SimpleNamespace(chat_template=None), args)
    ((model, options),) = vllm.created
    assert model == "me/model" and options["dtype"] == "auto"
    assert options.items() >= (args.vllm_engine or {}).items()


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--dtype", "bfloat16"], "bfloat16"),
        (["--dtype", "float32"], "float32"),
        (["--vllm_engine", "{dtype: float16}"], "float16"),
    ],
)
def test_type_can_be_chosen(vllm, argv, expected):
    args, model_args = parse(ZERO, "--model_name_or_path", "me/model", *argv)
    VLLMBackend(model_args, SimpleNamespace(chat_template=None), args)
    assert vllm.created[0][1]["dtype"] == expected


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_transformers_keeps_the_type_in_which_the_model_was_saved(checkpoint, tmp_path, dtype):
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    AutoModelForCausalLM.from_pretrained(checkpoint, dtype=getattr(torch, dtype)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    args, model_args = parse(ZERO, "--model_name_or_path", tmp_path)
    assert TransformersBackend(model_args, tokenizer, args).model.dtype == getattr(torch, dtype)


@pytest.mark.parametrize("temperature", [0, 1])
def test_penalty_is_that_of_the_recipe_and_not_of_the_model(checkpoint, tmp_path, temperature):
    """Qwen2.5's generation config, for one, has a penalty of 1.05."""
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    (tmp_path / "generation_config.json").write_text('{"repetition_penalty": 5.0, "top_k": 20, "do_sample": true}')
    completions = []
    for model in (checkpoint, tmp_path):
        argv = ["--model_name_or_path", model, "--max_completion_length", 16, "--temperature", temperature]
        args, model_args = parse(ZERO, *argv)
        backend = TransformersBackend(model_args, AutoTokenizer.from_pretrained(model), args)
        completions.append(backend.generate([Request("p", 0, "(3*7)+5=", seed=3)]))
    assert completions[0] == completions[1]


def test_transformers_goes_on_from_a_prefix(checkpoint):
    """As from a prompt that ends with it. The completion begins with it; its tokens count as given."""
    args, model_args = parse(ZERO, "--model_name_or_path", checkpoint, "--max_completion_length", 16)
    backend = TransformersBackend(model_args, AutoTokenizer.from_pretrained(checkpoint), args)
    (one,) = backend.generate([Request("p", 0, "Q: 3+4=", seed=3, prefix="<think>3", max_tokens=5)])
    (other,) = backend.generate([Request("p", 0, "Q: 3+4=<think>3", seed=3, max_tokens=5)])
    assert one.completion == "<think>3" + other.completion
    assert (one.prompt_tokens, one.completion_tokens) == (other.prompt_tokens, other.completion_tokens) == (9, 5)


def test_vllm_gets_prompts_and_prefixes_as_tokens(vllm, checkpoint):
    args, model_args = parse(ZERO, "--model_name_or_path", checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    backend = VLLMBackend(model_args, tokenizer, args)
    requests = [Request("p", 0, "Q: ", seed=1, prefix="<think>", max_tokens=5), Request("q", 0, "Q: ", seed=2)]
    first, second = backend.generate(requests)
    tokens = tokenizer("Q: <think>")["input_ids"]
    assert first.completion == f"<think>{{'prompt_token_ids': {tokens}}} 1"
    assert second.completion.startswith("{'prompt_token_ids'")


@pytest.mark.parametrize(
    ("gpus", "engine", "expected"),
    [
        (8, {}, ["0", "1", "2", "3", "4", "5", "6", "7"]),
        (8, {"tensor_parallel_size": 2}, ["0,1", "2,3", "4,5", "6,7"]),
        (8, {"tensor_parallel_size": 2, "pipeline_parallel_size": 2}, ["0,1,2,3", "4,5,6,7"]),
        (8, {"tensor_parallel_size": 3}, ["0,1,2", "3,4,5"]),
        (8, {"data_parallel_size": 2}, ["0", "1"]),
        (8, {"data_parallel_size": 1}, ["0"]),
        (1, {}, ["0"]),
        (0, {"tensor_parallel_size": 2}, []),
    ],
)
def test_engines_use_all_gpus(gpus, engine, expected):
    assert assign_gpus([str(index) for index in range(gpus)], engine) == expected


@pytest.mark.parametrize("engine", [{"tensor_parallel_size": 4}, {"data_parallel_size": 3}])
def test_too_few_gpus_are_an_error(engine):
    with pytest.raises(RecipeError, match="and 2 are visible"):
        assign_gpus(["0", "1"], engine)


def test_only_visible_gpus_are_used(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,MIG-7")
    assert visible_gpus() == ["5", "MIG-7"]


def run_stand_in(connection, gpus, model_args, tokenizer, args):
    """Like `run_engine`, with a stand-in for vLLM whose completions name their GPUs."""
    stand_in = StandIn()
    generate = stand_in.generate

    def generate_with_gpus(*call, **options):
        outputs = generate(*call, **options)
        for output in outputs:
            output.outputs[0].text += f" on {os.environ['CUDA_VISIBLE_DEVICES']}"
        return outputs

    stand_in.generate = generate_with_gpus
    sys.modules["vllm"] = stand_in.module()
    engines.run_engine(connection, gpus, model_args, tokenizer, args)


def fail_to_start(connection, gpus, model_args, tokenizer, args):
    """An engine whose GPU has no memory left."""
    stand_in = StandIn()

    def create(model, **options):
        raise ValueError("No available memory")

    stand_in.create = create
    sys.modules["vllm"] = stand_in.module()
    engines.run_engine(connection, gpus, model_args, tokenizer, args)


def die(connection, gpus, model_args, tokenizer, args):
    os._exit(9)


@pytest.fixture
def arguments():
    args, model_args = parse(ZERO, "--model_name_or_path", "me/model", "--backend", "vllm")
    return model_args, SimpleNamespace(chat_template=None), args


def test_engines_divide_batches_and_end(monkeypatch, arguments):
    monkeypatch.setattr(engines, "run_engine", run_stand_in)
    gpus = ["0,1", "2,3"]
    backend = ParallelBackend(gpus, *arguments)
    requests = [Request(f"p{index}", 0, f"prompt {index}", seed=index) for index in range(5)]
    expected = [f"prompt {index} {index} on {gpus[index % 2]}" for index in range(5)]
    for size in (5, 5, 2, 1):
        completions = backend.generate(requests[:size])
        assert [completion.completion for completion in completions] == expected[:size]
    backend.close()
    assert [engine.process.exitcode for engine in backend.engines] == [0, 0]


def sleep(*call, **options):
    """Is in the middle of a long batch."""
    time.sleep(600)


def sleep_twice(*call, **options):
    """The same, and loses the exception of the first SIGTERM."""
    with suppress(SystemExit):
        time.sleep(600)
    time.sleep(600)


def run_engine_that_calls(generate, *arguments):
    """Like `run_engine`, with a stand-in for vLLM that generates by this function."""
    stand_in = StandIn()
    stand_in.generate = generate
    sys.modules["vllm"] = stand_in.module()
    engines.run_engine(*arguments)


never_answer = partial(run_engine_that_calls, sleep)
lose_first_signal = partial(run_engine_that_calls, sleep_twice)


def test_engines_end_in_the_middle_of_a_batch(monkeypatch, arguments):
    monkeypatch.setattr(engines, "run_engine", never_answer)
    backend = ParallelBackend(["0"], *arguments)
    backend.engines[0].send([Request("p", 0, "prompt", seed=0)])
    started = time.monotonic()
    backend.close()
    assert backend.engines[0].process.exitcode == 0 and time.monotonic() - started < 30


def test_engines_end_although_the_first_signal_is_lost(monkeypatch, arguments):
    monkeypatch.setattr(engines, "run_engine", lose_first_signal)
    monkeypatch.setattr(engines, "STOP_TIMEOUT", 12.0)
    backend = ParallelBackend(["0"], *arguments)
    backend.engines[0].send([Request("p", 0, "prompt", seed=0)])
    time.sleep(1)
    backend.close()
    assert backend.engines[0].process.exitcode == 0


def start_engine_and_die(path, arguments):
    """A main process that is killed while its engine works."""
    engines.run_engine = never_answer
    engine = engines.EngineProcess("0", *arguments)
    engine.receive()
    engine.send([Request("p", 0, "prompt", seed=0)])
    Path(path).write_text(str(engine.process.pid))
    os.kill(os.getpid(), signal.SIGKILL)


def test_engines_end_with_a_main_process_that_was_killed(arguments, tmp_path):
    main = multiprocessing.get_context("spawn").Process(
        target=start_engine_and_die, args=(tmp_path / "pid", arguments)
    )
    main.start()
    main.join()
    pid = int((tmp_path / "pid").read_text())
    assert ends_within(pid, seconds=30), f"engine {pid} is still running"


def ends_within(pid: int, seconds: int) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return True
        if ") Z " in status:  # it has ended, and nobody has asked for its status
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(
    ("failure", "message"),
    [(fail_to_start, "vLLM on GPU 0 failed: ValueError: No available memory"), (die, "status 9")],
)
def test_engine_that_does_not_start_is_an_error_and_leaves_no_process(monkeypatch, arguments, failure, message):
    monkeypatch.setattr(engines, "run_engine", failure)
    started = []
    create = engines.EngineProcess.__init__

    def record(self, *args):
        create(self, *args)
        started.append(self.process)

    monkeypatch.setattr(engines.EngineProcess, "__init__", record)
    with pytest.raises(RecipeError, match=message):
        ParallelBackend(["0", "1"], *arguments)
    assert len(started) == 2 and not any(process.is_alive() for process in started)


def test_one_engine_for_each_gpu_of_the_machine(monkeypatch, vllm, arguments):
    model_args, tokenizer, args = arguments
    created = []
    monkeypatch.setattr(engines, "ParallelBackend", lambda gpus, *_: created.append(gpus))
    monkeypatch.setattr(engines, "visible_gpus", lambda: ["0", "1", "2", "3"])
    load_backend(args, model_args, tokenizer)
    assert created == [["0", "1", "2", "3"]]
    monkeypatch.setattr(engines, "visible_gpus", lambda: ["3"])
    assert isinstance(load_backend(args, model_args, tokenizer), VLLMBackend)


def test_a_run_closes_its_engine(vllm, checkpoint, tmp_path):
    argv = ["--model_name_or_path", checkpoint, "--backend", "vllm", "--dataset_params", '{"size": 4}']
    args, model_args = parse(ZERO, *argv, "--output_dir", tmp_path)
    assert generate_completions(args, model_args, Console(quiet=True)) == 0
    assert len(vllm.created) == vllm.shutdowns == 1


def test_an_engine_is_closed_after_a_failure(vllm, arguments):
    model_args, tokenizer, args = arguments
    with pytest.raises(RuntimeError), LazyBackend() as backend:
        backend.load(args, model_args, tokenizer)
        raise RuntimeError
    assert vllm.shutdowns == 1
