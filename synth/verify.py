"""Does a version still hold what its manifest says?"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.arrow import arrow_schema
from schemas.document import Passage, RejectedSource
from schemas.manifest import Manifest
from schemas.record import NTuple, Reject, Retired
from synth.collect import collected_numbers
from synth.files import sha256_of_file
from synth.fingerprint import content_sha256
from synth.integrity import check_rows
from synth.store import Store, VersionRef

_SCHEMAS = {
    "passages.parquet": arrow_schema(Passage),
    "rejects.parquet": arrow_schema(Reject),
    "rejected_sources.parquet": arrow_schema(RejectedSource),
}
_RETIRED = {"retired.parquet": arrow_schema(Retired)}
"""Of an update."""
_RECORDS = arrow_schema(NTuple)


def verify_version(version: VersionRef, store: Store | None = None) -> list[str]:
    """Problems, one sentence each; empty when every file, column, count and reference is sound.

    What comes later is looked at only where nothing before it is wrong: files and their bytes, columns, counts,
    rows and what they refer to, the content hash; and the version's parent where its `store` is given.
    """
    with version.fresh() as stored:
        manifest = stored.manifest
        for found in (
            _check_files(stored, manifest),
            _check_schemas(stored, manifest),
            _check_counts(manifest),
            check_rows(stored, manifest),
            _check_content(stored, manifest),
            _check_parent(stored, manifest, store) if store else (),
        ):
            if problems := list(found):
                return problems
        return []


def _check_schemas(version: VersionRef, manifest: Manifest) -> Iterator[str]:
    """Columns are those of the manifest's `schema_version`, of which there has been one."""
    for name in sorted({*_SCHEMAS} - {file.path for file in manifest.files}):
        yield f"{name} is not in the manifest's files"
    for file in manifest.files:
        expected = _RECORDS if file.path.startswith("records/") else (_SCHEMAS | _RETIRED).get(file.path)
        if expected is None:
            continue
        found = pq.read_schema(version.file(file.path))
        wrong = [each.name for each in expected if each.name not in found.names or found.field(each.name) != each]
        wrong += [name for name in found.names if name not in expected.names]
        if wrong or found.names != expected.names:
            yield f"{file.path} does not have the columns of schema version {manifest.schema_version}: see {(wrong or found.names)[0]!r}"


def _check_files(version: VersionRef, manifest: Manifest) -> Iterator[str]:
    known = {file.path for file in manifest.files} | {"manifest.json"}
    for path in sorted(version.path.rglob("*")):
        if path.is_file() and path.relative_to(version.path).as_posix() not in known:
            yield f"{path.relative_to(version.path)} is not in the manifest"
    for file in manifest.files:
        path = version.file(file.path)
        if not path.is_file():
            yield f"{file.path} is missing"
        elif sha256_of_file(path) != file.sha256:
            yield f"{file.path} was changed: its sha256 is not the manifest's"
        elif _count_rows(version, file.path) != file.rows:
            yield f"{file.path} does not hold {file.rows} rows"
        elif path.stat().st_size != file.bytes:
            yield f"{file.path} does not have {file.bytes} bytes"


def _count_rows(version: VersionRef, path: str) -> int:
    try:
        return int(pq.read_metadata(version.file(path)).num_rows)
    except (OSError, pa.ArrowInvalid):
        return -1


def _check_counts(manifest: Manifest) -> Iterator[str]:
    rows = {file.path: file.rows for file in manifest.files}
    records = sum(count for path, count in rows.items() if path.startswith("records/"))
    carried = manifest.update.carried if manifest.update else 0
    if records != manifest.funnel.accepted + carried:
        also = f" and {carried} carried over" if manifest.update else ""
        yield f"{manifest.funnel.accepted} records were accepted{also} but {records} are stored"
    retired = sum(manifest.update.retired.values()) if manifest.update else None
    if rows.get("retired.parquet") != retired:
        yield f"{retired} records of its parent were retired but {rows.get('retired.parquet')} are stored"
    left = manifest.funnel.planned - manifest.funnel.accepted
    dropped = sum(manifest.sources.dropped.values())
    if rows.get("rejected_sources.parquet") != dropped:
        yield f"{dropped} sources were dropped but {rows.get('rejected_sources.parquet')} are stored"
    if rows.get("rejects.parquet") != left:
        yield f"{left} items were rejected or failed but {rows.get('rejects.parquet')} are stored"


def _check_content(version: VersionRef, manifest: Manifest) -> Iterator[str]:
    found = content_sha256(version)
    if found != manifest.content_sha256:
        yield f"the content was changed: its hash is {found[:12]} and the manifest's {manifest.content_sha256[:12]}"


def _check_parent(version: VersionRef, manifest: Manifest, store: Store) -> Iterator[str]:
    known = {each.number for each in store.iterate(version.name)} | collected_numbers(store, version.name)
    for told in filter(None, (manifest.parent, manifest.restored_from)):
        name, _, number = told.partition("@")
        if name != version.name or not number.isdigit() or int(number) >= version.number:
            yield f"{told!r} can't be a version before {version}"
        elif int(number) not in known:
            yield f"{told} is gone and was not collected by `synth gc`"
