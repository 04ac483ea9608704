"""Providers that run programs on another machine.

    reward_funcs:
      - name: code
        provider: open_r1.code_judge.remote.SandboxFusion
        provider_params: {url: "http://sandbox:8080"}
        concurrency: 64

Your own provider is a class with the `run` method of `providers.Provider`.
"""

import time

import httpx

from open_r1.code_judge.process import Limits, Outage, Outcome


EXTRA_TIME = 30.0  # seconds in addition to a program's own limit, for queueing, compilation and network
FIRST_PAUSE = 0.5  # seconds
RETRY_STATUS_CODES = {408, 425, 429, 500, 502, 503, 504}


class SandboxFusion:
    """Runs programs on a SandboxFusion server (https://github.com/bytedance/SandboxFusion), or on one with a
    compatible `run_code` endpoint.

    Args:
        url (`str`): URL of the server, without `/run_code`.
        attempts (`int`, *optional*, defaults to 4):
            Number of attempts per program. The pauses between them start at half a second and double each time.
        headers (`dict[str, str]`, *optional*): HTTP headers, for servers that require a key.
    """

    def __init__(self, url: str, attempts: int = 4, headers: dict[str, str] | None = None):
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise ValueError(f"url: found {url!r}; expected http://… or https://…")
        self.url = f"{url.rstrip('/')}/run_code"
        self.attempts = attempts
        self._client = httpx.Client(headers=headers, limits=httpx.Limits(max_connections=None))

    def run(self, source: str, language: str, stdin: str, limits: Limits) -> Outcome:
        """Runs a program on the server; see `Provider.run`.

        Raises:
            Outage: If the server does not respond or cannot run the program.
        """
        request = {
            "code": source,
            "language": language,
            "stdin": stdin,
            "compile_timeout": EXTRA_TIME,
            "run_timeout": limits.seconds,
            "memory_limit_MB": limits.memory,
        }
        problem = ""
        for attempt in range(self.attempts):
            if attempt > 0:
                time.sleep(FIRST_PAUSE * 2 ** (attempt - 1))
            try:
                response = self._client.post(self.url, json=request, timeout=limits.seconds + 2 * EXTRA_TIME)
                if response.status_code not in RETRY_STATUS_CODES:
                    response.raise_for_status()
                    return parse_answer(response.json())
                problem = f"status {response.status_code}"
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            except (httpx.HTTPStatusError, ValueError) as error:
                raise Outage(f"{self.url}: {error}") from error
        raise Outage(f"{self.url}: {problem}, {self.attempts} times")


def parse_answer(answer: dict) -> Outcome:
    """Parses a response of `run_code` into an outcome.

    Raises:
        Outage: If the response reports a sandbox error, or has no usable result.

    >>> result = {"status": "Finished", "return_code": 0, "stdout": "42"}
    >>> parse_answer({"status": "Success", "run_result": result}).stdout
    b'42'
    """
    if answer.get("status") == "SandboxError":
        raise Outage(f"sandbox error: {answer.get('message')}")
    compiler = answer.get("compile_result")
    if compiler and not _succeeded(compiler):
        return Outcome("compile")
    result = answer.get("run_result")
    if not isinstance(result, dict):
        result = {}
    if _succeeded(result):
        status = "ok"
    elif result.get("status") == "Finished":
        status = "failed"
    elif result.get("status") == "TimeLimitExceeded":
        status = "timeout"
    else:
        raise Outage(f"no result: {str(answer)[:200]}")
    stdout = result.get("stdout") or ""
    seconds = result.get("execution_time") or 0.0
    return Outcome(status, stdout.encode("utf-8", "surrogatepass"), float(seconds))


def _succeeded(result: dict) -> bool:
    return result.get("status") == "Finished" and result.get("return_code") == 0
