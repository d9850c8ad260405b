"""Reads documents from text, Markdown, JSON Lines, CSV, Parquet, HTML, PDF and Word files.

Everything that is found becomes a `Document` or a `RejectedSource` that says why it did not;
only what the user can fix before a run (a path, a field, an extra) is an error.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from schemas.document import Document, RejectedSource
from synth.documents.fields import FieldNames
from synth.documents.rich import parse_docx, parse_html, parse_pdf
from synth.documents.rows import read_csv, read_jsonl, read_parquet
from synth.documents.text import parse_markdown, parse_text, read_whole
from synth.documents.walk import SourceFile, find_sources
from synth.errors import DocumentError, MissingExtra

__all__ = ["list_sources", "read_documents"]

_READERS: dict[str, Callable[[SourceFile, FieldNames], Iterator[Document | RejectedSource]]] = {
    ".txt": partial(read_whole, parse_text),
    ".md": partial(read_whole, parse_markdown),
    ".jsonl": read_jsonl,
    ".jsonl.gz": read_jsonl,
    ".csv": read_csv,
    ".parquet": read_parquet,
    ".html": partial(read_whole, parse_html),
    ".htm": partial(read_whole, parse_html),
    ".pdf": partial(read_whole, parse_pdf),
    ".docx": partial(read_whole, parse_docx),
}
_NEEDS = {".html": "trafilatura", ".htm": "trafilatura", ".pdf": "pypdfium2", ".docx": "docx"}


def read_documents(
    paths: Sequence[Path],
    *,
    text_field: str | None = None,
    title_field: str | None = None,
    id_field: str | None = None,
) -> Iterator[Document | RejectedSource]:
    """Stream every document under `paths`, in the order given; folders are sorted by relative path.

    Paths and extras are checked before this returns, fields when their file is reached.
    The `*_field` arguments name fields of JSON Lines, CSV and Parquet files; without them
    the usual names are tried (`synth.documents.fields`).

    >>> for item in read_documents([Path("handbook.md"), Path("corpus/")], text_field="body"):
    ...     ...
    """
    sources = list_sources(paths)
    _refuse_missing_extras(sources)
    return _read_all(sources, FieldNames(text_field, title_field, id_field))


def list_sources(paths: Sequence[Path]) -> list[SourceFile | RejectedSource]:
    """The files that `read_documents` would read, and those it would refuse unread."""
    return find_sources(paths, tuple(_READERS))


def _refuse_missing_extras(sources: Sequence[SourceFile | RejectedSource]) -> None:
    first_in_need: dict[str, SourceFile] = {}
    for item in sources:
        if isinstance(item, SourceFile) and item.suffix in _NEEDS:
            first_in_need.setdefault(_NEEDS[item.suffix], item)
    for module, file in first_in_need.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise MissingExtra(f"reading {file.name}", "documents") from error


def _read_all(
    sources: Sequence[SourceFile | RejectedSource], wanted: FieldNames
) -> Iterator[Document | RejectedSource]:
    for item in sources:
        if isinstance(item, RejectedSource):
            yield item
        else:
            yield from _read_file(item, wanted)


def _read_file(file: SourceFile, wanted: FieldNames) -> Iterator[Document | RejectedSource]:
    holds_anything = False
    try:
        for item in _READERS[file.suffix](file, wanted):
            holds_anything = True
            yield item
    except OSError as error:
        why = error.strerror or str(error)
        if file.given:
            raise DocumentError(f"{file.path} can't be read ({why}): check its permissions") from error
        yield RejectedSource(source=file.name, reason="unreadable", detail=why)
        return
    if not holds_anything:
        yield RejectedSource(source=file.name, reason="empty")
