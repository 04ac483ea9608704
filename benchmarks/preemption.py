"""Stops and kills a GRPO run at random moments, and compares its final weights with those of an uninterrupted run.

    python benchmarks/preemption.py --kills 20

Interruptions alternate between SIGTERM (saves a checkpoint and exits with status 85) and SIGKILL (loses all steps
after the last checkpoint). After each one, the same command is run again, as a scheduler would. With --slurm, the run
is a job on a cluster (`make slurm-up`); interruptions alternate between `scontrol requeue`, which sends SIGTERM, and
SIGUSR1, the warning before the time limit, after which the job requeues itself:

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
    argv = "--per_device_train_batch_size 32 --num_generations 8 --max_completion_length 16".split()
    argv += "--steps_per_generation 2 --eval_strategy no --eval_on_start false".split()
    argv += f"--max_steps {steps} --save_steps {SAVE_STEPS} --save_total_limit 2".split()
    return [*argv, "--model_name_or_path", str(base), "--output_dir", str(folder)]


def command(folder: Path, base: Path, steps: int) -> list[str]:
    return [sys.executable, "src/open_r1/grpo.py", "--config", RECIPE, *options(folder, base, steps)]


def last_logged_step(folder: Path, since: float) -> int:
    """The last step in the log, or 0 if the log was not written since then."""
    path = folder / "log_history.jsonl"
    if not path.exists() or path.stat().st_mtime < since:
        return 0
    return max((json.loads(line)["step"] for line in path.read_text().splitlines()), default=0)


def last_saved_step(folder: Path) -> int:
    """The step of the last checkpoint."""
    steps = [int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*") if path.name.count("-") == 1]
    return max(steps, default=0)


def run_interrupted(
    folder: Path, base: Path, steps: int, kills: int, rng: random.Random
) -> list[tuple[str, int, int]]:
    """Runs training to its end; returns the signal, last step and last checkpoint of each interruption."""
    moments = sorted(rng.sample(range(1, steps), kills))
    ended = []
    for number, moment in enumerate([*moments, steps + 1]):
        began = time.time()
        process = subprocess.Popen(command(folder, base, steps), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and last_logged_step(folder, began) < moment:
            time.sleep(0.005)
        if process.poll() is None:
            time.sleep(rng.uniform(0, 0.3))
            sent = (signal.SIGTERM, signal.SIGKILL)[number % 2]
            before = last_logged_step(folder, began)
            process.send_signal(sent)
            status = process.wait()
            ended.append((sent.name, before, last_saved_step(folder)))
            assert status == (85 if sent == signal.SIGTERM else -9), status
        elif process.returncode:
            raise SystemExit(f"status {process.returncode}")
    return ended


def start_time(job: str) -> float:
    """The last start of a job as a Unix timestamp."""
    description = run_slurm_command("scontrol", "--oneliner", "show", "job", job)
    return datetime.fromisoformat(re.search(r" StartTime=(\S+)", description)[1]).timestamp()


def run_interrupted_job(
    folder: Path, base: Path, steps: int, kills: int, rng: random.Random
) -> list[tuple[str, int, int]]:
    """Like `run_interrupted`, as a Slurm job."""
    moments = sorted(rng.sample(range(1, steps), kills))
    ended = []
    began = time.time()
    job = submit_job("slurm/train.slurm", [], ["--recipe", RECIPE, *options(folder, base, steps)])
    for number, moment in enumerate(moments, 1):
        while job_state(job) in ALIVE and last_logged_step(folder, began) < moment:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 0.3))
        how = (("scontrol", "requeue"), ("scancel", "--signal=USR1", "--batch"))[number % 2]
        before = last_logged_step(folder, began)
        requested = int(time.time()) + 1
        run_slurm_command(*how, job)
        while not (job_state(job) == "RUNNING" and start_time(job) >= requested):
            if job_state(job) not in ALIVE:
                raise SystemExit(f"job {job} is {job_state(job)}; see slurm/logs/open_r1-{job}.log")
            if job_state(job) == "PENDING":  # otherwise Slurm waits two minutes
                run_slurm_command("scontrol", "update", f"JobId={job}", "StartTime=now")
            time.sleep(0.2)
        began = time.time()
        ended.append((how[0], before, last_saved_step(folder)))
    while job_state(job) in ALIVE:
        time.sleep(0.2)
    return ended


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slurm", action="store_true", help="Run as a Slurm job.")
    args = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    steps = 4 * args.kills
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        base = root / "base"
        size = ["--dataset_params", '{"size": 2000}', "--max_steps", "60", "--save_steps", "60"]
        recipe = [sys.executable, "src/open_r1/sft.py", "--config", "recipes/tiny/sft/config_base.yaml"]
        subprocess.run([*recipe, *size, "--output_dir", str(base)], check=True, capture_output=True)
        subprocess.run(command(root / "uninterrupted", base, steps), check=True, capture_output=True)
        run = run_interrupted_job if args.slurm else run_interrupted
        ended = run(root / "interrupted", base, steps, args.kills, random.Random(args.seed))
        digests = [
            hashlib.sha256((root / name / "model.safetensors").read_bytes()).hexdigest()
            for name in ("uninterrupted", "interrupted")
        ]
    for how, before, after in ended:
        print(f"{how:8} at step {before:3}: continues from {after:3}, {max(0, before - after)} steps repeated")
    print(f"interrupted {len(ended)} of {args.kills} times in {steps} steps")
    print(f"identical final weights: {digests[0] == digests[1]}")


if __name__ == "__main__":
    main()
