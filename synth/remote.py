"""A store in a bucket: versions as objects, everything else in a working folder on this machine.

URL/store.json                      marks the prefix; shows that numbers can be claimed there
URL/data/SHA256.parquet             files of versions by their content: put once, shared by versions
URL/versions/NAME/N/manifest.json   put last and only where there is none, so a version is whole or not there

The working folder is CACHE/synth/stores/HASH, of the URL and its endpoint. Files that were read are kept there:

data/SHA256.parquet                 checked against the manifest when it was fetched
manifests/HASH.json                 by number and entity tag
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from schemas.manifest import FileEntry, Manifest
from synth.errors import StoreError
from synth.files import as_json, replace_atomically, write_bytes
from synth.objects import Objects, check_url, endpoint_of
from synth.progress import Reporter, Silent
from synth.store import ADDRESS, Store, VersionRef

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

_MARK = b'{"synth": "store", "layout": 1}\n'
_MANIFEST = "manifest.json"
_KEY = re.compile(rf"versions/([^/]+)/([1-9][0-9]*)/{re.escape(_MANIFEST)}")
_SOUND = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*\n[0-9a-f]{64}")
"""Path and sha256 of a file; both become names on this machine, and a bucket may have other writers than us."""

_ATTEMPTS = 1_000
"""Numbers that others took before us; more than this is no race but a broken server."""


def open_remote(url: str) -> RemoteStore:
    """The store at a URL, with its working folder in the user's cache; StoreError where it can't be one."""
    address = check_url(url)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute()
    name = hashlib.sha256(f"{address}\n{endpoint_of(address)}".encode()).hexdigest()[:24]
    return RemoteStore(cache / "synth" / "stores" / name, address)


def data_key(entry: FileEntry) -> str:
    """Where a file of any version is."""
    return f"data/{entry.sha256}.parquet"


def manifest_key(name: str, number: int) -> str:
    return f"versions/{name}/{number}/{_MANIFEST}"


def _checked(manifest: Manifest, version: VersionRef) -> Manifest:
    for entry in manifest.files:
        if not _SOUND.fullmatch(f"{entry.path}\n{entry.sha256}"):
            raise StoreError(f"{version} is damaged: its manifest names the file {entry.path!r} as {entry.sha256!r}")
    return manifest


@dataclass(frozen=True)
class RemoteVersion(VersionRef):
    """A version in a bucket; `path` is where its folder would be, and holds nothing."""

    store: RemoteStore
    tag: str = field(compare=False)
    """Entity tag of the manifest."""

    @property
    def where(self) -> str:
        return f"{self.store.url}/versions/{self.name}/{self.number}"

    def file(self, path: str) -> Path:
        """The file as one in the cache, fetched when it is first asked for. StoreError where it is not what the manifest says."""
        if path == _MANIFEST:
            return self._cached_manifest()
        entry = next((each for each in self.manifest.files if each.path == path), None)
        if entry is None:
            return self.path / path
        kept = self.store.kept(entry)
        if not kept.exists():
            self.store.check_folder()
            with replace_atomically(kept) as temporary:
                self._fetch(entry, temporary)
        return kept

    @property
    def manifest(self) -> Manifest:
        return _checked(super().manifest, self)

    def record_files(self) -> list[Path]:
        return [self.file(entry.path) for entry in self._matching("records/*.parquet")]

    @contextmanager
    def fresh(self) -> Iterator[VersionRef]:
        """Everything fetched into a folder of its own, which is gone afterwards. What is sound is kept in the cache as well."""
        self.store.root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".fresh-", dir=self.store.root) as temporary:
            folder = Path(temporary)
            content = self.store.objects.get(manifest_key(self.name, self.number))
            if content is not None:
                write_bytes(folder / _MANIFEST, content)
            copy = VersionRef(self.name, self.number, folder)
            for entry in _checked(copy.manifest, self).files:
                path = folder / entry.path
                path.parent.mkdir(parents=True, exist_ok=True)
                if self.store.objects.fetch(data_key(entry), path) == entry.sha256:
                    self.store.keep(entry, path)
            yield copy

    def dataset(self, pattern: str) -> Dataset | None:
        """The Parquet of the files that match, read in place as far as it is asked for; None where there is none.

        Only the footer of the first is read here.
        """
        from pyarrow.dataset import FileSystemDataset, ParquetFileFormat

        entries = self._matching(pattern)
        if not entries:
            return None
        filesystem, base = self.store.objects.filesystem()
        parquet = ParquetFileFormat()
        fragments = [
            parquet.make_fragment(f"{base}/{data_key(entry)}", filesystem, file_size=entry.bytes) for entry in entries
        ]
        return FileSystemDataset(fragments, fragments[0].physical_schema, parquet, filesystem)

    def _matching(self, pattern: str) -> list[FileEntry]:
        found = [entry for entry in self.manifest.files if fnmatchcase(entry.path, pattern)]
        return sorted(found, key=lambda entry: entry.path)

    def _cached_manifest(self) -> Path:
        key = manifest_key(self.name, self.number)
        name = hashlib.sha256(f"{key}\n{self.tag}".encode()).hexdigest()
        kept = self.store.root / "manifests" / f"{name}.json"
        if not kept.exists():
            self.store.check_folder()
            content = self.store.objects.get(key)
            if content is None:
                raise StoreError(f"{self} is gone from {self.store.url}; `synth datasets list` shows what there is")
            write_bytes(kept, content)
        return kept

    def _fetch(self, entry: FileEntry, path: Path) -> None:
        found = self.store.objects.fetch(data_key(entry), path)
        if found != entry.sha256:
            problem = "is missing" if found is None else "was changed: its sha256 is not the manifest's"
            raise StoreError(f"{self} is damaged: {entry.path} {problem}; look with `synth datasets verify {self}`")


@dataclass(frozen=True)
class RemoteStore(Store):
    """Versions in a bucket; `root` is the working folder."""

    url: str

    @property
    def where(self) -> str:
        return self.url

    @cached_property
    def objects(self) -> Objects:
        return Objects(self.url)

    def check_writable(self) -> None:
        """Refuse early a bucket that can't be written, or that lets two writers take one number."""
        self.check_folder()
        if self.objects.create("store.json", _MARK) and self.objects.create("store.json", _MARK):
            raise StoreError(
                f"the server of {self.url} ignores conditional puts (If-None-Match), so two writers could take one number; choose another --store"
            )
        write_bytes(self.root / ADDRESS, f"{self.url}\n".encode())

    def check_folder(self) -> None:
        try:
            super().check_folder()
        except StoreError as error:
            raise StoreError(
                f"what is read of {self.url} can't be kept in {self.root}; name a folder that can be written in XDG_CACHE_HOME"
            ) from error

    def names(self) -> list[str]:
        return sorted({version.name for version in self._versions("versions")})

    def iterate(self, name: str) -> Iterator[VersionRef]:
        yield from sorted(self._versions(f"versions/{name}"), key=lambda version: version.number)

    def claim(self, folder: Path, manifest: Manifest, reporter: Reporter | None = None) -> VersionRef:
        """Put the files that are not there yet, then the manifest under the first number that nobody has.

        A put whose answer was lost is found out by the manifest that is there being ours.
        """
        reporter = reporter or Silent()
        reporter.stage(f"upload to {self.url}", sum(entry.bytes for entry in manifest.files))
        for entry in manifest.files:
            if self.objects.size(data_key(entry)) != entry.bytes:
                self.objects.put(data_key(entry), folder / entry.path)
            reporter.advance(entry.bytes)
        for _ in range(_ATTEMPTS):
            tried = self.numbered(manifest)
            key, content = manifest_key(tried.name, tried.version), as_json(tried)
            if self.objects.create(key, content) or self._is_at(key, content):
                for entry in manifest.files:
                    self.keep(entry, folder / entry.path)
                return self.find(f"{tried.name}@{tried.version}")
        raise StoreError(f"no number for {manifest.name} could be claimed in {self.url}; try again")

    def kept(self, entry: FileEntry) -> Path:
        """Where the cache has a file."""
        return self.root / data_key(entry)

    def keep(self, entry: FileEntry, path: Path) -> None:
        """Take a file that is what the manifest says into the cache, where that costs no copy."""
        kept = self.kept(entry)
        with suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, kept)

    def _is_at(self, key: str, content: bytes) -> bool:
        there = self.objects.get(key)
        if there is None:
            time.sleep(0.1)  # a put of somebody else is on its way
        return there == content

    def _versions(self, prefix: str) -> Iterator[RemoteVersion]:
        for each in self.objects.list(prefix):
            found = _KEY.fullmatch(each.key)
            if found:
                name, number = found[1], int(found[2])
                yield RemoteVersion(name, number, self.versions / name / str(number), self, each.tag)
