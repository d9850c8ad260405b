"""Does a version still hold what its manifest says?"""

from __future__ import annotations

from collections.abc import Iterator
from glob import escape

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.manifest import Manifest
from synth.files import sha256_of_file
from synth.store import VersionRef


def verify_version(version: VersionRef) -> list[str]:
    """Problems, one sentence each; empty when every file, count and reference is sound."""
    manifest = version.manifest
    problems = list(_check_files(version, manifest))
    if not problems:
        problems = [*_check_counts(manifest), *_check_references(version)]
    return problems


def _check_files(version: VersionRef, manifest: Manifest) -> Iterator[str]:
    known = {file.path for file in manifest.files}
    for path in sorted(version.path.rglob("*.parquet")):
        if path.relative_to(version.path).as_posix() not in known:
            yield f"{path.relative_to(version.path)} is not in the manifest"
    for file in manifest.files:
        path = version.path / file.path
        if not path.is_file():
            yield f"{file.path} is missing"
        elif sha256_of_file(path) != file.sha256:
            yield f"{file.path} was changed: its sha256 is not the manifest's"
        elif _count_rows(version, file.path) != file.rows:
            yield f"{file.path} does not hold {file.rows} rows"


def _count_rows(version: VersionRef, path: str) -> int:
    try:
        return int(pq.read_metadata(version.path / path).num_rows)
    except (OSError, pa.ArrowInvalid):
        return -1


def _check_counts(manifest: Manifest) -> Iterator[str]:
    rows = {file.path: file.rows for file in manifest.files}
    records = sum(count for path, count in rows.items() if path.startswith("records/"))
    if records != manifest.funnel.accepted:
        yield f"{manifest.funnel.accepted} records were accepted but {records} are stored"
    left = manifest.funnel.planned - manifest.funnel.accepted
    dropped = sum(manifest.sources.dropped.values())
    if rows.get("rejected_sources.parquet") != dropped:
        yield f"{dropped} sources were dropped but {rows.get('rejected_sources.parquet')} are stored"
    if rows.get("rejects.parquet") != left:
        yield f"{left} items were rejected or failed but {rows.get('rejects.parquet')} are stored"


_NEGATIVES = "(SELECT split, list_append(more_positives, positive) AS own, unnest(negatives) AS n FROM records)"
_MADE = "n.method != 'mined'"
_SOURCE = f"CASE WHEN {_MADE} THEN n.made_from ELSE n.passage_id END"
"""The passage that a negative is, or is made from."""

_REFERENCES = {
    "record ids stand twice": "SELECT count(*) - count(DISTINCT id) FROM records",
    "positives point to no passage": (
        "SELECT count(*) FROM (SELECT unnest(list_append(more_positives, positive)) AS t FROM records) r"
        " ANTI JOIN passages p ON r.t.passage_id = p.id"
    ),
    "negatives point to no passage": (
        f"SELECT count(*) FROM (SELECT {_SOURCE} AS source FROM {_NEGATIVES}) r ANTI JOIN passages p ON r.source = p.id"
    ),
    "negatives are their own positive": (
        f"SELECT count(*) FROM {_NEGATIVES} WHERE list_contains(list_transform(own, lambda each: each.passage_id), n.passage_id)"
        f" OR ({_MADE} AND list_contains(list_transform(own, lambda each: each.text), n.text))"
    ),
    "made negatives are passages of the corpus": (
        f"SELECT count(*) FROM (SELECT n FROM {_NEGATIVES} WHERE {_MADE}) r"
        " SEMI JOIN passages p ON r.n.passage_id = p.id OR r.n.text = p.text"
    ),
    "train records hold a test passage": (
        f"SELECT count(*) FROM (SELECT {_SOURCE} AS source FROM {_NEGATIVES} WHERE split = 'train' UNION ALL"
        " SELECT unnest(list_append(more_positives, positive)).passage_id FROM records WHERE split = 'train') r"
        " JOIN passages p ON r.source = p.id WHERE p.split = 'test'"
    ),
}


def _check_references(version: VersionRef) -> Iterator[str]:
    with duckdb.connect() as session:
        session.read_parquet(f"{escape(str(version.path))}/records/*.parquet").create_view("records")
        session.read_parquet(f"{escape(str(version.path))}/passages.parquet").create_view("passages")
        for problem, statement in _REFERENCES.items():
            found = session.execute(statement).fetchone()
            if found and found[0]:
                yield f"{found[0]} {problem}"
