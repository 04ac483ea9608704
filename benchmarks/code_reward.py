"""Judging programs: one bubblewrap a test, and sandboxes that are up already, beside a bare `bwrap python` a test, in one run.

Each program is trivial, so that starting it is what counts. The rates of a round are taken one after another, in turn; the table
shows medians. Then whether verdicts agree, how late a hopeless program is stopped, and the memory of this process over many.

  python benchmarks/code_reward.py                     # about three minutes on two cores
  python benchmarks/code_reward.py --programs 10000 --rounds 5
"""

import argparse
import os
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import psutil

from open_r1.code_judge.judge import Sandboxed
from open_r1.code_judge.process import Limits
from open_r1.code_judge.sandbox import ENVIRONMENT, Bubblewrap
from open_r1.code_judge.warm import Warm


PROGRAM = "a, b = map(int, input().split())\nprint(a + b)\n"
CPP = "#include <iostream>\nint main() { int a, b; std::cin >> a >> b; std::cout << a + b; }\n"
LIMITS = Limits(seconds=10)
RUNS = 150


class Bare:
    """The least that isolates: `bwrap python` with the program on its command line, no limits, no watching."""

    def __init__(self, walls: Bubblewrap):
        self.argv = [
            walls.program,
            "--unshare-all",
            "--die-with-parent",
            "--ro-bind",
            "/usr",
            "/usr",
            "--symlink",
            "usr/lib",
            "/lib",
        ]
        self.argv += [
            "--symlink",
            "usr/lib64",
            "/lib64",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--tmpfs",
            "/tmp",
            "/usr/bin/python3",
        ]

    def run(self, source: str, language: str, stdin: str, limits: Limits):
        subprocess.run(
            [*self.argv, "-I", "-c", source], input=stdin.encode(), capture_output=True, env=ENVIRONMENT, check=True
        )


def rate(judge, threads: int, source: str = PROGRAM, language: str = "python", runs: int = RUNS) -> float:
    """Runs a second, of `threads` at once."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda i: judge.run(source, language, f"{i} 2", LIMITS), range(2 * threads)))  # warm
        started = time.perf_counter()
        list(pool.map(lambda i: judge.run(source, language, f"{i} 2", LIMITS), range(runs)))
        return runs / (time.perf_counter() - started)


def lateness(judge) -> float:
    """Seconds beyond its deadline that a program without end is stopped at."""
    started = time.perf_counter()
    assert judge.run("while True: pass", "python", "", Limits(seconds=1)).status == "timeout"
    return time.perf_counter() - started - 1


def growth(judge, programs: int) -> tuple[float, float, int]:
    """Memory of this process in MiB after a first hundred programs and after all, and the descriptors that were added."""
    process, megabyte = psutil.Process(), 2**20
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        run = lambda i: judge.run(f"{PROGRAM}# {i}\n", "python", f"{i} 2", LIMITS).stdout == f"{i + 2}\n".encode()  # noqa: E731
        assert all(pool.map(run, range(100)))
        before, descriptors = process.memory_info().rss / megabyte, process.num_fds()
        for start in range(100, programs, 100):
            assert all(pool.map(run, range(start, start + 100)))
        return before, process.memory_info().rss / megabyte, process.num_fds() - descriptors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--programs", type=int, default=10_000)
    args = parser.parse_args()
    walls, cores = Bubblewrap(), os.cpu_count()
    judges = {"bwrap python a test": Bare(walls), "one bubblewrap a test": Sandboxed(walls), "warm": Warm(walls)}
    print(f"{cores} cores; trivial Python programs, runs a second, medians of {args.rounds} rounds")
    print(f"{'':24}{'one at a time':>15}{f'{cores} at a time':>15}")
    rates: dict[tuple, list[float]] = {}
    for _ in range(args.rounds):
        for name, judge in judges.items():
            for threads in (1, cores):
                rates.setdefault((name, threads), []).append(rate(judge, threads))
    median = {key: statistics.median(values) for key, values in rates.items()}
    for name in judges:
        print(f"{name:24}{median[name, 1]:15.1f}{median[name, cores]:15.1f}")
    first, simple, warm = judges
    print(
        f"{'warm / bwrap python':24}{median[warm, 1] / median[first, 1]:15.1f}{median[warm, cores] / median[first, cores]:15.1f}"
    )
    print(
        f"{'warm / one a test':24}{median[warm, 1] / median[simple, 1]:15.1f}{median[warm, cores] / median[simple, cores]:15.1f}"
    )
    for name in (simple, warm):
        print(f"C++, compiled once, {name}: {rate(judges[name], cores, CPP, 'cpp'):.1f} runs a second")
        print(
            f"a program without end, {name}: stopped {max(lateness(judges[name]) for _ in range(3)):.3f} s after its deadline at most"
        )
    before, after, descriptors = growth(judges[warm], args.programs)
    print(
        f"{args.programs:,} programs, warm: {before:.1f} MiB after 100, {after:.1f} MiB after all, {descriptors:+d} descriptors"
    )


if __name__ == "__main__":
    main()
