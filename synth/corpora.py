"""The passages of a run: made of its documents, or taken from an earlier run that made the same.

STORE/corpora/KEY/ holds what `synth.ingest` writes, under a hash of all that it depends on:
the names and bytes of the files, and how they are read, cleaned, cut and compared.
"""

from __future__ import annotations

import inspect
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import orjson

from schemas.base import sha256_of
from schemas.document import Document, RejectedSource
from schemas.manifest import SourceCount
from schemas.recipe import Recipe
from synth.corpus import Corpus
from synth.documents import list_sources, read_documents
from synth.documents.walk import SourceFile
from synth.errors import DocumentError, StoreError
from synth.files import replace_atomically, sha256_of_file, write_bytes
from synth.gates import CleaningGate, build_gate
from synth.ingest import ingest, main_language
from synth.known import KnownDocuments
from synth.progress import Reporter

_LIBRARIES = ("lxml", "pypdfium2", "pystemmer", "python-docx", "sentencex", "trafilatura")
_SIZES = "files.json"
_OURS = (
    "ingest.py",
    "chunk.py",
    "known.py",
    "language.py",
    "lexicon.py",
    "near.py",
    "ragged.py",
    "scripts.py",
    "sensitive.py",
    "shingle_sets.py",
    "text.py",
    "documents/*.py",
)
"""Another version of these may make other passages of the same documents."""


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
    documents: Documents,
    recipe: Recipe,
    store: Path,
    folder: Path,
    reporter: Reporter,
    *,
    keep: bool = True,
    known: KnownDocuments | None = None,
) -> tuple[Corpus, SourceCount, str]:
    """Fill `folder` as `ingest` does, from what lies under `store` where that is the same.

    Returns the passages, the count of sources and the corpus hash; with `keep` they are there for the next run.
    """
    reporter.stage("read documents")
    key = corpus_key(documents, recipe, known)
    taken = _take(store / key, folder) if key is not None else None
    if taken is not None:
        reporter.note(f"the documents are as they were: {len(taken[0]):,} passages taken from the store")
        return taken
    made = ingest(documents.read(), recipe, folder, reporter, known)
    write_bytes(folder / "corpus_sha256", made[2].encode())
    if keep and key is not None and _is_still(key, documents, recipe, known):
        _keep(folder, store / key)
    return made


def corpus_key(documents: Documents, recipe: Recipe, known: KnownDocuments | None = None) -> str | None:
    """What the passages depend on, as a hash; None where a file can't be read, or only once."""
    try:
        files = [_described(source) for source in list_sources(documents.paths)]
    except OSError:
        return None
    fields = asdict(documents)
    del fields["paths"]
    cleaning = [(gate, found) for gate in recipe.gates if isinstance(found := build_gate(gate), CleaningGate)]
    return sha256_of(
        {
            "libraries": [_installed(name) for name in _LIBRARIES],
            "code": _code_sha256(),
            "files": sorted(files),
            "fields": fields,
            "cleaning": [
                [gate.model_dump(mode="json"), sha256_of_file(Path(inspect.getfile(type(found))))]
                for gate, found in cleaning
            ],
            "chunk": recipe.chunk.model_dump(mode="json"),
            "splits": recipe.splits.model_dump(mode="json"),
            "language": main_language(recipe),
            "finds_language": len(recipe.plan.language) > 1,
            **({"known": known.sha256} if known else {}),
        }
    )


def _described(source: SourceFile | RejectedSource) -> list[str]:
    if isinstance(source, RejectedSource):
        return [source.source, source.reason, source.detail]
    if not source.path.is_file():
        raise OSError(f"{source.name} is no regular file")
    return [source.name, source.suffix, sha256_of_file(source.path)]


def _is_still(key: str, documents: Documents, recipe: Recipe, known: KnownDocuments | None) -> bool:
    """Whether the documents did not change while they were read."""
    try:
        return corpus_key(documents, recipe, known) == key
    except DocumentError:
        return False


@cache
def _code_sha256() -> str:
    here = Path(__file__).parent
    return sha256_of([sha256_of_file(file) for name in _OURS for file in sorted(here.glob(name))])


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _take(kept: Path, folder: Path) -> tuple[Corpus, SourceCount, str] | None:
    """What was kept, in a folder that holds nothing else; None where it is not there, or damaged and now removed."""
    if not kept.is_dir():
        return None
    shutil.rmtree(folder, ignore_errors=True)
    try:
        if orjson.loads((kept / _SIZES).read_bytes()) == _sizes(kept):
            _link_all(kept, folder)
            count = SourceCount.model_validate_json((folder / "sources.json").read_bytes())
            return Corpus(folder), count, (folder / "corpus_sha256").read_text()
    except (OSError, ValueError, KeyError):  # those of orjson, pydantic and Arrow are among them
        pass
    shutil.rmtree(kept, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _keep(folder: Path, kept: Path) -> None:
    """What can't be kept is made again next time."""
    half = kept.with_name(f".{kept.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        _link_all(folder, half)
        write_bytes(half / _SIZES, orjson.dumps(_sizes(half)))
        half.rename(kept)
    except (OSError, StoreError):
        pass
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _sizes(folder: Path) -> dict[str, int]:
    return {entry.name: entry.stat().st_size for entry in os.scandir(folder) if entry.name != _SIZES}


def _link_all(source: Path, target: Path) -> None:
    """The same files under another folder; they are never changed, so links will do."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in os.scandir(source):
        if entry.is_file() and entry.name != _SIZES and not entry.name.startswith("."):
            _link(source / entry.name, target / entry.name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        with replace_atomically(target) as temporary:
            shutil.copyfile(source, temporary)
