"""Vectors by content: a text is embedded once per model and store.

A cache is a folder of immutable Parquet segments (key, vector); a segment appears whole
or not at all, so a killed run loses at most the block it was embedding, and any number of
processes may write at the same time. Many small segments are merged into one before they are
removed, so that a reader finds every vector at any moment. Keys are 16-byte hashes; in memory
a text takes 20 bytes.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from synth.arrays import Floats, Ints
from synth.errors import StoreError
from synth.files import ROW_GROUP, ParquetSink, write_parquet

Keys = npt.NDArray[np.bytes_]
"""Shape (n,), 16 bytes each."""

MOST_SMALL = 64
"""Segments that are not full yet; with more than so many, they are merged."""
FULL = 262_144
"""Rows from which a segment is never merged again."""
_KEY = "S16"


def key_of(*parts: str) -> bytes:
    """16 bytes that stand for a text, or for several in their order."""
    if len(parts) == 1:
        return hashlib.blake2b(parts[0].encode(), digest_size=16).digest()
    whole = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode()
        whole.update(len(encoded).to_bytes(8, "little") + encoded)
    return whole.digest()


class EmbeddingCache:
    """Vectors of one model and side (query or document), of `dimension`; stored as `dtype`, given as float32.

    Raises StoreError for a segment that is damaged. Not for several threads at once.
    """

    def __init__(self, folder: Path, dimension: int, dtype: npt.DTypeLike = np.float32) -> None:
        self._folder = folder
        self._dimension = dimension
        self._dtype: np.dtype[Any] = np.dtype(dtype)
        self._segments: dict[Path, _Segment] = {}

    def embed(self, texts: Sequence[str], encode: Callable[[Sequence[str]], Floats]) -> Floats:
        """Vectors of `texts`, shape (n, dimension); only unknown texts are encoded."""
        keys = [key_of(text) for text in texts]
        return self.fetch(keys, lambda rows: encode([texts[row] for row in rows]))

    def fetch(self, keys: Sequence[bytes], make: Callable[[Sequence[int]], Floats]) -> Floats:
        """Vectors by their keys, shape (n, dimension); `make` is given the places of unknown keys, each key once."""
        wanted = np.array(keys, dtype=_KEY)
        if self._add(wanted, make):
            self._merge()
        return self._gather(wanted)

    def keep(self, texts: Sequence[str], encode: Callable[[Sequence[str]], Floats]) -> None:
        """Encode unknown texts into one segment and merge none: many processes may do so for one corpus."""
        keys = np.array([key_of(text) for text in texts], dtype=_KEY)
        self._add(keys, lambda rows: encode([texts[row] for row in rows]))

    def _add(self, wanted: Keys, make: Callable[[Sequence[int]], Floats]) -> bool:
        """Whether anything was unknown, each key made once."""
        if not self._unknown(wanted).any():
            return False
        self._list()
        unknown = np.flatnonzero(self._unknown(wanted))
        if not len(unknown):
            return False
        _, first = np.unique(wanted[unknown], return_index=True)
        rows = unknown[np.sort(first)]
        self._append(wanted[rows], make(rows.tolist()))
        return True

    def _unknown(self, keys: Keys) -> npt.NDArray[np.bool_]:
        unknown = np.ones(len(keys), dtype=bool)
        for segment in self._segments.values():
            unknown[unknown] = segment.places(keys[unknown]) < 0
        return unknown

    def _gather(self, keys: Keys) -> Floats:
        vectors = np.empty((len(keys), self._dimension), dtype=np.float32)
        left = np.arange(len(keys))
        while len(left):
            for segment in list(self._segments.values()):
                places = segment.places(keys[left])
                found = places >= 0
                if found.any():
                    try:
                        vectors[left[found]] = segment.read(places[found])
                    except FileNotFoundError:  # another process has merged it
                        del self._segments[segment.path]
                        continue
                    left = left[~found]
            if len(left):
                self._list()
                if self._unknown(keys[left]).any():
                    raise StoreError(
                        f"vectors were removed from {self._folder} while they were needed; run the same command again"
                    )
        return vectors

    def _list(self) -> None:
        """Find out what other processes have written and removed."""
        there = set(self._folder.glob("*.parquet"))
        for path in self._segments.keys() - there:
            del self._segments[path]
        for path in sorted(there - self._segments.keys()):
            with suppress(FileNotFoundError):
                self._segments[path] = _Segment(path, _read_keys(path, self._dimension))

    def _append(self, keys: Keys, vectors: Floats) -> None:
        stored = np.asarray(vectors, dtype=self._dtype)
        if stored.shape != (len(keys), self._dimension):
            raise ValueError(f"{len(keys)} texts gave vectors of shape {stored.shape}, not {self._dimension} wide")
        packed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(keys), [None, pa.py_buffer(keys.tobytes())])
        column = pa.FixedSizeListArray.from_arrays(pa.array(stored.ravel()), self._dimension)
        path = self._new_path()
        write_parquet(path, pa.table({"key": packed, "vector": column}))
        self._segments[path] = _Segment(path, keys)

    def _merge(self) -> None:
        """Make one segment of the oldest small ones, where there are too many; those are removed afterwards."""
        small = [segment for segment in self._segments.values() if len(segment) < FULL]
        if len(small) <= MOST_SMALL:
            return
        with ExitStack() as stack:
            try:
                ages = {segment.path: segment.path.stat().st_mtime_ns for segment in small}
                taken = _until_full(sorted(small, key=lambda segment: (ages[segment.path], segment.path)))
                files = [stack.enter_context(_opened(segment.path)) for segment in taken]
            except FileNotFoundError:
                return  # another process is merging them
            keys = np.concatenate([segment.keys() for segment in taken])
            first = np.zeros(len(keys), dtype=bool)
            first[np.unique(keys, return_index=True)[1]] = True
            path = self._new_path()
            with ParquetSink(path, files[0].schema_arrow) as sink:
                for table in _in_groups(_batches(files, [segment.path for segment in taken]), first):
                    sink.add_table(table)
        self._segments[path] = _Segment(path, keys[first])
        for segment in taken:
            segment.path.unlink(missing_ok=True)
            del self._segments[segment.path]

    def _new_path(self) -> Path:
        return self._folder / f"{uuid.uuid4().hex}.parquet"


class _Segment:
    """What is known of a file: its keys, sorted, and the row of each."""

    def __init__(self, path: Path, keys: Keys) -> None:
        self.path = path
        self._rows = np.argsort(keys, kind="stable").astype(np.int32)
        self._keys = keys[self._rows]

    def __len__(self) -> int:
        return len(self._keys)

    def keys(self) -> Keys:
        """In the order of the rows."""
        ordered = np.empty_like(self._keys)
        ordered[self._rows] = self._keys
        return ordered

    def places(self, keys: Keys) -> Ints:
        """The row of each key, -1 where it is not here."""
        if not len(self._keys):
            return np.full(len(keys), -1, dtype=np.int64)
        near = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[near] == keys, self._rows[near], -1).astype(np.int64)

    def read(self, rows: Ints) -> Floats:
        """Vectors of some rows, in the order asked; only their row groups are read."""
        with _opened(self.path) as file:
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            ends = np.cumsum(sizes)
            group_of = np.searchsorted(ends, rows, side="right")
            found = np.empty((len(rows), file.schema_arrow.field("vector").type.list_size), dtype=np.float32)
            for group in np.unique(group_of).tolist():
                column = file.read_row_group(group, columns=["vector"])["vector"].combine_chunks()
                stored = column.flatten().to_numpy(zero_copy_only=False).reshape(sizes[group], -1)
                here = group_of == group
                found[here] = stored[rows[here] - (ends[group] - sizes[group])]
        return found


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A segment; StoreError where it is not what was written."""
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, next(iter(str(error).splitlines()), type(error).__name__)) from error


def _read_keys(path: Path, dimension: int) -> Keys:
    with _opened(path) as file:
        schema = file.schema_arrow
        if schema.names != ["key", "vector"] or schema.field("key").type != pa.binary(16):
            raise _damaged(path, f"it has the columns {', '.join(schema.names)}")
        if schema.field("vector").type.list_size != dimension:
            raise _damaged(
                path, f"its vectors have {schema.field('vector').type.list_size} dimensions, not {dimension}"
            )
        column = file.read(columns=["key"])["key"].combine_chunks()
    if not len(column):
        return np.empty(0, dtype=_KEY)
    return np.frombuffer(column.buffers()[1], dtype=_KEY, count=len(column), offset=column.offset * 16).copy()


def _damaged(path: Path, reason: str) -> StoreError:
    return StoreError(
        f"{path} can't be read ({reason}): remove that file and run the same command again; the texts in it are then embedded again"
    )


def _until_full(segments: Iterable[_Segment]) -> list[_Segment]:
    taken: list[_Segment] = []
    for segment in segments:
        taken.append(segment)
        if len(taken) > 1 and sum(map(len, taken)) >= FULL:
            break
    return taken


def _batches(files: Sequence[Any], paths: Sequence[Path]) -> Iterator[pa.Table]:
    for file, path in zip(files, paths, strict=True):
        try:
            for batch in file.iter_batches(batch_size=ROW_GROUP):
                yield pa.Table.from_batches([batch])
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, next(iter(str(error).splitlines()), type(error).__name__)) from error


def _in_groups(tables: Iterable[pa.Table], keep: npt.NDArray[np.bool_]) -> Iterator[pa.Table]:
    """The rows to keep of some tables, as tables of at least a row group each but for the last."""
    waiting: list[pa.Table] = []
    start = 0
    for table in tables:
        waiting.append(table.filter(pa.array(keep[start : start + table.num_rows])))
        start += table.num_rows
        if sum(held.num_rows for held in waiting) >= ROW_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)
