"""Checks that generation survives fifty kills, and compares its throughput with vLLM's own client.

1. The built-in model generates 2,000 completions with transformers; it is untrained, so that any numerical difference
   would change its samples. One run is not interrupted. The other is killed with SIGKILL at fifty random moments and
   restarted each time. No completion may be lost or occur twice, and the content must be the same.
2. A real vLLM server on the CPU (`make test-all` creates its environment, `.venv-vllm`) serves an untrained Qwen2 with
   25M parameters. vLLM's own benchmark client and `generate.py` take turns with the same concurrency, prompts and
   sampling parameters. Reported are tokens per second by each client's own clock, as medians over all rounds.

  python benchmarks/generation.py            # about half an hour on two cores
  python benchmarks/generation.py --kills 5 --rounds 3
  python benchmarks/generation.py --kills 0 --vllm path/to/an/environment/bin/python
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from transformers import Qwen2Config, Qwen2ForCausalLM, set_seed
from vllm_server import ENV, Server

from open_r1.configs.parser import RecipeParser
from open_r1.data import tiny
from open_r1.data.completions import read_completions
from open_r1.generation.driver import generate_completions
from open_r1.utils.jsonl import read_lines, truncate_incomplete_line


VLLM_CLIENT = """\
import argparse
from vllm.benchmarks.serve import add_cli_args, main
parser = argparse.ArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""
MAX_TOKENS = 160  # per completion
COMPLETIONS = "completions-00000-of-00001.jsonl"


def generate_command(folder: Path) -> list[str]:
    argv = [sys.executable, "src/open_r1/generate.py", "--config", "recipes/tiny/generate/config_zero.yaml"]
    argv += ["--output_dir", str(folder), "--model_name_or_path", "open_r1.data.tiny:base_model"]
    return [*argv, "--dataset_params", '{"size": 500}', "--num_generations", "4", "--batch_size", "10"]


def run(folder: Path) -> float:
    """Runs `generate.py` to its end; returns the time in seconds."""
    started = time.perf_counter()
    subprocess.run(generate_command(folder), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def run_and_kill(folder: Path, kills: int, seed: int) -> int:
    """Starts and kills `generate.py` repeatedly; returns how often it was still running when killed."""
    rng = random.Random(seed)
    hits = 0
    for i in range(kills):
        lock = folder / "lock-00000-of-00001.txt"
        before = lock.stat().st_mtime_ns if lock.exists() else 0
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(generate_command(folder), **silent) as process:
            if i % 5:  # four out of five times while it generates and writes, otherwise at any moment
                while process.poll() is None and not (lock.exists() and lock.stat().st_mtime_ns > before):
                    time.sleep(0.01)
                wait = rng.uniform(0, 1.5)
            else:
                wait = rng.uniform(0, 10)
            try:
                process.wait(wait)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                hits += 1
        if (folder / COMPLETIONS).exists():
            truncate_incomplete_line(folder / COMPLETIONS)
            keys = [(row["prompt_id"], row["sample"]) for row in read_lines(folder / COMPLETIONS)]
            assert len(keys) == len(set(keys)), "a completion occurs twice"
    return hits


def kill_table(kills: int, seed: int):
    with tempfile.TemporaryDirectory() as root:
        uninterrupted, killed = Path(root, "uninterrupted"), Path(root, "killed")
        print(f"uninterrupted: {run(uninterrupted):.1f} s")
        hits = run_and_kill(killed, kills, seed)
        run(killed)
        expected, actual = content(uninterrupted), content(killed)
        print(f"killed {hits} of {kills} times: {len(actual):,} completions, expected {len(expected):,}")
        print(f"identical content: {actual == expected}")


def content(folder: Path) -> list[tuple]:
    """All completions in a folder, ordered by id."""
    columns = ("prompt_id", "sample", "seed", "completion", "finish_reason")
    return sorted(tuple(row[column] for column in columns) for row in read_completions(folder))


def vllm_throughput(server: Server, prompts: Path, count: int, concurrency: int, folder: Path) -> float:
    """Tokens per second of vLLM's own benchmark client."""
    argv = [server.python, "-c", VLLM_CLIENT, "--backend", "openai"]
    argv += ["--base-url", server.url.removesuffix("/v1"), "--model", server.model]
    argv += ["--dataset-name", "custom", "--dataset-path", str(prompts), "--skip-chat-template"]
    argv += ["--num-prompts", str(count), "--max-concurrency", str(concurrency)]
    argv += ["--custom-output-len", str(MAX_TOKENS), "--temperature", "1.0", "--top-p", "1.0", "--disable-tqdm"]
    argv += ["--save-result", "--save-detailed", "--result-dir", str(folder), "--result-filename", "vllm.json"]
    subprocess.run(argv, check=True, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    result = json.loads((folder / "vllm.json").read_text())
    assert result["completed"] == count, f"{result['completed']} of {count}: {set(result['errors'])}"
    return result["output_throughput"]


def our_throughput(server: Server, prompts: Path, concurrency: int, folder: Path) -> float:
    """Tokens per second of `generate.py --backend server`, from reading the prompts to writing the last line."""
    argv = ["--model_name_or_path", server.model, "--backend", "server", "--base_urls", server.url]
    argv += ["--dataset_name", str(prompts), "--prompt_template", str(prompts.with_name("bare.jinja"))]
    argv += ["--output_dir", str(folder), "--concurrency", str(concurrency)]
    argv += ["--temperature", "1.0", "--top_p", "1.0", "--max_completion_length", str(MAX_TOKENS)]
    parsed = RecipeParser("generate").parse(argv)
    started = time.perf_counter()
    assert not generate_completions(*parsed, Console(quiet=True))
    seconds = time.perf_counter() - started
    return sum(row["completion_tokens"] for row in read_completions(folder)) / seconds


def save_served_model(folder: Path):
    """Saves an untrained Qwen2 with 25M parameters.

    With the smaller built-in model, vLLM's processes would spend more time waiting for each other than computing, and
    one round could take twice as long as the next.
    """
    tokenizer = tiny.tokenizer()
    set_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=512,
        intermediate_size=1536,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=4,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def throughput_table(python: str, rounds: int, count: int, concurrency: int):
    with tempfile.TemporaryDirectory() as root:
        save_served_model(Path(root, "model"))
        prompts = Path(root, "prompts.jsonl")
        problems = (tiny.problem(0, "train", i).prompt for i in range(count))
        prompts.write_text("".join(json.dumps({"prompt": tiny.QUESTION.format(text)}) + "\n" for text in problems))
        Path(root, "bare.jinja").write_text("{{ prompt }}")
        server = Server(str(Path(root, "model")), python)
        try:
            server.pin()
            speeds: dict[str, list[float]] = {"vllm bench serve": [], "generate.py": []}
            for i in range(rounds + 1):
                vllm_speed = vllm_throughput(server, prompts, count, concurrency, Path(root))
                our_speed = our_throughput(server, prompts, concurrency, Path(root, f"ours-{i}"))
                print(f"round {i}: {vllm_speed:,.0f} and {our_speed:,.0f} tokens/s", flush=True)
                if i > 0:  # the first round warms up
                    speeds["vllm bench serve"].append(vllm_speed)
                    speeds["generate.py"].append(our_speed)
        finally:
            server.kill()
        print(f"{count:,} prompts, concurrency {concurrency}, {rounds} rounds")
        for name, values in speeds.items():
            print(f"{name:20} {statistics.median(values):8,.0f} tokens/s   {min(values):,.0f} to {max(values):,.0f}")
        pairs = zip(speeds["generate.py"], speeds["vllm bench serve"], strict=True)
        ratios = [ours / theirs for ours, theirs in pairs]
        print(f"ratio, median of the rounds: {statistics.median(ratios):.3f}   {min(ratios):.3f} to {max(ratios):.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="Number of kills; 0 skips the first measurement.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument(
        "--vllm", default=".venv-vllm/bin/python", help="Python interpreter of an environment with vLLM."
    )
    args = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    if args.kills:
        kill_table(args.kills, args.seed)
    if Path(args.vllm).exists():
        throughput_table(args.vllm, args.rounds, args.prompts, args.concurrency)
    else:
        print(f"{args.vllm} does not exist (`make test-all` creates it); skipping the throughput measurement")


if __name__ == "__main__":
    main()
