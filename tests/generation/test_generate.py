"""`generate.py` with a real model gives the same completions, however often it is interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime

import pytest
from datasets import Dataset

from open_r1.data.completions import read_completions
from open_r1.utils.jsonl import read_lines


TINY = ["--config", "recipes/tiny/generate/config_zero.yaml", "--max_completion_length", "8"]


@pytest.fixture
def generate(script, checkpoint):
    def generate(folder, *argv, size=24, samples=2):
        params = ["--dataset_params", json.dumps({"size": size}), "--num_generations", samples, "--batch_size", 16]
        return script("generate", *TINY, "--model_name_or_path", checkpoint, "--output_dir", folder, *params, *argv)

    return generate


def content(folder):
    return sorted(
        (row["prompt_id"], row["sample"], row["completion"], row["finish_reason"]) for row in read_completions(folder)
    )


def test_generates_all_completions(generate, tmp_path):
    outcome = generate(tmp_path)
    assert outcome.code == 0 and "48 of 48 completions exist" in outcome.out
    rows = list(read_completions(tmp_path))
    assert len({(row["prompt_id"], row["sample"]) for row in rows}) == 48
    assert {"prompt", "problem", "solution", "level", "completion", "model", "sampling", "seed"} <= set(rows[0])
    assert all(row["completion_tokens"] <= 8 for row in rows)
    assert len({row["completion"] for row in rows}) > 10, "the completions of a prompt differ"


def test_resuming_gives_the_same_completions(generate, tmp_path, caplog):
    generate(tmp_path / "uninterrupted")
    generate(tmp_path / "stopped")
    path = tmp_path / "stopped/completions-00000-of-00001.jsonl"
    os.truncate(path, path.stat().st_size * 2 // 5)
    outcome = generate(tmp_path / "stopped")
    assert "incomplete last line" in caplog.text and "48 of 48" in outcome.out
    assert content(tmp_path / "stopped") == content(tmp_path / "uninterrupted")


def test_a_finished_run_loads_no_model(generate, tmp_path):
    generate(tmp_path)
    before = (tmp_path / "completions-00000-of-00001.jsonl").stat().st_mtime_ns
    assert "48 of 48" in generate(tmp_path).out
    assert (tmp_path / "completions-00000-of-00001.jsonl").stat().st_mtime_ns == before


def test_more_completions_can_be_added(generate, tmp_path):
    generate(tmp_path)
    assert "72 of 72" in generate(tmp_path, samples=3).out


def test_shards_are_disjoint_and_complete(generate, tmp_path):
    for part in range(3):
        assert "16 of 16" in generate(tmp_path, "--shard", f"{part}/3").out
    assert len(content(tmp_path)) == 48
    ids = [{row["prompt_id"] for row in read_lines(path)} for path in sorted(tmp_path.glob("prompts-*"))]
    assert len(ids) == 3 and not (ids[0] & ids[1] | ids[1] & ids[2] | ids[0] & ids[2])


def test_greedy_sampling_and_stop_strings(generate, tmp_path):
    outcome = generate(tmp_path, "--temperature", 0, "--stop", "1", samples=2)
    assert outcome.code == 0
    by_prompt: dict[str, set] = {}
    for row in read_completions(tmp_path):
        by_prompt.setdefault(row["prompt_id"], set()).add(row["completion"])
        assert "1" not in row["completion"]
    assert all(len(texts) == 1 for texts in by_prompt.values()), "greedy completions of a prompt are identical"


def test_dry_run_writes_nothing(generate, tmp_path):
    outcome = generate(tmp_path / "out", "--dry_run", "true")
    assert outcome.code == 0 and "48 completions: 2 of each of 24 prompts" in outcome.out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--temperature", "-1"], "temperature"),
        (["--shard", "3/3"], "shard: found '3/3'; expected i/n"),
        (["--shard", "a"], "shard"),
        (["--backend", "vlm"], "Did you mean 'vllm'"),
        (["--backend", "server"], "base_urls"),
        (["--base_urls", "http://localhost:1/v1"], "base_urls"),
        (
            ["--backend", "server", "--base_urls", "http://127.0.0.1:9/v1", "--attempts", "1"],
            "no answer from http://127.0.0.1:9/v1",
        ),
        (["--num_generations", "0"], "num_generations"),
        (["--backend", "server", "--base_urls", "http://x/v1", "--max_prompt_length", "9"], "max_prompt_length"),
        (["--dataset_prompt_column", "question"], "dataset_prompt_column"),
        (["--model_name_or_path", "/no/such/model"], "model_name_or_path"),
    ],
)
def test_user_errors_end_early_with_one_message(generate, tmp_path, argv, message):
    outcome = generate(tmp_path / "out", *argv)
    assert outcome.code == 1 and message in outcome.err and "Traceback" not in outcome.err


def test_changing_the_sampling_parameters_is_refused(generate, tmp_path):
    generate(tmp_path)
    outcome = generate(tmp_path, "--temperature", "0.5")
    assert outcome.code == 1 and "temperature was 1.0 and is 0.5" in outcome.err


def test_killed_while_generating(generate, checkpoint, tmp_path):
    """A real process, killed while it generates; `benchmarks/generation.py` does this fifty times."""
    argv = [sys.executable, "src/open_r1/generate.py", *TINY, "--model_name_or_path", checkpoint]
    argv += ["--output_dir", str(tmp_path / "killed"), "--dataset_params", '{"size": 600}']
    argv += "--num_generations 2 --batch_size 100 --max_completion_length 40".split()
    path = tmp_path / "killed/completions-00000-of-00001.jsonl"
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not (path.exists() and path.stat().st_size) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert 0 < len(path.read_bytes().splitlines()) < 1200
    long = ["--max_completion_length", "40", "--batch_size", "100"]
    assert "1,200 of 1,200" in generate(tmp_path / "killed", *long, size=600).out
    generate(tmp_path / "uninterrupted", *long, size=600)
    assert content(tmp_path / "killed") == content(tmp_path / "uninterrupted")


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


PLAIN = ["--dataset_params", "{}", "--dataset_prompt_column", "prompt", "--num_generations", 2]


@pytest.fixture
def generate_from_file(script, checkpoint):
    def generate_from_file(data, folder, *argv):
        paths = ["--model_name_or_path", checkpoint, "--dataset_name", data, "--output_dir", folder]
        return script("generate", *TINY, *paths, *PLAIN, *argv)

    return generate_from_file


def test_completions_can_be_used_as_prompts(generate_from_file, tmp_path):
    """The columns of the old completions (ids, models, seeds) are not copied to the new ones."""
    rows = [
        {"prompt": f"{i}+1", "prompt_id": f"mine-{i}", "model": "other", "seed": 1, "sample": 5, "level": i}
        for i in range(2)
    ]
    assert generate_from_file(write_rows(tmp_path / "rows.jsonl", rows), tmp_path / "out").code == 0
    rows = list(read_completions(tmp_path / "out"))
    assert len(rows) == 4 and {row["level"] for row in rows} == {0, 1} and {row["sample"] for row in rows} == {0, 1}
    assert not any(row["prompt_id"].startswith("mine") or row["model"] == "other" for row in rows)


def test_a_corrected_solution_is_stored_by_the_next_run(generate_from_file, tmp_path):
    generate_from_file(write_rows(tmp_path / "a.jsonl", [{"prompt": "1+1"}]), tmp_path / "out")
    outcome = generate_from_file(
        write_rows(tmp_path / "b.jsonl", [{"prompt": "1+1", "solution": "2"}]), tmp_path / "out"
    )
    assert "2 of 2 completions exist" in outcome.out
    assert [row["solution"] for row in read_completions(tmp_path / "out")] == ["2", "2"]


def test_changing_the_chat_template_is_refused(generate_from_file, tmp_path):
    data = write_rows(tmp_path / "a.jsonl", [{"prompt": "1+1"}])
    chat = ["--prompt_template", "", "--chat_template_path"]
    assert generate_from_file(data, tmp_path / "out", *chat, "recipes/chat_templates/tiny_chat.jinja").code == 0
    outcome = generate_from_file(data, tmp_path / "out", *chat, "recipes/chat_templates/chatml.jinja")
    assert outcome.code == 1 and "completions of another kind: chat_template was" in outcome.err


def test_a_column_that_json_cannot_store_is_refused_early(generate_from_file, tmp_path):
    rows = {"prompt": ["1+1", "2+2"], "when": [None, datetime(2026, 1, 1)]}
    Dataset.from_dict(rows).to_parquet(str(tmp_path / "a.parquet"))
    outcome = generate_from_file(tmp_path / "a.parquet", tmp_path / "out", "--dry_run", "true")
    assert outcome.code == 1 and "the column 'when' cannot be stored" in outcome.err
