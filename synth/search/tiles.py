"""Vectors a tile at a time: in memory or mapped from disk, float32 or float16."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.arrays import Floats
from synth.errors import InputError

Vectors = npt.NDArray[np.floating[Any]]

TILE_BYTES = 1 << 28
"""Of float32 vectors that are searched at a time; bounds memory whatever the size of the corpus."""


class Tile:
    """Some vectors in a row; what was found out about them is kept when they are let go of."""

    def __init__(self, vectors: Vectors, start: int = 0, stop: int | None = None) -> None:
        self.start = start
        self._vectors = vectors
        self._stop = len(vectors) if stop is None else stop
        self._read: Floats | None = None

    def __len__(self) -> int:
        return self._stop - self.start

    def read(self) -> Floats:
        """As contiguous float32, shape (n, d); held until `drop`."""
        if self._read is None:
            self._read = read_tile(self._vectors, self.start, self._stop)
        return self._read

    def drop(self) -> None:
        self._read = None
        give_back(self._vectors)

    @cached_property
    def longest(self) -> float:
        """Length of the longest vector; InputError where one is not finite."""
        return float(norms_of(self.read(), "passage", self.start).max())

    @cached_property
    def digest(self) -> bytes:
        """Stands for all values."""
        values = self.read()
        digest = hashlib.sha256(repr(values.shape).encode())
        digest.update(values.data)
        return digest.digest()


def tile_bounds(vectors: Vectors, rows: int = 0) -> Iterator[tuple[int, int]]:
    """Start and end of each tile, of `rows` vectors (0: as many as TILE_BYTES hold)."""
    rows = rows or max(1, TILE_BYTES // (4 * max(1, vectors.shape[1])))
    for start in range(0, len(vectors), rows):
        yield start, min(start + rows, len(vectors))


def read_tile(vectors: Vectors, start: int, stop: int) -> Floats:
    """Some rows as contiguous float32; a view where they are that already."""
    return np.ascontiguousarray(vectors[start:stop], dtype=np.float32).view(np.ndarray)


def norms_of(vectors: Floats, what: str, first: int = 0) -> npt.NDArray[np.float64]:
    """Length of each row, shape (n,); InputError where a row is not finite. `first`: the ordinal of row 0."""
    norms: npt.NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", vectors, vectors), dtype=np.float64)
    if not np.isfinite(norms).all():
        row = first + int(np.argmin(np.isfinite(norms)))
        raise InputError(
            f"the vector of {what} {row} has a value that is not finite or too large; embed it again, or leave it out"
        )
    return norms


def is_large_map(vectors: Vectors) -> bool:
    """Whether the vectors lie on disk and are more than one tile."""
    return _mapping(vectors) is not None and vectors.nbytes > TILE_BYTES


def give_back(vectors: Vectors) -> None:
    """Let the system take back the pages of mapped vectors that were read; they stay on disk."""
    mapping = _mapping(vectors)
    if mapping is not None and vectors.nbytes > TILE_BYTES and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def _mapping(vectors: Vectors) -> mmap.mmap | None:
    """The shared mapping behind an array; a private one (mode `c`) may hold changes and is let alone."""
    base: Any = vectors
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.mode in ("r", "r+", "w+"):
            found = getattr(base, "_mmap", None)
            return found if isinstance(found, mmap.mmap) else None
        base = base.base
    return None
