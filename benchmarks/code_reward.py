"""Speed of the code judge with new sandboxes and with fork servers, compared with a bare `bwrap python`.

The programs are trivial, so that the start-up time dominates. Each round measures the rates one after another; the
table shows medians. It then measures how late an endless program is stopped, and how the memory of this process grows
over many programs.

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

from open_r1.code_judge import Bubblewrap, ColdSandboxes, Limits, Provider, WarmSandboxes
from open_r1.code_judge.sandbox import ENVIRONMENT


PROGRAM = "a, b = map(int, input().split())\nprint(a + b)\n"
CPP = "#include <iostream>\nint main() { int a, b; std::cin >> a >> b; std::cout << a + b; }\n"
LIMITS = Limits(seconds=10)
RUNS = 150
MEBIBYTE = 2**20


class BareBubblewrap:
    """Minimal isolation: `bwrap python` with the program on its command line, without limits or supervision."""

    def __init__(self, bubblewrap: Bubblewrap):
        self.argv = [bubblewrap.program, "--unshare-all", "--die-with-parent"]
        self.argv += ["--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"]
        self.argv += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "/usr/bin/python3"]

    def run(self, source: str, language: str, stdin: str, limits: Limits) -> None:
        """Runs a Python program."""
        command = [*self.argv, "-I", "-c", source]
        subprocess.run(command, input=stdin.encode(), capture_output=True, env=ENVIRONMENT, check=True)


def measure_rate(provider: Provider, threads: int, source: str = PROGRAM, language: str = "python") -> float:
    """Runs per second with `threads` concurrent programs."""

    def run(i: int) -> None:
        provider.run(source, language, f"{i} 2", LIMITS)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(2 * threads)))  # warm-up
        started = time.perf_counter()
        list(pool.map(run, range(RUNS)))
        return RUNS / (time.perf_counter() - started)


def measure_lateness(provider: Provider) -> float:
    """Seconds between the deadline of an endless program and its end."""
    started = time.perf_counter()
    outcome = provider.run("while True: pass", "python", "", Limits(seconds=1))
    assert outcome.status == "timeout"
    return time.perf_counter() - started - 1


def measure_growth(provider: Provider, programs: int) -> tuple[float, float, int]:
    """Memory of this process in MiB after 100 programs and after all, and the number of new file descriptors."""
    process = psutil.Process()

    def is_right(i: int) -> bool:
        outcome = provider.run(f"{PROGRAM}# {i}\n", "python", f"{i} 2", LIMITS)
        return outcome.stdout == f"{i + 2}\n".encode()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        assert all(pool.map(is_right, range(100)))
        before = process.memory_info().rss / MEBIBYTE
        descriptors = process.num_fds()
        for start in range(100, programs, 100):
            assert all(pool.map(is_right, range(start, start + 100)))
        after = process.memory_info().rss / MEBIBYTE
        return before, after, process.num_fds() - descriptors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--programs", type=int, default=10_000)
    args = parser.parse_args()
    bubblewrap = Bubblewrap()
    cores = os.cpu_count()
    bare, cold, warm = "bwrap python", "new bubblewrap", "fork servers"
    providers = {bare: BareBubblewrap(bubblewrap), cold: ColdSandboxes(bubblewrap), warm: WarmSandboxes(bubblewrap)}

    print(f"{cores} cores; trivial Python programs, runs per second, medians of {args.rounds} rounds")
    print(f"{'':24}{'one at a time':>15}{f'{cores} at a time':>15}")
    rates: dict[tuple[str, int], list[float]] = {}
    for _ in range(args.rounds):
        for name, provider in providers.items():
            for threads in (1, cores):
                rates.setdefault((name, threads), []).append(measure_rate(provider, threads))
    median = {key: statistics.median(values) for key, values in rates.items()}
    for name in providers:
        print(f"{name:24}{median[name, 1]:15.1f}{median[name, cores]:15.1f}")
    for name in (bare, cold):
        ratio = median[warm, 1] / median[name, 1]
        ratio_in_parallel = median[warm, cores] / median[name, cores]
        print(f"{f'{warm} / {name}':24}{ratio:15.1f}{ratio_in_parallel:15.1f}")

    for name in (cold, warm):
        cpp_rate = measure_rate(providers[name], cores, CPP, "cpp")
        print(f"C++, compiled once, {name}: {cpp_rate:.1f} runs per second")
        lateness = max(measure_lateness(providers[name]) for _ in range(3))
        print(f"an endless program, {name}: stopped at most {lateness:.3f} s after its deadline")
    before, after, descriptors = measure_growth(providers[warm], args.programs)
    print(f"{args.programs:,} programs, {warm}: {before:.1f} MiB after 100, {after:.1f} MiB after all")
    print(f"{descriptors:+d} descriptors")


if __name__ == "__main__":
    main()
