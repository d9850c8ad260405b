"""Which fields of a row are its text, title and id, and what else is told of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from synth.errors import DocumentError, suggest

_TEXT = ("text", "body", "content", "passage", "document", "abstract", "description", "contents")
_TITLE = ("title", "name", "heading", "subject")
_ID = ("id", "_id", "doc_id", "docid", "document_id", "uuid")
_LICENCE = ("licence", "license")
_LANGUAGE = ("language", "lang")
_TOPIC = ("topic",)
_WRITTEN_BY = ("written_by",)
_SHOWN_FIELDS = 20


class FieldNames(NamedTuple):
    """Fields the user named; None leaves the choice to the usual names."""

    text: str | None = None
    title: str | None = None
    id: str | None = None


class Columns(NamedTuple):
    """Fields that a file has."""

    text: str
    title: str | None
    id: str | None
    licence: str | None
    language: str | None
    topic: str | None
    written_by: str | None


def choose_columns(fields: Iterable[str], wanted: FieldNames, where: str) -> Columns:
    """Columns of a table; DocumentError when a named one, or any text, is missing."""
    known = tuple(fields)
    for name, option in ((wanted.title, "--title-field"), (wanted.id, "--id-field")):
        _require(name, known, option, where)
    return with_optional(choose_text(known, wanted, where), known, wanted)


def choose_text(fields: Iterable[str], wanted: FieldNames, where: str) -> str:
    """The field that holds the text."""
    known = tuple(fields)
    _require(wanted.text, known, "--text-field", where)
    text = wanted.text or _first(_TEXT, known)
    if text is None:
        shown = ", ".join(known[:_SHOWN_FIELDS]) + (" ..." if len(known) > _SHOWN_FIELDS else "")
        has = f"its fields are {shown}" if known else "it has no fields"
        raise DocumentError(f"{where} has no field that is known to hold text ({has}): name it with --text-field")
    return text


@lru_cache(maxsize=128)
def with_optional(text: str, fields: tuple[str, ...], wanted: FieldNames) -> Columns:
    """Columns of a row whose text field is known."""
    title = wanted.title or _first(_TITLE, fields)
    document_id = wanted.id or _first(_ID, fields)
    told = (_first(names, fields) for names in (_LICENCE, _LANGUAGE, _TOPIC, _WRITTEN_BY))
    return Columns(text, title, document_id, *told)


def _require(name: str | None, known: tuple[str, ...], option: str, where: str) -> None:
    if name is not None and name not in known:
        hint = suggest(name, known[:_SHOWN_FIELDS])
        raise DocumentError(f"{where} has no field {name!r}, which {option} names{hint}")


def _first(candidates: tuple[str, ...], known: tuple[str, ...]) -> str | None:
    by_lower = {field.lower(): field for field in reversed(known)}
    return next((by_lower[name] for name in candidates if name in by_lower), None)
