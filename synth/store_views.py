"""Views over what runs left in a store: items, score tables and answers, with ids instead of ordinals.

They are empty where there is no file: a run that was collected, a store without an LLM.
"""

from __future__ import annotations

from collections.abc import Sequence
from glob import escape
from pathlib import Path

import duckdb
from pydantic import ValidationError

from schemas.manifest import Manifest
from synth.duck import quoted
from synth.llm.archive import generation_hash
from synth.run import Run
from synth.store import Store, VersionRef

TABLES = """
CREATE TABLE parents (name VARCHAR, version BIGINT, parent VARCHAR, restored_from VARCHAR);
CREATE TABLE runs (run VARCHAR, name VARCHAR, created VARCHAR, domain VARCHAR, generator VARCHAR, models VARCHAR[],
                   teacher VARCHAR, "limit" BIGINT, generation VARCHAR, published VARCHAR);
"""
_SCORES = {"run": "VARCHAR", "query_id": "VARCHAR", "query": "VARCHAR", "passage_id": "VARCHAR", "rank": "INTEGER"}
_POSITIVES = {**_SCORES, "score": "FLOAT", "ahead": "INTEGER"}
_SCORES["score"] = "FLOAT"
_ITEMS = {
    "run": "VARCHAR",
    "position": "BIGINT",
    "id": "VARCHAR",
    "status": "VARCHAR",
    "reason": "VARCHAR",
    "stage": "VARCHAR",
    "task": "VARCHAR",
    "method": "VARCHAR",
    "model": "VARCHAR",
    "query": "VARCHAR",
}
_ANSWERS = {
    "generation": "VARCHAR",
    "position": "BIGINT",
    "kind": "VARCHAR",
    "model": "VARCHAR",
    "content": "VARCHAR",
    "finish_reason": "VARCHAR",
    "prompt_tokens": "INTEGER",
    "completion_tokens": "INTEGER",
    "seconds": "FLOAT",
}
_BEYOND = 65_535


def add_parents(session: duckdb.DuckDBPyConnection, version: VersionRef, manifest: Manifest) -> None:
    """A row of `parents`."""
    row = [version.name, version.number, manifest.parent or None, manifest.restored_from or None]
    session.execute("INSERT INTO parents VALUES (?, ?, ?, ?)", row)


def add_store_views(session: duckdb.DuckDBPyConnection, store: Store) -> None:
    """`runs`, `items`, `scores`, `positives`, `answers`, and the scores of each version; `versions` is filled already."""
    folders = sorted(store.runs.iterdir()) if store.runs.is_dir() else []
    runs = [folder for folder in folders if _add_run(session, Run(store, folder.name))]
    _add_run_views(session, "", store.runs, "*", runs)
    pattern = f"{escape(str(store.answers))}/*/*/*.parquet"
    has_answers = store.answers.is_dir() and any(store.answers.glob("*/*/*.parquet"))
    source = f"SELECT {_folder(store.answers)} AS generation, * FROM {_read(pattern)}" if has_answers else ""
    _create(session, "answers", _ANSWERS, source)
    known = {folder.name: folder for folder in runs}
    for name, number, run in session.execute("SELECT name, version, run_id FROM versions ORDER BY ALL").fetchall():
        for prefix in (f"{name}@{number}", name):  # the newest comes last and takes the name alone
            of_run = [known[run]] if run in known else []
            _add_scores(session, f"{prefix}_scores", store.runs, escape(run), of_run)


def _add_run(session: duckdb.DuckDBPyConnection, run: Run) -> bool:
    """Whether the folder is a run that can be read."""
    try:
        info, recipe, result = run.info, run.recipe, run.result
    except (OSError, ValidationError):
        return False
    models = [model.name for model in recipe.models]
    published = f"{result.name}@{result.version}" if result else None
    row = [run.id, info.name, info.created, recipe.domain, recipe.generator, models, recipe.scored_by, recipe.limit]
    session.execute(f"INSERT INTO runs VALUES ({', '.join('?' * 10)})", [*row, generation_hash(recipe), published])
    return True


def _add_run_views(
    session: duckdb.DuckDBPyConnection, prefix: str, root: Path, run: str, folders: Sequence[Path]
) -> None:
    _add_scores(session, f"{prefix}scores", root, run, folders)
    source = ""
    if _any(folders, "scores/*/positives.parquet") and _any(folders, "scores/*/queries.parquet"):
        rank = f"nullif(t.rank::INTEGER, {_BEYOND}) AS rank"
        ahead = f"nullif(t.ahead, {_BEYOND}) AS ahead"
        source = _with_ids(root, run, "positives", f"{rank}, t.score, {ahead}")
    _create(session, f"{prefix}positives", _POSITIVES, source)
    items = f"SELECT {_folder(root)} AS run, * FROM {_read(f'{escape(str(root))}/{run}/items/*.parquet')}"
    _create(session, f"{prefix}items", _ITEMS, items if _any(folders, "items/*.parquet") else "")


def _add_scores(session: duckdb.DuckDBPyConnection, name: str, root: Path, run: str, folders: Sequence[Path]) -> None:
    has_any = _any(folders, "scores/*/table.parquet") and _any(folders, "scores/*/queries.parquet")
    source = _with_ids(root, run, "table", "t.rank::INTEGER AS rank, t.score") if has_any else ""
    _create(session, name, _SCORES, source)


def _with_ids(root: Path, run: str, table: str, columns: str) -> str:
    """Rows of score tables, `t`, with the ids that their numbers stand for."""
    place, own = escape(str(root)), _folder(root)
    return (
        f"SELECT t.run, q.id AS query_id, q.text AS query, p.id AS passage_id, {columns}"
        f" FROM (SELECT {own} AS run, * FROM {_read(f'{place}/{run}/scores/*/{table}.parquet')}) t"
        f" JOIN (SELECT {own} AS run, query, id, text FROM {_read(f'{place}/{run}/scores/*/queries.parquet')}) q USING (run, query)"
        f" JOIN (SELECT {own} AS run, file_row_number AS passage, id FROM"
        f" {_read(f'{place}/{run}/corpus/passages.parquet', 'file_row_number = true')}) p USING (run, passage)"
    )


def _any(folders: Sequence[Path], pattern: str) -> bool:
    return any(True for folder in folders for _ in folder.glob(pattern))


def _read(pattern: str, *options: str) -> str:
    return f"read_parquet({', '.join([quoted(pattern), 'filename = true', *options])})"


def _folder(root: Path) -> str:
    """SQL for the name of the folder below `root` that a file is in."""
    return f"split_part(substr(filename, {len(str(root)) + 2}), '/', 1)"


def _create(session: duckdb.DuckDBPyConnection, name: str, columns: dict[str, str], source: str) -> None:
    """A view of these columns; without a source, one of no rows."""
    if source:
        chosen = f"SELECT {', '.join(columns)} FROM ({source})"
    else:
        empty = ", ".join(f"NULL::{kind} AS {column}" for column, kind in columns.items())
        chosen = f"SELECT * FROM (SELECT {empty}) WHERE false"
    session.execute(f'CREATE OR REPLACE VIEW "{name}" AS {chosen}')
