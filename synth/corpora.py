"""The passages of a run: made of its documents, or taken from an earlier run that made the same.

STORE/corpora/KEY/ holds what `synth.ingest` writes, under a hash of all that it depends on:
the names and bytes of the files, and how they are read, cleaned, cut and compared.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from schemas.base import sha256_of
from schemas.document import Document, RejectedSource
from schemas.manifest import SourceCount
from schemas.recipe import Recipe
from synth.corpus import Corpus
from synth.documents import list_sources, read_documents
from synth.files import sha256_of_file, write_bytes
from synth.gates import CleaningGate, build_gate
from synth.ingest import ingest, main_language
from synth.progress import Reporter

METHOD = 1
"""Raised when the same documents give other passages than before."""

_READERS = ("trafilatura", "pypdfium2", "python-docx", "sentencex")


@dataclass(frozen=True)
class Documents:
    """Where documents are, and which fields of rows hold what; None tries the usual names."""

    paths: tuple[Path, ...]
    text_field: str | None = None
    title_field: str | None = None
    id_field: str | None = None

    def read(self) -> Iterator[Document | RejectedSource]:
        """Every document, streaming (`synth.documents.read_documents`)."""
        return read_documents(
            self.paths, text_field=self.text_field, title_field=self.title_field, id_field=self.id_field
        )


def make_corpus(
    documents: Documents, recipe: Recipe, store: Path, folder: Path, reporter: Reporter, *, keep: bool = True
) -> tuple[Corpus, SourceCount, str]:
    """Fill `folder` as `ingest` does, from what lies under `store` where that is the same.

    Returns the passages, the count of sources and the corpus hash; with `keep` they are there for the next run.
    """
    reporter.stage("read documents")
    key = corpus_key(documents, recipe)
    if key is not None and _link_all(store / key, folder):
        corpus = Corpus(folder)
        reporter.note(f"the documents are as they were: {len(corpus):,} passages taken from {store / key}")
        count = SourceCount.model_validate_json((folder / "sources.json").read_bytes())
        return corpus, count, (folder / "corpus_sha256").read_text()
    made = ingest(documents.read(), recipe, folder, reporter)
    write_bytes(folder / "corpus_sha256", made[2].encode())
    if keep and key is not None and key == corpus_key(documents, recipe):  # else they changed while they were read
        _keep(folder, store / key)
    return made


def corpus_key(documents: Documents, recipe: Recipe) -> str | None:
    """What the passages depend on, as a hash; None where a file can't be read."""
    try:
        files = [
            [source.name, source.suffix, sha256_of_file(source.path)]
            if not isinstance(source, RejectedSource)
            else [source.source, source.reason, source.detail]
            for source in list_sources(documents.paths)
        ]
    except OSError:
        return None
    fields = asdict(documents)
    del fields["paths"]
    cleaning = [gate for gate in recipe.gates if isinstance(build_gate(gate), CleaningGate)]
    return sha256_of(
        {
            "method": METHOD,
            "readers": [_installed(name) for name in _READERS],
            "files": sorted(files),
            "fields": fields,
            "cleaning": [gate.model_dump(mode="json") for gate in cleaning],
            "chunk": recipe.chunk.model_dump(mode="json"),
            "splits": recipe.splits.model_dump(mode="json"),
            "language": main_language(recipe),
        }
    )


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _keep(folder: Path, kept: Path) -> None:
    """What can't be kept is made again next time."""
    half = kept.with_name(f".{kept.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        if _link_all(folder, half):
            half.rename(kept)
    except OSError:
        pass
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _link_all(source: Path, target: Path) -> bool:
    """The same files under another folder; they are never changed, so links will do."""
    try:
        names = [entry.name for entry in os.scandir(source) if entry.is_file() and not entry.name.startswith(".")]
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            (target / name).unlink(missing_ok=True)
            _link(source / name, target / name)
    except OSError:
        return False
    return True


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
