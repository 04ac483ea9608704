"""A fake server with OpenAI's API, for tests of its clients."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


# Invalid answers with status 200.
PAGES = {
    "html": ("text/html", "<html>proxy error</html>"),
    "half": ("application/json", '{"id": "1", "choi'),
    "null": ("application/json", '{"id": "1", "choices": [{"index": 0, "message": null}], "usage": null}'),
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        model = {"id": "m", "object": "model", "created": 0, "owned_by": "us"}
        if self.server.positions is not None:
            model["max_model_len"] = self.server.positions  # as vLLM
        self.answer(200, {"object": "list", "data": [model]})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.requests.append(request | {"path": self.path, "key": self.headers.get("Authorization")})
            server.active += 1
            server.max_concurrent = max(server.max_concurrent, server.active)
            trouble = server.troubles.pop(0) if server.troubles else None
        time.sleep(server.seconds)
        with server.lock:
            server.active -= 1
        if trouble == "hang up":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif trouble in PAGES:
            self.send(200, *PAGES[trouble])
        elif isinstance(trouble, int):
            self.answer(trouble, {"error": {"message": "not now"}})
        else:
            text = server.reply(request)
            choice = {"index": 0, "finish_reason": "length" if trouble == "cut" else "stop"}
            if "messages" in request:
                choice["message"] = {"role": "assistant", "content": text}
                if trouble == "split":
                    choice["message"]["reasoning_content"] = "hm"
            else:
                choice["text"] = text
            choices = [] if trouble == "empty" else [choice]
            usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
            completion = {"id": "1", "object": "x", "created": 0, "model": "m", "choices": choices, "usage": usage}
            self.answer(200, completion)

    def answer(self, code, body):
        self.send(code, "application/json", json.dumps(body))

    def send(self, code, kind, text):
        data = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Keeps the test's output clean."""


class Server(ThreadingHTTPServer):
    """Serves the model `m` over real HTTP; requests can be made to fail.

    Args:
        troubles (`Sequence`, *optional*, defaults to `()`):
            Failures of the first requests, in order: a status, `"hang up"`, `"empty"`, `"cut"`, `"split"`, a key of
            `PAGES`, or `None` for a normal answer.
        seconds (`float`, *optional*, defaults to `0.0`):
            Duration of each request.
        reply (`Callable`, *optional*):
            Returns the text of the answer to a request.
        positions (`int`, *optional*):
            What vLLM's list of models says of a model: the largest number of tokens of a prompt and its completion.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, troubles=(), seconds=0.0, reply=lambda request: f"seed {request['seed']}", positions=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.troubles, self.seconds, self.reply = list(troubles), seconds, reply
        self.positions = positions
        self.requests, self.active, self.max_concurrent, self.lock = [], 0, 0, threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
