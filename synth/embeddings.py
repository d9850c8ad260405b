"""Vectors by content: a text is embedded once per model and store.

A cache is a folder of immutable Parquet segments (key, vector); a segment appears whole
or not at all, so a killed run loses at most the batch it was embedding, and two runs may
write at the same time. Keys are 16-byte hashes of the text.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synth.files import write_parquet
from synth.teachers import Floats


class EmbeddingCache:
    """Vectors of one model and side (query or document), float32 of `dimension`."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self._folder = folder
        self._dimension = dimension
        self._places: dict[bytes, tuple[Path, int]] = {}
        for segment in sorted(folder.glob("*.parquet")):
            self._remember(segment, pq.read_table(segment, columns=["key"])["key"].to_pylist())

    def embed(self, texts: Sequence[str], encode: Callable[[Sequence[str]], Floats]) -> Floats:
        """Vectors of `texts`, shape (n, dimension); only unknown texts are encoded."""
        keys = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
        fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._places}
        if fresh:
            self._append(list(fresh), np.asarray(encode(list(fresh.values())), dtype=np.float32))
        return self._gather(keys)

    def _gather(self, keys: Sequence[bytes]) -> Floats:
        vectors = np.empty((len(keys), self._dimension), dtype=np.float32)
        by_segment: dict[Path, list[int]] = {}
        for row, key in enumerate(keys):
            by_segment.setdefault(self._places[key][0], []).append(row)
        for segment, rows in by_segment.items():
            column = pq.read_table(segment, columns=["vector"])["vector"].combine_chunks()
            stored = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, self._dimension)
            vectors[rows] = stored[[self._places[keys[row]][1] for row in rows]]
        return vectors

    def _append(self, keys: Sequence[bytes], vectors: Floats) -> None:
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), self._dimension)
        segment = self._folder / f"{uuid.uuid4().hex}.parquet"
        write_parquet(segment, pa.table({"key": pa.array(keys, type=pa.binary(16)), "vector": column}))
        self._remember(segment, keys)

    def _remember(self, segment: Path, keys: Sequence[bytes]) -> None:
        self._places.update((key, (segment, row)) for row, key in enumerate(keys))
