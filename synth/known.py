"""The documents of an earlier version: which of them are as they were, and the splits and ids they keep.

A document is what its passages say: title, headings and texts. So it can be compared with any
published version, which holds passages and not documents; bytes that no passage holds, such as
a trailing space, change nothing. Of a million documents this holds some 17 MB and their ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from glob import escape
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.arrow import arrow_schema
from schemas.document import Document, Passage, Split
from synth.files import ParquetSink, read_batches, sha256_of_file, write_parquet
from synth.text import hash64

Keys = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
PassagesOf = Callable[[Document], Iterable[Passage]]

RENAMED = "renamed.parquet"
"""Of a corpus: ids that documents keep, and what they would be called now."""
_DOCUMENTS = pa.schema([("id", pa.string()), ("content", pa.uint64()), ("is_test", pa.bool_())])
_COLUMNS = ("document_id", "title", "heading", "text", "split")


@dataclass(frozen=True)
class KnownDocuments:
    """The documents of a version, sorted by key.

    key: a hash of each id, ascending, shape (n,); content: a hash of what its passages say, shape (n,)
    frozen: whether its test split may not grow
    """

    ids: pa.Array
    key: Keys
    content: Keys
    is_test: Mask
    frozen: bool
    sha256: str
    """Of all this."""

    @staticmethod
    def load(path: Path, *, frozen: bool) -> KnownDocuments:
        """What `write_known` wrote."""
        table = pq.read_table(path).combine_chunks()
        key = keys_of(table["id"].to_pylist())
        order = np.argsort(key, kind="stable")
        return KnownDocuments(
            table["id"].chunk(0).take(pa.array(order)) if table.num_rows else pa.array([], pa.string()),
            key[order],
            table["content"].to_numpy()[order],
            table["is_test"].to_numpy(zero_copy_only=False)[order],
            frozen,
            f"{sha256_of_file(path)}-{frozen}",
        )

    def is_known(self, key: Keys) -> Mask:
        """Which documents stand in the version, as they are or otherwise."""
        return self._place(key) >= 0

    def is_unchanged(self, key: Keys, content: Keys) -> Mask:
        """Which documents stand in the version as they are."""
        place = self._place(key)
        same: Mask = (place >= 0) & (self.content[place] == content) if len(self.key) else place >= 0
        return same

    def split_of(self, document_id: str, passages: Sequence[Passage]) -> Split | None:
        """The split that a document keeps, or must have; None where its id decides."""
        key = np.asarray([hash64(document_id)], dtype=np.uint64)
        place = int(self._place(key)[0])
        same = place >= 0 and self.content[place] == content_of(passages)
        if place >= 0 and (same or not self.frozen):
            return "test" if self.is_test[place] else "train"
        return "train" if self.frozen else None

    def _place(self, key: Keys) -> npt.NDArray[np.int64]:
        return places_of(self.key, key)


@dataclass(frozen=True)
class Contents:
    """What the documents of a corpus say, in the order of their passages."""

    ids: list[str]
    content: Keys
    is_test: Mask

    @cached_property
    def key(self) -> Keys:
        return keys_of(self.ids)


def read_contents(passages: Path) -> Contents:
    """Documents of a passages file, in which those of one document stand together."""
    ids: list[str] = []
    content: list[int] = []
    is_test: list[bool] = []
    for document_id, rows in groupby(_rows(passages), key=itemgetter("document_id")):
        own = list(rows)
        ids.append(document_id)
        content.append(_content(own))
        is_test.append(own[0]["split"] == "test")
    return Contents(ids, np.asarray(content, dtype=np.uint64), np.asarray(is_test, dtype=bool))


def write_known(passages: Path, path: Path) -> None:
    """The documents of a version, out of its passages."""
    found = read_contents(passages)
    columns = [pa.array(found.ids, pa.string()), pa.array(found.content), pa.array(found.is_test)]
    write_parquet(path, pa.table(columns, schema=_DOCUMENTS))


def keys_of(ids: Iterable[str]) -> Keys:
    """A hash of each id."""
    return np.fromiter(map(hash64, ids), dtype=np.uint64)


def places_of(ascending: Keys, keys: Keys) -> npt.NDArray[np.int64]:
    """Where each of `keys` stands in `ascending`, or -1."""
    if not len(ascending):
        return np.full(len(keys), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(ascending, keys), len(ascending) - 1)
    return np.where(ascending[place] == keys, place, -1)


def content_of(passages: Sequence[Passage]) -> int:
    """A hash of what the passages of one document say."""
    return _content([vars(passage) for passage in passages])


def _rows(passages: Path) -> Iterator[dict[str, Any]]:
    for batch in read_batches(passages, _COLUMNS):
        yield from batch.to_pylist()


def _content(rows: Sequence[dict[str, Any]]) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for row in rows:
        for name in ("title", "heading", "text"):
            said = row[name].encode()
            digest.update(len(said).to_bytes(8, "big"))
            digest.update(said)
    return int.from_bytes(digest.digest(), "big")


def keep_ids(folder: Path, known: KnownDocuments, passages_of: PassagesOf) -> None:
    """Give documents that the version held under another id, which is free now, that id again.

    So a renamed file stays the document it was, and a copy beside it, which ingesting merges,
    does not replace it. Changes `documents.parquet`, and writes RENAMED where there are any.
    """
    path = folder / "documents.parquet"
    key = keys_of(each for batch in read_batches(path, ["id"]) for each in batch["id"].to_pylist())
    free = np.flatnonzero(~np.isin(known.key, key))
    if not len(free):
        return
    waiting = dict(zip(known.content[free][::-1].tolist(), free[::-1].tolist(), strict=True))
    renamed: dict[str, str] = {}
    is_known = known.is_known(key)
    rows = (row for batch in read_batches(path, size=256) for row in batch.to_pylist())
    for row, is_old in zip(rows, is_known.tolist(), strict=True):
        passages = [] if is_old else list(passages_of(Document.model_construct(**row)))
        place = waiting.pop(content_of(passages), None) if passages else None
        if place is not None:
            renamed[row["id"]] = known.ids[place].as_py()
    if renamed:
        table = pa.table({"id": list(renamed.values()), "now": list(renamed)})
        write_parquet(folder / RENAMED, table)
        _rename(path, table)


def _rename(path: Path, renamed: pa.Table) -> None:
    with duckdb.connect(
        config={"memory_limit": "256MB", "threads": 2, "temp_directory": str(path.parent / "spill")}
    ) as session:
        session.from_arrow(renamed).create_view("renamed")
        session.read_parquet(escape(str(path))).create_view("documents")
        schema = arrow_schema(Document)
        with ParquetSink(path, schema) as sink:
            for batch in session.sql(_RENAMED).to_arrow_reader(1024):
                sink.add_table(pa.Table.from_batches([batch]).select(schema.names))


_RENAMED = """
SELECT coalesce(renamed.id, documents.id) AS id, documents.* EXCLUDE (id)
FROM documents LEFT JOIN renamed ON documents.id = renamed.now ORDER BY 1
"""
