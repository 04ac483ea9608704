"""The worker pool: deadlines (even in C code), memory limits, crashes, and exit."""

import os
import pickle
import signal
import subprocess
import sys
import time

import pytest

from open_r1.utils.workers import ItemError, Workers


FUNCTIONS = """
import os, re, signal, time

def square(n):
    print("noise on standard output")
    return n * n

def act(what):
    if what == "sleep": time.sleep(60)
    if what == "python loop":
        while True: pass
    if what == "c loop": re.match(r"(a+)+$", "a" * 40 + "b")
    if what == "memory": return len(bytearray(10**11))
    if what == "recursion": return act("recursion")
    if what == "raise": raise RuntimeError("broken \\ud800")
    if what == "die": os.kill(os.getpid(), signal.SIGKILL)
    if what == "exit": os._exit(3)
    return what

def unpicklable(_):
    return lambda: None
"""


@pytest.fixture
def workers(tmp_path):
    (tmp_path / "acts.py").write_text(FUNCTIONS)
    pools = []

    def start(name, **kwargs):
        pools.append(Workers(f"{tmp_path / 'acts.py'}:{name}", **({"count": 2, "seconds": 0.5} | kwargs)))
        return pools[-1]

    yield start
    for pool in pools:
        pool.close()


def test_printed_text_does_not_corrupt_results(workers):
    pool = workers("square")
    assert [future.result() for future in [pool.submit(n) for n in range(20)]] == [n * n for n in range(20)]


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("sleep", "timeout"),
        ("python loop", "timeout"),
        ("c loop", "timeout"),  # a Python signal handler would not run
        ("memory", "memory"),
        ("recursion", "memory"),
        ("raise", "error"),
        ("die", "died"),
        ("exit", "died"),
    ],
)
def test_failing_item_does_not_affect_others(workers, what, reason):
    pool = workers("act", count=1)
    bad, good = pool.submit(what), pool.submit("good")
    assert bad.exception(timeout=30).reason == reason
    assert good.result(timeout=30) == "good"


def test_next_item_after_a_timeout_waits_only_milliseconds(workers):
    pool = workers("act", count=1)
    pool.submit("warm").result()
    start = time.monotonic()
    futures = [pool.submit("c loop") for _ in range(4)] + [pool.submit("good")]
    assert futures[-1].result() == "good"
    assert time.monotonic() - start < 4 * 0.5 + 1


def test_result_that_does_not_pickle_is_an_error(workers):
    assert workers("unpicklable", count=1).submit(0).exception(timeout=30).reason == "error"


def test_unknown_function_is_an_error_not_a_hang():
    pool = Workers("no.such:function", count=1, seconds=1)
    with pytest.raises(ItemError, match="died"):
        pool.submit(1).result(timeout=60)
    pool.close()


def test_large_items_and_lone_surrogates(workers):
    pool = workers("act", count=1)
    assert pool.submit("x" * 10_000_000).result() == "x" * 10_000_000
    assert pool.submit("\ud800").result() == "\ud800"


def test_pool_pickles_without_its_processes(workers):
    pool = workers("square")
    pool.submit(1).result()
    copy = pickle.loads(pickle.dumps(pool))
    try:
        assert copy.submit(3).result() == 9 and copy.pids() != pool.pids()
    finally:
        copy.close()


def test_files_named_like_standard_modules_are_ignored(tmp_path, monkeypatch, workers):
    (tmp_path / "random.py").write_text("raise RuntimeError('not this one')")
    monkeypatch.chdir(tmp_path)
    assert workers("square").submit(3).result() == 9


def test_item_that_does_not_pickle_raises_at_once(workers):
    pool = workers("square", count=1)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pool.submit(lambda: 1)
    assert pool.submit(3).result() == 9


def test_a_fork_gets_its_own_processes(workers):
    """`datasets.map(num_proc=…)` forks, for example."""
    pool = workers("square")
    assert pool.submit(2).result() == 4
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, str(pool.submit(3).result(timeout=30)).encode())
        pool.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 10) == b"9" and pool.submit(4).result() == 16


def test_close_cancels_the_queue(workers):
    pool = workers("act", count=1)
    futures = [pool.submit("sleep") for _ in range(20)]
    start = time.monotonic()
    pool.close()
    assert time.monotonic() - start < 5 and futures[-1].cancelled()


def test_closed_pool_can_be_used_again(workers):
    pool = workers("square", count=1)
    first = pool.submit(2).result(), pool.pids()
    pool.close()
    assert pool.pids() == [] and not _alive(first[1][0])
    assert pool.submit(3).result() == 9


def test_workers_end_with_their_program(tmp_path):
    """At normal exit, and when the program is killed while an item runs."""
    (tmp_path / "acts.py").write_text(FUNCTIONS)
    code = (
        "import sys, time; from open_r1.utils.workers import Workers;"
        f"pool = Workers({str(tmp_path / 'acts.py')!r} + ':act', 1, seconds=1);"
        "pool.submit('warm').result(); print(pool.pids()[0], flush=True);"
        "pool.submit('c loop'); time.sleep(float(sys.argv[1]))"
    )
    for wait, kill in (("0", False), ("60", True)):
        program = subprocess.Popen([sys.executable, "-c", code, wait], stdout=subprocess.PIPE, text=True)
        worker = int(program.stdout.readline())
        if kill:
            program.send_signal(signal.SIGKILL)
        program.wait(30)
        deadline = time.monotonic() + 10
        while _alive(worker) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _alive(worker), f"killed: {kill}"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
