"""Stops and kills a run of reinforcement learning at random moments, and compares what comes out with a run that was left alone.

    python benchmarks/preemption.py --kills 20

Every other time it is asked to stop (SIGTERM: a checkpoint, exit status 85), else it is killed (SIGKILL: what came after the last checkpoint is lost).
The same command is given again each time, as a scheduler does. With --slurm it is a job of a cluster (`make slurm-up`), in turn put back into the queue
(`scontrol requeue`, which sends SIGTERM) and warned of its end (SIGUSR1, after which it goes back by itself):

    make slurm-up && SLURM_CONF=/tmp/open_r1-slurm/slurm.conf python benchmarks/preemption.py --kills 20 --slurm
"""

import argparse
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from open_r1.cluster.slurm import job_state, run_slurm_command, submit_job


SAVE_STEPS = 4


ALIVE = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "REQUEUED")
RECIPE = "recipes/tiny/grpo/config_zero.yaml"


def options(folder: Path, base: Path, steps: int) -> list[str]:
    small = "--per_device_train_batch_size 32 --num_generations 8 --max_completion_length 16 --steps_per_generation 2 --eval_strategy no"
    return [
        *(*small.split(), "--eval_on_start", "false", "--save_steps", str(SAVE_STEPS), "--save_total_limit", "2"),
        *("--max_steps", str(steps), "--model_name_or_path", str(base), "--output_dir", str(folder)),
    ]


def command(folder: Path, base: Path, steps: int) -> list[str]:
    return [sys.executable, "src/open_r1/grpo.py", "--config", RECIPE, *options(folder, base, steps)]


def logged(folder: Path, since: float) -> int:
    """The last step in the log, if it has been written since then; a run that has not begun yet has none."""
    path = folder / "log_history.jsonl"
    if not path.exists() or path.stat().st_mtime < since:
        return 0
    return max((json.loads(line)["step"] for line in path.read_text().splitlines()), default=0)


def saved(folder: Path) -> int:
    """The step of the last checkpoint."""
    steps = [int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*") if path.name.count("-") == 1]
    return max(steps, default=0)


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
            ended.append((sign.name, before, saved(folder)))
            assert status == (85 if sign == signal.SIGTERM else -9), status
        elif process.returncode:
            raise SystemExit(f"status {process.returncode}")
    return ended


def started(job: str) -> float:
    """When a job was started the last time, in seconds since 1970."""
    told = run_slurm_command("scontrol", "--oneliner", "show", "job", job)
    return datetime.fromisoformat(re.search(r" StartTime=(\S+)", told)[1]).timestamp()


def as_a_job(folder: Path, base: Path, steps: int, kills: int, rng: random.Random) -> list[tuple[str, int, int]]:
    """The same, of a job of Slurm."""
    moments, ended, began = sorted(rng.sample(range(1, steps), kills)), [], time.time()
    job = submit_job("slurm/train.slurm", [], ["--recipe", RECIPE, *options(folder, base, steps)])
    for number, moment in enumerate(moments, 1):
        while job_state(job) in ALIVE and logged(folder, began) < moment:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 0.3))
        how = (("scontrol", "requeue"), ("scancel", "--signal=USR1", "--batch"))[number % 2]
        before, asked = logged(folder, began), int(time.time()) + 1
        run_slurm_command(*how, job)
        while not (job_state(job) == "RUNNING" and started(job) >= asked):
            if job_state(job) not in ALIVE:
                raise SystemExit(f"job {job} is {job_state(job)}; see slurm/logs/open_r1-{job}.log")
            if job_state(job) == "PENDING":  # Slurm would wait two minutes
                run_slurm_command("scontrol", "update", f"JobId={job}", "StartTime=now")
            time.sleep(0.2)
        began = time.time()
        ended.append((how[0], before, saved(folder)))
    while job_state(job) in ALIVE:
        time.sleep(0.2)
    return ended


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slurm", action="store_true", help="As a job of a cluster.")
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
        run = as_a_job if args.slurm else disturbed
        ended = run(root / "disturbed", base, steps, args.kills, random.Random(args.seed))
        digests = [
            hashlib.sha256((root / name / "model.safetensors").read_bytes()).hexdigest()
            for name in ("alone", "disturbed")
        ]
    for how, before, after in ended:
        print(f"{how:8} at step {before:3}: continues from {after:3}, {max(0, before - after)} steps done again")
    print(f"ended {len(ended)} of {args.kills} times in {steps} steps; the same weights: {digests[0] == digests[1]}")


if __name__ == "__main__":
    main()
