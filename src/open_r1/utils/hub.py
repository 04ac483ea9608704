"""Helpers for the Hugging Face Hub: check that it can be reached and written to, and push a folder with retries."""

import logging
import random
import socket
import urllib.request
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlparse

import datasets
import httpx
from huggingface_hub import HfApi, constants, set_client_factory
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled
from huggingface_hub.utils._http import default_client_factory
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from open_r1.utils.errors import RecipeError


logger = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds to wait before each retry. These come on top of huggingface_hub's own retries.
WAITS = (2.0, 8.0, 30.0, 120.0)
MAX_REQUESTED_WAIT = 600.0  # seconds; longest `Retry-After` of the Hub that is respected
TIMEOUT = httpx.Timeout(30.0, read=300.0)  # seconds; without it, huggingface_hub waits for a response forever

# Exceptions of failed requests, and the subset for which retrying is pointless.
FAILURES = (HfHubHTTPError, httpx.HTTPError, HFValidationError, OSError, RuntimeError)
PERMANENT_FAILURES = (HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled, FileNotFoundError)
PASSING_STATUS = (408, 409, 412, 429)  # timeout, conflict, stale commit, too many requests

jitter = random.Random()  # separate from the global generator, whose state must stay reproducible for training


class HubError(RecipeError):
    """The Hub rejected a request, or all retries failed."""


def go_offline_if_unreachable() -> None:
    """Switches to offline mode (cache only) if the Hub cannot be reached, which saves 30 s of retries per file."""
    hub = urlparse(constants.ENDPOINT)
    if constants.HF_HUB_OFFLINE or hub.scheme in urllib.request.getproxies():
        return
    default_port = 443 if hub.scheme == "https" else 80
    try:
        socket.create_connection((hub.hostname, hub.port or default_port), timeout=3).close()
    except OSError as error:
        logger.warning("%s cannot be reached (%s); using the local cache only", constants.ENDPOINT, error)
        constants.HF_HUB_OFFLINE = True
        datasets.config.HF_HUB_OFFLINE = True


def require_repo(name: str, private: bool | None, revision: str | None = None, repo_type: str = "model") -> str:
    """Creates a repository and a branch if they do not exist, and checks write access.

    Args:
        name (`str`): `repo` or `namespace/repo`.
        private (`bool`, *optional*): Whether a new repository is private. Defaults to the account's setting.
        revision (`str`, *optional*): The branch. Defaults to `main`.
        repo_type (`str`, *optional*, defaults to `"model"`): `model` or `dataset`.

    Returns:
        `str`: The repository's full name, `namespace/repo`.

    Raises:
        HubError: If the repository cannot be created or written to.
    """
    api = HfApi()

    def create() -> str:
        full_name = api.create_repo(name, repo_type=repo_type, private=private, exist_ok=True).repo_id
        api.auth_check(full_name, repo_type=repo_type, write=True)
        if revision not in (None, "main"):
            api.create_branch(full_name, branch=revision, repo_type=repo_type, exist_ok=True)
        return full_name

    return with_retries(create, f"{constants.ENDPOINT}, {name}")


def push(
    folder: Path,
    name: str,
    revision: str | None = None,
    repo_type: str = "model",
    message: str | None = None,
    patterns: list[str] | None = None,
    attempts: int | None = None,
) -> None:
    """Uploads the files of a folder in one commit. Files that are already on the Hub are not uploaded again.

    Args:
        folder (`Path`): The folder.
        name (`str`): The repository's full name.
        revision (`str`, *optional*): The branch, created from `main` if it does not exist. Defaults to `main`.
        repo_type (`str`, *optional*, defaults to `"model"`): `model` or `dataset`.
        message (`str`, *optional*): The commit message.
        patterns (`list[str]`, *optional*): Patterns of the files to upload. Defaults to all files.
        attempts (`int`, *optional*): See [`with_retries`].

    Raises:
        HubError: If every attempt failed.
    """
    api = HfApi()

    def upload() -> None:
        if revision not in (None, "main"):
            api.create_branch(name, branch=revision, repo_type=repo_type, exist_ok=True)
        api.upload_folder(
            repo_id=name,
            folder_path=folder,
            repo_type=repo_type,
            revision=revision,
            commit_message=message or f"{folder.name}, by open_r1",
            allow_patterns=patterns,
            delete_patterns=patterns or ["*.safetensors", "*.json"],  # left by an earlier model with other shards
        )

    with_retries(upload, f"{constants.ENDPOINT}, {name}", attempts)


def with_retries(call: Callable[[], T], target: str, attempts: int | None = None) -> T:
    """Makes a call to the Hub, with retries if it is busy, broken or unreachable.

    Args:
        call (`Callable`): Function that makes the call.
        target (`str`): What is called, for log and error messages.
        attempts (`int`, *optional*): Number of attempts. Defaults to one more than there are `WAITS`.

    Returns:
        The return value of `call`.

    Raises:
        HubError: If every attempt failed; contains the last error.
    """
    limit_request_time()
    retrying = Retrying(
        stop=stop_after_attempt(attempts or len(WAITS) + 1),
        wait=_seconds_to_wait,
        retry=retry_if_exception(may_succeed_later),
        before_sleep=partial(_log_retry, target),
        reraise=True,
    )
    try:
        return retrying(call)
    except FAILURES as error:
        raise HubError(f"{target}: {_in_one_line(error)}{_advice(error)}") from error


@cache
def limit_request_time() -> None:
    """Sets a timeout on all connections of huggingface_hub, including those it reopens after an error."""

    def client_with_timeout() -> httpx.Client:
        client = default_client_factory()
        client.timeout = TIMEOUT
        return client

    set_client_factory(client_with_timeout)


def may_succeed_later(error: BaseException) -> bool:
    """Whether a retry could succeed: the Hub is busy, broken or unreachable, but did not reject the request."""
    status = _status_of(error)
    if status is not None:
        return status in PASSING_STATUS or status >= 500
    return isinstance(error, FAILURES) and not isinstance(error, PERMANENT_FAILURES)


def _status_of(error: BaseException) -> int | None:
    """The HTTP status of the Hub's response; `None` if the error has no response."""
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return error.response.status_code
    return None


def _seconds_to_wait(state: RetryCallState) -> float:
    """The scheduled wait with jitter, or longer if the Hub asks for it (`Retry-After`)."""
    scheduled = WAITS[min(state.attempt_number, len(WAITS)) - 1] * jitter.uniform(0.75, 1.25)
    error = state.outcome.exception()
    if _status_of(error) is None:
        return scheduled
    retry_after = error.response.headers.get("Retry-After", "")
    if not retry_after.isdecimal():
        return scheduled
    return max(scheduled, min(float(retry_after), MAX_REQUESTED_WAIT))


def _log_retry(target: str, state: RetryCallState) -> None:
    error = _in_one_line(state.outcome.exception())
    logger.warning("%s: %s; trying again in %.0f s", target, error, state.next_action.sleep)


def _in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _advice(error: BaseException) -> str:
    """How to fix common errors; empty for all others."""
    if isinstance(error, LocalTokenNotFoundError) or _status_of(error) in (401, 403):
        return (
            ". Log in with a token that may write there (`hf auth login`, or HF_TOKEN), or set `push_to_hub: false`."
        )
    if isinstance(error, OfflineModeIsEnabled):
        return " HF_HUB_OFFLINE is set, or the Hub could not be reached (see above). Or set `push_to_hub: false`."
    return ""
