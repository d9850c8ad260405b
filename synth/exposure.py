"""What becomes public with a version: whose documents, under which licences, with which sensitive data in them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.compute as pc

from schemas.document import Document
from schemas.recipe import Recipe
from synth.documents import read_documents
from synth.errors import InputError
from synth.files import read_batches
from synth.gates import CleaningGate, build_record_gates
from synth.ingest import document_digest
from synth.resources import find_shipped
from synth.sensitive import find_sensitive, masked_kinds
from synth.store import VersionRef


@dataclass
class Exposure:
    """Texts are the passages, the queries and the negatives that were made."""

    texts: int = 0
    found: Counter[str] = field(default_factory=Counter)
    """Texts in which sensitive data stands, by kind."""
    masked: Counter[str] = field(default_factory=Counter)
    """Texts in which it was masked."""


def is_shipped(recipe: Recipe) -> bool:
    """Whether the documents are one of the corpora that ship with synth, to the letter."""
    if not recipe.corpus_sha256:
        return False
    try:
        cleaners = [gate for gate in build_record_gates(recipe.gates) if isinstance(gate, CleaningGate)]
    except InputError:  # of a gate that is not installed here
        return False
    folders = [each for each in find_shipped("data", "corpora").iterdir() if each.is_dir()]
    return any(_digest(folder, cleaners) == recipe.corpus_sha256 for folder in folders)


def _digest(folder: Path, cleaners: Sequence[CleaningGate]) -> str:
    """The corpus hash of a folder of documents."""
    digest = hashlib.sha256()
    documents = (each for each in read_documents([folder]) if isinstance(each, Document))
    for document in sorted(documents, key=lambda each: each.id):
        text, title = document.text, document.title
        for gate in cleaners:
            text, title = gate.clean(text), gate.clean(title)
        digest.update(document_digest(document.model_copy(update={"text": text, "title": title})))
    return digest.hexdigest()


def count_sensitive(version: VersionRef) -> Exposure:
    """Look at every text that a push sends, whatever the gates did."""
    exposure = Exposure()
    for text in _texts(version):
        exposure.texts += 1
        exposure.found.update({finding.kind for finding in find_sensitive(text)})
        exposure.masked.update(set(masked_kinds(text)))
    return exposure


def _texts(version: VersionRef) -> Iterator[str]:
    for batch in read_batches(version.file("passages.parquet"), ["text"]):
        yield from batch["text"].to_pylist()
    for file in version.record_files():
        for batch in read_batches(file, ["query", "negatives"]):
            yield from batch["query"].to_pylist()
            negatives = pc.list_flatten(batch["negatives"])
            made = pc.not_equal(pc.struct_field(negatives, "method"), "mined")
            yield from pc.struct_field(negatives.filter(made), "text").to_pylist()
