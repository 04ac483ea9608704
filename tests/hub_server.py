"""A fake Hub server: the part of the Hub's API that huggingface_hub uses, for one account, in memory.

It supports repositories, branches, preupload, LFS, commits and downloads, and can be made to fail. Large files are
stored by this server itself, while the real Hub refers clients to a separate storage.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse


TOKEN = "hf_of_the_tests_it_must_show_up_nowhere"
LARGE = (".safetensors", ".parquet")  # stored with LFS
KINDS = {"models": "model", "datasets": "dataset"}


@dataclass
class Commit:
    message: str
    files: dict[str, bytes]
    id: str


@dataclass
class Fault:
    """Makes matching requests fail `times` times: with `status`, or by not answering before `until` is set."""

    path: str  # regular expression for the request's method and path
    times: int = 1
    status: int = 500
    until: threading.Event | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Hub(ThreadingHTTPServer):
    """The server and its state. Tests set `faults` to make requests fail."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.lock = threading.RLock()
        self.repos: dict[str, dict[str, list[Commit]]] = {}  # "models/me/name" → branch → commits
        self.large: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []

    def publish(self, name: str, files: dict[str, bytes], kind: str = "models") -> None:
        """Adds a public repository with these files."""
        oid = hashlib.sha1(f"{kind}/{name}".encode()).hexdigest()
        self.repos[f"{kind}/{name}"] = {"main": [Commit("initial commit", files, oid)]}

    def files(self, name: str, branch: str = "main", kind: str = "models") -> dict[str, bytes]:
        return self.repos[f"{kind}/{name}"][branch][-1].files

    def branches(self, name: str, kind: str = "models") -> dict[str, list[str]]:
        """The commit messages of each branch."""
        return {
            branch: [commit.message for commit in commits] for branch, commits in self.repos[f"{kind}/{name}"].items()
        }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_):
        pass

    def answer(self, status: int, body: object = None, headers: dict[str, str] | None = None):
        content = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def fail(self, status: int, code: str, message: str):
        self.answer(status, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message})

    def handle_one(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        path = unquote(urlparse(self.path).path)
        with self.server.lock:
            self.server.requests.append(f"{self.command} {path}")
            fault = next(
                (f for f in self.server.faults if f.times and re.search(f.path, f"{self.command} {path}")), None
            )
            if fault:
                fault.times -= 1
        if fault:
            if not fault.until:
                return self.answer(fault.status, {"error": "injected fault"}, fault.headers)
            fault.until.wait(60)
        for pattern, method in ROUTES:
            if match := re.fullmatch(pattern, f"{self.command} {path}"):
                if (
                    method is not get_file
                    and not path.startswith("/store/")
                    and self.headers.get("Authorization") != f"Bearer {TOKEN}"
                ):
                    return self.fail(401, "", "Invalid credentials in Authorization header")
                with self.server.lock:
                    return method(self, body, **match.groupdict())
        return self.fail(404, "RepoNotFound", f"no {self.command} {path} here")

    do_GET = do_POST = do_PUT = do_HEAD = handle_one


def whoami(self: Handler, body: bytes):
    self.answer(200, {"name": "me", "type": "user", "orgs": [], "auth": {"type": "access_token"}})


def validate_card(self: Handler, body: bytes):
    self.answer(200, {"errors": [], "warnings": []})


def create_repo(self: Handler, body: bytes):
    request = json.loads(body)
    owner = request.get("organization") or "me"
    if owner not in ("me", "team"):
        return self.fail(403, "", f"You don't have the rights to create a model under the namespace {owner!r}")
    kind = next(kind for kind, name in KINDS.items() if name == request.get("type", "model"))
    name = f"{owner}/{request['name']}"
    key, web = f"{kind}/{name}", f"{self.server.url}/{'' if kind == 'models' else f'{kind}/'}{name}"
    if key in self.server.repos:
        return self.answer(409, {"error": "You already created this model repo", "url": web})
    self.server.repos[key] = {"main": [Commit("initial commit", {".gitattributes": b""}, "0" * 40)]}
    self.answer(200, {"url": web, "id": name})


def auth_check(self: Handler, body: bytes, repo: str):
    self.answer(200 if repo in self.server.repos else 404)


def create_branch(self: Handler, body: bytes, repo: str, branch: str):
    branches = self.server.repos[repo]
    if branch in branches:
        return self.fail(409, "", "Reference already exists")
    branches[branch] = list(branches["main"])
    self.answer(200)


def preupload(self: Handler, body: bytes, repo: str, branch: str):
    if branch not in self.server.repos[repo]:
        return self.fail(404, "RevisionNotFound", f"Invalid rev id: {branch}")
    existing = self.server.repos[repo][branch][-1].files
    files = []
    for path in [entry["path"] for entry in json.loads(body)["files"]]:
        mode = "lfs" if path.endswith(LARGE) else "regular"
        oid = oid_of(path, existing[path]) if path in existing else None
        files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
    self.answer(200, {"files": files})


def oid_of(path: str, content: bytes) -> str:
    """The id of a file: the SHA-256 of an LFS file, the git blob id of another."""
    if path.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def lfs_batch(self: Handler, body: bytes, repo: str):
    request = json.loads(body)
    objects = []
    for entry in request["objects"]:
        actions = {"upload": {"href": f"{self.server.url}/store/{entry['oid']}"}}
        objects.append(entry if entry["oid"] in self.server.large else entry | {"actions": actions})
    self.answer(200, {"transfer": "basic", "objects": objects})


def store(self: Handler, body: bytes, oid: str):
    if hashlib.sha256(body).hexdigest() != oid:
        return self.answer(400)
    self.server.large[oid] = body
    self.answer(200)


def commit(self: Handler, body: bytes, repo: str, branch: str):
    lines = [json.loads(line) for line in body.splitlines()]
    commits = self.server.repos[repo][branch]
    files, message = dict(commits[-1].files), ""
    for line in lines:
        value = line["value"]
        if line["key"] == "header":
            message = value["summary"]
        elif line["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "deletedFile":
            files.pop(value["path"])
        elif line["key"] == "lfsFile":
            files[value["path"]] = self.server.large[value["oid"]]
    oid = hashlib.sha1(f"{repo} {branch} {len(commits)} {message}".encode()).hexdigest()
    commits.append(Commit(message, files, oid))
    self.answer(200, {"success": True, "commitOid": oid, "commitUrl": f"{self.server.url}/{repo}/commit/{oid}"})


def commit_of(self: Handler, repo: str, revision: str) -> Commit | None:
    branches = self.server.repos.get(repo, {})
    if revision in branches:
        return branches[revision][-1]
    return next((commit for commits in branches.values() for commit in commits if commit.id == revision), None)


def info(self: Handler, body: bytes, repo: str, revision: str | None = None):
    kind, _, name = repo.partition("/")
    commit = commit_of(self, repo, revision or "main")
    if commit is None:
        code = "RevisionNotFound" if repo in self.server.repos else "RepoNotFound"
        return self.fail(404, code, f"no {revision} in {repo}")
    answer = {"id": name, "sha": commit.id, "siblings": [{"rfilename": path} for path in commit.files]}
    self.answer(200, answer | {"private": True, "tags": [], "downloads": 0, "likes": 0})


def tree(self: Handler, body: bytes, repo: str, revision: str, under: str | None = None):
    commit = commit_of(self, repo, revision)
    if commit is None:
        return self.fail(404, "RevisionNotFound", f"no {revision} in {repo}")
    if under:  # this server has no folders
        return self.fail(404, "EntryNotFound", f"no {under} in {repo}")
    entries = []
    for path, content in commit.files.items():
        entries.append({"type": "file", "path": path, "size": len(content), "oid": oid_of(path, content)})
    self.answer(200, entries)


def get_file(self: Handler, body: bytes, name: str, revision: str, path: str, kind: str = "models/"):
    commit = commit_of(self, f"{kind or 'models/'}{name}", revision)
    if commit is None or path not in commit.files:
        return self.fail(404, "EntryNotFound" if commit else "RevisionNotFound", f"no {path} in {revision} of {name}")
    content = commit.files[path]
    headers = {"ETag": f'"{oid_of(path, content)}"', "X-Repo-Commit": commit.id}
    self.answer(200, content, headers)


REPO = r"(?P<repo>(models|datasets)/[^/]+/[^/]+)"
ROUTES = [
    (r"GET /api/whoami-v2", whoami),
    (r"POST /api/validate-yaml", validate_card),
    (r"POST /api/repos/create", create_repo),
    (rf"GET /api/{REPO}/auth-check/write", auth_check),
    (rf"POST /api/{REPO}/branch/(?P<branch>.+)", create_branch),
    (rf"POST /api/{REPO}/preupload/(?P<branch>.+)", preupload),
    (rf"POST /api/{REPO}/commit/(?P<branch>.+)", commit),
    (rf"GET /api/{REPO}/tree/(?P<revision>[^/]+)(/(?P<under>.+))?", tree),
    (rf"GET /api/{REPO}(/revision/(?P<revision>.+))?", info),
    (r"POST /(?P<repo>datasets/[^/]+/[^/]+)\.git/info/lfs/objects/batch", lfs_batch),
    (r"POST /(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch", lfs_batch),
    (r"PUT /store/(?P<oid>\w+)", store),
    (r"(GET|HEAD) /(?P<kind>datasets/)?(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)", get_file),
]


@contextmanager
def running() -> Iterator[Hub]:
    """Runs a server until the end of the block."""
    hub = Hub()
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
