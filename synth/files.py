"""Atomic files: written to a temporary name, fsynced, renamed. Readers never see half a file."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from synth.errors import StoreError

ROW_GROUP = 4_096


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it is fsynced and takes its name.

    Raises StoreError when the folder can't be written (read-only, full disk).
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yields a hidden path beside `path`; the folder that was made there takes its name on success, and is gone otherwise."""
    hidden = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        yield hidden
        hidden.rename(path)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a small file atomically."""
    with replace_atomically(path) as temporary:
        temporary.write_bytes(content)


def as_json(model: BaseModel) -> bytes:
    """A model as indented JSON."""
    return orjson.dumps(model.model_dump(mode="json"), option=orjson.OPT_INDENT_2) + b"\n"


def write_model(path: Path, model: BaseModel) -> None:
    """Write a model as indented JSON, atomically."""
    write_bytes(path, as_json(model))


def copy_file(source: Path, target: Path) -> None:
    """Copy a file atomically."""
    with replace_atomically(target) as temporary:
        shutil.copyfile(source, temporary)


class ParquetSink:
    """Streams rows or batches into one Parquet file that appears only when it is whole.

    >>> with ParquetSink(path, schema) as sink:
    ...     sink.add_rows(rows)
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema, self.rows = path, schema, 0
        self._pending: list[Any] = []

    def __enter__(self) -> Self:
        self._replacing = replace_atomically(self.path)
        self._temporary = self._replacing.__enter__()
        try:
            self._writer = pq.ParquetWriter(self._temporary, self.schema, compression="zstd", write_page_index=True)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        return self

    def add_rows(self, rows: Iterable[dict[str, Any]]) -> None:
        """Rows as dictionaries; at most one row group of them is held in memory."""
        for row in rows:
            self._pending.append(row)
            if len(self._pending) == ROW_GROUP:
                self._flush()

    def add_table(self, table: pa.Table, *, one_row_group: bool = False) -> None:
        """A whole table as row groups of its own (after any pending rows)."""
        self._flush()
        if table.num_rows:
            self._writer.write_table(
                table.cast(self.schema), row_group_size=table.num_rows if one_row_group else ROW_GROUP
            )
            self.rows += table.num_rows

    def tell(self, metadata: dict[str, bytes]) -> None:
        """Add to the file's metadata (`pq.read_metadata`), also after rows were written."""
        self._writer.add_key_value_metadata({name: value.decode() for name, value in metadata.items()})

    def _flush(self) -> None:
        if self._pending:
            self._writer.write_table(pa.Table.from_pylist(self._pending, schema=self.schema))
            self.rows += len(self._pending)
            self._pending = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._writer:
                if kind is None:
                    self._flush()
        except BaseException as caught:
            self._replacing.__exit__(type(caught), caught, caught.__traceback__)
            raise
        self._replacing.__exit__(kind, error, trace)


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write one table atomically."""
    with ParquetSink(path, table.schema) as sink:
        sink.add_table(table)


def read_batches(path: Path, columns: Sequence[str] | None = None, size: int = ROW_GROUP) -> Iterator[pa.RecordBatch]:
    """Batches of a Parquet file, in file order, never the whole file at once."""
    with pq.ParquetFile(path, pre_buffer=False) as file:  # else all bytes of the file stay in memory until its end
        yield from file.iter_batches(batch_size=size, columns=columns)


def leaf_columns(path: Path) -> list[str]:
    """Paths of the plain columns of a Parquet file, those inside of structs and lists among them: `positive.text`."""
    schema = pq.read_metadata(path).schema
    return [schema.column(number).path for number in range(len(schema))]


def sha256_of_file(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"can't write {path}: {error.strerror or error}; choose another folder with --store PATH or SYNTH_STORE, or free some space"
    )
