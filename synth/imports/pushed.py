"""A version that synth pushed, back from the Hub: its records and passages as they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from schemas.arrow import arrow_schema
from schemas.document import Passage, RejectedSource
from schemas.manifest import Funnel, Manifest, Origin, SourceCount
from synth.carried import RECORDS
from synth.errors import StoreError
from synth.files import ParquetSink, read_batches
from synth.fingerprint import VersionHash
from synth.hub_read import HubDataset
from synth.imports.version import claim_unless_there, list_files
from synth.licences import UNKNOWN
from synth.progress import Reporter
from synth.publish import REJECTS, add_records
from synth.store import Store, VersionRef

_SPLITS = ("train", "test")


def pushed_manifest(dataset: HubDataset) -> Manifest | None:
    """The manifest of a version that `synth push` sent there with all its records; None for any other dataset."""
    address, files = dataset.address, dataset.files
    if address.config or address.split or "manifest.json" not in files or not _files(files, "full/"):
        return None
    try:
        return Manifest.model_validate_json(dataset.download("manifest.json").read_bytes())
    except ValidationError:
        return None


def add_pushed(
    dataset: HubDataset, pushed: Manifest, name: str, licence: str, folder: Path, store: Store, reporter: Reporter
) -> VersionRef:
    """Publish the records and passages of a pushed version.

    `licence` is that of records which have none. What the Hub does not hold stays out: rejects and dropped sources
    are those of the version that was pushed, and its content hash stands in the origin. Raises StoreError where
    records are missing.
    """
    content, counted = VersionHash(), Counter[str]()
    sinks = {split: ParquetSink(folder / f"records/{split}.parquet", RECORDS) for split in _SPLITS}
    with sinks["train"], sinks["test"]:
        for table in _records(dataset):
            add_records(_licensed(table, licence), sinks, content)
            counted.update(table["split"].to_pylist())
            reporter.advance(table.num_rows)
    if counted != Counter(pushed.splits):
        raise StoreError(
            f"{dataset.address} holds {counted.total()} records but its manifest says {pushed.records}; push it again, or name another revision"
        )
    with ParquetSink(folder / "passages.parquet", arrow_schema(Passage)) as sink:
        for path in _files(dataset.files, "corpus/"):
            for batch in read_batches(dataset.download(path)):
                sink.add_table(pa.Table.from_batches([batch]))
    for file, schema in (("rejects", REJECTS), ("rejected_sources", arrow_schema(RejectedSource))):
        ParquetSink(folder / f"{file}.parquet", schema).__enter__().__exit__(None, None, None)
    manifest = _manifest(dataset, pushed, licence, folder)
    told = manifest.model_copy(update={"name": name, "content_sha256": content.hexdigest()})
    return claim_unless_there(told, folder, store, reporter)


def _manifest(dataset: HubDataset, pushed: Manifest, licence: str, folder: Path) -> Manifest:
    records, documents = pushed.records, pushed.sources.kept
    origin = Origin(
        source=str(dataset.address),
        shape="version",
        revision=dataset.address.revision,
        sha256=pushed.content_sha256,
    )
    changed = {
        "origin": origin,
        "parent": "",
        "restored_from": "",
        "update": None,
        "funnel": Funnel(planned=records, accepted=records),
        "sources": SourceCount(read=documents, kept=documents),
        "licences": _licences(pushed, licence),
        "files": list_files(folder),
    }
    return pushed.model_copy(update=changed)


def _records(dataset: HubDataset) -> Iterator[pa.Table]:
    for split in _SPLITS:
        for path in _files(dataset.files, f"full/{split}-"):
            local = dataset.download(path)
            _check_columns(dataset, path, pq.read_schema(local))
            for batch in read_batches(local):
                yield pa.Table.from_batches([batch]).select(RECORDS.names).cast(RECORDS)


def _licensed(records: pa.Table, licence: str) -> pa.Table:
    """Records, those that state no licence under this one."""
    place = records.schema.get_field_index("provenance")
    told = records["provenance"].combine_chunks()
    names = [field.name for field in told.type]
    parts = dict(zip(names, told.flatten(), strict=True))
    parts["licence"] = pc.if_else(pc.equal(parts["licence"], ""), licence, parts["licence"])
    filled = pa.StructArray.from_arrays([parts[name] for name in names], fields=list(told.type))
    return records.set_column(place, records.schema.field(place), filled)


def _licences(pushed: Manifest, licence: str) -> dict[str, int]:
    counts = Counter(pushed.licences)
    if licence:
        counts[licence] += counts.pop(UNKNOWN, 0)
    return dict(+counts)


def _check_columns(dataset: HubDataset, path: str, found: pa.Schema) -> None:
    missing = [name for name in RECORDS.names if name not in found.names]
    if missing:
        raise StoreError(
            f"{dataset.address}: {path} has no column {missing[0]!r}: it was pushed by another version of synth; import a config of it, such as {dataset.address}/triplet"
        )


def _files(files: Sequence[str], start: str) -> list[str]:
    return sorted(file for file in files if file.startswith(start) and file.endswith(".parquet"))
