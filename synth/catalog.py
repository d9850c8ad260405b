"""The catalogue: tables and views over all versions of a store, for SQL.

`catalog.duckdb` is a cache: manifests and Parquet are the truth, and `synth catalog
rebuild` makes it anew. Only the process that publishes writes it; `synth sql` builds the
same views in memory, so that it never waits for a lock and is never out of date.

    versions              one row a version
    funnel                one row a version and outcome: status, reason, items
    files                 one row a file: path, rows, bytes, sha256
    "NAME"                records of the newest version; "NAME@N" those of version N
    "NAME_rejects"        what was rejected or failed; "NAME@N_rejects"
    "NAME_retired"        in an update, records of the parent that are not in it; "NAME@N_retired"
    "NAME_passages"       the passages; "NAME@N_passages"
    "NAME_sources"        files and rows that gave no passage, and why; "NAME@N_sources"
    "NAME_scores"         what the teacher scored for its run, as in `scores`; "NAME@N_scores"
    parents               one row a version: the version before it, and the one it was restored from
    runs                  one row a run: what made it, and what it published
    items                 every planned item of every run and what became of it
    scores, positives     score tables of all runs: query and passage ids, rank, score
    answers               what LLMs answered, by generation (of `runs`) and plan position

Versions in a bucket are read in place, through pyarrow: of each view that a statement names the
columns and row groups it asks for. Their `catalog.duckdb` has the tables and no views.
"""

from __future__ import annotations

import difflib
import os
import re
import uuid
from collections.abc import Iterator, Set
from glob import escape

import duckdb
import pyarrow as pa

from schemas.manifest import Manifest
from synth.errors import InputError, StoreError
from synth.remote import RemoteVersion
from synth.store import Store, VersionRef
from synth.store_views import TABLES, add_parents, add_store_views

Named = Set[str] | None
_READING = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.RELATION}
_VIEWS = {
    "": "records/*.parquet",
    "_rejects": "rejects.parquet",
    "_passages": "passages.parquet",
    "_sources": "rejected_sources.parquet",
}
_TABLES = """
CREATE TABLE versions (name VARCHAR, version BIGINT, created VARCHAR, domain VARCHAR, planned BIGINT, accepted BIGINT, records BIGINT,
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
    store.check_folder()
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


def open_catalog(store: Store, statement: str = "") -> duckdb.DuckDBPyConnection:
    """An in-memory database with the catalogue's tables and views, made from the manifests.

    Of versions in a bucket there are the views that `statement` names; all of them for one that is no SELECT, such as
    SHOW TABLES.
    """
    session = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    session.execute("SET disabled_optimizers = 'late_materialization'")  # 2.0 fails in it where a struct is filtered
    _fill(session, store, _named_in(statement))
    return session


def run_query(store: Store, statement: str) -> pa.Table:
    """The result of one SELECT over the catalogue; InputError with DuckDB's words where it is wrong."""
    try:
        with open_catalog(store, statement) as session:
            _check_reads(session, statement)
            relation = session.sql(statement)
            if relation is None:
                raise InputError("the statement returns nothing; give one SELECT")
            return relation.to_arrow_table()
    except duckdb.Error as error:
        names = ", ".join(store.names()) or "none yet"
        said = f"{str(error).splitlines()[0]}{_near_view(store, str(error))}"
        raise InputError(f"the query can't be run: {said} (datasets here: {names})") from error
    except OSError as error:
        raise StoreError(f"can't read {store.where}: {str(error).splitlines()[0]}") from error


def _check_reads(session: duckdb.DuckDBPyConnection, statement: str) -> None:
    found = session.extract_statements(statement)
    kinds = {each.type for each in found}
    if len(found) > 1 or kinds - _READING:
        what = "several statements" if len(found) > 1 else kinds.pop().name
        raise InputError(f"`synth sql` reads one SELECT and changes nothing, and this is {what}; give one SELECT")


def _near_view(store: Store, error: str) -> str:
    """A clause naming the view that is nearly called like one that there is none of."""
    missing = re.search(r"Table with name (.+?) does not exist", error)
    if missing is None:
        return ""
    with open_catalog(store) as session:
        known = [name for (name,) in session.execute("SELECT table_name FROM information_schema.tables").fetchall()]
    near = difflib.get_close_matches(missing[1], sorted(known), n=1, cutoff=0.6)
    return f' did you mean "{near[0]}"?' if near else ""


def _named_in(statement: str) -> Named:
    """Words that may name a view; None where any view may be meant."""
    if not re.match(r"\s*(select|with|from)\b", statement, re.IGNORECASE):
        return None
    words = set(re.findall(r"[\w.@-]+", statement.lower()))
    return words | {part for word in words for part in word.split(".")}


def _fill(session: duckdb.DuckDBPyConnection, store: Store, named: Named = frozenset()) -> int:
    session.execute(_TABLES + TABLES)
    count = 0
    for name in store.names():
        newest: VersionRef | None = None
        for newest in store.iterate(name):
            _add_rows(session, newest, manifest := newest.manifest)
            add_parents(session, newest, manifest)
            _add_views(session, str(newest), newest, named)
            count += 1
        if newest is not None:
            _add_views(session, name, newest, named)
    add_store_views(session, store)
    return count


def _add_rows(session: duckdb.DuckDBPyConnection, version: VersionRef, manifest: Manifest) -> None:
    funnel, splits = manifest.funnel, manifest.splits
    row = (
        *(
            manifest.name,
            manifest.version,
            manifest.created,
            manifest.domain,
            funnel.planned,
            funnel.accepted,
            manifest.records,
        ),
        *(splits.get("train", 0), splits.get("test", 0), manifest.passages, manifest.teacher.name, manifest.partial),
        *(manifest.recipe_sha256, manifest.content_sha256, manifest.run_id, version.where),
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


def _add_views(session: duckdb.DuckDBPyConnection, name: str, version: VersionRef, named: Named) -> None:
    views = _VIEWS | ({"_retired": "retired.parquet"} if version.manifest.update else {})
    for suffix, path in views.items():
        if isinstance(version, RemoteVersion):
            if named is None or f"{name}{suffix}" in named:
                session.register(f"{name}{suffix}", version.dataset(path))
            continue
        _add_view(session, f"{name}{suffix}", f"{escape(str(version.path))}/{path}")


def _add_view(session: duckdb.DuckDBPyConnection, name: str, path: str) -> None:
    quoted_name, quoted_path = name.replace('"', '""'), path.replace("'", "''")
    session.execute(f"CREATE VIEW \"{quoted_name}\" AS SELECT * FROM read_parquet('{quoted_path}')")
