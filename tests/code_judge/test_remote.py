"""The HTTP provider with a real server on this machine."""

import asyncio
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from open_r1.code_judge.process import Limits, Outage
from open_r1.code_judge.remote import SandboxFusion
from open_r1.rewards.code import Code


class Server(BaseHTTPRequestHandler):
    """Answers like `run_code` of SandboxFusion, after the failures in `troubles`, one per request."""

    troubles: list = []
    requests: list = []

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append((self.path, dict(self.headers), request))
        if self.troubles:
            code, body = self.troubles.pop(0)
        else:
            code, body = 200, json.dumps(self.judged(request))
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body.encode())

    def judged(self, request: dict) -> dict:
        if request["language"] == "cpp":
            return {"status": "Failed", "compile_result": {"status": "Finished", "return_code": 1}, "run_result": None}
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", request["code"]],
                input=request["stdin"],
                capture_output=True,
                text=True,
                timeout=request["run_timeout"],
            )
        except subprocess.TimeoutExpired:
            return {
                "status": "Failed",
                "compile_result": None,
                "run_result": {"status": "TimeLimitExceeded", "stdout": ""},
            }
        result = {"status": "Finished", "return_code": done.returncode, "stdout": done.stdout, "execution_time": 0.1}
        return {"status": "Failed" if done.returncode else "Success", "compile_result": None, "run_result": result}

    def log_message(self, *_):
        """Keeps the test's output clean."""


@pytest.fixture
def server():
    Server.troubles, Server.requests = [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def judged(url: str, program: str, tests: list, **params) -> list:
    params = {
        "timeout": 2,
        "provider": "open_r1.code_judge.remote.SandboxFusion",
        "provider_params": {"url": url, **params},
    }
    return asyncio.run(Code(**params)([f"```python\n{program}\n```"], test_cases=[tests]))


ADD = [{"input": "1 2", "output": "3"}]


@pytest.mark.parametrize(
    ("program", "reward"),
    [
        ("print(sum(map(int, input().split())))", 1.0),
        ("print(4)", 0.0),
        ("print(3)\nraise SystemExit(1)", 0.0),
        ("while True: pass", 0.0),
    ],
)
def test_programs(server, program, reward):
    assert judged(server, program, ADD) == [reward]


def test_functions_are_called(server):
    tests = [{"type": "function_call", "fn_name": "add", "input": [1, 2], "output": 3}]
    assert judged(server, "def add(a, b):\n    print('noise')\n    return a + b", tests) == [1.0]


def test_request(server):
    judged(server, "print(3)", ADD, headers={"Authorization": "Bearer key"})
    path, headers, request = Server.requests[0]
    assert path == "/run_code" and headers["Authorization"] == "Bearer key"
    assert request["code"] == "print(3)\n" and request["stdin"] == "1 2" and request["run_timeout"] == 2
    assert "3" not in json.dumps(request["stdin"])  # the expected output is not sent


def test_a_program_that_does_not_compile(server):
    assert SandboxFusion(server).run("int main(", "cpp", "", Limits()).status == "compile"


@pytest.mark.parametrize("trouble", [(429, ""), (500, "oops"), (503, "")])
def test_a_busy_server_is_retried(server, trouble):
    Server.troubles = [trouble]
    assert judged(server, "print(3)", ADD) == [1.0]
    assert len(Server.requests) == 2


@pytest.mark.parametrize(
    "trouble",
    [
        (200, "no json"),
        (200, "{}"),
        (200, json.dumps({"status": "SandboxError", "message": "no more containers"})),
        (200, json.dumps({"status": "Failed", "run_result": {"status": "Error"}})),
        (401, "who are you?"),
        (404, ""),
    ],
)
def test_an_outage_gives_no_verdict(server, trouble):
    Server.troubles = [trouble] * 8
    assert judged(server, "print(3)", ADD) == [None]


def test_an_unreachable_server_gives_no_verdict():
    assert judged("http://127.0.0.1:9", "print(3)", ADD, attempts=1) == [None]
    with pytest.raises(Outage, match="127.0.0.1:9"):
        SandboxFusion("http://127.0.0.1:9", attempts=1).run("", "python", "", Limits())


def test_an_invalid_url_is_refused():
    with pytest.raises(ValueError, match="http://"):
        SandboxFusion("sandbox:8080")
