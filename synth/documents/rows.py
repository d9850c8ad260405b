"""Files that hold a document per row: JSON Lines, CSV and Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from io import BufferedIOBase
from itertools import chain, count
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.document import Document, RejectedSource
from synth.documents import text
from synth.documents.fields import Columns, FieldNames, choose_columns, choose_text, with_optional
from synth.documents.lines import BadLine, read_lines
from synth.documents.walk import SourceFile

_BATCH = 128
_DELIMITERS = ",;\t"
_STUB = "\0"
"""Stands in a CSV for a line that can't be used; no line that can be used holds it."""


def read_jsonl(file: SourceFile, wanted: FieldNames) -> Iterator[Document | RejectedSource]:
    """A document per line; the first object decides which field is the text."""
    text_field: str | None = None
    for number, line in enumerate(read_lines(file.path), start=1):
        if isinstance(line, BadLine):
            yield _rejected(line, file, number)
        elif line.strip():
            source = f"{file.name}:{number}"
            row = _json_object(line, source)
            if isinstance(row, RejectedSource):
                yield row
                continue
            text_field = text_field or choose_text(row, wanted, str(file.path))
            yield _document(row, with_optional(text_field, tuple(row), wanted), source)


def _json_object(line: str, source: str) -> dict[str, Any] | RejectedSource:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return RejectedSource(source=source, reason="invalid_json", detail=str(error))
    if not isinstance(row, dict):
        return RejectedSource(source=source, reason="not_an_object", detail=f"it is a {type(row).__name__}")
    return row


def read_csv(file: SourceFile, wanted: FieldNames) -> Iterator[Document | RejectedSource]:
    """A document per row below the header; fields are separated by what the header has most of: , ; or a tab."""
    lines = read_lines(file.path)
    first = next((line for line in lines if isinstance(line, BadLine) or line.strip()), None)
    if first is None:
        return
    if isinstance(first, BadLine):
        yield RejectedSource(source=file.name, reason=first.reason, detail=f"the header: {first.detail}")
        return
    rows = _CsvRows(chain([first], lines), max(_DELIMITERS, key=first.count))
    header = next(rows)
    if isinstance(header, BadLine):
        yield RejectedSource(source=file.name, reason=header.reason, detail=f"the header: {header.detail}")
        return
    header = [name.strip() for name in header]
    columns = choose_columns(header, wanted, str(file.path))
    for number, cells in enumerate(rows, start=1):
        if isinstance(cells, BadLine):
            yield _rejected(cells, file, number)
        elif len(cells) > len(header):
            extra = f"{len(cells)} cells below a header of {len(header)}: put quotes around text that holds a separator"
            yield RejectedSource(source=f"{file.name}:{number}", reason="malformed_row", detail=extra)
        else:
            yield _document(dict(zip(header, cells, strict=False)), columns, f"{file.name}:{number}")


class _CsvRows(Iterator["list[str] | BadLine"]):
    """Rows that are not blank. A line that can't be used spoils its own row and no other."""

    def __init__(self, lines: Iterator[str | BadLine], delimiter: str) -> None:
        csv.field_size_limit(text.MAX_BYTES)
        self._delimiter = delimiter
        self._bad: list[BadLine] = []
        self._ended = False
        self._reader = csv.reader(self._usable(lines), delimiter=delimiter, strict=True)

    def __next__(self) -> list[str] | BadLine:
        while not self._ended:
            try:
                cells = next(self._reader)
            except StopIteration:
                self._ended = True
                if self._bad:
                    return self._bad.pop()
            except csv.Error as error:
                return self._broken(str(error))
            else:
                if self._bad and any(_STUB in cell for cell in cells):
                    return self._take_bad()
                if cells:
                    return cells
        raise StopIteration

    def _usable(self, lines: Iterator[str | BadLine]) -> Iterator[str]:
        for line in lines:
            if not isinstance(line, BadLine):
                yield f"{line}\n"
                continue
            self._bad.append(line)
            if line.ends_file:
                return
            # An odd number of quotes opens or closes a quoted field, so the stub must do so too.
            yield f'{_STUB}{self._delimiter}"\n' if line.quotes % 2 else f"{_STUB}\n"

    def _take_bad(self) -> BadLine:
        bad = self._bad[0]
        self._bad.clear()
        return bad

    def _broken(self, why: str) -> BadLine:
        if self._bad:
            return self._take_bad()
        if "field larger" in why:
            self._ended = True
            detail = "a field has no end: its closing quote is probably missing; the rows after it were not read"
            return BadLine("too_large", detail)
        return BadLine("malformed_row", why)


def read_parquet(file: SourceFile, wanted: FieldNames) -> Iterator[Document | RejectedSource]:
    """A document per row; only the columns that are needed are read, a batch at a time."""
    rows_read = 0
    with file.path.open("rb") as handle:
        try:
            for item in _parquet_documents(handle, wanted, file):
                rows_read += 1
                yield item
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            why = str(error).partition("\n")[0]
            detail = f"{why}; {rows_read} rows before it were read"
            yield RejectedSource(source=file.name, reason="corrupt", detail=detail)


def _parquet_documents(
    handle: BufferedIOBase, wanted: FieldNames, file: SourceFile
) -> Iterator[Document | RejectedSource]:
    content = pq.ParquetFile(handle, buffer_size=1 << 20, pre_buffer=False)
    columns = choose_columns(content.schema_arrow.names, wanted, str(file.path))
    needed = list(dict.fromkeys(name for name in columns if name is not None))
    numbers = count(1)
    for batch in content.iter_batches(batch_size=_BATCH, columns=needed):
        for index in range(batch.num_rows):
            source = f"{file.name}:{next(numbers)}"
            row = _parquet_row(batch, index, source)
            yield row if isinstance(row, RejectedSource) else _document(row, columns, source)


def _parquet_row(batch: pa.RecordBatch, index: int, source: str) -> dict[str, Any] | RejectedSource:
    try:
        return {name: column[index].as_py() for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    except UnicodeDecodeError as error:
        return RejectedSource(source=source, reason="encoding", detail=text.not_text(error))
    except (ValueError, OverflowError) as error:
        return RejectedSource(source=source, reason="malformed_row", detail=str(error))


def _rejected(bad: BadLine, file: SourceFile, number: int) -> RejectedSource:
    source = file.name if bad.ends_file else f"{file.name}:{number}"
    return RejectedSource(source=source, reason=bad.reason, detail=bad.detail)


def _document(row: Mapping[str, Any], columns: Columns, source: str) -> Document | RejectedSource:
    body = row.get(columns.text)
    if not isinstance(body, str):
        what = "missing or null" if body is None else f"not text but {type(body).__name__}"
        return RejectedSource(source=source, reason="no_text", detail=f"the field {columns.text!r} is {what}")
    if len(body) > text.MAX_BYTES:
        return RejectedSource(source=source, reason="too_large", detail=f"a text of {len(body)} characters")
    title, document_id, *told = (row.get(name) if name else None for name in columns[1:])
    licence, language, topic, written_by = (value if isinstance(value, str) else "" for value in told)
    parsed = text.Parsed(
        text=body,
        title=title if isinstance(title, str) else "",
        id=str(document_id) if isinstance(document_id, str | int) and not isinstance(document_id, bool) else "",
        licence=licence,
        language=language,
        topic=topic,
        written_by=written_by,
    )
    return text.make_document(parsed, source)
