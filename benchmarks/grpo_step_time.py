"""GRPO step time: our grpo.py beside TRL's own script, same recipe, same model, same data, in one run.

    OMP_NUM_THREADS=1 python benchmarks/grpo_step_time.py

The two take turns, so that a busy machine slows both. Every completion has the same number of tokens, and prompts are
without white space, which TRL's script would lose (transformers rebuilds the tokenizer by the model type). Reported is
train_runtime / steps as the trainer measures it: generation, rewards, update, logging and the completions table.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from open_r1.data import tiny


def write_inputs(folder: Path, steps: int):
    """Saves a model, a data set and the two recipes."""
    model, tokenizer = tiny.base_model(seed=0)
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    (folder / "data").mkdir()
    rows = [
        {"prompt": row["problem"].split("=")[0].split("等")[0].strip(), "solution": row["solution"]}
        for row in tiny.problems("train", 0)
    ]
    (folder / "data" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    common = {
        "model_name_or_path": str(folder / "model"),
        "dataset_name": str(folder / "data" / "train.jsonl"),
        "max_completion_length": 32,
        "generation_kwargs": {"min_new_tokens": 32},
        "num_generations": 16,
        "per_device_train_batch_size": 128,
        "max_steps": steps,
        "learning_rate": 1e-6,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "log_completions": True,
        "num_completions_to_print": 0,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
    }
    (folder / "prompt.jinja").write_text("{{ prompt }}")
    ours = common | {"reward_funcs": ["accuracy", "format"], "prompt_template": str(folder / "prompt.jinja")}
    theirs = common | {
        "reward_funcs": ["open_r1.rewards.accuracy.accuracy", "open_r1.rewards.format.format_reward"],
        "dataset_name": str(folder / "data"),
    }
    for name, recipe in (("ours", ours), ("theirs", theirs)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(recipe))


def step_time(folder: Path, name: str, steps: int) -> float:
    """Seconds a step of one run."""
    with tempfile.TemporaryDirectory() as output:
        script = ["src/open_r1/grpo.py"] if name == "ours" else ["-m", "trl.scripts.grpo"]
        command = [sys.executable, *script, "--config", str(folder / f"{name}.yaml"), "--output_dir", output]
        run = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
        if run.returncode:
            sys.exit(f"{' '.join(command)}\n{run.stderr[-3000:]}")
        if name == "ours":
            return json.loads((Path(output) / "train_results.json").read_text())["train_runtime"] / steps
        return float(re.search(r"'train_runtime': '?([\d.]+)", run.stdout)[1]) / steps


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    times = {"theirs": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder), args.steps)
        for turn in range(args.rounds):
            for name in times if turn % 2 else reversed(times):
                times[name].append(step_time(Path(folder), name, args.steps))
            print(f"round {turn + 1}: TRL {times['theirs'][-1]:.3f} s, ours {times['ours'][-1]:.3f} s", flush=True)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratio = medians["ours"] / medians["theirs"]
    print(f"{os.cpu_count()} cores, {args.rounds} rounds of {args.steps} steps, 128 completions of 32 tokens a step")
    print(f"median: TRL {medians['theirs']:.3f} s, ours {medians['ours']:.3f} s a step, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
