"""Do the rows of a version fit together, and are they what the manifest counts?

Texts and ids are compared by 64-bit hashes, in tables that DuckDB keeps on disk: memory does not
grow with the version. A hash that two ids share can hide a problem (once in 10^11 references), never make one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import duckdb

from schemas.manifest import Manifest
from synth.duck import bounded_session, parquet, quoted
from synth.store import VersionRef

_OWN = "list_prepend(positive, more_positives)"
_TABLES = (
    """CREATE TABLE passage AS
       SELECT hash(id) AS id, hash(document_id) AS document, hash(text) AS text, split = 'test' AS test FROM passages""",
    "CREATE TABLE record AS SELECT hash(id) AS id, split, split != file AS misplaced FROM records",
    f"""CREATE TABLE positive AS
        SELECT hash(id) AS record, split = 'test' AS test, hash(t.passage_id) AS passage, hash(t.document_id) AS document
        FROM (SELECT id, split, unnest({_OWN}) AS t FROM records)""",
    f"""CREATE TABLE negative AS
        SELECT hash(id) AS record, test, n.method = 'mined' AS mined, hash(n.passage_id) AS named, hash(n.text) AS text,
               hash(CASE WHEN n.method = 'mined' THEN n.passage_id ELSE n.made_from END) AS passage,
               hash(n.document_id) AS document,
               list_contains(ids, hash(n.passage_id)) OR (n.method != 'mined' AND list_contains(texts, hash(n.text))) AS own
        FROM (SELECT id, split = 'test' AS test, unnest(negatives) AS n,
                     list_transform({_OWN}, lambda each: hash(each.passage_id)) AS ids,
                     list_transform({_OWN}, lambda each: hash(each.text)) AS texts
              FROM records)""",
    """CREATE TABLE masked AS
       SELECT hash(id) AS record, hash(m) AS passage FROM (SELECT id, unnest(in_batch_mask) AS m FROM records)""",
)


@dataclass(frozen=True)
class _Check:
    """A problem: what `rows` are it, as SQL with a column `subject`, the hash of the id of an example."""

    problem: str
    rows: str
    example: str = "records"


def _twice(table: str) -> str:
    return f"SELECT id AS subject, unnest(range(count(*) - 1)) AS _ FROM {table} GROUP BY id HAVING count(*) > 1"


def _dangling(table: str) -> str:
    return f"SELECT record AS subject FROM {table} ANTI JOIN passage p ON {table}.passage = p.id"


def _joined(table: str, condition: str) -> str:
    return f"SELECT record AS subject FROM {table} t JOIN passage p ON t.passage = p.id WHERE {condition}"


_FIRST = _Check("passage ids stand twice", _twice("passage"), "passages")
"""With such a passage, no other reference means anything."""
_CHECKS = (
    _Check("record ids stand twice", _twice("record")),
    _Check("records stand in the file of the other split", "SELECT id AS subject FROM record WHERE misplaced"),
    _Check("positives point to no passage", _dangling("positive")),
    _Check("negatives point to no passage", _dangling("negative")),
    _Check("ids of in_batch_mask are no passage's", _dangling("masked")),
    _Check("positives name a document that is not their passage's", _joined("positive", "t.document != p.document")),
    _Check("negatives name a document that is not their passage's", _joined("negative", "t.document != p.document")),
    _Check("mined negatives have another text than their passage", _joined("negative", "t.mined AND t.text != p.text")),
    _Check("negatives are their own positive", "SELECT record AS subject FROM negative WHERE own"),
    _Check(
        "made negatives are passages of the corpus",
        "SELECT record AS subject FROM negative WHERE NOT mined AND (named IN (SELECT id FROM passage) OR text IN (SELECT text FROM passage))",
    ),
    _Check(
        "train records hold a test passage",
        f"{_joined('negative', 'p.test AND NOT t.test')} UNION ALL {_joined('positive', 'p.test AND NOT t.test')}",
    ),
)
_CHECKS_OF_RUNS = (
    _Check(
        "passages are of a document that has passages in both splits",
        "SELECT id AS subject FROM passage WHERE document IN (SELECT document FROM passage GROUP BY ALL HAVING bool_or(test) AND NOT bool_and(test))",
        "passages",
    ),
    _Check("test records have a train passage as their positive", _joined("positive", "t.test AND NOT p.test")),
    _Check(
        "rejects point to no passage",
        "SELECT hash(r.id) AS subject FROM rejects r ANTI JOIN passage p ON hash(r.passage_id) = p.id",
        "rejects",
    ),
)
"""Sources that are imported share passages and groups between their splits, and rejects name what the source does not hold."""


def check_rows(version: VersionRef, manifest: Manifest) -> Iterator[str]:
    """Problems of a version whose files are whole and have the published columns; one sentence each."""
    with bounded_session() as session:
        _open(session, version, manifest)
        yield from _check_totals(session, manifest)
        for statement in _TABLES:
            session.execute(statement)
        twice = list(_look(session, _FIRST))
        yield from twice
        checks = _CHECKS if manifest.origin else (*_CHECKS, *_CHECKS_OF_RUNS)
        for check in checks if not twice else ():
            yield from _look(session, check)


def _open(session: duckdb.DuckDBPyConnection, version: VersionRef, manifest: Manifest) -> None:
    parts = []
    for file in manifest.files:
        if file.path.startswith("records/"):
            split = PurePath(file.path).stem.partition("-")[0]
            parts.append(f"SELECT *, {quoted(split)} AS file FROM {parquet([version.file(file.path)])}")
    session.execute(f"CREATE VIEW records AS {' UNION ALL '.join(parts)}")
    for name in ("passages", "rejects", "rejected_sources"):
        session.execute(f"CREATE VIEW {name} AS SELECT * FROM {parquet([version.file(f'{name}.parquet')])}")


def _look(session: duckdb.DuckDBPyConnection, check: _Check) -> Iterator[str]:
    count, subject = _one(session, f"SELECT count(*), min(subject) FROM ({check.rows})")
    if count:
        (example,) = _one(session, f"SELECT min(id) FROM {check.example} WHERE hash(id) = {subject}")
        yield f"{count} {check.problem} ({check.example[:-1]} {example})"


def _one(session: duckdb.DuckDBPyConnection, statement: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] = session.execute(statement).fetchall()[0]
    return row


_TOTALS = {
    "splits": "SELECT split, count(*) FROM records GROUP BY ALL",
    "methods": "SELECT provenance.method, count(*) FROM records GROUP BY ALL",
    "licences": "SELECT coalesce(nullif(provenance.licence, ''), 'unknown'), count(*) FROM records GROUP BY ALL",
    "negatives": "SELECT n.method, count(*) FROM (SELECT unnest(negatives) AS n FROM records) GROUP BY ALL",
    "rejected": "SELECT reason, count(*) FROM rejects WHERE status = 'rejected' GROUP BY ALL",
    "failed": "SELECT reason, count(*) FROM rejects WHERE status = 'failed' GROUP BY ALL",
    "dropped sources": "SELECT reason, count(*) FROM rejected_sources GROUP BY ALL",
}


def _check_totals(session: duckdb.DuckDBPyConnection, manifest: Manifest) -> Iterator[str]:
    """The manifest's own counts against those of the rows. `negatives` were not counted once: then it says nothing."""
    told = {name: getattr(manifest, name) for name in ("splits", "methods", "licences", "negatives")}
    told |= {"rejected": manifest.funnel.rejected, "failed": manifest.funnel.failed}
    told["dropped sources"] = manifest.sources.dropped
    for name, statement in _TOTALS.items():
        if name == "negatives" and not manifest.negatives:
            continue
        found = dict(session.execute(statement).fetchall())
        wrong = sorted(key for key in {*told[name], *found} if told[name].get(key, 0) != found.get(key, 0))
        if wrong:
            key = wrong[0]
            yield f"the manifest counts {told[name].get(key, 0)} {key!r} among its {name} but {found.get(key, 0)} are stored"
    (passages,) = _one(session, "SELECT count(*) FROM passages")
    if passages != manifest.passages:
        yield f"the manifest counts {manifest.passages} passages but {passages} are stored"
