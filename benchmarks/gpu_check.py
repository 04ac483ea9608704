"""Checks a GPU in at most ten minutes, without a network: packages, speed and memory of training.

A random model of the shape of Qwen2.5-1.5B is trained with the settings of the recipes. Each part runs in a process of
its own and is skipped, with the reason, where a package is missing. Prints a table, writes a JSON file, and exits with
status 1 if a part failed, or with 2 if there is no GPU.

    make gpu-check
    python benchmarks/gpu_check.py --parts attention sft     # only some parts
    python benchmarks/gpu_check.py --shrunken                # a small version on the CPU, to test this script
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


ROOT = Path(__file__).resolve().parent.parent
SFT_RECIPE = ROOT / "recipes/DeepSeek-R1-Distill-Qwen-1.5B/sft/config_distill.yaml"
GRPO_RECIPE = ROOT / "recipes/Qwen2.5-1.5B/grpo/config_zero.yaml"
MODEL = "Qwen/Qwen2.5-1.5B"
PACKAGES = (
    "torch transformers trl accelerate datasets deepspeed vllm flash-attn kernels liger-kernel bitsandbytes triton"
).split()
MINUTES = 10.0  # for all parts together
LEAST_SECONDS = 20.0  # a part is not started with less time left
GIB = 2**30
RESULT = "RESULT "  # starts the line of a part's result
TINY_SHAPE = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 512,
}


class Skipped(Exception):
    """A part cannot run here; the message says why."""


def require(*packages: str) -> None:
    """Skips a part if a package is missing."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise Skipped(f"not installed: {', '.join(missing)}")


def check_environment(options: argparse.Namespace) -> dict[str, Any]:
    """What is installed, and what the GPU is."""
    import torch

    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    result = {"python": sys.version.split()[0], **versions}
    if not options.shrunken:
        properties = torch.cuda.get_device_properties(0)
        result |= {
            "gpu": properties.name,
            "gpus": torch.cuda.device_count(),
            "memory_gib": round(properties.total_memory / GIB, 1),
            "cuda": torch.version.cuda,
            "compute_capability": f"{properties.major}.{properties.minor}",
        }
    return result


def check_attention(options: argparse.Namespace) -> dict[str, Any]:
    """Which attention kernels run forward and backward in bf16 with grouped queries, and how long they take."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    device = "cpu" if options.shrunken else "cuda"
    tokens = 128 if options.shrunken else 8192
    shapes = [(1, 12, tokens, 128), (1, 2, tokens, 128), (1, 2, tokens, 128)]  # queries, keys and values
    tensors = [torch.randn(shape, device=device, dtype=torch.bfloat16, requires_grad=True) for shape in shapes]

    def run(backend: SDPBackend) -> None:
        with sdpa_kernel(backend):
            output = torch.nn.functional.scaled_dot_product_attention(*tensors, is_causal=True, enable_gqa=True)
            output.sum().backward()

    result = {}
    for name in ("FLASH_ATTENTION", "CUDNN_ATTENTION", "EFFICIENT_ATTENTION"):
        label = f"sdpa_{name.lower().removesuffix('_attention')}_ms"
        try:
            run(getattr(SDPBackend, name))  # compiles, or fails
        except RuntimeError as error:
            result[label] = f"not available: {str(error).splitlines()[0][:80]}"
            continue
        synchronize()
        start = time.perf_counter()
        for _ in range(5):
            run(getattr(SDPBackend, name))
        synchronize()
        result[label] = round((time.perf_counter() - start) / 5 * 1000, 2)
    found = [name for name in ("flash_attn", "kernels") if importlib.util.find_spec(name) is not None]
    result["packages for flash_attention_2"] = ", ".join(found) or "none: recipes that ask for it need one"
    return result


def check_sft(options: argparse.Namespace) -> dict[str, Any]:
    """Some steps of the recipe for distillation, in bf16: tokens per second, MFU, and memory beside the plan's."""
    require("transformers", "trl", "datasets", "accelerate")
    import torch
    from datasets import Dataset
    from trl import SFTTrainer

    overrides = ["--assistant_only_loss", "false", "--gradient_accumulation_steps", "2", "--packing", "false"]
    notes = ["rows are full, so nothing is packed"]
    if options.shrunken:
        overrides += ["--max_length", "128"]
    with tempfile.TemporaryDirectory() as folder:
        _, args, model_args = read_recipe("sft", SFT_RECIPE, folder, options, overrides, notes)
        args.eos_token = None  # the made-up tokenizer has its own
        args.chat_template_path = None
        args.model_init_kwargs = None
        model = random_model(options, model_args, notes)
        generator = torch.Generator().manual_seed(0)
        rows = args.max_steps * args.gradient_accumulation_steps * args.per_device_train_batch_size
        ids = torch.randint(10, model.config.vocab_size, (rows, args.max_length), generator=generator)
        timer = make_timer()
        trainer = SFTTrainer(
            model=model,
            args=args,
            train_dataset=Dataset.from_dict({"input_ids": ids.tolist()}),
            processing_class=make_tokenizer(model.config.vocab_size),
            callbacks=[timer],
        )
        with watch_memory() as memory:
            trainer.train()
    tokens = args.gradient_accumulation_steps * args.per_device_train_batch_size * args.max_length
    seconds = timer.seconds_per_step()
    result = {
        "recipe": str(SFT_RECIPE.relative_to(ROOT)),
        "attention": model.config._attn_implementation,
        "tokens per sequence": args.max_length,
        "seconds per step": round(seconds, 3),
        "tokens per second": round(tokens / seconds),
        "MFU": mfu(model, args.max_length, tokens / seconds, options),
    }
    result |= compare_memory(memory, model, model_args, args, args.per_device_train_batch_size * args.max_length)
    return result | {"notes": notes}


def check_grpo(options: argparse.Namespace) -> dict[str, Any]:
    """Some steps of R1-Zero's recipe in bf16, with vLLM on the same GPU if it is installed."""
    require("transformers", "trl", "datasets", "accelerate")
    from datasets import Dataset
    from trl import GRPOTrainer

    with_vllm = importlib.util.find_spec("vllm") is not None and not options.shrunken
    notes = ["rewards are made up; a random model hardly ever stops, so that completions have their full length"]
    overrides = ["--gradient_accumulation_steps", "2", "--log_completions", "false"]
    if options.shrunken:
        overrides += ["--max_completion_length", "16", "--use_vllm", "false"]
    elif not with_vllm:
        overrides += ["--max_completion_length", "512", "--use_vllm", "false"]
        notes.append("without vLLM: transformers generates, 512 tokens instead of the recipe's 2,048")
    with tempfile.TemporaryDirectory() as folder:
        _, args, model_args = read_recipe("grpo", GRPO_RECIPE, folder, options, overrides, notes)
        args.reward_weights = None  # of the recipe's rewards
        model = random_model(options, model_args, notes)
        tokenizer = make_tokenizer(model.config.vocab_size)
        source = Path(folder) / "model"
        model.save_pretrained(source)  # vLLM reads it from a folder
        tokenizer.save_pretrained(source)
        del model
        args.model_init_kwargs = {"dtype": model_args.dtype}
        prompts = [{"prompt": " ".join(f"t{10 + (7 * row + i) % 400}" for i in range(64))} for row in range(64)]
        timer = make_timer()
        trainer = GRPOTrainer(
            model=str(source),
            args=args,
            train_dataset=Dataset.from_list(prompts),
            processing_class=tokenizer,
            reward_funcs=share_of_even_tokens,
            callbacks=[timer],
        )
        with watch_memory() as memory:
            trainer.train()
        model = trainer.accelerator.unwrap_model(trainer.model)
    completions = args.gradient_accumulation_steps * args.per_device_train_batch_size
    seconds = timer.seconds_per_step()
    result = {
        "recipe": str(GRPO_RECIPE.relative_to(ROOT)),
        "generation": "vLLM, colocated" if with_vllm else "transformers",
        "completions per step": completions,
        "tokens per completion": args.max_completion_length,
        "seconds per step": round(seconds, 3),
        "tokens per second": round(completions * args.max_completion_length / seconds),
    }
    tokens = args.per_device_train_batch_size * (64 + args.max_completion_length)
    engine = 0.0
    if with_vllm:
        engine = args.vllm_gpu_memory_utilization * memory["total"]
    result |= compare_memory(memory, model, model_args, args, tokens, engine)
    return result | {"notes": notes}


def check_vllm(options: argparse.Namespace) -> dict[str, Any]:
    """How many tokens per second vLLM generates with the recipe's settings."""
    require("vllm", "transformers", "tokenizers")
    from vllm import LLM, SamplingParams

    count = 2 if options.shrunken else 64
    length = 8 if options.shrunken else 1024
    with tempfile.TemporaryDirectory() as folder:
        model = random_model(options, None, [])
        model.bfloat16().save_pretrained(folder)
        make_tokenizer(model.config.vocab_size).save_pretrained(folder)
        del model
        empty_cache()
        engine = LLM(model=folder, dtype="bfloat16", gpu_memory_utilization=0.3, max_model_len=2 * length)
        sampling = SamplingParams(temperature=1.0, max_tokens=length, ignore_eos=True)
        prompts = [{"prompt_token_ids": list(range(10, 10 + length // 2))} for _ in range(count)]
        engine.generate(prompts[:1], SamplingParams(max_tokens=1), use_tqdm=False)
        start = time.perf_counter()
        engine.generate(prompts, sampling, use_tqdm=False)
        seconds = time.perf_counter() - start
    return {"completions at once": count, "tokens per second": round(count * length / seconds)}


PARTS = {
    "environment": check_environment,
    "attention": check_attention,
    "sft": check_sft,
    "grpo": check_grpo,
    "vllm": check_vllm,
}


def read_recipe(
    stage: str, path: Path, folder: str, options: argparse.Namespace, overrides: list[str], notes: list[str]
) -> tuple[Any, Any, Any]:
    """Parses a recipe, changed only where a short run of one process needs it."""
    from open_r1.configs.parser import RecipeParser

    steps = "2" if options.shrunken else "5"
    argv = ["--config", str(path), "--output_dir", folder, "--max_steps", steps, "--report_to", "none"]
    argv += ["--save_strategy", "no", "--disable_tqdm", "true", *overrides]
    if options.shrunken:
        argv += ["--use_cpu", "true"]
    script_args, args, model_args = RecipeParser(stage).parse(argv)
    notes.append("one process without DeepSpeed")
    return script_args, args, model_args


def random_model(options: argparse.Namespace, model_args: Any, notes: list[str]) -> Any:
    """A random model of the shape of Qwen2.5-1.5B, with the recipe's type of weights and attention."""
    from transformers import AutoModelForCausalLM

    from open_r1.planning.known_models import known_config

    config = known_config(MODEL)
    config.max_position_embeddings = 32768
    config.use_cache = False
    if options.shrunken:
        for key, value in TINY_SHAPE.items():
            setattr(config, key, value)
        config.layer_types = config.layer_types[: config.num_hidden_layers]
    attention = "sdpa"
    if model_args is not None and model_args.attn_implementation:
        attention = model_args.attn_implementation
        if attention == "flash_attention_2" and importlib.util.find_spec("flash_attn") is None:
            attention = "sdpa"
            notes.append("flash_attn is not installed: SDPA instead of the recipe's flash_attention_2")
    dtype = "float32" if model_args is None else model_args.dtype
    return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)


def make_tokenizer(size: int) -> Any:
    """A tokenizer whose tokens are made-up words, so that no file has to be downloaded."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {f"t{i}": i for i in range(size)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="t1"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="t1", eos_token="t2", pad_token="t3")


def share_of_even_tokens(completions: list[str], **kwargs) -> list[float]:
    """A made-up reward that differs between completions."""
    rewards = []
    for completion in completions:
        words = completion.split()
        even = sum(word[-1] in "02468" for word in words)
        rewards.append(even / max(1, len(words)))
    return rewards


def make_timer() -> Any:
    """A callback of the trainer that measures the seconds of each step."""
    from transformers import TrainerCallback

    class Timer(TrainerCallback):
        def __init__(self):
            self.ends = []

        def on_train_begin(self, args, state, control, **kwargs):
            synchronize()
            self.ends.append(time.perf_counter())

        def on_step_end(self, args, state, control, **kwargs):
            synchronize()
            self.ends.append(time.perf_counter())

        def seconds_per_step(self) -> float:
            """Mean seconds of the steps but the first, which compiles and allocates."""
            if len(self.ends) < 3:
                raise RuntimeError(f"expected at least two steps, found {len(self.ends) - 1}")
            return (self.ends[-1] - self.ends[1]) / (len(self.ends) - 2)

    return Timer()


@contextmanager
def watch_memory() -> Iterator[dict[str, float]]:
    """Fills a dictionary with the peak of PyTorch's allocations and of the whole device, in bytes."""
    import torch

    memory = {"allocated": 0.0, "device": 0.0, "total": 0.0}
    if not torch.cuda.is_available():
        yield memory
        return
    memory["total"] = float(torch.cuda.get_device_properties(0).total_memory)
    torch.cuda.reset_peak_memory_stats()
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.1):
            free, total = torch.cuda.mem_get_info()
            memory["device"] = max(memory["device"], float(total - free))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        done.set()
        thread.join()
        memory["allocated"] = float(torch.cuda.max_memory_allocated())


def compare_memory(
    memory: dict[str, float], model: Any, model_args: Any, args: Any, tokens: int, engine: float = 0.0
) -> dict[str, Any]:
    """The peak that was measured beside the plan's; with vLLM, which allocates by itself, that of the whole device."""
    from open_r1.planning.memory import REPLICATED, training_memory
    from open_r1.planning.model_shape import ModelShape

    shape = ModelShape.from_config(model.config)
    planned = sum(training_memory(shape, model_args, args, tokens, 1, REPLICATED, engine).values())
    measured = memory["device"] if engine else memory["allocated"]
    result = {"peak memory, planned (GiB)": round(planned / GIB, 2)}
    if measured:
        result["peak memory, measured (GiB)"] = round(measured / GIB, 2)
        result["planned / measured"] = round(planned / measured, 2)
    return result


def mfu(model: Any, length: int, tokens_per_second: float, options: argparse.Namespace) -> str | float:
    """Share of the GPU's peak FLOP/s, at 6 operations per parameter and token, and attention; without recomputation."""
    import torch

    from open_r1.planning.gpus import GPUS

    if options.shrunken:
        return "no GPU"
    name = torch.cuda.get_device_name(0).replace(" ", "")
    known = [gpu for gpu in GPUS if gpu in name]
    if not known:
        return f"peak of {name} not known"
    peak = GPUS[max(known, key=len)].tflops * 1e12
    config = model.config
    attention = 6 * config.num_hidden_layers * config.hidden_size * length
    return round(tokens_per_second * (6 * model.num_parameters() + attention) / peak, 3)


def synchronize() -> None:
    """Waits for the GPU, if there is one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def empty_cache() -> None:
    """Gives memory back to the GPU, if there is one."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def run_part(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Runs a part in this process; returns its result, or why there is none."""
    try:
        return {"status": "ok", **PARTS[name](options)}
    except Skipped as reason:
        return {"status": "skipped", "reason": str(reason)}
    except ModuleNotFoundError as error:
        return {"status": "skipped", "reason": f"not installed: {error.name}"}
    except Exception as error:
        traceback.print_exc()
        return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}


def run_part_in_process(name: str, options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """Runs a part in its own process, which frees the GPU's memory when it ends."""
    if seconds < LEAST_SECONDS:
        return {"status": "skipped", "reason": "no time is left"}
    command = [sys.executable, __file__, "--part", name]
    if options.shrunken:
        command.append("--shrunken")
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled", "TOKENIZERS_PARALLELISM": "false"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment, cwd=ROOT)
    except subprocess.TimeoutExpired:
        return {"status": "failed", "reason": f"took more than the {seconds:.0f} s that were left"}
    for line in done.stdout.splitlines():
        if line.startswith(RESULT):
            result = json.loads(line.removeprefix(RESULT))
            if result["status"] == "failed":
                result["output"] = done.stderr[-4000:]
            return result
    return {"status": "failed", "reason": f"ended with status {done.returncode}", "output": done.stderr[-4000:]}


def print_table(results: dict[str, dict[str, Any]]) -> None:
    """Prints a line for each figure."""
    for part, result in results.items():
        print(f"{part:<12} {result['status']}{': ' + result['reason'] if 'reason' in result else ''}")
        for key, value in result.items():
            if key == "notes":
                value = "; ".join(value)
            if key not in ("status", "reason", "output"):
                print(f"{'':<12} {key:<32} {value}")
        for line in result.get("output", "").splitlines()[-15:]:
            print(f"{'':<12} | {line}")


def main() -> int:
    """Runs the parts and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="Parts to run (default: all).")
    parser.add_argument("--output", type=Path, default=Path("outputs/gpu_check.json"), help="The JSON file.")
    parser.add_argument("--shrunken", action="store_true", help="A tiny model on the CPU, to test this script.")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        result = run_part(options.part, options)
        sys.stdout.write(f"\n{RESULT}{json.dumps(result)}\n")
        return 0
    if importlib.util.find_spec("torch") is None:
        print("torch is not installed")
        return 2
    if not options.shrunken and not has_gpu():
        print("no GPU was found; --shrunken runs a small version on the CPU")
        return 2
    started = time.monotonic()
    results = {}
    for part in options.parts:
        left = MINUTES * 60 - (time.monotonic() - started)
        results[part] = run_part_in_process(part, options, left)
        print(f"{part}: {results[part]['status']}", file=sys.stderr, flush=True)
    print_table(results)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\n{time.monotonic() - started:.0f} s; written to {options.output}")
    failed = [part for part, result in results.items() if result["status"] == "failed"]
    return int(bool(failed))


def has_gpu() -> bool:
    """Whether PyTorch finds a GPU, asked in another process so that this one keeps none of its memory."""
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", code]).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
