"""The content hash of a version: what is in it, not when, where or in which batches it was made."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc


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
                content.update("".join(array.to_pylist()).encode())

    def hexdigest(self) -> str:
        """The hash of everything added so far."""
        digest = hashlib.sha256()
        for name, (lengths, content) in self._columns.items():
            digest.update(name.encode() + lengths.digest() + content.digest())
        return digest.hexdigest()
