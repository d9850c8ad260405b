"""What of a version stands under licences that are known to allow commercial use.

Whoever uses it still has to keep their terms, such as naming the source or sharing alike.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synth.export.pool import Mask, Pool
from synth.files import read_batches
from synth.licences import allows_commercial_use
from synth.ragged import ragged
from synth.store import VersionRef

Ids = npt.NDArray[np.int64]


class CommercialDocuments:
    """Documents of a version whose licence is known to allow commercial use.

    A version states the licence of a document with the records that were made of it; a document without a record has
    none that is known. Holds 8 bytes for each document.
    """

    def __init__(self, version: VersionRef) -> None:
        found: list[Ids] = []
        for path in version.record_files():
            for batch in read_batches(path, ("provenance.licence", "positive.document_id")):
                ids = pc.struct_field(batch["positive"], "document_id")
                keys = _keys(ids.filter(_allowed(batch["provenance"])).to_pylist())
                found = [np.unique(np.concatenate([*found, keys]))] if len(found) > 64 else [*found, np.unique(keys)]
        self._known = np.unique(np.concatenate([np.empty(0, np.int64), *found]))

    def has(self, document_ids: pa.Array) -> Mask:
        """For each of them, whether it is one."""
        return np.isin(_keys(document_ids.to_pylist()), self._known)

    def records(self, records: pa.Table) -> Mask:
        """Which records have an allowed licence and no further positive without one."""
        allowed: Mask = _allowed(records["provenance"].combine_chunks()).to_numpy(zero_copy_only=False).copy()
        more = records["more_positives"].combine_chunks()
        flat = pc.list_flatten(more)
        if len(flat):
            owner = ragged(pc.list_value_length(more).to_numpy(zero_copy_only=False).astype(np.int64))[0]
            allowed[owner[~self.has(pc.struct_field(flat, "document_id"))]] = False
        return allowed

    def passages(self, pool: Pool) -> Mask:
        """Which passages of a pool are of such documents, by place."""
        return self.has(pool.field("document_id"))


def _allowed(provenance: pa.StructArray) -> pa.Array:
    licences = pc.struct_field(provenance, "licence")
    known = [each for each in pc.unique(licences).to_pylist() if allows_commercial_use(each)]
    return pc.is_in(licences, value_set=pa.array(known, pa.string()))


def _keys(ids: Iterable[str]) -> Ids:
    """64 bits for each id, the same within one process."""
    return np.fromiter(map(hash, ids), dtype=np.int64)
