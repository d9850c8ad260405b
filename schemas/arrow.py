"""Arrow schemas, derived from pydantic models and dataclasses."""

from __future__ import annotations

import types
from dataclasses import is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pyarrow as pa
from pydantic import BaseModel

_SCALARS: dict[Any, pa.DataType] = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def arrow_schema(model: type[Any]) -> pa.Schema:
    """The Arrow schema of a table whose rows are `model`, a pydantic model or a dataclass; optional fields are nullable.

    Raises TypeError for an annotation that has no honest column type.
    """
    return pa.schema(_fields(model), metadata={"model": model.__name__})


def _fields(model: type[Any]) -> list[pa.Field]:
    if is_dataclass(model):
        return [pa.field(name, *_type(annotation)) for name, annotation in get_type_hints(model).items()]
    return [pa.field(name, *_type(field.annotation)) for name, field in model.model_fields.items()]


def _type(annotation: Any) -> tuple[pa.DataType, bool]:
    """Column type and whether it is nullable."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin in (Union, types.UnionType):
        inner = [a for a in arguments if a is not type(None)]
        if len(inner) == 1:
            return _type(inner[0])[0], True
    if origin is Literal and len({type(a) for a in arguments}) == 1:
        return _SCALARS[type(arguments[0])], False
    if origin is list:
        return pa.list_(pa.field("item", *_type(arguments[0]))), False
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pa.struct(_fields(annotation)), False
    if annotation in _SCALARS:
        return _SCALARS[annotation], False
    raise TypeError(f"{annotation!r} has no Arrow column type")
