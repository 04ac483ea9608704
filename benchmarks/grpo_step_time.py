"""GRPO step time of our grpo.py and TRL's own script with the same recipe, model and data.

    OMP_NUM_THREADS=1 python benchmarks/grpo_step_time.py

Both run at the same time, each on its own core, and swap cores every round, so that anything that slows the machine
affects both. All completions have the same number of tokens. Prompts contain no white space, which TRL's script would
lose, since transformers rebuilds the tokenizer from the model type. Reported is train_runtime / steps as measured by
the trainer: generation, rewards, update, logging and the table of completions. Requires Linux and two cores.
"""

import argparse
import json
import os
import re
import shutil
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
    ours = common | {"reward_funcs": ["accuracy", "tag_count"], "prompt_template": str(folder / "prompt.jinja")}
    theirs = common | {
        "reward_funcs": ["open_r1.rewards.accuracy.accuracy", "open_r1.rewards.format.tag_count"],
        "dataset_name": str(folder / "data"),
    }
    for name, recipe in (("ours", ours), ("theirs", theirs)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(recipe))


def start(folder: Path, name: str, core: int) -> subprocess.Popen:
    """Starts one of the two scripts on the given core."""
    script = ["src/open_r1/grpo.py"] if name == "ours" else ["-m", "trl.scripts.grpo"]
    paths = ["--config", str(folder / f"{name}.yaml"), "--output_dir", str(folder / "output" / name)]
    command = [sys.executable, *script, *paths]
    env = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=env, preexec_fn=lambda: os.sched_setaffinity(0, {core}), **pipes)


def one_round(folder: Path, cores: list[int], steps: int) -> dict[str, float]:
    """Seconds per step of both scripts, which run at the same time."""
    runs = {name: start(folder, name, core) for name, core in zip(("theirs", "ours"), cores, strict=True)}
    outputs = {name: run.communicate() for name, run in runs.items()}
    for name, run in runs.items():
        if run.returncode:
            sys.exit(f"{name}\n{outputs[name][1][-3000:]}")
    ours = json.loads((folder / "output" / "ours" / "train_results.json").read_text())["train_runtime"]
    theirs = float(re.search(r"'train_runtime': '?([\d.]+)", outputs["theirs"][0])[1])
    shutil.rmtree(folder / "output")
    return {"theirs": theirs / steps, "ours": ours / steps}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=6)
    args = parser.parse_args()
    cores, rounds = sorted(os.sched_getaffinity(0))[:2], []
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder), args.steps)
        for turn in range(args.rounds):
            rounds.append(one_round(Path(folder), cores[:: -1 if turn % 2 else 1], args.steps))
            print(f"round {turn + 1}: TRL {rounds[-1]['theirs']:.3f} s, ours {rounds[-1]['ours']:.3f} s", flush=True)
    theirs, ours = (statistics.median(times[name] for times in rounds) for name in ("theirs", "ours"))
    ratio = statistics.median(times["ours"] / times["theirs"] for times in rounds)
    print(f"{os.cpu_count()} cores, {args.rounds} rounds of {args.steps} steps, 128 completions of 32 tokens per step")
    print(f"medians: TRL {theirs:.3f} s, ours {ours:.3f} s per step; ratio within a round {ratio:.3f}")


if __name__ == "__main__":
    main()
