"""The completion store never loses completions, even if the process is killed."""

import json
import os
import signal
import subprocess
import sys

import pytest

from open_r1.data.completions import read_completions
from open_r1.generation.completion_store import Completion, CompletionStore, Request, completion_seed, prompt_ids
from open_r1.utils.errors import RecipeError
from open_r1.utils.jsonl import read_lines, truncate_incomplete_line


DESCRIPTION = {"model": "m", "sampling": {"temperature": 1.0, "max_tokens": 8}, "seed": 1, "prompts_digest": "d"}
IDS = ["p0", "p1", "p2"]
REQUESTS = [Request(f"p{i}", n, f"prompt {i}", completion_seed(1, f"p{i}", n)) for i in range(3) for n in range(2)]


def with_completions(requests):
    """Pairs requests with completions that contain difficult characters."""
    pairs = []
    for request in requests:
        text = f"text of {request.prompt_id}/{request.sample} é\u2028\ud800"
        pairs.append((request, Completion(text, "stop", 3, 5)))
    return pairs


def open_store(folder, **changes):
    return CompletionStore(folder, 0, 1, DESCRIPTION | changes)


def keys(folder):
    return [(row["prompt_id"], row["sample"]) for row in read_lines(folder / "completions-00000-of-00001.jsonl")]


def test_rows_are_complete(tmp_path):
    with open_store(tmp_path) as store:
        store.add(with_completions(REQUESTS[:1]))
        store.write_prompts([{"prompt_id": "p0", "prompt": "prompt 0", "solution": "4"}])
        store.write_manifest(["p0"], 1)
    (row,) = read_completions(tmp_path)
    assert row == {
        "prompt": "prompt 0",
        "solution": "4",
        "prompt_id": "p0",
        "sample": 0,
        "seed": completion_seed(1, "p0", 0),
        "completion": "text of p0/0 é\u2028\ud800",
        "finish_reason": "stop",
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "model": "m",
        "sampling": DESCRIPTION["sampling"],
    }


def test_a_completion_is_not_stored_twice(tmp_path):
    with open_store(tmp_path) as store:
        store.add(with_completions(REQUESTS[:4]))
    with open_store(tmp_path) as store:
        assert [store.has(request) for request in REQUESTS] == [True] * 4 + [False] * 2
        store.add(with_completions(REQUESTS))
        store.write_manifest(IDS, 2)
    assert keys(tmp_path) == [(request.prompt_id, request.sample) for request in REQUESTS]


@pytest.mark.parametrize("cut", [1, 2, 10, 100])
def test_an_incomplete_last_line_is_removed(tmp_path, cut):
    with open_store(tmp_path) as store:
        store.add(with_completions(REQUESTS))
    path = tmp_path / "completions-00000-of-00001.jsonl"
    os.truncate(path, path.stat().st_size - cut)
    with open_store(tmp_path) as store:
        assert store.rows == 5
        store.add(with_completions(REQUESTS))
    assert keys(tmp_path) == [(request.prompt_id, request.sample) for request in REQUESTS]


@pytest.mark.parametrize(
    ("content", "truncated"),
    [(b"", b""), (b"abc", b""), (b"a\nbc", b"a\n"), (b"a\n", b"a\n"), (b"a\n" + b"x" * 200_000, b"a\n")],
)
def test_truncating_an_incomplete_line(tmp_path, content, truncated):
    (tmp_path / "f").write_bytes(content)
    truncate_incomplete_line(tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == truncated


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampling": {"temperature": 0.6, "max_tokens": 8}}, "temperature was 1.0 and is 0.6"),
        ({"sampling": {"temperature": 1.0, "max_tokens": 8, "top_p": 0.9}}, "top_p was None and is 0.9"),
        ({"model": "n"}, "model was 'm' and is 'n'"),
        ({"prompts_digest": "e"}, "prompts_digest"),
    ],
)
def test_completions_of_another_kind_are_refused(tmp_path, changes, message):
    with open_store(tmp_path) as store:
        store.write_manifest(IDS, 2)
    with pytest.raises(RecipeError, match=message):
        open_store(tmp_path, **changes)
    with open_store(tmp_path):  # the error leaves no lock and loses nothing
        assert (tmp_path / "manifest-00000-of-00001.json").exists()


def test_surplus_completions_do_not_count(tmp_path):
    """All second completions exist but only two of three first ones: with one per prompt, one is missing."""
    with open_store(tmp_path) as store:
        store.add(
            with_completions([request for request in REQUESTS if (request.prompt_id, request.sample) != ("p2", 0)])
        )
        assert (store.rows, store.count(IDS, 2), store.count(IDS, 1)) == (5, 5, 2)
        store.write_manifest(IDS, 1)
    with pytest.raises(RecipeError, match="not complete"):
        list(read_completions(tmp_path))


def test_another_number_of_shards_is_refused(tmp_path):
    with CompletionStore(tmp_path, 0, 2, DESCRIPTION) as store:
        store.write_manifest(IDS, 2)
    with pytest.raises(RecipeError, match="00000-of-00002"):
        CompletionStore(tmp_path, 0, 4, DESCRIPTION)


def test_two_processes_cannot_open_a_shard(tmp_path):
    with open_store(tmp_path), pytest.raises(RecipeError, match=f"another process writes there .*{os.getpid()}"):
        open_store(tmp_path)


def test_failures_are_recorded_and_retried(tmp_path):
    with open_store(tmp_path) as store:
        store.add([(REQUESTS[0], Completion(error="status 500"))])
        assert not store.has(REQUESTS[0])
    (row,) = read_lines(tmp_path / "failed-00000-of-00001.jsonl")
    assert row["error"] == "status 500" and row["prompt_id"] == "p0"


def test_reading_names_the_missing_shards(tmp_path):
    with pytest.raises(RecipeError, match="no completions in"):
        list(read_completions(tmp_path))
    for shard in (0, 2):
        with CompletionStore(tmp_path, shard, 3, DESCRIPTION) as store:
            store.write_prompts([])
            store.write_manifest(["p0"], shard)  # the last shard expects two completions
    with pytest.raises(RecipeError, match="00001-of-00003, 00002-of-00003"):
        list(read_completions(tmp_path))


def test_an_invalid_line_is_named(tmp_path):
    (tmp_path / "completions-00000-of-00001.jsonl").write_text('{"a": 1}\n{torn}\n')
    with pytest.raises(RecipeError, match="line 2"):
        list(read_lines(tmp_path / "completions-00000-of-00001.jsonl"))


def test_ids_depend_on_the_content():
    assert prompt_ids(["a", "b"]) == prompt_ids(["a", "b"]) and len(set(prompt_ids(["a", "a", "b"]))) == 3
    assert prompt_ids([[{"role": "user", "content": "a"}]]) != prompt_ids(["a"])


WRITER = """
import sys
from pathlib import Path
from open_r1.generation.completion_store import Request, Completion, CompletionStore
with CompletionStore(Path(sys.argv[1]), 0, 1, {"model": "m", "sampling": {}}) as store:
    print("ready", flush=True)
    for i in range(10**6):
        request = Request(f"p{i}", 0, "", 0)
        if not store.has(request):
            store.add([(request, Completion("x" * 20_000, "stop", 1, 1))])
"""


def test_killed_while_writing(tmp_path):
    """Killed ten times at random moments: no written row is lost, incomplete or duplicated."""
    before: list = []
    for i in range(10):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
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


def test_manifest(tmp_path):
    with open_store(tmp_path) as store:
        store.write_manifest(IDS, 2)
    manifest = json.loads((tmp_path / "manifest-00000-of-00001.json").read_text())
    assert manifest["wanted"] == 6 and manifest["complete"] is False
