"""Documents in, passages out: read, merge, split, chunk, scrub, compare. Streams throughout."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from glob import escape
from itertools import chain
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from schemas.arrow import arrow_schema
from schemas.document import Document, Passage, RejectedSource, Split
from schemas.manifest import SourceCount
from schemas.recipe import Recipe
from synth.chunk import chunk_document
from synth.corpus import Corpus
from synth.errors import DocumentError
from synth.files import ParquetSink, read_batches, write_model, write_parquet
from synth.gates import CleaningGate, build_record_gates
from synth.known import KnownDocuments, keep_ids
from synth.language import identify, primary
from synth.lexicon import build_lexicon
from synth.near import Pairs, distinct, find_near_pairs, find_nearest_of
from synth.progress import Reporter
from synth.shingle_sets import read_shingles
from synth.text import draw, normalise

_READ = pa.schema([*arrow_schema(Document), ("text_key", pa.string())])
_NEAR = pa.schema([("first", pa.int64()), ("second", pa.int64())])
_BLOCK = 4_096
LETTERS, SURE = 40, 0.5
"""Of a document whose language is looked for: how many it must have, and how likely the language must be."""
NEAR_SHINGLE = 3
"""Passages are compared by word 3-grams."""


def ingest(
    sources: Iterable[Document | RejectedSource],
    recipe: Recipe,
    folder: Path,
    reporter: Reporter,
    known: KnownDocuments | None = None,
) -> tuple[Corpus, SourceCount, str]:
    """Make the run's passages; returns them, the count of sources, and the corpus hash.

    Nothing depends on the order in which sources arrive. Documents of an earlier version, which is
    `known`, keep the ids and splits they have there. Raises DocumentError when no passage is left.
    """
    cleaners = [gate for gate in build_record_gates(recipe.gates) if isinstance(gate, CleaningGate)]
    with _Rejects(folder) as rejects:
        _write_read(_told(sources, recipe), cleaners, folder, rejects, reporter)
        _merge_documents(folder, rejects)
        if known is not None:
            keep_ids(folder, known, lambda document: _passages_of(document, recipe, cleaners))
        corpus_sha256, kept = _write_passages(recipe, cleaners, folder, rejects, reporter, known)
    dropped = dict(sorted(rejects.counts.items()))
    if not kept:
        reasons = ", ".join(f"{reason} {count}" for reason, count in dropped.items()) or "nothing was read"
        raise DocumentError(
            f"no passage could be made from the documents ({reasons}); see `synth generate --help` for the formats"
        )
    reporter.stage("compare passages")
    compare_passages(folder, recipe.splits.near_duplicate)
    corpus = Corpus(folder)
    build_lexicon(corpus.labelled_texts(), main_language(recipe)).save(folder)
    count = SourceCount(read=kept + sum(dropped.values()), kept=kept, dropped=dropped)
    write_model(folder / "sources.json", count)
    return corpus, count, corpus_sha256


def _told(sources: Iterable[Document | RejectedSource], recipe: Recipe) -> Iterable[Document | RejectedSource]:
    """The sources, their language found where none is told and the recipe has several."""
    if len(recipe.plan.language) < 2:
        return sources
    return (_with_language(source) if isinstance(source, Document) else source for source in sources)


def _with_language(document: Document) -> Document:
    found = identify(document.text, LETTERS) if not document.language else None
    if found is None or found.probability < SURE:
        return document
    return document.model_copy(update={"language": found.language})


def split_of(document_id: str, test_share: float) -> Split:
    """The split of a document: a hash of its id alone, so that it never moves."""
    return "test" if draw("split", document_id) < test_share else "train"


def document_digest(document: Document) -> bytes:
    """A document's part of the corpus hash, which is over these in order of ids."""
    parts = [document.id, document.title, document.text]
    if document.language or document.topic:
        parts += [document.language, document.topic]
    return b"".join(hashlib.sha256(part.encode()).digest() for part in parts)


def main_language(recipe: Recipe) -> str:
    """The language most items are asked for in; documents are read as being in it."""
    weights = recipe.plan.language
    return max(sorted(weights), key=lambda name: weights[name])


class _Rejects(ParquetSink):
    """Sources that did not become documents with passages: counted, and kept by name."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "rejected_sources.parquet", arrow_schema(RejectedSource))
        self.counts: Counter[str] = Counter()

    def add(self, rejected: RejectedSource) -> None:
        self.counts[rejected.reason] += 1
        self.add_rows([rejected.model_dump()])


def _write_read(
    sources: Iterable[Document | RejectedSource],
    cleaners: Sequence[CleaningGate],
    folder: Path,
    rejects: _Rejects,
    reporter: Reporter,
) -> None:
    with ParquetSink(folder / "read.parquet", _READ) as documents:
        for source in sources:
            reporter.advance()
            if isinstance(source, RejectedSource):
                rejects.add(source)
                continue
            row = source.model_dump()
            for gate in cleaners:
                row |= {"text": gate.clean(row["text"]), "title": gate.clean(row["title"])}
            key = hashlib.sha256(normalise(row["text"]).encode()).hexdigest()
            documents.add_rows([row | {"text_key": key}])


def _merge_documents(folder: Path, rejects: _Rejects) -> None:
    """Sort by id, merge exact duplicates, tell apart different texts under one id."""
    with duckdb.connect(
        config={"memory_limit": "256MB", "threads": 2, "temp_directory": str(folder / "spill")}
    ) as session:
        session.execute("SET preserve_insertion_order = false")
        session.read_parquet(escape(str(folder / "read.parquet"))).create_view("read")
        session.execute(_KEPT)
        session.execute(_MERGED)
        with ParquetSink(folder / "documents.parquet", arrow_schema(Document)) as sink:
            for batch in session.sql("SELECT * FROM merged ORDER BY id").to_arrow_reader(1024):
                sink.add_table(pa.Table.from_batches([batch]).select(arrow_schema(Document).names))
        for batch in session.sql(_COPIES).to_arrow_reader(1024):
            for row in batch.to_pylist():
                rejects.add(RejectedSource(source=row["source"], reason="duplicate_document", detail=row["detail"]))
    (folder / "read.parquet").unlink()


_KEPT = """
CREATE TEMP TABLE kept AS
SELECT text_key, min(struct_pack(id, source, title, licence, text, language, topic, written_by)) AS first FROM read GROUP BY text_key
"""
_MERGED = """
CREATE TEMP VIEW merged AS
SELECT CASE WHEN count(*) OVER (PARTITION BY first.id) > 1 THEN first.id || '~' || text_key[:8] ELSE first.id END AS id,
       first.title AS title, first.text AS text, first.source AS source, first.licence AS licence,
       first.language AS language, first.topic AS topic, first.written_by AS written_by
FROM kept
"""
_COPIES = """
SELECT source, 'the same text as ' || first.source AS detail
FROM (SELECT source, text_key, row_number() OVER (PARTITION BY text_key ORDER BY id, source, title, licence) AS place
      FROM read) JOIN kept USING (text_key)
WHERE place > 1 ORDER BY source, detail
"""


def _write_passages(
    recipe: Recipe,
    cleaners: Sequence[CleaningGate],
    folder: Path,
    rejects: _Rejects,
    reporter: Reporter,
    known: KnownDocuments | None,
) -> tuple[str, int]:
    digest = hashlib.sha256()
    kept = 0
    reporter.stage("chunk documents")
    with ParquetSink(folder / "passages.parquet", arrow_schema(Passage)) as sink:
        for batch in read_batches(folder / "documents.parquet", size=256):
            for row in batch.to_pylist():
                reporter.advance()
                document = Document.model_construct(**row)
                digest.update(document_digest(document))
                passages = list(_passages_of(document, recipe, cleaners))
                moved = {"split": split} if known and (split := known.split_of(document.id, passages)) else {}
                sink.add_rows(passage.model_dump() | moved for passage in passages)
                kept += bool(passages)
                if not passages:
                    rejects.add(
                        RejectedSource(
                            source=document.source,
                            reason="no_passage",
                            detail="nothing but headings, or all of it dropped as sensitive",
                        )
                    )
    return digest.hexdigest(), kept


def _passages_of(document: Document, recipe: Recipe, cleaners: Sequence[CleaningGate]) -> Iterator[Passage]:
    language = primary(document.language or main_language(recipe))
    split = split_of(document.id, recipe.splits.test)
    for number, chunk in enumerate(chunk_document(document.text, recipe.chunk, language)):
        text: str | None = document.text[chunk.start : chunk.end]
        flags: list[str] = []
        for gate in cleaners:
            if text is not None:
                text, found = gate.clean_passage(text)
                flags += found
        if text:
            yield Passage(
                id=f"{document.id}#{number}",
                document_id=document.id,
                title=document.title,
                heading=chunk.heading,
                text=text,
                start=chunk.start,
                end=chunk.end,
                split=split,
                language=document.language,
                topic=document.topic,
                written_by=document.written_by,
                flags=flags,
            )


def compare_passages(folder: Path, threshold: float) -> None:
    """Write `near_pairs.parquet`: the passages whose word 3-gram sets have a Jaccard similarity of at least `threshold`."""
    (folder / "passages.arrow").unlink(missing_ok=True)
    write_parquet(folder / "near_pairs.parquet", pa.table({"first": [], "second": []}, schema=_NEAR))
    pairs = _near_pairs(Corpus(folder), threshold)
    write_parquet(folder / "near_pairs.parquet", pa.table({"first": pairs[:, 0], "second": pairs[:, 1]}, schema=_NEAR))


def _near_pairs(corpus: Corpus, threshold: float) -> Pairs:
    """Near pairs of passages; of every train passage that is near to a test passage, one such pair is there in any crowd."""
    order = np.argsort(~corpus.is_test, kind="stable")
    tests = int(np.count_nonzero(corpus.is_test))
    blocks = (corpus.texts(order[start : start + _BLOCK]) for start in range(0, len(order), _BLOCK))
    sets = read_shingles(chain.from_iterable(blocks), NEAR_SHINGLE)
    leaked = find_nearest_of(sets, tests, threshold)
    found = np.flatnonzero(leaked >= 0)
    leaks = np.stack([leaked[found], found + tests], axis=1)
    pairs = np.concatenate([find_near_pairs(sets, threshold), leaks])
    return distinct(np.sort(order[pairs], axis=1), len(order))
