"""JSON Schema, Arrow schema and the models themselves say the same of every published row."""

from __future__ import annotations

import types
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from schemas.arrow import arrow_schema
from schemas.base import Strict
from schemas.document import Document, Passage, RejectedSource
from schemas.record import RECORD_KINDS, Reject

PUBLISHED: list[type[BaseModel]] = [Document, Passage, RejectedSource, Reject, *RECORD_KINDS.values()]
"""Every model that is a row of a Parquet file we publish."""

SCALARS = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}


def column_type(schema: dict[str, Any], definitions: dict[str, Any]) -> tuple[pa.DataType, bool]:
    """What a JSON Schema means as a column: its type, and whether it may be null."""
    if "$ref" in schema:
        return column_type(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        (given_type,) = [each for each in schema["anyOf"] if each.get("type") != "null"]
        return column_type(given_type, definitions)[0], True
    if schema["type"] == "array":
        item, nullable = column_type(schema["items"], definitions)
        return pa.list_(pa.field("item", item, nullable)), False
    if schema["type"] == "object":
        assert schema["additionalProperties"] is False, f"{schema['title']} takes fields it does not know"
        fields = [pa.field(name, *column_type(each, definitions)) for name, each in schema["properties"].items()]
        return pa.struct(fields), False
    return SCALARS[schema["type"]], False


def rows_of(model: type[BaseModel]) -> st.SearchStrategy[BaseModel]:
    """Instances of a model, within the bounds that its fields declare."""
    return st.builds(model, **{name: values_of(f.annotation, f.metadata) for name, f in model.model_fields.items()})


def values_of(annotation: Any, metadata: list[Any]) -> st.SearchStrategy[Any]:
    bounds = {name: getattr(each, name) for each in metadata for name in each.__slots__}
    low, high, shortest = bounds.get("ge", bounds.get("gt")), bounds.get("le"), bounds.get("min_length", 0)
    if get_origin(annotation) in (Union, types.UnionType):
        return st.none() | values_of(get_args(annotation)[0], metadata)
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    if get_origin(annotation) is list:
        return st.lists(values_of(get_args(annotation)[0], []), min_size=shortest, max_size=3)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return rows_of(annotation)
    if annotation is int:
        return st.integers(1 if "gt" in bounds else low or 0, high or 2**63 - 1)
    if annotation is float:
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    return {bool: st.booleans(), str: st.text(min_size=shortest, max_size=12)}[annotation]


@pytest.mark.parametrize("model", PUBLISHED)
def test_json_schema_and_arrow_schema_agree_on_every_column(model: type[BaseModel]) -> None:
    described = model.model_json_schema()
    expected, _ = column_type(described, described.get("$defs", {}))
    assert pa.struct(list(arrow_schema(model))) == expected


@pytest.mark.parametrize("model", PUBLISHED)
def test_a_table_says_which_model_its_rows_are(model: type[BaseModel]) -> None:
    assert arrow_schema(model).metadata == {b"model": model.__name__.encode()}


@pytest.mark.parametrize("model", PUBLISHED)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_rows_survive_arrow_and_parquet(tmp_path: Path, model: type[BaseModel], data: st.DataObject) -> None:
    rows = data.draw(st.lists(rows_of(model), max_size=3))
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist([row.model_dump() for row in rows], schema=arrow_schema(model)), file)
    read = pq.read_table(file)
    assert read.schema.equals(arrow_schema(model))
    assert [model.model_validate(row, strict=True) for row in read.to_pylist()] == rows


class Inner(Strict):
    number: int


class Everything(Strict):
    word: str
    mode: Literal["a", "b"]
    maybe: float | None
    inner: Inner
    inners: list[Inner]
    flag: bool
    labels: list[Annotated[str, Field(min_length=1)]]


def test_every_kind_of_field_has_an_honest_column_type() -> None:
    inner = pa.struct([pa.field("number", pa.int64(), nullable=False)])
    assert list(arrow_schema(Everything)) == [
        pa.field("word", pa.string(), nullable=False),
        pa.field("mode", pa.string(), nullable=False),
        pa.field("maybe", pa.float64(), nullable=True),
        pa.field("inner", inner, nullable=False),
        pa.field("inners", pa.list_(pa.field("item", inner, nullable=False)), nullable=False),
        pa.field("flag", pa.bool_(), nullable=False),
        pa.field("labels", pa.list_(pa.field("item", pa.string(), nullable=False)), nullable=False),
    ]


@dataclass
class Noted:
    word: str
    score: float | None = None


def test_a_dataclass_has_a_schema_like_a_model() -> None:
    assert list(arrow_schema(Noted)) == [
        pa.field("word", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=True),
    ]


@pytest.mark.parametrize("annotation", [dict[str, int], int | str, Literal["a", 1], Any, bytes])
def test_a_field_without_an_honest_column_type_is_refused(annotation: Any) -> None:
    model = type("Odd", (Strict,), {"__annotations__": {"field": annotation}})
    with pytest.raises(TypeError, match="has no Arrow column type"):
        arrow_schema(model)
