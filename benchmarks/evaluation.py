"""Time to grade and summarize 500 problems with 16 saved completions each.

The completions are those of benchmarks/rewards.py: about 1,500 tokens, 45% correct, 2% endless formulas. The time
includes starting the grader's processes, but not generation.

  python benchmarks/evaluation.py            # about two minutes on two cores
"""

import argparse
import statistics
import time

from datasets import Dataset
from rewards import make_batch

from open_r1.configs import Benchmark
from open_r1.evals.measures import summarize
from open_r1.grading import shared_grader
from open_r1.rewards import Composition
from open_r1.rewards.dataset_scores import score_dataset


SAMPLES = 16  # per problem


def completions(problems: int, seed: int) -> Dataset:
    """Completions with gold answers, in the format of `generate.py`."""
    rows = []
    while len(rows) < problems * SAMPLES:
        texts, golds = make_batch(seed + len(rows), bombs=True)
        for text, gold in zip(texts, golds, strict=True):
            row = {
                "prompt_id": f"{len(rows) // SAMPLES}",
                "prompt": "",
                "completion": text,
                "solution": gold,
                "finish_reason": "stop",
                "completion_tokens": 1500,
            }
            rows.append(row)
    return Dataset.from_list(rows[: problems * SAMPLES])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    benchmark = Benchmark.parse({"name": "made", "dataset_name": "made.jsonl", "reward_funcs": ["accuracy", "format"]})
    seconds = []
    for number in range(args.rounds):
        rows = completions(args.problems, seed=1000 * number)
        shared_grader.cache_clear()
        started = time.perf_counter()
        scored = score_dataset(rows, Composition(benchmark.rewards), progress=False)
        summary = summarize(scored, benchmark)
        seconds.append(time.perf_counter() - started)
        values = "  ".join(f"{name} {summary[name]['value']:.3f}" for name in ("avg@16", "pass@16", "cons@16"))
        print(f"{len(rows):,} completions of {args.problems} problems: {seconds[-1]:.1f} s   {values}", flush=True)
    print(f"median {statistics.median(seconds):.1f} s")


if __name__ == "__main__":
    main()
