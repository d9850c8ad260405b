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
CONTRIBUTOR_TOKEN = "hf_thisTokenMayProposeToOthers"
"""Of somebody who may open pull requests, and write only to what is `guest/…`."""


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
    proposals: dict[int, Commit] = field(default_factory=dict)
    """Pull requests by number; each is one commit on top of main."""
    closed: set[int] = field(default_factory=set)

    def merge(self, number: int) -> None:
        """What the button of a pull request does."""
        self.commits.append(self.proposals[number])
        self.closed.add(number)

    def at(self, revision: str) -> Commit | None:
        """The commit that a branch, tag or id names."""
        if found := re.fullmatch(r"refs/pr/(\d+)", revision):
            return self.proposals.get(int(found[1]))
        oid = self.tags.get(revision, revision)
        commits = [*self.commits, *self.proposals.values()]
        return self.commits[-1] if revision == "main" else next((c for c in commits if c.oid == oid), None)


class RefusalError(Exception):
    """A response other than 200."""

    def __init__(self, status: int, code: str = "", message: str = "", location: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = {"X-Error-Code": code, "X-Error-Message": message} | ({"Location": location} if location else {})


@dataclass
class FakeHub:
    """The state of the server; tests read `repos` and may set `faults`."""

    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    faults: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Method and start of a path, such as `POST /api/datasets/acme/fin/tag` -> status, message."""
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    """The same -> what happens just before, once."""
    renamed: dict[str, str] = field(default_factory=dict)
    """Old name -> new name; the old one answers 307."""
    models: dict[str, int] = field(default_factory=dict)
    """Models by name, and the bytes of each."""
    part_size: int = 0
    """LFS files above this go in parts of so many bytes; 0 for none."""
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)

    def rename(self, old: str, new: str) -> None:
        """What the settings of a repository do."""
        self.repos[new] = self.repos.pop(old)
        self.renamed[old] = new

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


_CARD = {
    "license": "apache-2.0|mit|bsd-3-clause|cc0-1.0|cc-by-4.0|cc-by-nc-4.0|cc-by-sa-4.0|gpl-3.0|gfdl|odbl|other|unknown",
    "license_name": "[a-z0-9.-]+",
    "language": "[a-z]{2,3}",
    "multilinguality": "monolingual|multilingual|translation",
    "task_categories": "sentence-similarity|text-retrieval|text-ranking|feature-extraction",
    "size_categories": "n<1K|1K<n<10K|10K<n<100K|100K<n<1M|1M<n<10M|10M<n<100M|100M<n<1B|1B<n<10B",
    "source_datasets": "original|extended",
    "annotations_creators": "crowdsourced|expert-generated|found|machine-generated|no-annotation|other",
    "language_creators": "crowdsourced|expert-generated|found|machine-generated|other",
    "pretty_name": ".+",
    "tags": ".+",
    "configs": "",
}
"""What the front matter of a dataset card may say; the Hub knows more of each."""

_REPO = r"(?P<repo>[^/]+/[^/]+)"
_ROUTES: list[tuple[str, re.Pattern[str], str]] = [
    (method, re.compile(pattern), name)
    for method, pattern, name in (
        ("GET", r"/api/whoami-v2", "whoami"),
        ("GET", rf"/api/models/{_REPO}", "model"),
        ("POST", r"/api/repos/create", "create_repo"),
        ("POST", r"/api/validate-yaml", "validate_yaml"),
        ("GET", rf"/api/datasets/{_REPO}", "info"),
        ("GET", rf"/api/datasets/{_REPO}/revision/(?P<revision>[^/]+)", "info"),
        ("GET", rf"/api/datasets/{_REPO}/refs", "refs"),
        ("GET", rf"/api/datasets/{_REPO}/discussions", "discussions"),
        ("GET", rf"/api/datasets/{_REPO}/tree/(?P<revision>[^/]+)(/(?P<path>.*))?", "tree"),
        ("POST", rf"/api/datasets/{_REPO}/paths-info/(?P<revision>[^/]+)", "paths_info"),
        ("POST", rf"/api/datasets/{_REPO}/preupload/(?P<revision>[^/]+)", "preupload"),
        ("POST", rf"/api/datasets/{_REPO}/commit/(?P<revision>[^/]+)", "commit"),
        ("POST", rf"/api/datasets/{_REPO}/tag/(?P<revision>[^/]+)", "tag"),
        ("POST", rf"/datasets/{_REPO}\.git/info/lfs/objects/batch", "lfs_batch"),
        ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", "lfs_put"),
        ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})/(?P<part>\d+)", "lfs_put_part"),
        ("POST", r"/lfs/(?P<oid>[0-9a-f]{64})/complete", "lfs_complete"),
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
        path = urlsplit(self.path).path
        self.hub.requests.append((self.command, unquote(path)))
        try:
            self._handle(method, path, body)
        except RefusalError as refusal:
            self._json({"error": refusal.message}, refusal.status, refusal.headers)

    def _handle(self, method: str, path: str, body: bytes) -> None:
        asked = f"{method} {unquote(path)}"
        for start in [each for each in self.hub.before if asked.startswith(each)]:
            self.hub.before.pop(start)()
        for start, (status, message) in self.hub.faults.items():
            if asked.startswith(start):
                raise RefusalError(status, "", message)
        for old, new in self.hub.renamed.items():
            if re.search(rf"/datasets/{old}(?:[./]|$)", path) and old not in self.hub.repos:
                raise RefusalError(307, "", "", self.hub.url + self.path.replace(old, new, 1))
        for wanted, pattern, name in _ROUTES:
            match = pattern.fullmatch(path)
            if match and wanted == method:
                handle: Callable[..., None] = getattr(self, f"_{name}")
                return handle(body, **{k: unquote(v or "") for k, v in match.groupdict().items()})
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
        if token not in ("", TOKEN, READ_TOKEN, CONTRIBUTOR_TOKEN):
            raise RefusalError(401, "", "Invalid credentials in Authorization header")
        return token

    def _may_write(self, repo: str = "", propose: bool = False) -> None:
        token = self._token()
        if not token:
            raise RefusalError(401, "", "Invalid username or password.")
        if token == READ_TOKEN:
            raise RefusalError(403, "", "You don't have the rights to write to this repository")
        if token == CONTRIBUTOR_TOKEN and repo and not propose and not repo.startswith("guest/"):
            raise RefusalError(403, "", "Pass `create_pr=1` as a query parameter to create a Pull Request")

    @property
    def _proposes(self) -> bool:
        return "create_pr=1" in self.path

    def _commit_at(self, repo: str, revision: str) -> Commit:
        found = self.hub.find(repo, self._token()).at(revision)
        if found is None:
            raise RefusalError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return found

    def _whoami(self, body: bytes) -> None:
        token = self._token()
        if not token:
            raise RefusalError(401, "", "Invalid username or password.")
        role = "read" if token == READ_TOKEN else "write"
        self._json({"type": "user", "name": "acme-bot", "auth": {"accessToken": {"displayName": "ci", "role": role}}})

    def _model(self, body: bytes, repo: str) -> None:
        if repo not in self.hub.models:
            raise RefusalError(401 if not self._token() else 404, "RepoNotFound", "Repository not found")
        files = [{"rfilename": "model.safetensors", "size": self.hub.models[repo]}]
        self._json({"id": repo, "sha": _oid(repo), "siblings": files, "tags": []})

    def _create_repo(self, body: bytes) -> None:
        asked = json.loads(body)
        repo_id = f"{asked['organization']}/{asked['name']}"
        self._may_write(repo_id)
        url = f"{self.hub.url}/datasets/{repo_id}"
        assert asked["type"] == "dataset"
        if repo_id in self.hub.repos:
            return self._json({"error": "You already created this dataset repo", "url": url}, 409)
        self.hub.create(repo_id, private=asked["visibility"] == "private")
        return self._json({"url": url, "name": repo_id})

    def _validate_yaml(self, body: bytes) -> None:
        asked = json.loads(body)
        front = yaml.safe_load(asked["content"].split("---\n")[1])
        problems = [] if asked["repoType"] == "dataset" else ["unknown repository type"]
        problems += [f'"{name}" is not allowed' for name in front.keys() - _CARD.keys()]
        for name, pattern in _CARD.items():
            values = front.get(name, [])
            for value in values if isinstance(values, list) else [values]:
                if isinstance(value, str) and not re.fullmatch(pattern, value):
                    problems.append(f'"{name}" must be one of {pattern}, not {value!r}')
        if "license" not in front:
            problems.append('"license" is required')
        if (front.get("license") == "other") is not ("license_name" in front):
            problems.append('"license_name" goes with "license: other"')
        said = {"errors": [{"message": each} for each in problems], "warnings": []}
        return self._json(said, 400 if problems else 200)

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
        proposed = [
            {"name": str(n), "ref": f"refs/pr/{n}", "targetCommit": commit.oid} for n, commit in found.proposals.items()
        ]
        self._json({"branches": [main], "converts": [], "tags": tags, "pullRequests": proposed})

    def _discussions(self, body: bytes, repo: str) -> None:
        found = self.hub.find(repo, self._token())
        listed = [
            {
                "title": commit.message,
                "num": number,
                "author": {"name": "guest"},
                "createdAt": "2026-11-24T00:00:00.000Z",
                "status": "merged" if number in found.closed else "open",
                "repo": {"name": repo, "type": "dataset"},
                "isPullRequest": True,
            }
            for number, commit in found.proposals.items()
            if number not in found.closed or "status=open" not in self.path
        ]
        self._json({"discussions": listed, "count": len(listed), "start": 0})

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
        self._may_write(repo, self._proposes)
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
            actions = {"upload": self._upload_of(asked, href), "verify": {"href": f"{href}/verify"}}
            objects.append(asked | ({} if asked["oid"] in self.hub.blobs else {"actions": actions}))
        self._json({"transfer": "basic", "objects": objects})

    def _upload_of(self, asked: dict[str, Any], href: str) -> dict[str, Any]:
        size = self.hub.part_size
        if not size or asked["size"] <= size:
            return {"href": href}
        parts = {f"{n:05}": f"{href}/{n}" for n in range(1, -(-asked["size"] // size) + 1)}
        return {"href": f"{href}/complete", "header": {"chunk_size": str(size)} | parts}

    def _lfs_put_part(self, body: bytes, oid: str, part: str) -> None:
        self.hub.parts.setdefault(oid, {})[int(part)] = body
        self._send(b"", 200, {"ETag": f'"{hashlib.sha256(body).hexdigest()}"'})

    def _lfs_complete(self, body: bytes, oid: str) -> None:
        parts = self.hub.parts.pop(oid)
        told = {each["partNumber"]: each["etag"].strip('"') for each in json.loads(body)["parts"]}
        if told != {number: hashlib.sha256(content).hexdigest() for number, content in parts.items()}:
            raise RefusalError(400, "", "the parts are not what their tags say")
        self._lfs_put(b"".join(parts[number] for number in sorted(parts)), oid)

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
        self._may_write(repo, self._proposes)
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
                if path not in files:
                    raise RefusalError(404, "EntryNotFound", "A file with this name doesn't exist")
                del files[path]
            elif line["key"] == "lfsFile":
                files[path] = self.hub.blobs[line["value"]["oid"]]
            else:
                files[path] = base64.b64decode(line["value"]["content"])
        count = f"{len(found.commits)} {len(found.proposals)}"
        made = Commit(_oid(repo, count), lines[0]["value"]["summary"], files, operations)
        said = {"commitOid": made.oid, "commitUrl": f"{self.hub.url}/datasets/{repo}/commit/{made.oid}"}
        if self._proposes:
            number = len(found.proposals) + 1
            found.proposals[number] = made
            said["pullRequestUrl"] = f"{self.hub.url}/datasets/{repo}/discussions/{number}"
        else:
            found.commits.append(made)
        self._json(said)

    def _tag(self, body: bytes, repo: str, revision: str) -> None:
        self._may_write(repo)
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
