"""Stops and kills a run of reinforcement learning at random moments, and compares what comes out with a run that was left alone.

    python benchmarks/preemption.py --kills 20

Every other time it is asked to stop (SIGTERM: a checkpoint, exit status 85), else it is killed (SIGKILL: what came after the last checkpoint is lost).
The same command is given again each time, as a scheduler does.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


SAVE_STEPS = 4


def command(folder: Path, base: Path, steps: int) -> list[str]:
    small = "--per_device_train_batch_size 32 --num_generations 8 --max_completion_length 16 --steps_per_generation 2 --eval_strategy no"
    return [
        *(sys.executable, "src/open_r1/grpo.py", "--config", "recipes/tiny/grpo/config_zero.yaml", *small.split()),
        *("--eval_on_start", "false", "--save_steps", str(SAVE_STEPS), "--save_total_limit", "2", "--max_steps", str(steps)),
        *("--model_name_or_path", str(base), "--output_dir", str(folder)),
    ]


def logged(folder: Path, since: float) -> int:
    """The last step in the log, if it has been written since then; a run that has not begun yet has none."""
    path = folder / "log_history.jsonl"
    if not path.exists() or path.stat().st_mtime < since:
        return 0
    return max((json.loads(line)["step"] for line in path.read_text().splitlines()), default=0)


def disturbed(folder: Path, base: Path, steps: int, kills: int, rng: random.Random) -> list[tuple[str, int, int]]:
    """Runs to the end; of each time it was ended: how, the last step before, and the step it went on from."""
    moments = sorted(rng.sample(range(1, steps), kills))
    ended = []
    for number, moment in enumerate([*moments, steps + 1]):
        began = time.time()
        process = subprocess.Popen(command(folder, base, steps), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and logged(folder, began) < moment:
            time.sleep(0.005)
        if process.poll() is None:
            time.sleep(rng.uniform(0, 0.3))
            sign = (signal.SIGTERM, signal.SIGKILL)[number % 2]
            before = logged(folder, began)
            process.send_signal(sign)
            status = process.wait()
            saved = [int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*") if path.name.count("-") == 1]
            ended.append((sign.name, before, max(saved, default=0)))
            assert status == (85 if sign == signal.SIGTERM else -9), status
        elif process.returncode:
            raise SystemExit(f"status {process.returncode}")
    return ended


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    steps = 4 * args.kills
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        base = root / "base"
        size = ["--dataset_params", '{"size": 2000}', "--max_steps", "60", "--save_steps", "60"]
        recipe = [sys.executable, "src/open_r1/sft.py", "--config", "recipes/tiny/sft/config_base.yaml"]
        subprocess.run([*recipe, *size, "--output_dir", str(base)], check=True, capture_output=True)
        subprocess.run(command(root / "alone", base, steps), check=True, capture_output=True)
        ended = disturbed(root / "disturbed", base, steps, args.kills, random.Random(args.seed))
        digests = [
            hashlib.sha256((root / name / "model.safetensors").read_bytes()).hexdigest() for name in ("alone", "disturbed")
        ]
    for how, before, after in ended:
        print(f"{how:8} at step {before:3}: continues from {after:3}, {max(0, before - after)} steps done again")
    print(f"ended {len(ended)} of {args.kills} times in {steps} steps; the same weights: {digests[0] == digests[1]}")


if __name__ == "__main__":
    main()
