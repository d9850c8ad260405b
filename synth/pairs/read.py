"""Reads pairs in the shapes that people have: rows, BEIR folders, published versions, the Hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from schemas.document import Split
from synth.errors import DocumentError, InputError, suggest
from synth.files import read_batches
from synth.pairs import Pairs
from synth.pairs.rows import read_rows
from synth.store import Store

QUERY = ("query", "anchor", "question", "queries", "sentence1", "input")
POSITIVE = (
    "positive",
    "positives",
    "pos",
    "positive_passages",
    "answer",
    "passage",
    "document",
    "text",
    "sentence2",
    "context",
)
NEGATIVE = ("negative", "negatives", "neg", "negative_passages")
TEXT = ("text", "passage", "contents", "content", "body", "document")
ID = ("id", "_id", "docid", "doc_id", "passage_id")
GROUP = ("group", "document_id")
ID_OF_QUERY = ("query_id", "query-id", "qid")
ID_OF_PASSAGE = ("doc_id", "corpus-id", "docid", "corpus_id")
LABEL = ("score", "relevance", "label")

Row = dict[str, Any]
Rows = Iterable[tuple[str, Row]]
"""With where each stands."""


@dataclass(frozen=True)
class Fields:
    """Fields that a user named; None tries the usual names."""

    query: str | None = None
    positive: str | None = None
    source: str | None = None


def read_pairs(source: str, store: Store, corpus: Path | None = None, fields: Fields = Fields()) -> Pairs:
    """Pairs from a file or folder of rows, a BEIR folder, `hf://NAME[:SPLIT]`, or a version in the
    store (`NAME[@N][:SPLIT]`). Where no split is named it is `train`.

    Rows hold a query and one positive or a list of them, as texts or as objects with a text; texts that
    stand there as negatives join the pool when no `corpus` (rows with a text) is given. Passages are in the
    order of their texts. Raises DocumentError
    where something is missing, and StoreError for a version that is not there.
    """
    pairs = Pairs()
    path = Path(source)
    if source.startswith("hf://"):
        _add_hub(pairs, source, fields, with_negatives=corpus is None)
    elif is_beir(path):
        _add_beir(pairs, *_read_beir(path))
    elif path.exists() or path.suffix or len(path.parts) > 1:
        _add_rows(pairs, read_rows(path), fields, with_negatives=corpus is None)
    else:
        _add_version(pairs, store, source)
    if corpus is not None:
        for where, row in read_rows(corpus):
            _add_passage(pairs, where, row)
    if not pairs.count:
        raise DocumentError(f"{source} holds no pair of a query and a positive ({_told(pairs)})")
    return pairs.by_text()


def _add_rows(pairs: Pairs, rows: Iterable[tuple[str, Row]], fields: Fields, *, with_negatives: bool) -> None:
    names: tuple[str, str] | None = None
    for where, row in rows:
        if names is None or names[0] not in row or names[1] not in row:
            names = (
                choose_field(row, fields.query, QUERY, where, "query"),
                choose_field(row, fields.positive, POSITIVE, where, "positive"),
            )
        query = row[names[0]]
        texts = list(passages_in(row[names[1]]))
        if not isinstance(query, str) or not query.strip():
            pairs.skipped["no query"] += 1
            continue
        if not texts:
            pairs.skipped["no positive"] += 1
            continue
        label = row.get(fields.source or "source", "")
        known = [pairs.add_passage(*each) for each in texts]
        pairs.add(
            query, known, str(first_of(row, ("query_id", "qid", "id")) or ""), "" if label is None else str(label)
        )
        if with_negatives:
            for name in NEGATIVE:
                for each in passages_in(row.get(name)):
                    pairs.add_passage(*each)


def choose_field(row: Row, given: str | None, usual: tuple[str, ...], where: str, what: str) -> str:
    """The field of a row that was named, else the first usual one; DocumentError says what there is."""
    if given is not None:
        if given not in row:
            raise DocumentError(f"{where} has no field {given!r}, which --{what}-field names{suggest(given, row)}")
        return given
    by_lower = {name.lower(): name for name in row}
    found = next((by_lower[name] for name in usual if name in by_lower), None)
    if found is None:
        raise DocumentError(
            f"{where} has no field that is known to hold a {what} (its fields are {', '.join(row)}): name it with --{what}-field"
        )
    return found


def passages_in(value: Any) -> Iterator[tuple[str, str, str]]:
    """(text, id, group) of a text, an object with a text, or a list of either."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str) and each.strip():
            yield each, "", ""
        elif isinstance(each, dict) and str(first_of(each, TEXT) or "").strip():
            yield text_of(each), str(first_of(each, ID) or ""), str(first_of(each, GROUP) or "")


def text_of(row: Row) -> str:
    """Title and text, as retrievers are given them."""
    title, text = str(row.get("title") or "").strip(), str(first_of(row, TEXT) or "")
    return f"{title}\n{text}" if title and not text.startswith(title) else text


def first_of(row: Row, names: tuple[str, ...]) -> Any:
    """What the first filled field of these names holds, None where none is."""
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _add_passage(pairs: Pairs, where: str, row: Row) -> int:
    choose_field(row, None, TEXT, where, "text")
    if not text_of(row).strip():
        pairs.skipped["empty passage"] += 1
        return -1
    return pairs.add_passage(text_of(row), str(first_of(row, ID) or ""), str(first_of(row, GROUP) or ""))


def is_beir(path: Path) -> bool:
    """Whether a folder holds a corpus and queries."""
    return path.is_dir() and bool(beir_file(path, "corpus")) and bool(beir_file(path, "queries"))


def beir_file(path: Path, stem: str) -> Path | None:
    """The file or folder of a BEIR folder that holds `corpus`, `queries` or `qrels`."""
    places = [path / f"{stem}{suffix}" for suffix in (".jsonl", ".jsonl.gz", ".parquet", ".tsv")]
    return next((place for place in places if place.exists()), path / stem if (path / stem).is_dir() else None)


def _read_beir(folder: Path) -> tuple[Rows, Rows, Rows]:
    """`corpus`, `queries` and `qrels` (a file, or a folder of which all splits are read)."""
    corpus, queries, qrels = (beir_file(folder, stem) for stem in ("corpus", "queries", "qrels"))
    if qrels is None or corpus is None or queries is None:
        raise DocumentError(f"{folder} has a corpus and queries but no qrels: put in qrels.jsonl or qrels/train.tsv")
    return read_rows(corpus), read_rows(queries), read_rows(qrels)


def _add_hub(pairs: Pairs, address: str, fields: Fields, *, with_negatives: bool) -> None:
    from synth.hub import read_tables

    tables = read_tables(address.removeprefix("hf://"), prefer="train")
    named = {
        name: [(f"{address}, {name} row {n}", row) for n, row in enumerate(rows, 1)] for name, rows in tables.items()
    }
    if "corpus" in named:
        _add_beir(pairs, named["corpus"], named["queries"], named["qrels"])
    else:
        _add_rows(pairs, named["rows"], fields, with_negatives=with_negatives)


def _add_beir(pairs: Pairs, corpus: Rows, queries: Rows, qrels: Rows) -> None:
    ordinals = {str(first_of(row, ID)): _add_passage(pairs, where, row) for where, row in corpus}
    texts = {str(first_of(row, ID)): str(row.get("text") or "") for _, row in queries}
    for where, row in qrels:
        query, passage, score = (first_of(row, names) for names in (ID_OF_QUERY, ID_OF_PASSAGE, LABEL))
        if str(query) not in texts or str(passage) not in ordinals:
            raise DocumentError(
                f"{where} of the qrels names {query!r} and {passage!r}, of which one is in neither corpus nor queries"
            )
        grade = grade_of(where, score)
        if grade > 0 and texts[str(query)].strip() and ordinals[str(passage)] >= 0:
            pairs.add(texts[str(query)], [ordinals[str(passage)]], str(query))
        else:
            pairs.skipped["judged not relevant" if grade <= 0 else "empty"] += 1


def grade_of(where: str, score: object) -> float:
    """A judgement as a number; DocumentError where it is none."""
    try:
        return float(str(score))
    except ValueError as error:
        raise DocumentError(
            f"{where} of the qrels has the score {score!r}, which is no number; give one in a column {', '.join(LABEL)}"
        ) from error


def _add_version(pairs: Pairs, store: Store, source: str) -> None:
    """`NAME[@N][:SPLIT]`: the records of a split, `train` where none is named, beside the passages of all splits."""
    reference, _, wanted = source.partition(":")
    splits: tuple[Split, ...] = ("train", "test")
    if wanted not in ("", "all", *splits):
        raise InputError(f"{source}: a dataset has no split {wanted!r}; write {reference}:train, :test or :all")
    version = store.find(reference)
    for batch in read_batches(version.file("passages.parquet"), ["id", "document_id", "text", "split"]):
        for row in batch.to_pylist():
            pairs.add_passage(row["text"], row["id"], row["document_id"], row["split"])
    for split in splits:
        rows = pq.read_table(
            version.file(f"records/{split}.parquet"), columns=["id", "query", "positive", "more_positives"]
        ).to_pylist()
        if wanted != "all" and split != (wanted or "train"):
            pairs.skipped[f"in its split {split}, which is {reference}:{split}:"] += len(rows)
            continue
        for row in rows:
            found = [row["positive"], *row["more_positives"]]
            known = [pairs.add_passage(each["text"], each["passage_id"], each["document_id"], split) for each in found]
            pairs.add(row["query"], known, row["id"])
    pairs.skipped = +pairs.skipped


def _told(pairs: Pairs) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in pairs.skipped.items()) or "no row was read"
