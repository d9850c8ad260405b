"""Croissant metadata of a version: what its files, tables and columns are, for machines.

JSON-LD as the Croissant format specification 1.1 says (MLCommons, 29 January 2026,
https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html). Paths are relative, so the document belongs
beside `manifest.json`.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.manifest import FileEntry, Manifest
from synth.licences import spdx_of
from synth.store import VersionRef

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
_PARQUET = "application/x-parquet"
"""As the Hub and mlcroissant name it."""

_TERMS = (
    "annotation arrayShape citeAs column containedIn equivalentProperty excludes extract field fileProperty fileObject"
    " fileSet format includes isArray isLiveDataset jsonPath key md5 parentField recordSet references regex readLines"
    " sdVersion separator source subField transform unArchive value"
).split()
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "http://schema.org/",
    "sc": "http://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS},
}
"""Appendix 1 of the specification."""

_TABLES = {
    "records/train.parquet": ("train", "Records to train with: a query, the passage that answers it, hard negatives."),
    "records/test.parquet": ("test", "Records to evaluate with."),
    "passages.parquet": ("passages", "All passages that positives and negatives are taken from."),
    "rejects.parquet": ("rejects", "What was planned or read and is no record, and why."),
    "rejected_sources.parquet": ("rejected_sources", "Sources that gave nothing, and why."),
}


def make_croissant(version: VersionRef, creator: str, url: str) -> dict[str, Any]:
    """The JSON-LD document of a version.

    `creator` and `url` (of the page of the dataset) are required by the specification and nothing that a version knows.
    """
    manifest = version.manifest
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": manifest.name,
        "description": _describe(manifest),
        "license": [_licence(name) for name in manifest.licences] or [_licence("unknown")],
        "url": url,
        "creator": {"@type": "sc:Organization", "name": creator},
        "datePublished": manifest.created,
        "version": f"{manifest.version}.0.0",
        "inLanguage": list(manifest.language),
        "keywords": ["embeddings", "sentence-transformers", "hard negatives", manifest.domain],
        "distribution": [_file(entry) for entry in manifest.files],
        "recordSet": [_table(version, entry) for entry in manifest.files],
    }


def _describe(manifest: Manifest) -> str:
    splits = ", ".join(f"{count} {split}" for split, count in manifest.splits.items())
    made = f"imported from {manifest.origin.source}" if manifest.origin else "made by machine"
    return (
        f"Training data for embedding models in the domain {manifest.domain}, {made} with synth {manifest.synth_version}: "
        f"{sum(manifest.splits.values())} records ({splits}) over {manifest.passages} passages. "
        f"Content sha256 {manifest.content_sha256}."
    )


def _licence(name: str) -> str | dict[str, str]:
    """The address of a licence that SPDX lists; any other text as a work of that name."""
    known = spdx_of(name)
    return f"https://spdx.org/licenses/{known}.html" if known else {"@type": "sc:CreativeWork", "name": name}


def _file(entry: FileEntry) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": entry.path,
        "name": entry.path,
        "contentUrl": entry.path,
        "contentSize": f"{entry.bytes} B",
        "encodingFormat": _PARQUET,
        "sha256": entry.sha256,
    }


def _table(version: VersionRef, entry: FileEntry) -> dict[str, Any]:
    name, description = _TABLES.get(entry.path, (entry.path.removesuffix(".parquet"), f"Rows of {entry.path}."))
    schema = pq.read_schema(version.file(entry.path))
    key = {"key": {"@id": f"{name}/id"}} if "id" in schema.names else {}
    fields = [_field(column, name, entry.path, []) for column in schema]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "description": description, **key, "field": fields}


def _field(column: pa.Field, above: str, file: str, path: list[str]) -> dict[str, Any]:
    """A column, or what is nested in one: read from its column, then by the names below it."""
    kind, is_list = column.type, pa.types.is_list(column.type)
    inner = kind.value_type if is_list else kind
    here = [*path, column.name]
    found: dict[str, Any] = {"@type": "cr:Field", "@id": f"{above}/{column.name}", "name": column.name}
    if is_list:
        found["isArray"] = True
    if pa.types.is_struct(inner):
        return found | {"subField": [_field(each, found["@id"], file, here) for each in inner]}
    source: dict[str, Any] = {"fileObject": {"@id": file}, "extract": {"column": here[0]}}
    if len(here) > 1:
        source["transform"] = [{"jsonPath": name} for name in here[1:]]
    return found | {"dataType": _data_type(inner), "source": source}


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"
