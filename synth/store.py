"""The store: a folder with runs, answers, embeddings, versions and the catalogue.

STORE/runs/RUN_ID/…            everything one execution made, stage by stage
STORE/corpora/KEY/…            passages by the documents they are of, shared by all runs
STORE/answers/GENERATION/…     what LLMs answered, shared by all runs
STORE/personas/KEY.jsonl       personas derived for a run, by documents and settings
STORE/enriched/KEY.jsonl       documents of a run, those of chosen sources rewritten, with their originals
STORE/invented/KEY.jsonl       documents and task instructions written for a run, by topics and settings
STORE/pools/KEY/…              passages of pairs of one's own, and their score tables
STORE/sources/NAME/COMMIT/…   documents fetched from the Hub, as they were at a commit
STORE/embeddings/TEACHER/…     vectors by content, shared by all runs
STORE/versions/NAME/N/…        immutable versions: manifest.json and Parquet
STORE/versions/NAME/collected.json  what is known of versions that were removed
STORE/catalog.duckdb           a cache of the manifests

A store at an address such as s3://bucket/prefix keeps its versions there (`synth.remote`); everything else
is in a folder of the user's cache, which is the `root` of that store.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from schemas.manifest import Manifest
from synth.errors import StoreError, suggest
from synth.progress import Reporter

DEFAULT_STORE = "synth-store"
ADDRESS = "address"
"""File in the working folder of a store elsewhere: the URL of that store."""
_NAME = re.compile(r"^[a-z0-9][a-z0-9._-]*$")
_TAKEN = re.compile(
    r"versions|funnel|files|parents|runs|items|scores|positives|answers|.*_(rejects|retired|passages|sources|scores)"
)
"""Tables and views of the catalogue; a dataset of such a name would hide them."""


def choose_store(flag: str | None) -> Store:
    """`--store` wins over `SYNTH_STORE`, which wins over `./synth-store`."""
    chosen = flag or os.environ.get("SYNTH_STORE") or DEFAULT_STORE
    if "://" in chosen:
        from synth.remote import open_remote

        return open_remote(chosen)
    try:
        store = Store(Path(chosen).expanduser().absolute())
        store.root.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise StoreError(f"the store {chosen!r} can't be used: {error}; choose another with --store PATH") from error
    return store


def check_name(name: str) -> str:
    """A dataset name that is safe as a folder; StoreError where it is not."""
    if not _NAME.fullmatch(name):
        raise StoreError(
            f"{name!r} can't name a dataset: use lower-case letters, digits, '-', '_' and '.', such as 'my-dataset'"
        )
    if _TAKEN.fullmatch(name):
        raise StoreError(f"{name!r} can't name a dataset: the catalogue uses that name; choose another with --name")
    return name


def open_store(root: Path) -> Store:
    """The store that works in a folder: the folder itself, or one elsewhere whose address stands in it."""
    address = root / ADDRESS
    if not address.is_file():
        return Store(root)
    from synth.remote import RemoteStore

    return RemoteStore(root, address.read_text(encoding="utf-8").strip())


@dataclass(frozen=True)
class VersionRef:
    """A published version: its name, number and folder. Read its files through `file` and `record_files`."""

    name: str
    number: int
    path: Path

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"

    @property
    def where(self) -> str:
        """Its folder or address, for people."""
        return str(self.path)

    def file(self, path: str) -> Path:
        """A file of the version by its path in the manifest, as one on this machine."""
        return self.path / path

    def record_files(self) -> list[Path]:
        """Files with records, in the order of their names."""
        return sorted((self.path / "records").glob("*.parquet"))

    @contextmanager
    def fresh(self) -> Iterator[VersionRef]:
        """The version as a folder with the bytes that are stored now, whatever was read of it before."""
        yield self

    @property
    def manifest(self) -> Manifest:
        """The version's manifest; StoreError where it is missing or damaged."""
        file = self.file("manifest.json")
        try:
            return Manifest.model_validate_json(file.read_bytes())
        except OSError as error:
            raise StoreError(f"{self} has no readable manifest ({self.where}: {error.strerror})") from error
        except ValidationError as error:
            first = error.errors()[0]
            raise StoreError(
                f"{self.where}/manifest.json is damaged: field {'.'.join(map(str, first['loc']))}: {first['msg']}; publish again with `synth resume`"
            ) from error


@dataclass(frozen=True)
class Store:
    """Paths of a store. Nothing is created until something is written."""

    root: Path

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def corpora(self) -> Path:
        return self.root / "corpora"

    @property
    def embeddings(self) -> Path:
        return self.root / "embeddings"

    @property
    def pools(self) -> Path:
        return self.root / "pools"

    @property
    def personas(self) -> Path:
        return self.root / "personas"

    @property
    def enriched(self) -> Path:
        return self.root / "enriched"

    @property
    def invented(self) -> Path:
        return self.root / "invented"

    @property
    def answers(self) -> Path:
        return self.root / "answers"

    @property
    def versions(self) -> Path:
        return self.root / "versions"

    @property
    def catalog(self) -> Path:
        return self.root / "catalog.duckdb"

    @property
    def where(self) -> str:
        """Its folder or address, as --store takes it."""
        return str(self.root)

    def check_writable(self) -> None:
        """Refuse early, with one sentence, a store that can't be written."""
        self.check_folder()

    def check_folder(self) -> None:
        """Refuse a working folder that can't be written."""
        nearest = self.root
        while not nearest.exists():
            nearest = nearest.parent
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            raise StoreError(
                f"the store {self.root} can't be written ({nearest} is not a writable folder); choose another with --store PATH or SYNTH_STORE"
            )

    def names(self) -> list[str]:
        """Names of all datasets that have a version."""
        if not self.versions.is_dir():
            return []
        return sorted(p.name for p in self.versions.iterdir() if p.is_dir() and any(self.iterate(p.name)))

    def iterate(self, name: str) -> Iterator[VersionRef]:
        """Versions of a dataset, oldest first."""
        folder = self.versions / name
        numbers = sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit()) if folder.is_dir() else []
        for number in numbers:
            yield VersionRef(name, number, folder / str(number))

    def find(self, reference: str) -> VersionRef:
        """`name`, `name@latest` or `name@N`; StoreError names what there is instead."""
        name, _, wanted = reference.partition("@")
        found = list(self.iterate(name)) if _NAME.fullmatch(name) else []
        if not found:
            raise StoreError(f"no dataset {name!r} in {self.where}{suggest(name, self.names())}")
        if wanted in ("", "latest"):
            return found[-1]
        for version in found:
            if str(version.number) == wanted:
                return version
        raise StoreError(f"{name} has no version {wanted!r}; it has {', '.join(str(v.number) for v in found)}")

    def numbered(self, manifest: Manifest) -> Manifest:
        """The manifest with the number after the newest version's, which is its parent unless another was named."""
        newest = max((version.number for version in self.iterate(manifest.name)), default=0)
        parent = manifest.parent or (f"{manifest.name}@{newest}" if newest else "")
        return manifest.model_copy(update={"version": newest + 1, "parent": parent})

    def claim(self, folder: Path, manifest: Manifest, reporter: Reporter | None = None) -> VersionRef:  # noqa: ARG002
        """Make the finished files in `folder` the next version of their dataset; StoreError or OSError leave what was.

        The folder is renamed to the next number, which fails where that is taken; then the next is tried.
        """
        from synth.files import sync, write_model  # with pyarrow, which the help of a verb does not wait for

        while True:
            tried = self.numbered(manifest)
            write_model(folder / "manifest.json", tried)
            target = self.versions / tried.name / str(tried.version)
            try:
                os.rename(folder, target)
            except OSError:
                if not target.exists():
                    raise
                continue
            sync(target.parent)
            return VersionRef(tried.name, tried.version, target)
