"""Judges on other machines, for clusters that have one.

    reward_funcs:
      - {name: code, provider: open_r1.code_judge.remote.SandboxFusion, provider_params: {url: "http://sandbox:8080"}, concurrency: 64}

A judge of your own is a class with the one method of `judge.Provider`.
"""

import time

import httpx

from open_r1.code_judge.process import Limits, Outage, Outcome


PATIENCE = 30.0  # seconds beyond a program's own limit: queue, compiler, network
BUSY = {408, 425, 429, 500, 502, 503, 504}


class SandboxFusion:
    """ByteDance's SandboxFusion (https://github.com/bytedance/SandboxFusion), or what answers as its `run_code` does.

    Args:
        url (`str`): The server, without `/run_code`.
        attempts (`int`, *optional*, defaults to 4): Tries for one program, the pauses between them doubling from half a second.
        headers (`dict[str, str]`, *optional*): Sent along, for servers that want a key.
    """

    def __init__(self, url: str, attempts: int = 4, headers: dict[str, str] | None = None):
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise ValueError(f"url: found {url!r}; expected http://… or https://…")
        self.url, self.attempts = f"{url.rstrip('/')}/run_code", attempts
        self._client = httpx.Client(headers=headers, limits=httpx.Limits(max_connections=None))

    def run(self, source: str, language: str, stdin: str, limits: Limits) -> Outcome:
        """Runs a program on the server.

        Raises:
            Outage: If the server does not answer, or cannot judge.
        """
        request = {
            "code": source,
            "language": language,
            "stdin": stdin,
            "compile_timeout": PATIENCE,
            "run_timeout": limits.seconds,
            "memory_limit_MB": limits.memory,
        }
        for attempt in range(self.attempts):
            try:
                response = self._client.post(self.url, json=request, timeout=limits.seconds + 2 * PATIENCE)
                if response.status_code not in BUSY:
                    response.raise_for_status()
                    return outcome_of(response.json())
                problem = f"status {response.status_code}"
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            except (httpx.HTTPStatusError, ValueError) as error:
                raise Outage(f"{self.url}: {error}") from error
            if attempt + 1 < self.attempts:
                time.sleep(0.5 * 2**attempt)
        raise Outage(f"{self.url}: {problem}, {self.attempts} times")


def outcome_of(answer: dict) -> Outcome:
    """What a `run_code` answer says of the program.

    >>> outcome_of({"status": "Success", "run_result": {"status": "Finished", "return_code": 0, "stdout": "42"}}).stdout
    b'42'

    Raises:
        Outage: If it says that the sandbox failed, or nothing that can be understood.
    """
    compiled, result = answer.get("compile_result"), answer.get("run_result")
    if answer.get("status") == "SandboxError":
        raise Outage(f"sandbox error: {answer.get('message')}")
    if compiled and (compiled.get("status") != "Finished" or compiled.get("return_code") != 0):
        return Outcome("compile")
    if not isinstance(result, dict) or result.get("status") not in ("Finished", "TimeLimitExceeded"):
        raise Outage(f"no result: {str(answer)[:200]}")
    status = "timeout" if result["status"] != "Finished" else "ok" if result.get("return_code") == 0 else "failed"
    stdout = (result.get("stdout") or "").encode("utf-8", "surrogatepass")
    return Outcome(status, stdout, float(result.get("execution_time") or 0.0))
