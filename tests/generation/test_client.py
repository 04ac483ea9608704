"""The client of OpenAI-compatible servers over real HTTP, with a server that fails in many ways."""

import asyncio
import time

import pytest
from openai_server import Server

from open_r1.generation.client import ServerClient
from open_r1.generation.completion_store import CompletionStore, Request, completion_seed
from open_r1.generation.loops import GenerationProgress, generate_on_servers
from open_r1.utils.errors import RecipeError
from open_r1.utils.jsonl import read_lines


SAMPLING = {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": None, "repetition_penalty": 1.0}
SAMPLING |= {"max_tokens": 8, "stop": []}
HELLO = [{"role": "user", "content": "hello"}]


def build_requests(count, prompt="hello"):
    return [Request(f"p{i}", 0, prompt, completion_seed(1, f"p{i}", 0)) for i in range(count)]


def generate(client, count=1, prompt="hello"):
    async def collect():
        results = client.generate(build_requests(count, prompt))
        return [result async for result in results if result is not None]

    return asyncio.run(collect())


def test_text_and_messages():
    with Server() as server:
        ((request, completion),) = generate(ServerClient([server.url], "m", SAMPLING))
        assert completion.completion == f"seed {request.seed}" and completion.finish_reason == "stop"
        assert completion.prompt_tokens == 3 and completion.completion_tokens == 5
        ((_, completion),) = generate(ServerClient([server.url], "m", SAMPLING), prompt=HELLO)
        assert completion.error is None
        text, chat = server.requests
    assert text["path"] == "/v1/completions" and text["prompt"] == "hello"
    assert chat["path"] == "/v1/chat/completions" and chat["messages"] == HELLO
    assert text["temperature"] == 0.6 and text["top_k"] == 20 and text["max_tokens"] == 8


def test_prefixes_and_lengths_of_single_requests():
    """The prefix of a completion is appended to the prompt, and stands at the beginning of the completion."""
    request = Request("p", 0, "hello", seed=7, prefix="<think>3+4=", max_tokens=2)

    async def collect(client):
        return [result async for result in client.generate([request]) if result is not None]

    with Server() as server:
        ((_, completion),) = asyncio.run(collect(ServerClient([server.url], "m", SAMPLING)))
        (sent,) = server.requests
    assert sent["prompt"] == "hello<think>3+4=" and sent["max_tokens"] == 2
    assert completion.completion == "<think>3+4=seed 7"


@pytest.mark.parametrize(("name", "all_tokens"), [("top_k", -1), ("min_p", 0.0)])
def test_all_tokens_are_asked_for_where_the_recipe_sets_no_limit(name, all_tokens):
    """vLLM would take what the model's generation config says, such as `top_k: 20` for Qwen2.5-Instruct."""
    with Server() as server:
        generate(ServerClient([server.url], "m", SAMPLING | {name: None}))
        generate(ServerClient([server.url], "m", SAMPLING | {name: 0.1}))
        generate(ServerClient([server.url], "m", {"temperature": 0.6, "stop": None}))
        without, with_limit, other = server.requests
    assert without[name] == all_tokens and with_limit[name] == 0.1
    assert name not in other and "stop" not in other


def test_reasoning_content_is_merged_back_into_the_completion():
    with Server(["split"]) as server:
        ((request, completion),) = generate(ServerClient([server.url], "m", SAMPLING), prompt=HELLO)
    assert completion.completion == f"<think>hm</think>seed {request.seed}"


@pytest.mark.parametrize("trouble", [429, 500, 503, "hang up", "empty", "html", "half", "null"])
def test_temporary_failures_are_retried(trouble):
    with Server([trouble]) as server:
        ((_, completion),) = generate(ServerClient([server.url], "m", SAMPLING, attempts=3))
        assert completion.error is None and len(server.requests) == 2


@pytest.mark.parametrize(
    ("troubles", "error"), [([500] * 9, "not now"), (["empty"] * 9, "empty"), ([400], "not now"), ([404], "not now")]
)
def test_a_failed_request_has_a_reason(troubles, error):
    with Server(troubles) as server:
        ((_, completion),) = generate(ServerClient([server.url], "m", SAMPLING, attempts=2))
        assert error in completion.error
        assert len(server.requests) == (1 if troubles[0] in (400, 404) else 2)


def test_truncated_completions_are_kept_and_retried_if_configured():
    with Server(["cut"]) as server:
        ((_, completion),) = generate(ServerClient([server.url], "m", SAMPLING))
        assert completion.finish_reason == "length" and completion.error is None
    with Server(["cut"]) as server:
        ((request, completion),) = generate(ServerClient([server.url], "m", SAMPLING, truncated_attempts=1))
        assert completion.finish_reason == "stop"
        assert [r["seed"] for r in server.requests] == [request.seed, request.seed + 1]


def test_requests_are_shared_by_servers_within_the_concurrency():
    with Server(seconds=0.05) as one, Server(seconds=0.05) as other:
        results = generate(ServerClient([one.url, other.url], "m", SAMPLING, concurrency=8), count=64)
        assert len({request.prompt_id for request, _ in results}) == 64
        assert one.max_concurrent <= 5 and other.max_concurrent <= 5
        assert abs(len(one.requests) - len(other.requests)) < 16


@pytest.mark.parametrize(("positions", "is_enough"), [(8, False), (7, False), (9, True), (None, True)])
def test_server_without_room_for_prompts_beside_the_longest_completion(positions, is_enough):
    """vLLM would refuse every request, since 8 tokens may be generated."""
    with Server(positions=positions) as server:
        client = ServerClient([server.url], "m", SAMPLING)
        if is_enough:
            ((_, completion),) = generate(client)
            assert completion.error is None
            return
        with pytest.raises(RecipeError, match=f"max_completion_length: found 8; .* has {positions} positions"):
            generate(client)
        assert server.requests == []


def test_unreachable_server_and_unknown_model_are_errors():
    with pytest.raises(RecipeError, match="no answer from http://127.0.0.1:9/v1"):
        generate(ServerClient(["http://127.0.0.1:9/v1"], "m", SAMPLING, attempts=1))
    with Server() as server, pytest.raises(RecipeError, match="serves m; found 'n'"):
        generate(ServerClient([server.url], "n", SAMPLING))


def test_the_key_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    with Server() as server:
        generate(ServerClient([server.url], "m", SAMPLING, api_key_env="MY_KEY"))
        assert server.requests[0]["key"] == "Bearer secret"


def test_failed_requests_succeed_in_the_next_run(tmp_path):
    """A third of the requests fail permanently; the second run generates their completions."""
    description = {"model": "m", "sampling": SAMPLING}
    for troubles, rows in (([None, None, 400] * 20, 40), ([], 60)):
        with (
            Server(troubles) as server,
            CompletionStore(tmp_path, 0, 1, description) as store,
            GenerationProgress(60, store.rows, False) as progress,
        ):
            client = ServerClient([server.url], "m", SAMPLING, concurrency=4)
            generate_on_servers(iter(build_requests(60)), client, store, progress)
            assert store.rows == rows
    assert len(list(read_lines(tmp_path / "failed-00000-of-00001.jsonl"))) == 20


@pytest.mark.parametrize("trouble", ["html", "half", "null"])
@pytest.mark.parametrize("prompt", ["hello", HELLO], ids=["text", "messages"])
def test_invalid_answers_are_failures(trouble, prompt):
    with Server([trouble] * 4) as server:
        client = ServerClient([server.url], "m", SAMPLING, concurrency=1, attempts=2)
        results = generate(client, count=3, prompt=prompt)
    assert sorted(completion.error is None for _, completion in results) == [False, False, True]


def test_completions_are_written_while_other_requests_are_running(tmp_path):
    """One of two requests takes 2.5 seconds; the completion of the other is on disk before that."""
    rows_when_slow_ends = []

    def reply(request):
        if request["seed"] == slow.seed:
            time.sleep(2.5)
            rows_when_slow_ends.append(len(list(read_lines(tmp_path / "completions-00000-of-00001.jsonl"))))
        return "here"

    quick, slow = build_requests(2)
    with Server(reply=reply) as server, CompletionStore(tmp_path, 0, 1, {"model": "m", "sampling": SAMPLING}) as store:
        client = ServerClient([server.url], "m", SAMPLING, concurrency=2)
        generate_on_servers(iter([quick, slow]), client, store, GenerationProgress(2, 0, False))
    assert rows_when_slow_ends == [1]
