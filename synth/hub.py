"""A version on the Hugging Face Hub: one folder, one commit, one tag.

Only this module imports huggingface_hub, and only when it talks to the Hub: an import of
`synth.hub` stays cheap. A version is finished on the Hub when its tag exists; a push that
was cut short leaves no tag, and pushing again completes it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from schemas.arrow import arrow_schema
from schemas.document import Passage
from schemas.manifest import Manifest
from synth.card import render_card
from synth.errors import InputError, StoreError
from synth.export import ExportResult, check_empty, has_negatives, write_format
from synth.files import replace_atomically, write_bytes
from synth.store import VersionRef

if TYPE_CHECKING:
    from huggingface_hub.hf_api import DatasetInfo

_CORPUS = "corpus/corpus-00000-of-00001.parquet"
_FOLDERS = ("triplet/", "pair/", "full/", "corpus/")
"""What a push owns in the repository, next to README.md and manifest.json."""

_BYSTANDERS = (".gitattributes", ".gitignore", "README.md", "LICENSE", "LICENSE.md", "LICENSE.txt")
"""Files of a repository that hold no data; README.md is replaced by the card."""

_AGAIN = "then run the same `synth push` again"


@dataclass(frozen=True)
class PushResult:
    """Where the version is. `created` is false when the tag was there before, with the same content."""

    url: str
    commit: str
    tag: str
    created: bool
    configs: tuple[ExportResult, ...] = ()


def build_folder(version: VersionRef, folder: Path, repo_id: str | None = None) -> list[ExportResult]:
    """Write what a push sends: Parquet by config, README.md and manifest.json.

    Raises StoreError where `folder` holds something already, or where the version is not
    what its manifest says.
    """
    from synth.verify import verify_version

    check_empty(folder)
    if problems := verify_version(version):
        raise StoreError(f"{version} is damaged and was not sent: {problems[0]}; publish it again with `synth resume`")
    manifest = version.manifest
    formats = ("triplet", "pair", "full") if has_negatives(manifest) else ("pair", "full")
    configs = [*(write_format(version, name, folder) for name in formats), _copy_passages(version, manifest, folder)]
    write_bytes(folder / "manifest.json", (version.path / "manifest.json").read_bytes())
    write_bytes(folder / "README.md", render_card(manifest, repo_id, configs).encode())
    return configs


def push(version: VersionRef, repo_id: str, *, public: bool, token: str | None = None) -> PushResult:
    """Send the version to `repo_id` in one commit and tag it `vN`; a tag with the same content is left alone.

    `token` defaults to HF_TOKEN, then to the one saved by `hf auth login`. Raises InputError
    where the Hub refuses or can't be reached, StoreError where the repository or the tag
    holds something else.
    """
    manifest = version.manifest
    repository = _Repository(repo_id, token)
    info = repository.open(public)
    existing = repository.tags().get(f"v{version.number}")
    if existing is not None:
        _check_same(version, repository.manifest_at(existing), repository.url)
        return PushResult(repository.url, existing, f"v{version.number}", created=False)
    present = [file.rfilename for file in info.siblings or []]
    _check_owner(manifest, repository, present, info.sha)
    with tempfile.TemporaryDirectory(prefix="synth-push-") as temporary:
        folder = Path(temporary)
        configs = build_folder(version, folder, repo_id)
        sent = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        stale = [name for name in present if name.startswith(_FOLDERS) and name not in sent]
        message = f"{version}: {sum(manifest.splits.values())} records, content {manifest.content_sha256[:12]}"
        commit = repository.commit(sent, stale, message, info.sha)
        _check_arrived(repository, commit, {name: path.stat().st_size for name, path in sent.items()})
    repository.tag(f"v{version.number}", commit)
    return PushResult(repository.url, commit, f"v{version.number}", created=True, configs=tuple(configs))


def _copy_passages(version: VersionRef, manifest: Manifest, folder: Path) -> ExportResult:
    with replace_atomically(folder / _CORPUS) as temporary:
        shutil.copyfile(version.path / "passages.parquet", temporary)
    columns = tuple(arrow_schema(Passage).names)
    return ExportResult("passages", (folder / _CORPUS,), {"corpus": manifest.passages}, columns)


def _check_same(version: VersionRef, there: Manifest | None, url: str) -> None:
    if there is None or there.content_sha256 != version.manifest.content_sha256:
        raise StoreError(
            f"{url} already has a tag v{version.number} with other content than {version}; "
            "push to another repository, or delete that tag on the Hub first"
        )


def _check_owner(manifest: Manifest, repository: _Repository, present: list[str], revision: str | None) -> None:
    """Refuse to write over data that is not an earlier version of the same dataset."""
    if "manifest.json" in present and revision:
        there = repository.manifest_at(revision)
        if there is not None and there.name == manifest.name:
            return
    if foreign := [name for name in present if name not in _BYSTANDERS]:
        raise StoreError(
            f"{repository.url} holds files that are no version of {manifest.name!r} ({foreign[0]}); push to another repository"
        )


def _check_arrived(repository: _Repository, commit: str, sent: dict[str, int]) -> None:
    there = repository.files_at(commit)
    arrived = {name: size for name, size in there.items() if name in sent or name.startswith(_FOLDERS)}
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
    _check_repo_id(repo_id)
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
        _check_repo_id(repo_id)
        if self._token is None:
            raise InputError(f"the Hub needs a token with write rights: set HF_TOKEN or run `hf auth login`, {_AGAIN}")

    def open(self, public: bool) -> DatasetInfo:
        """Create the repository unless it exists; StoreError where it exists with the other visibility."""
        with self._explained():
            self._api.create_repo(self._id, repo_type="dataset", private=not public, exist_ok=True)
            info = self._api.dataset_info(self._id)
        if info.private is public:
            is_now = "private" if info.private else "public"
            what = "without --public" if public else "with --public"
            raise StoreError(
                f"{self.url} exists and is {is_now}; push {what}, or change its visibility in its settings first"
            )
        return info

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

    def files_at(self, revision: str) -> dict[str, int]:
        """Size by path."""
        with self._explained():
            tree = self._api.list_repo_tree(self._id, recursive=True, revision=revision, repo_type="dataset")
            return {entry.path: entry.size for entry in tree if hasattr(entry, "size")}

    def commit(self, files: dict[str, Path], stale: list[str], message: str, parent: str | None) -> str:
        """One commit that adds `files` and deletes `stale`; its id."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        with self._explained():
            added = [CommitOperationAdd(name, path) for name, path in files.items()]
            deleted = [CommitOperationDelete(name) for name in stale]
            return self._api.create_commit(
                self._id, [*added, *deleted], commit_message=message, repo_type="dataset", parent_commit=parent
            ).oid

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


def _check_repo_id(repo_id: str) -> None:
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
    known = {
        401: f"{endpoint} does not accept the token (401): set HF_TOKEN to a valid one or run `hf auth login`, {_AGAIN}",
        403: f"the token may not write to {repo_id} (403): use one with write access to {organisation}, {_AGAIN}",
        404: f"{endpoint} has no dataset {repo_id} that the token can see (404): check the name and the token's rights, {_AGAIN}",
        409: f"{repo_id} changed during the push (409): wait for the other writer, {_AGAIN}",
        412: f"{repo_id} changed during the push (412): wait for the other writer, {_AGAIN}",
        429: f"{endpoint} asks for fewer requests (429): wait some minutes, {_AGAIN}",
    }
    detail = f": {' '.join(said.split())}" if said else ""
    return known.get(status, f"{endpoint} answered {status}{detail}; if that passes, run the same `synth push` again")
