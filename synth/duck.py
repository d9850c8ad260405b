"""DuckDB with bounded memory: what does not fit goes to a temporary folder, which is gone afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import escape
from pathlib import Path

import duckdb

from synth.errors import StoreError

MEMORY = "800MB"
"""Of DuckDB's own; Arrow and Python come on top."""
MOST_THREADS = 4
"""Every thread holds a row group of each column it reads."""


@contextmanager
def bounded_session(memory: str = MEMORY) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database on disk below TMPDIR, its memory limited. StoreError where it can't go on, such as on a full disk."""
    with tempfile.TemporaryDirectory(prefix="synth-") as folder:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "temp_directory": f"{folder}/spilled",
            "threads": str(min(MOST_THREADS, os.cpu_count() or 1)),
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
        }
        try:
            with duckdb.connect(f"{folder}/work.duckdb", config=config) as session:
                yield session
        except duckdb.Error as error:
            raise StoreError(
                f"DuckDB can't go on: {str(error).splitlines()[0]}; is the version whole (`synth datasets verify`)? Where disk or memory ran out, set TMPDIR to a folder with more room"
            ) from error


def parquet(paths: Sequence[Path]) -> str:
    """`read_parquet([…])` as SQL; names are taken as they are, without wildcards.

    >>> parquet([Path("a'b.parquet")])
    "read_parquet(['a''b.parquet'])"
    """
    return f"read_parquet([{', '.join(quoted(escape(str(path))) for path in paths)}])"


def quoted(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"
