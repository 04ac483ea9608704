"""ASGI middleware that protects a vLLM server with its API key; vLLM loads it by name (`--middleware`).

vLLM itself only checks the key below `/v1`. Anyone who can reach the port could generate completions through other
paths and, where a trainer sends new weights, replace the model.
"""

import os
from hmac import compare_digest
from typing import Any


OPEN_PATHS = ("/health",)  # TRL's client requests it without a key
UNAUTHORIZED = b'{"error": "Unauthorized: the server\'s key is missing or wrong"}'


class ApiKeyGuard:
    """Rejects requests without the server's key (`VLLM_API_KEY`) with 401, on any path.

    Args:
        app (ASGI application): The server.
    """

    def __init__(self, app: Any):
        self.app = app
        self.expected = f"Bearer {os.environ['VLLM_API_KEY']}".encode()

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        """Handles one connection, as ASGI defines it."""
        if self._is_allowed(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # policy violation
        else:
            headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": UNAUTHORIZED})

    def _is_allowed(self, scope: dict) -> bool:
        if scope["type"] == "lifespan" or scope["path"] in OPEN_PATHS:
            return True
        authorization = dict(scope.get("headers", ())).get(b"authorization", b"")
        return compare_digest(authorization, self.expected)
