"""Source texts and the chunks that queries are about."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Strict

Split = Literal["train", "test"]
"""The split belongs to the document; its passages and their records inherit it."""


class Document(Strict):
    """A source text before chunking, as it is stored: sensitive data may be masked already."""

    id: Annotated[str, Field(min_length=1)]
    title: str = ""
    text: Annotated[str, Field(min_length=1)]
    source: str
    """Where it was read: file name, and row where the file holds several documents."""
    licence: str = ""
    language: str = ""
    """BCP 47 code, such as `de` or `pt-BR`; '' where it is not known."""
    topic: str = ""
    """What it is about, as a path in a topic tree; '' where nobody said."""
    written_by: str = ""
    """The model that invented it; '' for a text that somebody wrote."""


class Passage(Strict):
    """A chunk of a document: `document.text[start:end]` (offsets in characters of the stored document)."""

    id: Annotated[str, Field(min_length=1)]
    document_id: str
    title: str = ""
    heading: str = ""
    """The nearest heading above the passage; never part of `text`."""
    text: Annotated[str, Field(min_length=1)]
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(gt=0)]
    split: Split
    language: str = ""
    topic: str = ""
    written_by: str = ""
    """`language`, `topic` and `written_by` are those of its document."""
    flags: list[str] = []
    """Kinds of sensitive data that were seen (`email`, `card` ...)."""


class RejectedSource(Strict):
    """A file or row that did not become a document, and why."""

    source: str
    reason: str
    detail: str = ""
