"""What keeps strangers out of a vLLM server; vLLM loads it by name (`--middleware`).

vLLM's own key is asked for below `/v1` alone: who reaches the port could draw tokens by other paths and, where weights come from a trainer, replace them.
"""

import os
from hmac import compare_digest


OPEN = ("/health",)  # TRL's client asks for this without a key


class Guard:
    """Answers 401 to all that come without the server's key, whatever they ask for.

    Args:
        app (ASGI application): The server.
    """

    def __init__(self, app):
        self.app, self.wanted = app, f"Bearer {os.environ['VLLM_API_KEY']}".encode()

    async def __call__(self, scope, receive, send):
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] == "lifespan" or scope["path"] in OPEN or compare_digest(given, self.wanted):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send(
                {
                    "type": "http.response.body",
                    "body": b'{"error": "Unauthorized: the server\'s key is missing or wrong"}',
                }
            )
