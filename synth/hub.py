"""A version on the Hugging Face Hub: one folder, one commit, one tag.

Only this module imports huggingface_hub, and only when it talks to the Hub: an import of
`synth.hub` stays cheap. A version is finished on the Hub when its tag exists; a push that
was cut short leaves no tag, and pushing again completes it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from schemas.manifest import Manifest
from synth.errors import InputError, StoreError
from synth.export import ExportResult
from synth.hub_read import front_matter
from synth.licences import settle
from synth.release import FOLDERS, Release, build_folder, check_release, unlicensed
from synth.store import VersionRef

if TYPE_CHECKING:
    from huggingface_hub.hf_api import CommitInfo, DatasetInfo

_BYSTANDERS = (".gitattributes", ".gitignore", "README.md", "LICENSE", "LICENSE.md", "LICENSE.txt")
"""Files of a repository that hold no data; README.md is replaced by the card."""

_AGAIN = "then run the same `synth push` again"


@dataclass(frozen=True)
class PushResult:
    """Where the version is. `created` is false when it was there before, with the same content.

    Of a pull request `url` is its own, and `tag` is empty.
    """

    url: str
    commit: str
    tag: str
    created: bool
    configs: tuple[ExportResult, ...] = ()


def push(
    version: VersionRef, release: Release, *, ask: Callable[[], None] | None = None, token: str | None = None
) -> PushResult:
    """Send the version in one commit and tag it, or propose the commit; what is there with the same content is left alone.

    `ask` is called before anything is created or sent, and stops the push by raising. `token` defaults
    to HF_TOKEN, then to the one saved by `hf auth login`. Raises InputError where records have no licence
    or the Hub refuses or can't be reached, StoreError where the repository or the tag holds something else.
    """
    check_release(release)
    if problem := unlicensed(version.manifest, release):
        raise InputError(f"{version} was not sent: {problem}")
    repository = _Repository(release.repo_id, token)
    info = repository.find()
    if info is not None:
        _check_place(version, release, repository, info)
        if there := _already(version, release, repository):
            return there
        _check_owner(version.manifest, repository, info)
    elif release.pull_request:
        raise InputError(
            f"there is no {repository.url} that the token can see, so nothing can be proposed to it: check the name, or leave out --pull-request to create it"
        )
    if ask is not None:
        ask()
    return _send(version, release, repository, info)


def _send(version: VersionRef, release: Release, repository: _Repository, info: DatasetInfo | None) -> PushResult:
    """Everything is made here before a repository is: a version that can't be sent leaves none behind."""
    with tempfile.TemporaryDirectory(prefix="synth-push-") as temporary:
        folder = Path(temporary)
        configs = build_folder(version, folder, release)
        sent = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        if info is None:
            info = repository.create(release.public)
            _check_place(version, release, repository, info)
            _check_owner(version.manifest, repository, info)
        present = [file.rfilename for file in info.siblings or []]
        stale = [name for name in present if name.startswith(FOLDERS) and name not in sent]
        commit = repository.commit(sent, stale, _title(version), info.sha, propose=release.pull_request)
        if release.pull_request and commit.pr_url is None:
            return PushResult(repository.url, commit.oid, "", created=False)
        _check_arrived(repository, commit, {name: path.stat().st_size for name, path in sent.items()})
    tag = release.tag_of(version)
    if tag:
        repository.tag(tag, commit.oid)
    return PushResult(commit.pr_url or repository.url, commit.oid, tag, created=True, configs=tuple(configs))


def _title(version: VersionRef) -> str:
    manifest = version.manifest
    return f"{version}: {sum(manifest.splits.values())} records, content {manifest.content_sha256[:12]}"


def _check_place(version: VersionRef, release: Release, repository: _Repository, info: DatasetInfo) -> None:
    """The repository is the one that was named, and as visible as was asked for."""
    if info.id.casefold() != release.repo_id.casefold():
        raise InputError(
            f"{release.repo_id} has moved on the Hub and is {info.id} now: run `synth push {version} {info.id}`"
        )
    if info.private is release.public:
        is_now = "private" if info.private else "public"
        what = "without --public" if release.public else "with --public"
        raise StoreError(
            f"{repository.url} exists and is {is_now}; push {what}, or change its visibility in its settings first"
        )


def _already(version: VersionRef, release: Release, repository: _Repository) -> PushResult | None:
    """Where the same content is tagged so, or proposed; StoreError where the tag is on other content."""
    if release.pull_request:
        found = repository.proposal(_title(version))
        if found:
            _check_licence(version, release, repository, found[1], found[0])
        return PushResult(*found, "", created=False) if found else None
    tag = release.tag_of(version)
    existing = repository.tags().get(tag)
    if existing is None:
        return None
    there = repository.manifest_at(existing)
    if there is None or there.content_sha256 != version.manifest.content_sha256:
        raise StoreError(
            f"{repository.url} already has a tag {tag} with other content than {version}; "
            "push to another repository or with another --tag, or delete that tag on the Hub first"
        )
    _check_licence(version, release, repository, existing, f"its tag {tag}")
    return PushResult(repository.url, existing, tag, created=False)


def _check_licence(version: VersionRef, release: Release, repository: _Repository, commit: str, what: str) -> None:
    """StoreError where the same content stands there under another licence than it is to be pushed with."""
    there = repository.card_at(commit).get("license")
    asked = settle(release.licences_of(version.manifest)).identifier
    if there not in (None, asked):
        raise StoreError(
            f"{repository.url} holds {version} already, under {there!r} ({what}), and this push says {asked!r}; a tag never changes: push with another --tag, or with the licence that stands there"
        )


def _check_owner(manifest: Manifest, repository: _Repository, info: DatasetInfo) -> None:
    """Refuse to write over data that is not an earlier version of the same dataset."""
    present = [file.rfilename for file in info.siblings or []]
    if "manifest.json" in present and info.sha:
        there = repository.manifest_at(info.sha)
        if there is not None and there.name == manifest.name:
            return
    if foreign := [name for name in present if name not in _BYSTANDERS]:
        raise StoreError(
            f"{repository.url} holds files that are no version of {manifest.name!r} ({foreign[0]}); push to another repository"
        )


def _check_arrived(repository: _Repository, commit: CommitInfo, sent: dict[str, int]) -> None:
    there = repository.files_at(commit.pr_revision or commit.oid)
    arrived = {name: size for name, size in there.items() if name in sent or name.startswith(FOLDERS)}
    if arrived != sent:
        wrong = ", ".join(sorted(name for name in arrived.keys() | sent.keys() if arrived.get(name) != sent.get(name)))
        raise StoreError(
            f"{repository.url} does not hold what was sent ({wrong}) and was not tagged; run the same `synth push` again"
        )


def read_tables(reference: str, flag: str = "", prefer: str = "test") -> dict[str, list[dict[str, Any]]]:
    """The rows of `ORG/NAME[/CONFIG][:SPLIT]`: under `rows`, or `queries`, `corpus` and `qrels` where it has these configs.

    Without SPLIT it is the one to `prefer` where there is one, else all. Raises InputError where the Hub refuses or can't be
    reached; `flag` is what the message begins with.
    """
    repo, _, split = reference.partition(":")
    repo_id, config = "/".join(repo.split("/")[:2]), "/".join(repo.split("/")[2:])
    check_repo_id(repo_id)
    from datasets import disable_progress_bars, get_dataset_config_names

    disable_progress_bars()
    with _readable(repo_id, flag):
        names = get_dataset_config_names(repo_id)
        if not config and {"queries", "corpus"} <= set(names):
            qrels = next((name for name in ("qrels", "default", f"{repo_id}-qrels") if name in names), "")
            tables = {"queries": "queries", "corpus": "corpus", **({"qrels": qrels} if qrels else {})}
            found = {
                table: _rows(repo_id, name, (split, prefer) if table == "qrels" else ("", ""))
                for table, name in tables.items()
            }
            return {"qrels": []} | found
        return {"rows": _rows(repo_id, config or None, (split, prefer))}


def _rows(repo_id: str, config: str | None, wanted: tuple[str, str]) -> list[dict[str, Any]]:
    """Of the split that is wanted, or else preferred; of all where neither says."""
    from datasets import load_dataset

    splits, (split, preferred) = load_dataset(repo_id, config), wanted
    chosen = [split] if split else [preferred] if preferred in splits else list(splits)
    return [row for name in chosen for row in splits[name].to_list()]


@contextmanager
def _readable(repo_id: str, flag: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError) as error:  # those of datasets and of the transport among them
        why = " ".join(str(error).split())[:300]
        raise InputError(
            f"{flag}can't read hf://{repo_id}: {why or type(error).__name__}; check the name, the config and the split, or give a local path"
        ) from error


class _Repository:
    """The few calls a push makes; every failure becomes one sentence."""

    def __init__(self, repo_id: str, token: str | None) -> None:
        from huggingface_hub import HfApi, get_token

        self._id, self._token = repo_id, token or get_token()
        self._api = HfApi(token=self._token, library_name="synth")
        self.url = f"{self._api.endpoint}/datasets/{repo_id}"
        check_repo_id(repo_id)
        if self._token is None:
            raise InputError(f"the Hub needs a token with write rights: set HF_TOKEN or run `hf auth login`, {_AGAIN}")

    def find(self) -> DatasetInfo | None:
        """The repository as it is; None where the token sees none."""
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

        with self._explained():
            try:
                return self._api.dataset_info(self._id)
            except RepositoryNotFoundError as error:
                if isinstance(error, GatedRepoError) or error.response.status_code != 404:
                    raise
                return None

    def create(self, public: bool) -> DatasetInfo:
        """A new repository, or that of one who was faster."""
        with self._explained():
            self._api.create_repo(self._id, repo_type="dataset", private=not public, exist_ok=True)
            return self._api.dataset_info(self._id)

    def proposal(self, title: str) -> tuple[str, str] | None:
        """Address and commit of the open pull request with that title."""
        with self._explained():
            opened = self._api.get_repo_discussions(
                self._id, repo_type="dataset", discussion_type="pull_request", discussion_status="open"
            )
            found = next((each for each in opened if each.title == title), None)
            if found is None:
                return None
            refs = self._api.list_repo_refs(self._id, repo_type="dataset", include_pull_requests=True)
            commits = {ref.ref: ref.target_commit for ref in refs.pull_requests or []}
            return found.url, commits.get(f"refs/pr/{found.num}", "")

    def tags(self) -> dict[str, str]:
        """Commit by tag."""
        with self._explained():
            return {tag.name: tag.target_commit for tag in self._api.list_repo_refs(self._id, repo_type="dataset").tags}

    def manifest_at(self, revision: str) -> Manifest | None:
        """The manifest at a revision; None where there is none or it is not ours."""
        if "manifest.json" not in self.files_at(revision):
            return None
        with tempfile.TemporaryDirectory(prefix="synth-push-") as folder:
            with self._explained():
                path = self._api.hf_hub_download(
                    self._id, "manifest.json", repo_type="dataset", revision=revision, local_dir=folder
                )
            try:
                return Manifest.model_validate_json(Path(path).read_bytes())
            except ValidationError:
                return None

    def card_at(self, revision: str) -> dict[str, Any]:
        """The YAML of the card at a revision."""
        if "README.md" not in self.files_at(revision):
            return {}
        with tempfile.TemporaryDirectory(prefix="synth-push-") as folder, self._explained():
            path = self._api.hf_hub_download(
                self._id, "README.md", repo_type="dataset", revision=revision, local_dir=folder
            )
            return front_matter(Path(path))

    def files_at(self, revision: str) -> dict[str, int]:
        """Size by path."""
        with self._explained():
            tree = self._api.list_repo_tree(self._id, recursive=True, revision=revision, repo_type="dataset")
            return {entry.path: entry.size for entry in tree if hasattr(entry, "size")}

    def commit(
        self, files: dict[str, Path], stale: list[str], message: str, parent: str | None, *, propose: bool
    ) -> CommitInfo:
        """One commit that adds `files` and deletes `stale`, on top of `parent` or not at all."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        with self._explained():
            added = [CommitOperationAdd(name, path) for name, path in files.items()]
            deleted = [CommitOperationDelete(name) for name in stale]
            return self._api.create_commit(
                self._id,
                [*added, *deleted],
                commit_message=message,
                repo_type="dataset",
                parent_commit=parent,
                create_pr=propose,
            )

    def tag(self, name: str, commit: str) -> None:
        """Tag a commit."""
        with self._explained():
            self._api.create_tag(self._id, tag=name, revision=commit, repo_type="dataset")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        # The transport's own base class, which differs between major versions of huggingface_hub.
        from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

        try:
            yield
        except (HTTPError, OSError, ValueError, RuntimeError) as error:
            sentence = _explain(error, self._id, str(self._api.endpoint))
            raise InputError(sentence.replace(self._token or "\0", "[token]")) from error


def check_repo_id(repo_id: str) -> None:
    """InputError where a name can't be that of a repository."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    problem = "it needs exactly one '/'" if repo_id.count("/") != 1 else ""
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        problem = problem or " ".join(str(error).split()).rstrip(".")
    if problem:
        raise InputError(f"{repo_id!r} can't name a repository ({problem}): write ORG/NAME, such as acme/finance")


def _explain(error: BaseException, repo_id: str, endpoint: str) -> str:
    """One sentence: what failed, and what to type next."""
    from huggingface_hub.errors import EntryNotFoundError, OfflineModeIsEnabled

    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        return _explain(error.__cause__, repo_id, endpoint)  # an upload thread wraps what went wrong
    response = getattr(error, "response", None)
    if response is not None:
        return _explain_status(response.status_code, getattr(error, "server_message", None), repo_id, endpoint)
    if isinstance(error, OfflineModeIsEnabled):
        return f"HF_HUB_OFFLINE forbids talking to {endpoint}: unset it, {_AGAIN}"
    local = isinstance(error, OSError) and not isinstance(error, (ConnectionError, TimeoutError, EntryNotFoundError))
    if local or isinstance(error, (ValueError, RuntimeError)):
        return f"can't push to {repo_id}: {' '.join(str(error).split())}; put that right, {_AGAIN}"
    return f"can't reach {endpoint} ({type(error).__name__}): check the network and HF_ENDPOINT, {_AGAIN}"


def _explain_status(status: int, said: str | None, repo_id: str, endpoint: str) -> str:
    organisation = repo_id.split("/")[0]
    moved = (
        f"{repo_id} moved on during the push ({status}): another writer's commit or tag came first, theirs was not touched and"
        f" nothing of this push was tagged; see what they did, {_AGAIN}"
    )
    known = {
        401: f"{endpoint} does not accept the token (401): set HF_TOKEN to a valid one or run `hf auth login`, {_AGAIN}",
        403: f"the token may not write to {repo_id} (403): use one with write access to {organisation}, {_AGAIN}, or propose it with --pull-request",
        404: f"{endpoint} has no dataset {repo_id} that the token can see (404): check the name and the token's rights, {_AGAIN}",
        409: moved,
        412: moved,
        429: f"{endpoint} asks for fewer requests (429): wait some minutes, {_AGAIN}",
    }
    detail = f": {' '.join(said.split())}" if said else ""
    return known.get(status, f"{endpoint} answered {status}{detail}; if that passes, run the same `synth push` again")
