"""What changed between two versions: rows by id, stages side by side, drift of lengths, types and scores.

Rows are compared by 64-bit hashes of id and columns, in tables that DuckDB keeps on disk, so that
memory does not grow with the versions. Scores, ranks and verdicts are no part of a row's content.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from schemas.manifest import Manifest
from schemas.record import TEXT_PAIR
from synth.drift import Histogram, Shift, ks_distance, shift_of_counts, shift_of_numbers
from synth.duck import bounded_session, parquet
from synth.errors import StoreError
from synth.store import Store, VersionRef

EXAMPLES = 3
_TEXTS = "lambda each: hash(each.passage_id, each.text)"
COMPARED = {
    "query": "hash(query)",
    "positive": "hash(positive.passage_id, positive.text)",
    "more_positives": f"hash(list_transform(more_positives, {_TEXTS}))",
    "negatives": f"hash(list_transform(negatives, {_TEXTS}))",
    "split": "hash(split)",
    "instruction": "hash(instruction)",
    "language": "hash(language)",
    "licence": "hash(provenance.licence)",
    "in_batch_mask": "hash(in_batch_mask)",
    "attributes": "hash(attributes)",
    "judgement": "hash(judgement)",
}
"""Columns whose change makes a row a changed one."""
NUMBERS = {
    "query length": "length(query)",
    "positive length": "length(positive.text)",
    "positive score": "round(positive.score, 4)",
    "gap to best negative": (
        "round(positive.score - list_max(list_transform("
        "list_filter(negatives, lambda each: each.method = 'mined'), lambda each: each.score)), 4)"
    ),
}
"""Lengths are characters, scores the teacher's; only mined negatives have a score, and no import and no text pair has one."""
_UNSCORED = f"ends_with(provenance.method, '{TEXT_PAIR}')"
_COUNTED = {"task": "provenance.task", "query type": "provenance.query_type", "language": "language"}
_QUANTILES = {"p5": 0.05, "median": 0.5, "p95": 0.95}


@dataclass(frozen=True)
class Counts:
    """Records of both versions by a value, and how far the shares are apart."""

    old: dict[str, int]
    new: dict[str, int]
    shift: Shift


@dataclass(frozen=True)
class Numbers:
    """A number of each record, in both versions: `mean`, `p5`, `median`, `p95`; None where no record has it."""

    old: dict[str, float] | None
    new: dict[str, float] | None
    shift: Shift
    ks: float


@dataclass(frozen=True)
class Diff:
    """What `compare` finds. `rows`: added, removed, changed, same; `columns`: how many rows changed in each."""

    old: str
    new: str
    rows: dict[str, int]
    columns: dict[str, int]
    stages: list[tuple[str, int, int]]
    numbers: dict[str, Numbers]
    types: dict[str, Counts]
    examples: dict[str, list[str]]
    """At most 3 ids of each kind of row, the first by the hash of their ids."""


def choose_pair(store: Store, reference: str, other: str | None) -> tuple[VersionRef, VersionRef]:
    """(old, new): the two that are named in this order, or a version and its parent. StoreError where that is gone."""
    first = store.find(reference)
    if other is not None:
        return first, store.find(other)
    parent = first.manifest.parent
    if not parent:
        raise StoreError(
            f"{first} has no parent to be compared with; name another version: `synth datasets diff OTHER {first}`"
        )
    if parent not in map(str, store.iterate(first.name)):
        raise StoreError(
            f"{parent}, the parent of {first}, is gone; name another version: `synth datasets diff OTHER {first}`"
        )
    return store.find(parent), first


def compare(old: VersionRef, new: VersionRef) -> Diff:
    """Compare two versions, of one dataset or of two."""
    before, after = old.manifest, new.manifest
    with bounded_session() as session:
        for name, version in (("old", old), ("new", new)):
            _read(session, name, version)
        rows, examples = _compare_rows(session)
        return Diff(
            old=str(old),
            new=str(new),
            rows=rows,
            columns=_changed_columns(session),
            stages=list(_stages(before, after)),
            numbers={name: _numbers(session, place) for place, name in enumerate(NUMBERS)},
            types=_types(session, before, after),
            examples=examples,
        )


def _read(session: duckdb.DuckDBPyConnection, name: str, version: VersionRef) -> None:
    """One pass over the records: everything that is compared, as numbers."""
    session.execute(f"CREATE VIEW {name}_records AS SELECT * FROM {parquet(version.record_files())}")
    hashed = ", ".join(f"{expression} AS {column}" for column, expression in COMPARED.items())
    unscored = _UNSCORED if version.manifest.is_scored else "true"
    told = {
        name: f"CASE WHEN NOT ({unscored}) THEN {each} END" if "score" in each else each
        for name, each in NUMBERS.items()
    }
    numbers = ", ".join(f"{expression} AS number_{place}" for place, expression in enumerate(told.values()))
    session.execute(
        f"CREATE TABLE {name} AS SELECT *, hash({', '.join(COMPARED)}) AS content"
        f" FROM (SELECT hash(id) AS id, {hashed}, {numbers} FROM {name}_records)"
    )


def _compare_rows(session: duckdb.DuckDBPyConnection) -> tuple[dict[str, int], dict[str, list[str]]]:
    session.execute(
        "CREATE TABLE changed AS SELECT old.id FROM old JOIN new USING (id) WHERE old.content != new.content"
    )
    session.execute("CREATE TABLE added AS SELECT id FROM new ANTI JOIN old USING (id)")
    session.execute("CREATE TABLE removed AS SELECT id FROM old ANTI JOIN new USING (id)")
    rows = {kind: _count(session, kind) for kind in ("added", "removed", "changed")}
    rows["same"] = _count(session, "new") - rows["added"] - rows["changed"]
    kinds = (("added", "new"), ("removed", "old"), ("changed", "new"))
    return rows, {kind: _examples(session, kind, where) for kind, where in kinds}


def _count(session: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(session.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _examples(session: duckdb.DuckDBPyConnection, kind: str, where: str) -> list[str]:
    found = session.execute(f"SELECT id FROM {kind} ORDER BY id LIMIT {EXAMPLES}").fetchall()
    if not found:
        return []
    hashes = ", ".join(str(each) for (each,) in found)
    rows = session.execute(f"SELECT id FROM {where}_records WHERE hash(id) IN ({hashes}) ORDER BY hash(id)").fetchall()
    return [each for (each,) in rows]


def _changed_columns(session: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many of the changed rows differ in each column, the most first."""
    counted = ", ".join(f"count(*) FILTER (old.{name} != new.{name})" for name in COMPARED)
    found = session.execute(f"SELECT {counted} FROM changed JOIN old USING (id) JOIN new USING (id)").fetchall()[0]
    pairs = [(name, count) for name, count in zip(COMPARED, found, strict=True) if count]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def _stages(before: Manifest, after: Manifest) -> Iterator[tuple[str, int, int]]:
    """Counts of every stage in both versions, sources and the funnel."""
    yield "sources read", before.sources.read, after.sources.read
    yield from _by_reason("source", before.sources.dropped, after.sources.dropped)
    yield "passages", before.passages, after.passages
    yield "planned", before.funnel.planned, after.funnel.planned
    yield from _by_reason("rejected", before.funnel.rejected, after.funnel.rejected)
    yield from _by_reason("failed", before.funnel.failed, after.funnel.failed)
    yield "accepted", before.funnel.accepted, after.funnel.accepted
    retired = [each.update.retired if each.update else {} for each in (before, after)]
    yield from _by_reason("retired", retired[0], retired[1])
    carried = [each.update.carried if each.update else 0 for each in (before, after)]
    yield "carried over", carried[0], carried[1]
    yield "records", before.records, after.records


def _by_reason(what: str, old: dict[str, int], new: dict[str, int]) -> Iterator[tuple[str, int, int]]:
    for reason in sorted({*old, *new}):
        yield f"{what}: {reason}", old.get(reason, 0), new.get(reason, 0)


def _numbers(session: duckdb.DuckDBPyConnection, place: int) -> Numbers:
    old, new = (_histogram(session, table, f"number_{place}") for table in ("old", "new"))
    if not old.total or not new.total:
        return Numbers(_summary(old), _summary(new), Shift(0.0, 0.0), 0.0)
    return Numbers(_summary(old), _summary(new), shift_of_numbers(old, new), round(ks_distance(old, new), 4))


def _histogram(session: duckdb.DuckDBPyConnection, table: str, column: str) -> Histogram:
    found = session.execute(
        f"SELECT {column}::DOUBLE AS value, count(*)::DOUBLE AS times FROM {table} WHERE {column} IS NOT NULL GROUP BY ALL ORDER BY ALL"
    ).fetchnumpy()
    return Histogram(*(np.asarray(found[name], dtype=np.float64) for name in ("value", "times")))


def _summary(histogram: Histogram) -> dict[str, float] | None:
    if not histogram.total:
        return None
    quantiles = {name: histogram.quantile(share) for name, share in _QUANTILES.items()}
    return {"mean": round(histogram.mean, 4), **quantiles}


def _types(session: duckdb.DuckDBPyConnection, before: Manifest, after: Manifest) -> dict[str, Counts]:
    pairs: dict[str, tuple[dict[str, int], dict[str, int]]] = {
        "split": (before.splits, after.splits),
        "method": (before.methods, after.methods),
        "negatives": (before.negatives, after.negatives),
        "licence": (before.licences, after.licences),
    }
    for name, column in _COUNTED.items():
        pairs[name] = (_by_value(session, "old", column), _by_value(session, "new", column))
    return {name: Counts(old, new, shift_of_counts(old, new)) for name, (old, new) in pairs.items()}


def _by_value(session: duckdb.DuckDBPyConnection, table: str, column: str) -> dict[str, int]:
    rows: list[Any] = session.execute(
        f"SELECT {column}, count(*) FROM {table}_records GROUP BY ALL ORDER BY 1"
    ).fetchall()
    return dict(rows)
