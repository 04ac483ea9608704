"""Generation that is killed fifty times, beside one that is left alone: nothing lost, nothing twice, the same content.

The embedded model (untrained, whose samples a different bit would change) draws 2,000 completions with transformers. One run is left
alone. The other is killed with SIGKILL at a random moment, fifty times, and started again each time.

  python benchmarks/generation.py            # about ten minutes on two cores, most of them imports
  python benchmarks/generation.py --kills 5
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from open_r1.generation.store import mend, read_completions, read_lines


FILE = "completions-00000-of-00001.jsonl"


def command(folder: Path) -> list[str]:
    argv = [
        sys.executable,
        "src/open_r1/generate.py",
        "--config",
        "recipes/tiny/generate/config_zero.yaml",
        "--output_dir",
        str(folder),
    ]
    argv += [
        "--model_name_or_path",
        "open_r1.data.tiny:base_model",
        "--dataset_params",
        '{"size": 500}',
        "--num_generations",
        "4",
    ]
    return [*argv, "--batch_size", "10"]


def run(folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run(command(folder), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def killed(folder: Path, kills: int, seed: int) -> int:
    """Starts and kills; returns how often there was something left to do."""
    rng, hit = random.Random(seed), 0
    for i in range(kills):
        lock = folder / "lock-00000-of-00001.txt"
        before = lock.stat().st_mtime_ns if lock.exists() else 0
        with subprocess.Popen(command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            if i % 5:  # four of five while it draws and writes, the others anywhere
                while process.poll() is None and not (lock.exists() and lock.stat().st_mtime_ns > before):
                    time.sleep(0.01)
                wait = rng.uniform(0, 1.5)
            else:
                wait = rng.uniform(0, 10)
            try:
                process.wait(wait)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                hit += 1
        if (folder / FILE).exists():
            mend(folder / FILE)
            keys = [(row["prompt_id"], row["sample"]) for row in read_lines(folder / FILE)]
            assert len(keys) == len(set(keys)), "a completion is there twice"
    return hit


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as root:
        whole, torn = Path(root, "whole"), Path(root, "torn")
        print(f"left alone: {run(whole):.1f} s")
        hit = killed(torn, args.kills, args.seed)
        run(torn)
        rows = [
            sorted(
                (row["prompt_id"], row["sample"], row["seed"], row["completion"], row["finish_reason"])
                for row in read_completions(folder)
            )
            for folder in (whole, torn)
        ]
        print(
            f"killed {hit} of {args.kills} times: {len(rows[1]):,} completions, wanted {len(rows[0]):,}; the same: {rows[0] == rows[1]}"
        )


if __name__ == "__main__":
    main()
