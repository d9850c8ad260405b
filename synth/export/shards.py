"""Files of a split: shards of a bounded size, whose number is in their names once it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.base import sha256_of

Files = Literal["parquet", "arrow"]
"""Parquet, or the folder that `datasets.load_from_disk` maps into memory."""

SHARD_BYTES = 500_000_000
ROW_GROUP_BYTES = 64_000_000
"""Of texts before compression; the viewer of the Hub refuses row groups above 286 MiB."""

_CHUNKS = {"use_content_defined_chunking": True} if int(pa.__version__.split(".")[0]) >= 21 else {}
"""Pages end where the content says, so that the Hub stores what two versions share once."""


class _Writer(Protocol):
    def write_table(self, table: pa.Table) -> None: ...


def write_shards(tables: Iterable[pa.Table], folder: Path, split: str, kind: str, limit: int) -> tuple[list[Path], int]:
    """(files, rows) of a split in the order of the tables; nothing where no table has a row.

    kind: `parquet`, `arrow` or `jsonl`. At most two row groups are held in memory, one that is
    written and one that is read.
    """
    written: list[Path] = []
    rows, groups = 0, _ahead(_grouped(tables))
    group = next(groups, None)
    while group is not None:
        path = folder / f"{split}-{len(written)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file, _OPEN[kind](file, group.schema) as writer:
            is_full = False
            while group is not None and not is_full:
                writer.write_table(group)
                rows += group.num_rows
                group, is_full = next(groups, None), file.tell() >= limit
        written.append(path)
    return [_name(path, split, number, len(written), kind) for number, path in enumerate(written)], rows


def finish_arrow(folder: Path, splits: dict[str, list[Path]]) -> None:
    """What `load_from_disk` reads first: the splits, and the files of each with a fingerprint."""
    (folder / "dataset_dict.json").write_bytes(orjson.dumps({"splits": list(splits)}))
    for split, files in splits.items():
        names = [{"filename": file.name} for file in files]
        state: dict[str, Any] = {
            "_data_files": names,
            "_fingerprint": sha256_of([folder.name, split, [file.stat().st_size for file in files]])[:16],
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": split,
        }
        (files[0].parent / "state.json").write_bytes(orjson.dumps(state))
        (files[0].parent / "dataset_info.json").write_bytes(b"{}")


def _name(path: Path, split: str, number: int, of: int, kind: str) -> Path:
    place = f"{number:05d}-of-{of:05d}"
    if kind == "parquet":
        return path.rename(path.with_name(f"{split}-{place}.parquet"))
    folder = path.parent / split
    folder.mkdir(exist_ok=True)
    return path.rename(folder / (f"data-{place}.arrow" if kind == "arrow" else f"{split}-{place}.jsonl"))


def _grouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of a row group each."""
    held: list[pa.Table] = []
    size = 0
    for table in tables:
        if table.num_rows:
            held.append(table)
            size += table.nbytes
        if size >= ROW_GROUP_BYTES:
            yield pa.concat_tables(held)
            held, size = [], 0
    if held:
        yield pa.concat_tables(held)


def _ahead(groups: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same, each made while the one before it is written."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, groups, None)
        while (group := coming.result()) is not None:
            coming = reader.submit(next, groups, None)
            yield group


@contextmanager
def _parquet(file: Any, schema: pa.Schema) -> Iterator[_Writer]:
    with pq.ParquetWriter(file, schema, compression="zstd", write_page_index=True, **_CHUNKS) as writer:
        yield _RowGroups(writer)


class _RowGroups:
    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer

    def write_table(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=table.num_rows)


@contextmanager
def _arrow(file: Any, schema: pa.Schema) -> Iterator[_Writer]:
    with pa.ipc.new_stream(file, schema) as writer:
        yield writer


class _Lines:
    def __init__(self, file: Any) -> None:
        self._file = file

    def write_table(self, table: pa.Table) -> None:
        for batch in table.to_batches(max_chunksize=4_096):
            self._file.write(b"".join(orjson.dumps(row) + b"\n" for row in batch.to_pylist()))


@contextmanager
def _lines(file: Any, schema: pa.Schema) -> Iterator[_Writer]:  # noqa: ARG001
    yield _Lines(file)


_OPEN: dict[str, Callable[[Any, pa.Schema], Any]] = {"parquet": _parquet, "arrow": _arrow, "jsonl": _lines}
