"""Croissant metadata against what the specification 1.1 requires; `mlcroissant` is not installed here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from synth.croissant import _licence, make_croissant
from synth.files import sha256_of_file

URL = "https://example.org/finance"
REQUIRED = (
    "@context",
    "@type",
    "conformsTo",
    "description",
    "license",
    "name",
    "url",
    "creator",
    "datePublished",
    "distribution",
)
ATOMIC = {"sc:Text", "sc:Integer", "sc:Float", "sc:Boolean"}


@pytest.fixture(scope="module")
def found(finance: Any) -> dict[str, Any]:
    made: dict[str, Any] = orjson.loads(orjson.dumps(make_croissant(finance.version, "Acme", URL)))
    return made


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(each)
    if isinstance(value, dict):
        yield value


def leaves(fields: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for field in fields:
        yield from leaves(field["subField"]) if "subField" in field else [field]


def test_everything_that_the_specification_requires_is_there(found: dict[str, Any]) -> None:
    assert all(found[name] for name in REQUIRED)
    assert found["@type"] == "sc:Dataset"
    assert found["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert found["@context"]["@vocab"] == "http://schema.org/"
    assert found["@context"]["cr"] == "http://mlcommons.org/croissant/"
    assert found["@context"]["conformsTo"] == "dct:conformsTo"
    assert found["creator"] == {"@type": "sc:Organization", "name": "Acme"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["version"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["datePublished"])


def test_every_croissant_term_is_defined_in_the_context(found: dict[str, Any]) -> None:
    terms = {name for part in ("distribution", "recordSet") for node in nodes(found[part]) for name in node}
    schema_org = {"name", "description", "contentUrl", "contentSize", "encodingFormat", "sha256"}
    assert terms - schema_org - {"@type", "@id"} <= set(found["@context"])


def test_ids_are_unique_and_every_reference_has_its_target(found: dict[str, Any]) -> None:
    defined = [
        node["@id"]
        for part in ("distribution", "recordSet")
        for node in nodes(found[part])
        if len(node) > 1 and "@id" in node
    ]
    named = {
        node["@id"] for part in ("distribution", "recordSet") for node in nodes(found[part]) if list(node) == ["@id"]
    }
    assert len(set(defined)) == len(defined)
    assert named <= set(defined)


def test_files_are_the_versions_own_with_their_hash_and_size(found: dict[str, Any], finance: Any) -> None:
    for file in found["distribution"]:
        path = finance.version.file(file["contentUrl"])
        assert (file["@type"], file["sha256"]) == ("cr:FileObject", sha256_of_file(path))
        assert file["contentSize"] == f"{path.stat().st_size} B"
    assert len(found["distribution"]) == len(finance.manifest.files)


def test_every_column_of_every_file_is_a_field_with_an_atomic_type(found: dict[str, Any], finance: Any) -> None:
    for table, file in zip(found["recordSet"], found["distribution"], strict=True):
        schema = pq.read_schema(finance.version.file(file["contentUrl"]))
        assert [field["name"] for field in table["field"]] == schema.names
        for field in leaves(table["field"]):
            assert field["dataType"] in ATOMIC
            assert field["source"]["fileObject"] == {"@id": file["@id"]}
            assert field["source"]["extract"]["column"] in schema.names


def test_lists_and_what_is_nested_are_told(found: dict[str, Any]) -> None:
    negatives = next(f for table in found["recordSet"] for f in table["field"] if f["name"] == "negatives")
    text = next(field for field in negatives["subField"] if field["name"] == "text")
    assert negatives["isArray"] is True
    assert "dataType" not in negatives
    assert text["source"]["extract"] == {"column": "negatives"}
    assert text["source"]["transform"] == [{"jsonPath": "text"}]


def test_a_licence_is_an_address_where_spdx_lists_it_and_else_a_work_of_that_name() -> None:
    assert _licence("cc by 4.0") == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert _licence("our own terms") == {"@type": "sc:CreativeWork", "name": "our own terms"}
