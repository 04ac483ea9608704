"""What is kept, whatever happens."""

import json
import os
import signal
import subprocess
import sys

import pytest

from open_r1.data.completions import read_completions
from open_r1.generation.completion_store import Completion, CompletionStore, Request, prompt_ids, seed_of
from open_r1.utils.errors import RecipeError
from open_r1.utils.jsonl import read_lines, truncate_incomplete_line


KIND = {"model": "m", "sampling": {"temperature": 1.0, "max_tokens": 8}, "seed": 1, "prompts_digest": "d"}
IDS = ["p0", "p1", "p2"]
JOBS = [Request(f"p{i}", n, f"prompt {i}", seed_of(1, f"p{i}", n)) for i in range(3) for n in range(2)]


def drawn(jobs):
    return [(job, Completion(f"text of {job.prompt_id}/{job.sample} é\u2028\ud800", "stop", 3, 5)) for job in jobs]


def open_store(folder, **changes):
    return CompletionStore(folder, 0, 1, KIND | changes)


def keys(folder):
    return [(row["prompt_id"], row["sample"]) for row in read_lines(folder / "completions-00000-of-00001.jsonl")]


def test_rows_say_all_that_there_is_to_know(tmp_path):
    with open_store(tmp_path) as store:
        store.add(drawn(JOBS[:1]))
        store.keep_prompts([{"prompt_id": "p0", "prompt": "prompt 0", "solution": "4"}])
        store.describe(["p0"], 1)
    (row,) = read_completions(tmp_path)
    assert row == {
        "prompt": "prompt 0",
        "solution": "4",
        "prompt_id": "p0",
        "sample": 0,
        "seed": seed_of(1, "p0", 0),
        "completion": "text of p0/0 é\u2028\ud800",
        "finish_reason": "stop",
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "model": "m",
        "sampling": KIND["sampling"],
    }


def test_what_is_there_is_not_kept_twice(tmp_path):
    with open_store(tmp_path) as store:
        store.add(drawn(JOBS[:4]))
    with open_store(tmp_path) as store:
        assert [store.has(job) for job in JOBS] == [True] * 4 + [False] * 2
        store.add(drawn(JOBS))
        store.describe(IDS, 2)
    assert keys(tmp_path) == [(job.prompt_id, job.sample) for job in JOBS]


@pytest.mark.parametrize("cut", [1, 2, 10, 100])
def test_a_torn_last_line_is_mended(tmp_path, cut):
    with open_store(tmp_path) as store:
        store.add(drawn(JOBS))
    path = tmp_path / "completions-00000-of-00001.jsonl"
    os.truncate(path, path.stat().st_size - cut)
    with open_store(tmp_path) as store:
        assert store.rows == 5
        store.add(drawn(JOBS))
    assert keys(tmp_path) == [(job.prompt_id, job.sample) for job in JOBS]


@pytest.mark.parametrize(
    ("content", "left"),
    [(b"", b""), (b"abc", b""), (b"a\nbc", b"a\n"), (b"a\n", b"a\n"), (b"a\n" + b"x" * 200_000, b"a\n")],
)
def test_mending(tmp_path, content, left):
    (tmp_path / "f").write_bytes(content)
    truncate_incomplete_line(tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == left


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sampling": {"temperature": 0.6, "max_tokens": 8}}, "temperature was 1.0 and is 0.6"),
        ({"sampling": {"temperature": 1.0, "max_tokens": 8, "top_p": 0.9}}, "top_p was None and is 0.9"),
        ({"model": "n"}, "model was 'm' and is 'n'"),
        ({"prompts_digest": "e"}, "prompts_digest"),
    ],
)
def test_completions_of_another_kind_are_refused(tmp_path, changes, told):
    with open_store(tmp_path) as store:
        store.describe(IDS, 2)
    with pytest.raises(RecipeError, match=told):
        open_store(tmp_path, **changes)
    with open_store(tmp_path):  # nothing is locked or lost by the refusal
        assert (tmp_path / "manifest-00000-of-00001.json").exists()


def test_completions_of_a_run_that_wanted_more_do_not_stand_in_for_others(tmp_path):
    """Three of the second samples are there, of the first two of three: with one sample a prompt, one is missing."""
    with open_store(tmp_path) as store:
        store.add(drawn([job for job in JOBS if (job.prompt_id, job.sample) != ("p2", 0)]))
        assert (store.rows, store.count(IDS, 2), store.count(IDS, 1)) == (5, 5, 2)
        store.describe(IDS, 1)
    with pytest.raises(RecipeError, match="not complete"):
        list(read_completions(tmp_path))


def test_another_number_of_shards_is_refused(tmp_path):
    with CompletionStore(tmp_path, 0, 2, KIND) as store:
        store.describe(IDS, 2)
    with pytest.raises(RecipeError, match="00000-of-00002"):
        CompletionStore(tmp_path, 0, 4, KIND)


def test_two_processes_do_not_share_a_file(tmp_path):
    with open_store(tmp_path), pytest.raises(RecipeError, match=f"another process writes there .*{os.getpid()}"):
        open_store(tmp_path)


def test_failures_are_written_down_and_tried_again(tmp_path):
    with open_store(tmp_path) as store:
        store.add([(JOBS[0], Completion(error="status 500"))])
        assert not store.has(JOBS[0])
    (row,) = read_lines(tmp_path / "failed-00000-of-00001.jsonl")
    assert row["error"] == "status 500" and row["prompt_id"] == "p0"


def test_reading_says_which_shards_are_missing(tmp_path):
    with pytest.raises(RecipeError, match="no completions in"):
        list(read_completions(tmp_path))
    for shard in (0, 2):
        with CompletionStore(tmp_path, shard, 3, KIND) as store:
            store.keep_prompts([])
            store.describe(["p0"], shard)  # the last one wants two completions
    with pytest.raises(RecipeError, match="00001-of-00003, 00002-of-00003"):
        list(read_completions(tmp_path))


def test_a_broken_line_is_named(tmp_path):
    (tmp_path / "completions-00000-of-00001.jsonl").write_text('{"a": 1}\n{torn}\n')
    with pytest.raises(RecipeError, match="line 2"):
        list(read_lines(tmp_path / "completions-00000-of-00001.jsonl"))


def test_ids_are_of_the_content():
    assert prompt_ids(["a", "b"]) == prompt_ids(["a", "b"]) and len(set(prompt_ids(["a", "a", "b"]))) == 3
    assert prompt_ids([[{"role": "user", "content": "a"}]]) != prompt_ids(["a"])


WRITER = """
import sys
from pathlib import Path
from open_r1.generation.completion_store import Request, Completion, CompletionStore
with CompletionStore(Path(sys.argv[1]), 0, 1, {"model": "m", "sampling": {}}) as store:
    print("ready", flush=True)
    for i in range(10**6):
        job = Request(f"p{i}", 0, "", 0)
        if not store.has(job):
            store.add([(job, Completion("x" * 20_000, "stop", 1, 1))])
"""


def test_killed_while_it_writes(tmp_path):
    """Ten times, at whatever moment: no row is lost that was there, none is torn or twice."""
    before: list = []
    for i in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            process.stdout.readline()
            try:
                process.wait(0.05 + i * 0.013)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        truncate_incomplete_line(tmp_path / "completions-00000-of-00001.jsonl")
        now = keys(tmp_path)
        assert now[: len(before)] == before and len(now) > len(before)
        assert now == [(f"p{i}", 0) for i in range(len(now))]
        before = now


def test_manifest_is_whole(tmp_path):
    with open_store(tmp_path) as store:
        store.describe(IDS, 2)
    manifest = json.loads((tmp_path / "manifest-00000-of-00001.json").read_text())
    assert manifest["wanted"] == 6 and manifest["complete"] is False
