"""Where passages lie in their documents, by id: 16 bytes for each passage of a version."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from synth.export.pool import Pool, Rows
from synth.files import read_batches
from synth.store import VersionRef

SPAN = pa.struct(
    [("passage_id", pa.string()), ("document_id", pa.string()), ("start", pa.int64()), ("end", pa.int64())]
)


class Spans:
    """Start and end of every passage of a version, in characters of its document as it was stored."""

    def __init__(self, version: VersionRef) -> None:
        keys, starts, ends = [], [], []
        for batch in read_batches(version.file("passages.parquet"), ("id", "start", "end")):
            keys.append(_keys(batch["id"]))
            starts.append(batch["start"].to_numpy().astype(np.int32))
            ends.append(batch["end"].to_numpy().astype(np.int32))
        known = np.concatenate([np.empty(0, np.int64), *keys])
        order = np.argsort(known, kind="stable")
        self._keys = known[order]
        self._start, self._end = (np.concatenate([np.empty(0, np.int32), *parts])[order] for parts in (starts, ends))

    def of(self, pool: Pool, rows: Rows) -> pa.ListArray:
        """For each row a span a passage, in its order; a negative that was made has no start and no end."""
        ids = pool.field("passage_id")
        wanted = _keys(ids)
        place = np.minimum(np.searchsorted(self._keys, wanted), max(len(self._keys) - 1, 0))
        is_known = self._keys[place] == wanted if len(self._keys) else np.zeros(len(wanted), dtype=bool)
        sides = [
            pa.array(side[place].astype(np.int64) if len(side) else np.zeros(len(wanted), np.int64), mask=~is_known)
            for side in (self._start, self._end)
        ]
        spans = pa.StructArray.from_arrays([ids, pool.field("document_id"), *sides], fields=list(SPAN))
        return rows.as_list(spans)


def _keys(ids: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.fromiter(map(hash, ids.to_pylist()), dtype=np.int64)
