"""Speed and memory of decontamination and near-duplicate removal, compared with the 8-gram method of open-r1.

Rows of about 5,000 tokens are generated from a fixed vocabulary. One in a hundred contains one of 2,000 synthetic
benchmark problems, one in fifty is a copy of another row with one word changed. All filters run with the same number
of processes. Memory is the total of all processes, with shared pages counted once, without the memory-mapped data set.

  python benchmarks/filters.py  # 10,000, 30,000 and 100,000 rows: about half an hour on two cores
  python benchmarks/filters.py --rows 1000 3000
  python benchmarks/filters.py --rows 10000 --filters contaminated --filters duplicates
"""

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from datasets import Dataset, disable_progress_bars

from open_r1.builders.decontamination import ProblemIndex
from open_r1.builders.filters import Contaminated, Duplicates, NearDuplicates
from open_r1.builders.run_filters import run_filters


WORDS = 3700  # per row, about 5,000 tokens
PROBLEMS = 2000
NOUNS = "apples trains boxes marbles students coins triangles books ships gardens".split()
NAMES = "Tom Aya Ben Wei Lena Omar Ines Raj Mia Leo".split()


def problem(seed: int) -> str:
    rng = random.Random(f"problem {seed}")
    a, b, c = (rng.randint(2, 999) for _ in range(3))
    return (
        f"{rng.choice(NAMES)} has {a} {rng.choice(NOUNS)} and gives {b} of them to {rng.choice(NAMES)}, "
        f"who already owns {c} {rng.choice(NOUNS)}. "
        f"If every third one of the {rng.choice(NOUNS)} is sold for {rng.randint(2, 99)} dollars, "
        f"how many are left after {rng.randint(2, 99)} days?"
    )


def row(index: int, vocabulary: list[str]) -> str:
    if index % 50 == 49:
        return row(index - 1, vocabulary).replace(" the ", " that ", 1)
    rng = random.Random(f"row {index}")
    words = rng.choices(vocabulary, k=WORDS)
    if index % 100 == 7:
        words[rng.randrange(WORDS)] = problem(rng.randrange(PROBLEMS))
    return " ".join(words)


def rows(count: int) -> Iterator[dict]:
    rng = random.Random(0)
    letters = "aeioulnrstbcdgmp"
    vocabulary = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(20_000)]
    vocabulary += ["the", "$x$", "=", "\\frac{1}{2}"] * 2000
    for index in range(count):
        yield {"prompt": row(index, vocabulary)}


class OpenR1:
    """The decontamination of open-r1 (scripts/decontaminate.py): any shared 8-gram of white-space separated words."""

    name = "8-grams of open-r1"
    column, columns = "prompt", ["prompt"]

    def __init__(self, problems: list[str]):
        self.lookup = {gram for text in problems for gram in self.grams(text)}

    def grams(self, text: str) -> set[str]:
        words = " ".join(text.lower().strip().split()).split()
        return {" ".join(words[i : i + 8]) for i in range(len(words) - 7)}

    def __call__(self, batch: dict) -> list[str | None]:
        return [
            "contaminated" if any(gram in self.lookup for gram in self.grams(text)) else None
            for text in batch[self.column]
        ]


def private_memory(pid: int) -> int:
    """Bytes of a process, including its share of pages shared by forks, without memory-mapped files (the data set)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Pss_Anon", "Pss_Shmem")))


class Memory:
    """Records the peak memory of this process and its children together, sampled ten times per second."""

    def __enter__(self):
        self.peak = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self._thread.join()

    def _watch(self):
        current = psutil.Process()
        while not self._stopped.wait(0.1):
            total = 0
            for process in [current, *current.children(recursive=True)]:
                try:
                    total += private_memory(process.pid)
                except OSError:  # the process has ended
                    continue
            self.peak = max(self.peak, total)


def measure(dataset: Dataset, row_filter: Callable, processes: int) -> tuple[float, int, float]:
    """Seconds, number of dropped rows, and peak memory in GiB."""
    with Memory() as memory:
        started = time.perf_counter()
        _, (report,) = run_filters(dataset, [row_filter], num_proc=processes)
        return time.perf_counter() - started, report.dropped, memory.peak / 2**30


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--filters", action="append", help="Run only filters whose name starts with this.")
    args = parser.parse_args()
    disable_progress_bars()
    problems = [problem(i) for i in range(PROBLEMS)]
    print(f"{'rows':>8} {'filter':30} {'seconds':>8} {'rows/s':>8} {'dropped':>8} {'GiB':>6}")
    for count in args.rows:
        with tempfile.TemporaryDirectory() as cache:
            dataset = Dataset.from_generator(rows, gen_kwargs={"count": count}, cache_dir=cache)
            contaminated = Contaminated("prompt", ProblemIndex({"synthetic": problems}))
            for row_filter in (OpenR1(problems), contaminated, Duplicates(), NearDuplicates()):
                if args.filters and not row_filter.name.startswith(tuple(args.filters)):
                    continue
                seconds, dropped, memory = measure(dataset, row_filter, args.processes)
                speed = f"{seconds:8.1f} {count / seconds:8.0f}"
                print(f"{count:8,} {row_filter.name:30} {speed} {dropped:8,} {memory:6.2f}", flush=True)


if __name__ == "__main__":
    main()
