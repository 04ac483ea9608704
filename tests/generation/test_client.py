"""Real HTTP: a server that speaks OpenAI's API and has bad days."""

import asyncio
import time

import pytest
from openai_server import Server

from open_r1.generation.client import Servers
from open_r1.generation.completion_store import CompletionStore, Request, seed_of
from open_r1.generation.running import Meter, draw_from_servers
from open_r1.utils.errors import RecipeError
from open_r1.utils.jsonl import read_lines


SAMPLING = {
    "temperature": 0.6,
    "top_p": 0.95,
    "top_k": 20,
    "min_p": None,
    "repetition_penalty": 1.0,
    "max_tokens": 8,
    "stop": [],
}


def jobs(count, prompt="hello"):
    return [Request(f"p{i}", 0, prompt, seed_of(1, f"p{i}", 0)) for i in range(count)]


def draw(servers, count=1, prompt="hello"):
    async def collect():
        return [pair async for pair in servers.draw(jobs(count, prompt)) if pair is not None]

    return asyncio.run(collect())


def test_text_and_messages():
    with Server() as server:
        ((job, sample),) = draw(Servers([server.url], "m", SAMPLING))
        assert (sample.completion, sample.finish_reason, sample.prompt_tokens, sample.completion_tokens) == (
            f"seed {job.seed}",
            "stop",
            3,
            5,
        )
        ((_, sample),) = draw(Servers([server.url], "m", SAMPLING), prompt=[{"role": "user", "content": "hello"}])
        assert sample.error is None
        text, chat = server.requests
    assert text["path"] == "/v1/completions" and text["prompt"] == "hello"
    assert chat["path"] == "/v1/chat/completions" and chat["messages"] == [{"role": "user", "content": "hello"}]
    assert text["temperature"] == 0.6 and text["top_k"] == 20 and text["max_tokens"] == 8 and "min_p" not in text


def test_a_thought_that_the_server_has_split_off_is_put_back():
    with Server(["split"]) as server:
        ((job, sample),) = draw(Servers([server.url], "m", SAMPLING), prompt=[{"role": "user", "content": "hello"}])
    assert sample.completion == f"<think>hm</think>seed {job.seed}"


@pytest.mark.parametrize("trouble", [429, 500, 503, "hang up", "empty", "html", "half", "null"])
def test_bad_moments_are_waited_out(trouble):
    with Server([trouble]) as server:
        ((_, sample),) = draw(Servers([server.url], "m", SAMPLING, attempts=3))
        assert sample.error is None and len(server.requests) == 2


@pytest.mark.parametrize(
    ("troubles", "told"), [([500] * 9, "not now"), (["empty"] * 9, "empty"), ([400], "not now"), ([404], "not now")]
)
def test_what_cannot_be_had_says_why(troubles, told):
    with Server(troubles) as server:
        ((_, sample),) = draw(Servers([server.url], "m", SAMPLING, attempts=2))
        assert told in sample.error
        assert len(server.requests) == (1 if troubles[0] in (400, 404) else 2)


def test_cut_off_completions_are_kept_and_tried_again_if_asked():
    with Server(["cut"]) as server:
        ((_, sample),) = draw(Servers([server.url], "m", SAMPLING))
        assert sample.finish_reason == "length" and sample.error is None
    with Server(["cut"]) as server:
        ((job, sample),) = draw(Servers([server.url], "m", SAMPLING, truncated_attempts=1))
        assert sample.finish_reason == "stop" and [r["seed"] for r in server.requests] == [job.seed, job.seed + 1]


def test_servers_share_the_work_within_bounds():
    with Server(seconds=0.05) as one, Server(seconds=0.05) as other:
        drawn = draw(Servers([one.url, other.url], "m", SAMPLING, concurrency=8), count=64)
        assert len({job.prompt_id for job, _ in drawn}) == 64
        assert one.most <= 5 and other.most <= 5
        assert abs(len(one.requests) - len(other.requests)) < 16


def test_no_server_no_model():
    with pytest.raises(RecipeError, match="no answer from http://127.0.0.1:9/v1"):
        draw(Servers(["http://127.0.0.1:9/v1"], "m", SAMPLING, attempts=1))
    with Server() as server, pytest.raises(RecipeError, match="serves m; found 'n'"):
        draw(Servers([server.url], "n", SAMPLING))


def test_the_key_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    with Server() as server:
        draw(Servers([server.url], "m", SAMPLING, api_key_env="MY_KEY"))
        assert server.requests[0]["key"] == "Bearer secret"


def test_nothing_is_lost_over_a_bad_day(tmp_path):
    """A third of the answers fail for good; the second run gets what the first did not."""
    kind = {"model": "m", "sampling": SAMPLING}
    for troubles, there in (([None, None, 400] * 20, 40), ([], 60)):
        with (
            Server(troubles) as server,
            CompletionStore(tmp_path, 0, 1, kind) as store,
            Meter(60, store.rows, False) as meter,
        ):
            draw_from_servers(iter(jobs(60)), Servers([server.url], "m", SAMPLING, concurrency=4), store, meter)
            assert store.rows == there
    assert len(list(read_lines(tmp_path / "failed-00000-of-00001.jsonl"))) == 20


@pytest.mark.parametrize("trouble", ["html", "half", "null"])
@pytest.mark.parametrize("prompt", ["hello", [{"role": "user", "content": "hello"}]], ids=["text", "messages"])
def test_answers_that_are_none_are_failures_and_end(trouble, prompt):
    with Server([trouble] * 4) as server:
        drawn = draw(Servers([server.url], "m", SAMPLING, concurrency=1, attempts=2), count=3, prompt=prompt)
    assert sorted(sample.error is None for _, sample in drawn) == [False, False, True]


def test_completions_are_written_while_others_are_on_their_way(tmp_path):
    """Two at once: one answers, the other takes three seconds; the first is on the disk before that."""
    seen = []

    def reply(request):
        if request["seed"] == slow.seed:
            time.sleep(2.5)
            seen.append(len(list(read_lines(tmp_path / "completions-00000-of-00001.jsonl"))))
        return "here"

    quick, slow = jobs(2)
    with Server(reply=reply) as server, CompletionStore(tmp_path, 0, 1, {"model": "m", "sampling": SAMPLING}) as store:
        draw_from_servers(
            iter([quick, slow]), Servers([server.url], "m", SAMPLING, concurrency=2), store, Meter(2, 0, False)
        )
    assert seen == [1]
