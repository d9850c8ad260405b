"""A small Hugging Face Hub: enough of its API for the real huggingface_hub and datasets.

It keeps commits in memory, asks for a bearer token where the Hub does, and records what
it was sent. A passing test proves that our calls are well formed, not that the real Hub
accepts them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_thisTokenMayWrite"
READ_TOKEN = "hf_thisTokenMayOnlyRead"


@dataclass
class Commit:
    """A commit: its files, and the operations it was made of as (kind, path)."""

    oid: str
    message: str
    files: dict[str, bytes]
    operations: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Repo:
    """A dataset repository, oldest commit first."""

    private: bool
    commits: list[Commit]
    tags: dict[str, str] = field(default_factory=dict)

    def at(self, revision: str) -> Commit | None:
        """The commit that a branch, tag or id names."""
        oid = self.tags.get(revision, revision)
        return self.commits[-1] if revision == "main" else next((c for c in self.commits if c.oid == oid), None)


class RefusalError(Exception):
    """A response other than 200."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class FakeHub:
    """The state of the server; tests read `repos` and may set `faults`."""

    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    faults: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Method and start of a path, such as `POST /api/datasets/acme/fin/tag` -> status, message."""

    def create(self, repo_id: str, *, private: bool, files: dict[str, bytes] | None = None) -> Repo:
        """A repository with its first commit, as the Hub makes it."""
        first = Commit(_oid(repo_id), "initial commit", {".gitattributes": b"*.parquet filter=lfs\n"} | (files or {}))
        self.repos[repo_id] = Repo(private, [first])
        return self.repos[repo_id]

    def find(self, repo_id: str, token: str) -> Repo:
        """A repository that the token may see."""
        repo = self.repos.get(repo_id)
        if repo is None or (repo.private and not token):
            raise RefusalError(401 if not token else 404, "RepoNotFound", "Repository not found")
        return repo


@contextmanager
def serve_hub() -> Iterator[FakeHub]:
    """A running hub on a free port of the loopback."""
    hub = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _oid(*parts: str) -> str:
    return hashlib.sha1("\0".join(parts).encode(), usedforsecurity=False).hexdigest()


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _is_lfs(path: str) -> bool:
    return path.endswith(".parquet")


_REPO = r"(?P<repo>[^/]+/[^/]+)"
_ROUTES: list[tuple[str, re.Pattern[str], str]] = [
    (method, re.compile(pattern), name)
    for method, pattern, name in (
        ("POST", r"/api/repos/create", "create_repo"),
        ("POST", r"/api/validate-yaml", "validate_yaml"),
        ("GET", rf"/api/datasets/{_REPO}", "info"),
        ("GET", rf"/api/datasets/{_REPO}/revision/(?P<revision>[^/]+)", "info"),
        ("GET", rf"/api/datasets/{_REPO}/refs", "refs"),
        ("GET", rf"/api/datasets/{_REPO}/tree/(?P<revision>[^/]+)(/(?P<path>.*))?", "tree"),
        ("POST", rf"/api/datasets/{_REPO}/paths-info/(?P<revision>[^/]+)", "paths_info"),
        ("POST", rf"/api/datasets/{_REPO}/preupload/(?P<revision>[^/]+)", "preupload"),
        ("POST", rf"/api/datasets/{_REPO}/commit/(?P<revision>[^/]+)", "commit"),
        ("POST", rf"/api/datasets/{_REPO}/tag/(?P<revision>[^/]+)", "tag"),
        ("POST", rf"/datasets/{_REPO}\.git/info/lfs/objects/batch", "lfs_batch"),
        ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", "lfs_put"),
        ("POST", r"/lfs/(?P<oid>[0-9a-f]{64})/verify", "lfs_verify"),
        ("GET", rf"/datasets/{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
    )
]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def do_GET(self) -> None:
        self._answer("GET")

    def do_HEAD(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Nothing on stderr."""

    def _answer(self, method: str) -> None:
        body = self._read_body()
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path))
        try:
            self._handle(method, path, body)
        except RefusalError as refusal:
            self._json(
                {"error": refusal.message},
                refusal.status,
                {"X-Error-Code": refusal.code, "X-Error-Message": refusal.message},
            )

    def _handle(self, method: str, path: str, body: bytes) -> None:
        for start, (status, message) in self.hub.faults.items():
            if f"{method} {path}".startswith(start):
                raise RefusalError(status, "", message)
        for wanted, pattern, name in _ROUTES:
            match = pattern.fullmatch(path)
            if match and wanted == method:
                handle: Callable[..., None] = getattr(self, f"_{name}")
                return handle(body, **{k: v or "" for k, v in match.groupdict().items()})
        raise RefusalError(404, "", f"no route {method} {path}")

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(value).encode(), status, {"Content-Type": "application/json"} | (headers or {}))

    def _send(self, content: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _token(self) -> str:
        """The bearer token, empty where there is none; a token nobody gave out is refused at once."""
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in ("", TOKEN, READ_TOKEN):
            raise RefusalError(401, "", "Invalid credentials in Authorization header")
        return token

    def _may_write(self) -> None:
        token = self._token()
        if not token:
            raise RefusalError(401, "", "Invalid username or password.")
        if token == READ_TOKEN:
            raise RefusalError(403, "", "You don't have the rights to write to this repository")

    def _commit_at(self, repo: str, revision: str) -> Commit:
        found = self.hub.find(repo, self._token()).at(revision)
        if found is None:
            raise RefusalError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return found

    def _create_repo(self, body: bytes) -> None:
        self._may_write()
        asked = json.loads(body)
        repo_id = f"{asked['organization']}/{asked['name']}"
        url = f"{self.hub.url}/datasets/{repo_id}"
        assert asked["type"] == "dataset"
        if repo_id in self.hub.repos:
            return self._json({"error": "You already created this dataset repo", "url": url}, 409)
        self.hub.create(repo_id, private=asked["visibility"] == "private")
        return self._json({"url": url, "name": repo_id})

    def _validate_yaml(self, body: bytes) -> None:
        front = yaml.safe_load(json.loads(body)["content"].split("---\n")[1])
        if "license" not in front:
            return self._json({"errors": [{"message": '"license" is required'}], "warnings": []}, 400)
        return self._json({"errors": [], "warnings": []})

    def _info(self, body: bytes, repo: str, revision: str = "main") -> None:
        commit = self._commit_at(repo, revision)
        self._json(
            {
                "id": repo,
                "sha": commit.oid,
                "private": self.hub.repos[repo].private,
                "tags": [],
                "siblings": [{"rfilename": path} for path in sorted(commit.files)],
            }
        )

    def _refs(self, body: bytes, repo: str) -> None:
        found = self.hub.find(repo, self._token())
        tags = [{"name": n, "ref": f"refs/tags/{n}", "targetCommit": oid} for n, oid in found.tags.items()]
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": found.commits[-1].oid}
        self._json({"branches": [main], "converts": [], "tags": tags})

    def _tree(self, body: bytes, repo: str, revision: str, path: str = "") -> None:
        files = self._commit_at(repo, revision).files
        root = f"{path}/" if path else ""
        below = {name: content for name, content in files.items() if name.startswith(root)}
        if not below:
            raise RefusalError(404, "EntryNotFound", f"{path} does not exist")
        recursive = re.search(r"recursive=(true|1)", self.path, re.IGNORECASE) is not None
        folders = {root + n[len(root) :].split("/")[0] for n in below if "/" in n[len(root) :]}
        entries: list[dict[str, Any]] = [
            {"type": "directory", "path": f, "oid": _oid(f), "size": 0} for f in sorted(folders)
        ]
        self._json(entries + [_entry(n, c) for n, c in sorted(below.items()) if recursive or "/" not in n[len(root) :]])

    def _paths_info(self, body: bytes, repo: str, revision: str) -> None:
        files = self._commit_at(repo, revision).files
        wanted = json.loads(body)["paths"]
        folders = {p for p in wanted if any(name.startswith(f"{p}/") for name in files)}
        entries: list[dict[str, Any]] = [
            {"type": "directory", "path": f, "oid": _oid(f), "size": 0} for f in sorted(folders)
        ]
        self._json(entries + [_entry(path, files[path]) for path in wanted if path in files])

    def _preupload(self, body: bytes, repo: str, revision: str) -> None:
        self._may_write()
        there = self._commit_at(repo, revision).files
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if _is_lfs(file["path"]) else "regular",
                "shouldIgnore": False,
                "oid": _blob_id(file["path"], there[file["path"]]) if file["path"] in there else None,
            }
            for file in json.loads(body)["files"]
        ]
        self._json({"files": modes})

    def _lfs_batch(self, body: bytes, repo: str) -> None:
        self._may_write()
        objects = []
        for asked in json.loads(body)["objects"]:
            href = f"{self.hub.url}/lfs/{asked['oid']}"
            actions = {"upload": {"href": href}, "verify": {"href": f"{href}/verify"}}
            objects.append(asked | ({} if asked["oid"] in self.hub.blobs else {"actions": actions}))
        self._json({"transfer": "basic", "objects": objects})

    def _lfs_put(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            raise RefusalError(400, "", "the content is not what its id says")
        self.hub.blobs[oid] = body
        self._send(b"", 200, {})

    def _lfs_verify(self, body: bytes, oid: str) -> None:
        self._may_write()
        if len(self.hub.blobs.get(oid, b"")) != json.loads(body)["size"]:
            raise RefusalError(400, "", "size differs")
        self._json({})

    def _commit(self, body: bytes, repo: str, revision: str) -> None:
        self._may_write()
        found = self.hub.find(repo, self._token())
        lines = [json.loads(line) for line in body.splitlines()]
        head, parent = found.commits[-1], lines[0]["value"].get("parentCommit")
        if parent is not None and parent != head.oid:
            raise RefusalError(412, "", "A commit has happened since. Please refresh and try again.")
        files, operations = dict(head.files), []
        for line in lines[1:]:
            path = line["value"]["path"]
            operations.append((line["key"], path))
            if line["key"] == "deletedFile":
                del files[path]
            elif line["key"] == "lfsFile":
                files[path] = self.hub.blobs[line["value"]["oid"]]
            else:
                files[path] = base64.b64decode(line["value"]["content"])
        made = Commit(_oid(repo, str(len(found.commits))), lines[0]["value"]["summary"], files, operations)
        found.commits.append(made)
        self._json({"commitOid": made.oid, "commitUrl": f"{self.hub.url}/datasets/{repo}/commit/{made.oid}"})

    def _tag(self, body: bytes, repo: str, revision: str) -> None:
        self._may_write()
        name, oid = json.loads(body)["tag"], self._commit_at(repo, revision).oid
        if name in self.hub.repos[repo].tags:
            raise RefusalError(409, "", "Tag reference exists already")
        self.hub.repos[repo].tags[name] = oid
        self._json({})

    def _resolve(self, body: bytes, repo: str, revision: str, path: str) -> None:
        commit = self._commit_at(repo, revision)
        if path not in commit.files:
            raise RefusalError(404, "EntryNotFound", "Entry not found")
        content = commit.files[path]
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{_blob_id(path, content)}"', "Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked is None:
            return self._send(content, 200, headers)
        start, stop = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
        headers["Content-Range"] = f"bytes {start}-{stop}/{len(content)}"
        return self._send(content[start : stop + 1], 206, headers)


def _blob_id(path: str, content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if _is_lfs(path) else _git_oid(content)


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "oid": _git_oid(content), "size": len(content)}
    if _is_lfs(path):
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry
