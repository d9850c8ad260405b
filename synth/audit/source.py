"""What of a version can be audited, and its texts.

A reject is stored without its positive. Where the run that made the version is in the store, its items hold it; else a
reject can be shown only where every accepted record of its task and method has its whole passage as the one positive,
under one instruction: then the reject's passage and that instruction are what the gates saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from synth.duck import bounded_session, parquet, quoted
from synth.store import Store, VersionRef

NOT_ABOUT_THE_PAIR = ("duplicates", "contamination", "limit", "plan", "sensitive")
"""Stages whose rejects may well be right: repeats, what stands in an evaluation set, surplus, leaks, personal data."""

_BATCH = 10_000
_TEXTS = """
    CREATE VIEW plain AS
    SELECT provenance.task AS task, provenance.method AS method, any_value(instruction) AS instruction
    FROM records LEFT JOIN passages ON passages.id = records.positive.passage_id
    GROUP BY ALL
    HAVING bool_and(coalesce(positive.text = passages.text, false) AND len(more_positives) = 0)
       AND count(DISTINCT instruction) = 1;
    CREATE VIEW shown AS
    SELECT rejects.*, plain.instruction, passages.text AS positive, []::BIGINT[] AS others,
           plain.task IS NOT NULL AND passages.id IS NOT NULL AS known
    FROM rejects LEFT JOIN plain ON plain.task = rejects.task AND plain.method = rejects.method
                 LEFT JOIN passages ON passages.id = rejects.passage_id
"""
_TEXTS_OF_RUN = """
    CREATE VIEW shown AS
    SELECT rejects.*, coalesce(nullif(items.instruction, ''), {instruction}) AS instruction,
           coalesce(nullif(items.positive, ''), passages.text) AS positive,
           items.others,
           items.id IS NOT NULL AND passages.id IS NOT NULL AS known
    FROM rejects LEFT JOIN items ON items.position = rejects.position
                 LEFT JOIN passages ON passages.id = rejects.passage_id
"""


@dataclass(frozen=True)
class Pick:
    """A record or reject of the version, before its texts are read. `cause` is `gate/reason`, '' for a record."""

    id: str
    cause: str
    task: str
    left_out: bool = False


@dataclass(frozen=True)
class Shown:
    """What an auditor sees of a record or reject, and what the key says of it."""

    id: str
    instruction: str
    query: str
    positives: list[str]
    negatives: list[dict[str, str]]
    """`passage_id`, `text` and `method` of each."""
    task: str
    method: str
    gate: str = ""
    reason: str = ""
    judgement: dict[str, Any] | None = None


class AuditSource:
    """The records and rejects of one version."""

    def __init__(self, session: duckdb.DuckDBPyConnection, version: VersionRef, runs: Path) -> None:
        self._session = session
        manifest = version.manifest
        passages = parquet([version.file("passages.parquet")]).replace("])", "], file_row_number = true)")
        session.execute(f"CREATE VIEW records AS SELECT * FROM {parquet(version.record_files())}")
        session.execute(f"CREATE VIEW passages AS SELECT * FROM {passages}")
        session.execute(f"CREATE VIEW rejects AS SELECT * FROM {parquet([version.file('rejects.parquet')])}")
        items = sorted((runs / manifest.run_id / "items").glob("*.parquet"))
        self.has_run = bool(items)
        if items:
            session.execute(f"CREATE VIEW items AS SELECT * FROM {parquet(items)}")
            session.execute(_TEXTS_OF_RUN.format(instruction=quoted(manifest.recipe.instruction)))
        else:
            session.execute(_TEXTS)

    def accepted(self) -> Iterator[Pick]:
        """Every record."""
        for name, task in self._stream("SELECT id, provenance.task FROM records"):
            yield Pick(name, "", task)

    def rejected(self) -> Iterator[Pick]:
        """Every reject that a gate dropped for what it is, and, `left_out`, those that can't be judged, with why."""
        apart = ", ".join(map(quoted, NOT_ABOUT_THE_PAIR))
        why = f"""CASE WHEN status = 'failed' THEN 'failed/' || reason
                       WHEN stage IN ({apart}) THEN stage || '/' || reason
                       WHEN query = '' OR NOT known THEN 'text no longer known/' || reason END"""
        statement = f"SELECT id, stage || '/' || reason, task, {why} FROM shown"
        for name, cause, task, left_out in self._stream(statement):
            yield Pick(name, left_out or cause, task, left_out is not None)

    def records(self, ids: Sequence[str]) -> list[Shown]:
        """Texts of records."""
        rows = self._fetch(
            f"""SELECT id, instruction, query, list_prepend(positive.text, list_transform(more_positives, lambda each: each.text)) AS positives,
                       list_transform(negatives, lambda each: {{'passage_id': each.passage_id, 'text': each.text, 'method': each.method}}) AS negatives,
                       provenance.task AS task, provenance.method AS method, judgement
                FROM records WHERE id IN ({_listed(ids)})"""
        )
        return [Shown(**row) for row in rows]

    def rejects(self, ids: Sequence[str]) -> list[Shown]:
        """Texts of rejects; they have no negatives."""
        rows = self._fetch(
            f"""SELECT id, coalesce(instruction, '') AS instruction, query, positive, coalesce(others, []) AS others,
                       task, method, stage AS gate, reason, judgement
                FROM shown WHERE known AND query != '' AND id IN ({_listed(ids)})"""
        )
        others = sorted({ordinal for row in rows for ordinal in row["others"]})
        places = ", ".join(map(str, others)) or "NULL"
        found = self._fetch(f"SELECT file_row_number AS place, text FROM passages WHERE file_row_number IN ({places})")
        texts = {row["place"]: row["text"] for row in found}
        return [
            Shown(positives=[row.pop("positive"), *(texts[n] for n in row.pop("others"))], negatives=[], **row)
            for row in rows
        ]

    def _stream(self, statement: str) -> Iterator[tuple[Any, ...]]:
        found = self._session.execute(statement)
        while rows := found.fetchmany(_BATCH):
            yield from rows

    def _fetch(self, statement: str) -> list[dict[str, Any]]:
        found = self._session.execute(statement)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@contextmanager
def open_source(store: Store, version: VersionRef) -> Iterator[AuditSource]:
    """A version to be audited; StoreError where a file of it can't be read."""
    with bounded_session() as session:
        yield AuditSource(session, version, store.runs)


def _listed(ids: Sequence[str]) -> str:
    return ", ".join(map(quoted, ids)) or "NULL"
