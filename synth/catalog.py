"""The catalogue: tables and views over all versions of a store, for SQL.

`catalog.duckdb` is a cache: manifests and Parquet are the truth, and `synth catalog
rebuild` makes it anew. Only the process that publishes writes it; `synth sql` builds the
same views in memory, so that it never waits for a lock and is never out of date.

    versions              one row a version
    funnel                one row a version and outcome: status, reason, items
    files                 one row a file: path, rows, bytes, sha256
    "NAME"                records of the newest version; "NAME@N" those of version N
    "NAME_rejects"        what was rejected or failed; "NAME@N_rejects"
    "NAME_passages"       the passages; "NAME@N_passages"
    "NAME_sources"        files and rows that gave no passage, and why; "NAME@N_sources"
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from glob import escape

import duckdb
import pyarrow as pa

from schemas.manifest import Manifest
from synth.errors import InputError, StoreError
from synth.store import Store, VersionRef

_VIEWS = {
    "": "records/*.parquet",
    "_rejects": "rejects.parquet",
    "_passages": "passages.parquet",
    "_sources": "rejected_sources.parquet",
}
_TABLES = """
CREATE TABLE versions (name VARCHAR, version BIGINT, created VARCHAR, domain VARCHAR, planned BIGINT, accepted BIGINT,
                       train BIGINT, test BIGINT, passages BIGINT, teacher VARCHAR, partial VARCHAR, recipe_sha256 VARCHAR,
                       content_sha256 VARCHAR, run_id VARCHAR, path VARCHAR);
CREATE TABLE funnel (name VARCHAR, version BIGINT, status VARCHAR, reason VARCHAR, items BIGINT);
CREATE TABLE files (name VARCHAR, version BIGINT, path VARCHAR, row_count BIGINT, bytes BIGINT, sha256 VARCHAR);
"""


def rebuild_catalog(store: Store) -> int:
    """Write `catalog.duckdb` anew from the manifests; returns the number of versions.

    The old file stays until the new one is whole. Raises StoreError when it can't be written.
    """
    temporary = store.root / f".catalog-{uuid.uuid4().hex}.tmp"
    store.check_writable()
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(str(temporary)) as session:
            count = _fill(session, store)
        os.replace(temporary, store.catalog)
    except (OSError, duckdb.Error) as error:
        raise StoreError(f"can't write {store.catalog}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return count


def open_catalog(store: Store) -> duckdb.DuckDBPyConnection:
    """An in-memory database with the catalogue's tables and views, made from the manifests."""
    session = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    _fill(session, store)
    return session


def run_query(store: Store, statement: str) -> pa.Table:
    """The result of one SELECT over the catalogue; InputError with DuckDB's words where it is wrong."""
    try:
        with open_catalog(store) as session:
            relation = session.sql(statement)
            if relation is None:
                raise InputError("the statement returns nothing; give one SELECT")
            return relation.to_arrow_table()
    except duckdb.Error as error:
        names = ", ".join(store.names()) or "none yet"
        raise InputError(f"the query can't be run: {str(error).splitlines()[0]} (datasets here: {names})") from error


def _fill(session: duckdb.DuckDBPyConnection, store: Store) -> int:
    session.execute(_TABLES)
    count = 0
    for name in store.names():
        newest: VersionRef | None = None
        for newest in store.iterate(name):
            _add_rows(session, newest, newest.manifest)
            _add_views(session, str(newest), newest)
            count += 1
        if newest is not None:
            _add_views(session, name, newest)
    return count


def _add_rows(session: duckdb.DuckDBPyConnection, version: VersionRef, manifest: Manifest) -> None:
    funnel, splits = manifest.funnel, manifest.splits
    row = (
        *(manifest.name, manifest.version, manifest.created, manifest.domain, funnel.planned, funnel.accepted),
        *(splits.get("train", 0), splits.get("test", 0), manifest.passages, manifest.teacher.name, manifest.partial),
        *(manifest.recipe_sha256, manifest.content_sha256, manifest.run_id, str(version.path)),
    )
    session.execute(f"INSERT INTO versions VALUES ({', '.join('?' * len(row))})", row)
    for status, reason, items in outcomes(manifest):
        session.execute(
            "INSERT INTO funnel VALUES (?, ?, ?, ?, ?)", [version.name, version.number, status, reason, items]
        )
    for file in manifest.files:
        values = [version.name, version.number, file.path, file.rows, file.bytes, file.sha256]
        session.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)", values)


def outcomes(manifest: Manifest) -> Iterator[tuple[str, str, int]]:
    """(status, reason, items) of a version's funnel; they add up to what was planned."""
    yield "accepted", "", manifest.funnel.accepted
    for reason, items in manifest.funnel.rejected.items():
        yield "rejected", reason, items
    for reason, items in manifest.funnel.failed.items():
        yield "failed", reason, items


def _add_views(session: duckdb.DuckDBPyConnection, name: str, version: VersionRef) -> None:
    for suffix, path in _VIEWS.items():
        _add_view(session, f"{name}{suffix}", f"{escape(str(version.path))}/{path}")


def _add_view(session: duckdb.DuckDBPyConnection, name: str, path: str) -> None:
    quoted_name, quoted_path = name.replace('"', '""'), path.replace("'", "''")
    session.execute(f"CREATE VIEW \"{quoted_name}\" AS SELECT * FROM read_parquet('{quoted_path}')")
