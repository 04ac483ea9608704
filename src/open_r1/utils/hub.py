"""The Hugging Face Hub: whether it can be reached and written to, and pushing a folder there in spite of its bad moments."""

import logging
import random
import socket
import time
import urllib.request
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlparse

import datasets
import httpx
from huggingface_hub import HfApi, constants, set_client_factory
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled
from huggingface_hub.utils._http import default_client_factory

from open_r1.utils.errors import RecipeError


logger = logging.getLogger(__name__)

T = TypeVar("T")

WAITS = (2.0, 8.0, 30.0, 120.0)  # seconds before another try, after those that huggingface_hub itself makes
TIMEOUT = httpx.Timeout(30.0, read=300.0)  # seconds; huggingface_hub itself would wait for an answer for ever
LONGEST = 600.0  # seconds that the Hub may ask us to wait


class HubError(RecipeError):
    """The Hub has refused something for good, or could not be reached for a long time."""


def go_offline_if_unreachable():
    """Uses the cache alone if the Hub does not answer, instead of half a minute of retries for every file."""
    hub = urlparse(constants.ENDPOINT)
    if constants.HF_HUB_OFFLINE or hub.scheme in urllib.request.getproxies():
        return
    try:
        socket.create_connection((hub.hostname, hub.port or (443 if hub.scheme == "https" else 80)), timeout=3).close()
    except OSError as error:
        logger.warning("%s cannot be reached (%s); using what is in the local cache", constants.ENDPOINT, error)
        constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True


def require_repo(name: str, private: bool | None, revision: str | None = None, repo_type: str = "model") -> str:
    """Makes a repository, and a revision of it, if they are not there, and sees to it that they can be written to.

    Returns:
        `str`: Its full name.

    Raises:
        HubError: If that cannot be.
    """
    api = HfApi()

    def make() -> str:
        full = api.create_repo(name, repo_type=repo_type, private=private, exist_ok=True).repo_id
        api.auth_check(full, repo_type=repo_type, write=True)
        if revision not in (None, "main"):
            api.create_branch(full, branch=revision, repo_type=repo_type, exist_ok=True)
        return full

    return with_retries(make, f"{constants.ENDPOINT}, {name}")


def push(
    folder: Path,
    name: str,
    revision: str | None = None,
    repo_type: str = "model",
    message: str | None = None,
    patterns: list[str] | None = None,
    waits: Sequence[float] | None = None,
):
    """Uploads files of a folder as one commit; what is there already is not sent again.

    Args:
        folder (`Path`): The folder.
        name (`str`): The repository's full name.
        revision (`str`, *optional*): Branch, which is made from `main` if it is not there; none is `main`.
        repo_type (`str`, *optional*, defaults to `"model"`): Or `dataset`.
        message (`str`, *optional*): Of the commit.
        patterns (`list[str]`, *optional*): Files; by default all.
        waits (`Sequence[float]`, *optional*): Seconds before each further try; by default `WAITS`.

    Raises:
        HubError: If it could not be done.
    """
    api = HfApi()

    def upload():
        if revision not in (None, "main"):
            api.create_branch(name, branch=revision, repo_type=repo_type, exist_ok=True)
        api.upload_folder(
            repo_id=name,
            folder_path=folder,
            repo_type=repo_type,
            revision=revision,
            commit_message=message or f"{folder.name}, by open_r1",
            allow_patterns=patterns,
            delete_patterns=patterns or ["*.safetensors", "*.json"],  # of an earlier model, with other shards
        )

    with_retries(upload, f"{constants.ENDPOINT}, {name}", waits)


def with_retries(call: Callable[[], T], what: str, waits: Sequence[float] | None = None) -> T:
    """Calls the Hub, and again after a while if it is busy, broken or away.

    Raises:
        HubError: With its last complaint.
    """
    never_wait_for_ever()
    for wait in (*(WAITS if waits is None else waits), None):
        try:
            return call()
        except (HfHubHTTPError, httpx.HTTPError, HFValidationError, OSError, RuntimeError) as error:
            if wait is None or not may_pass(error):
                raise HubError(f"{what}: {told(error)}{advice(error)}") from error
            pause = max(wait * random.uniform(0.75, 1.25), asked_to_wait(error))
            logger.warning("%s: %s; again in %.0f s", what, told(error), pause)
            time.sleep(pause)
    raise AssertionError


@cache
def never_wait_for_ever():
    """Gives huggingface_hub's connections a timeout, also those that it opens anew after an error; by itself it has none."""

    def client() -> httpx.Client:
        made = default_client_factory()
        made.timeout = TIMEOUT
        return made

    set_client_factory(client)


def may_pass(error: Exception) -> bool:
    """Whether another try could do better."""
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return error.response.status_code in (408, 409, 412, 429) or error.response.status_code >= 500
    return not isinstance(
        error, HFValidationError | LocalTokenNotFoundError | OfflineModeIsEnabled | FileNotFoundError
    )


def asked_to_wait(error: Exception) -> float:
    """Seconds that the Hub has asked for, 0 if it has not."""
    response = error.response if isinstance(error, HfHubHTTPError) else None
    after = response.headers.get("Retry-After", "") if response is not None else ""
    return min(float(after), LONGEST) if after.isdecimal() else 0.0


def told(error: Exception) -> str:
    """An error in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines) or type(error).__name__


def advice(error: Exception) -> str:
    status = error.response.status_code if isinstance(error, HfHubHTTPError) and error.response is not None else None
    if isinstance(error, LocalTokenNotFoundError) or status in (401, 403):
        return (
            ". Log in with a token that may write there (`hf auth login`, or HF_TOKEN), or set `push_to_hub: false`."
        )
    if isinstance(error, OfflineModeIsEnabled):
        return (
            " HF_HUB_OFFLINE is set, or the Hub could not be reached just now; see above. Or set `push_to_hub: false`."
        )
    return ""
