"""The store: a folder with runs, answers, embeddings, versions and the catalogue.

STORE/runs/RUN_ID/…            everything one execution made, stage by stage
STORE/corpora/KEY/…            passages by the documents they are of, shared by all runs
STORE/answers/GENERATION/…     what LLMs answered, shared by all runs
STORE/personas/KEY.jsonl       personas derived for a run, by documents and settings
STORE/pools/KEY/…              passages of pairs of one's own, and their score tables
STORE/embeddings/TEACHER/…     vectors by content, shared by all runs
STORE/versions/NAME/N/…        immutable versions: manifest.json and Parquet
STORE/catalog.duckdb           a cache of the manifests
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from schemas.manifest import Manifest
from synth.errors import StoreError, suggest

DEFAULT_STORE = "synth-store"
_NAME = re.compile(r"^[a-z0-9][a-z0-9._-]*$")
_TAKEN = re.compile(r"versions|funnel|files|.*_(rejects|passages|sources)")
"""Tables and views of the catalogue; a dataset of such a name would hide them."""


def choose_store(flag: str | None) -> Store:
    """`--store` wins over `SYNTH_STORE`, which wins over `./synth-store`."""
    chosen = flag or os.environ.get("SYNTH_STORE") or DEFAULT_STORE
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


@dataclass(frozen=True)
class VersionRef:
    """A published version: its name, number and folder."""

    name: str
    number: int
    path: Path

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"

    @property
    def manifest(self) -> Manifest:
        """The version's manifest; StoreError where it is missing or damaged."""
        file = self.path / "manifest.json"
        try:
            return Manifest.model_validate_json(file.read_bytes())
        except OSError as error:
            raise StoreError(f"{self} has no readable manifest ({file}: {error.strerror})") from error
        except ValidationError as error:
            first = error.errors()[0]
            raise StoreError(
                f"{file} is damaged: field {'.'.join(map(str, first['loc']))}: {first['msg']}; publish again with `synth resume`"
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
    def personas(self) -> Path:
        return self.root / "personas"

    @property
    def answers(self) -> Path:
        return self.root / "answers"

    @property
    def versions(self) -> Path:
        return self.root / "versions"

    @property
    def catalog(self) -> Path:
        return self.root / "catalog.duckdb"

    def check_writable(self) -> None:
        """Refuse early, with one sentence, a store that can't be written."""
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
            raise StoreError(f"no dataset {name!r} in {self.root}{suggest(name, self.names())}")
        if wanted in ("", "latest"):
            return found[-1]
        for version in found:
            if str(version.number) == wanted:
                return version
        raise StoreError(f"{name} has no version {wanted!r}; it has {', '.join(str(v.number) for v in found)}")
