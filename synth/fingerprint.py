"""The content hash of a version: what is in it, not when, where or in which batches it was made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.base import canonical_json
from synth.files import read_batches
from synth.store import VersionRef

_RECORD_TEXT = (
    "id",
    "instruction",
    "query",
    "positive",
    "more_positives",
    "split",
    "negatives",
    "in_batch_mask",
    "attributes",
    "judgement",
)
_REJECT_TEXT = ("id", "status", "reason")
_RETIRED_TEXT = ("id", "reason")
SPLITS = ("train", "test")
SURPLUS = "surplus"
"""Reason of accepted items beyond the number that was asked for; they are no content."""
_ROWS = 8_192
"""Records whose texts are joined at a time."""


class ContentHash:
    """sha256 over columns of text in canonical row order.

    Lengths and bytes of each column are hashed apart, so that the result does not depend
    on how the rows were batched, and no two tables share a hash by shifting a boundary.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = {name: (hashlib.sha256(), hashlib.sha256()) for name in columns}

    def add(self, rows: pa.Table) -> None:
        """Rows that follow the ones before; every column is text without nulls."""
        for name, (lengths, content) in self._columns.items():
            for chunk in rows[name].chunks:
                array = chunk.cast(pa.large_string())
                lengths.update(pc.binary_length(array).cast(pa.int64()).to_numpy().astype("<i8").tobytes())
                content.update(_bytes_of(array))

    def hexdigest(self) -> str:
        """The hash of everything added so far."""
        digest = hashlib.sha256()
        for name, (lengths, content) in self._columns.items():
            digest.update(name.encode() + lengths.digest() + content.digest())
        return digest.hexdigest()


class VersionHash:
    """`content_sha256` of a version, from the records of each split, its rejects and what an update retired, in file order."""

    def __init__(self) -> None:
        self._parts: dict[str, ContentHash] = {split: ContentHash(_RECORD_TEXT) for split in SPLITS}
        self._parts |= {"rejects": ContentHash(_REJECT_TEXT), "retired": ContentHash(_RETIRED_TEXT)}

    def add_records(self, table: pa.Table) -> None:
        """Rows with the columns of NTuple: texts, ids and negatives count, no score and no time."""
        for split in SPLITS:
            own = table.filter(pc.equal(table["split"], split))
            for batch in own.to_batches(max_chunksize=_ROWS):
                self._parts[split].add(_texts_of(batch))

    def add_rejects(self, table: pa.Table) -> None:
        """Rows with the columns of Reject, surplus ones among them."""
        self._parts["rejects"].add(table.filter(pc.not_equal(table["reason"], SURPLUS)))

    def add_retired(self, table: pa.Table) -> None:
        """Rows with the columns of Retired."""
        self._parts["retired"].add(table)

    def hexdigest(self) -> str:
        """The hash of everything added so far."""
        both = ContentHash(tuple(self._parts))
        both.add(pa.table({name: [part.hexdigest()] for name, part in self._parts.items()}))
        return both.hexdigest()


def content_sha256(version: VersionRef) -> str:
    """The content hash of a version, worked out from its files."""
    content = VersionHash()
    for path in version.record_files():
        _add(path, _RECORD_TEXT, content.add_records)
    _add(version.file("rejects.parquet"), _REJECT_TEXT, content.add_rejects)
    if any(file.path == "retired.parquet" for file in version.manifest.files):
        _add(version.file("retired.parquet"), _RETIRED_TEXT, content.add_retired)
    return content.hexdigest()


def _add(path: Path, columns: Sequence[str], add: Callable[[pa.Table], None]) -> None:
    for batch in read_batches(path, columns):
        add(pa.Table.from_batches([batch]))


def _bytes_of(array: pa.Array) -> memoryview:
    """The texts one after the other, as they lie in memory."""
    _, ends, content = array.buffers()
    offsets = np.frombuffer(ends, dtype=np.int64)[array.offset : array.offset + len(array) + 1] if ends else [0, 0]
    return memoryview(content or b"")[int(offsets[0]) : int(offsets[-1])]


def _texts_of(records: pa.RecordBatch) -> pa.Table:
    """Texts, ids and negatives of records as plain columns."""
    plain = {name: records[name] for name in ("id", "instruction", "query", "split")}
    lists = {name: _joined(records[name], _named(records[name].flatten())) for name in ("more_positives", "negatives")}
    lists["in_batch_mask"] = _joined(records["in_batch_mask"], records["in_batch_mask"].flatten())
    said = {"attributes": _as_json(records["attributes"], pc.list_value_length(records["attributes"]))}
    said["judgement"] = _as_json(records["judgement"], records["judgement"].is_valid().cast(pa.int8()))
    return pa.table({**plain, "positive": _named(records["positive"]), **lists, **said})


def _named(passages: pa.StructArray) -> pa.Array:
    parts = (pc.struct_field(passages, name).cast(pa.large_string()) for name in ("passage_id", "text"))
    return pc.binary_join_element_wise(*parts, pa.scalar("\x1f", pa.large_string()))


def _joined(lists: pa.ListArray, values: pa.Array) -> pa.Array:
    """The values of each list with a separator between them."""
    offsets = np.concatenate([[0], np.cumsum(pc.list_value_length(lists).to_numpy())])
    texts = values.cast(pa.large_string())
    return pc.binary_join(
        pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), texts), pa.scalar("\x1e", pa.large_string())
    )


def _as_json(column: pa.Array, sizes: pa.Array) -> pa.Array:
    """Canonical JSON of every value whose size is above 0, else ''."""
    texts = np.full(len(column), "", dtype=object)
    filled = np.flatnonzero(sizes.to_numpy(zero_copy_only=False) > 0)
    for place, value in zip(filled, column.take(pa.array(filled)).to_pylist(), strict=True):
        texts[place] = canonical_json(value).decode()
    return pa.array(texts, type=pa.string())
