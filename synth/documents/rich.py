"""HTML, PDF and Word: what the extra `documents` reads."""

from __future__ import annotations

import copy
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from schemas.document import RejectedSource
from synth.documents import text
from synth.documents.text import Parsed, decode, take_title

if TYPE_CHECKING:
    from docx.document import Document as WordDocument
    from docx.table import Table, _Cell
    from docx.text.paragraph import Paragraph
    from pypdfium2 import PdfDocument

_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_HTML_HEADING = re.compile(r"<h[1-6][\s>]", re.IGNORECASE)
_HTML_BODY = re.compile(r"(<body[^>]*>)(.*?)(</body\s*>|$)", re.IGNORECASE | re.DOTALL)
_MARKDOWN_HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
_FILE_NAME = re.compile(r"\.[a-z][a-z0-9]{1,4}$", re.IGNORECASE)
_LINE_END_HYPHEN = re.compile("[\x02\ufffe](?:\r?\n)?")
_WORD_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
_WORD_ERRORS = (LookupError, ValueError, AttributeError, TypeError, RuntimeError)
"""What python-docx raises on its own when parts of a file are missing or wrong; found by damaging files at random."""
_UNPACKED_FACTOR = 10
"""A .docx may unpack to this many times the file limit; beyond it is a zip bomb, or of no use as text."""


def parse_html(data: bytes, source: str) -> Parsed | RejectedSource:
    """The main text, with its headings as Markdown."""
    import trafilatura

    page = decode(_as_utf8(data), source)
    if isinstance(page, RejectedSource):
        return page
    body = _extract(page)
    if not body.strip():
        return RejectedSource(source=source, reason="no_text", detail="no main text was found in the page")
    metadata = trafilatura.extract_metadata(page)
    title, body = take_title(body, (metadata.title if metadata else None) or "")
    return Parsed(body, title)


def _as_utf8(data: bytes) -> bytes:
    """A page that is not UTF-8 but declares what it is, converted; any other unchanged."""
    declared = _CHARSET.search(data[:2048])
    try:
        data.decode()
    except UnicodeDecodeError:
        if declared:
            return _converted(data, declared[1].decode("ascii", "replace"))
    return data


def _converted(data: bytes, encoding: str) -> bytes:
    try:
        return data.decode(encoding).encode()
    except (LookupError, UnicodeError):
        return data


def _extract(page: str) -> str:
    """Trafilatura drops the headings of pages without a recognisable container: such a page gets one."""
    import trafilatura
    from trafilatura.settings import DEFAULT_CONFIG

    body = trafilatura.extract(page, output_format="markdown", include_comments=False) or ""
    if _MARKDOWN_HEADING.search(body) or not _HTML_HEADING.search(page):
        return body
    config = copy.deepcopy(DEFAULT_CONFIG)
    config["DEFAULT"]["MIN_EXTRACTED_SIZE"] = "1"
    contained = _HTML_BODY.sub(r"\1<article>\2</article>\3", page, count=1)
    again = trafilatura.extract(contained, output_format="markdown", include_comments=False, config=config) or ""
    return again if _MARKDOWN_HEADING.search(again) and len(again) >= len(body) else body


def parse_pdf(data: bytes, source: str) -> Parsed | RejectedSource:
    """The text of all pages."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(data) as document:
            body = "\n\n".join(page for page in _page_texts(document) if page)
            title = _sensible_title(document.get_metadata_value("Title"))
    except pypdfium2.PdfiumError as error:
        return RejectedSource(source=source, reason="corrupt", detail=str(error))
    if not body:
        detail = "no page holds text: it is probably scanned; run OCR on it first, for example ocrmypdf"
        return RejectedSource(source=source, reason="no_text", detail=detail)
    return Parsed(body, title)


def _page_texts(document: PdfDocument) -> Iterator[str]:
    for index in range(len(document)):
        page = document[index]
        content = page.get_textpage()
        yield text.clean(_LINE_END_HYPHEN.sub("", content.get_text_range()))
        content.close()
        page.close()


def _sensible_title(title: str) -> str:
    title = text.clean(title).removeprefix("Microsoft Word - ")
    is_sensible = len(title) >= 3 and not _FILE_NAME.search(title) and title.lower() != "untitled"
    return title if is_sensible else ""


def parse_docx(data: bytes, source: str) -> Parsed | RejectedSource:
    """Paragraphs and tables in reading order, headings as Markdown."""
    import docx
    from docx.opc.exceptions import OpcError
    from docx.oxml.exceptions import InvalidXmlError
    from lxml.etree import LxmlError

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > _UNPACKED_FACTOR * text.MAX_BYTES:
            return RejectedSource(source=source, reason="too_large", detail=f"{unpacked} bytes when unpacked")
        parsed = _word_content(docx.Document(io.BytesIO(data)))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        return RejectedSource(source=source, reason="corrupt", detail=f"not a readable .docx archive: {error}")
    except (OpcError, InvalidXmlError, LxmlError, *_WORD_ERRORS) as error:
        return RejectedSource(source=source, reason="corrupt", detail=f"not a Word document: {error}")
    if not parsed.text.strip():
        return RejectedSource(source=source, reason="no_text", detail="no paragraph or table holds text")
    return parsed


def _word_content(document: WordDocument) -> Parsed:
    blocks = [block for block in _word_blocks(document) if block.strip()]
    known = text.clean(document.core_properties.title)
    first_heading = next((block[2:] for block in blocks if block.startswith("# ")), "")
    title, body = take_title("\n\n".join(blocks), known or first_heading)
    return Parsed(body, title)


def _word_blocks(document: WordDocument) -> Iterator[str]:
    from docx.text.paragraph import Paragraph

    for block in document.iter_inner_content():
        yield _paragraph_text(block) if isinstance(block, Paragraph) else _table_text(block)


def _paragraph_text(paragraph: Paragraph) -> str:
    style = (paragraph.style.name if paragraph.style else None) or ""
    heading = _WORD_HEADING.fullmatch(style)
    level = 1 if style == "Title" else int(heading[1]) if heading else 0
    if level and paragraph.text.strip():
        return f"{'#' * min(level, 6)} {' '.join(paragraph.text.split())}"
    return paragraph.text


def _table_text(table: Table) -> str:
    lines = []
    for row in table.rows:
        cells = {cell._tc: cell for cell in row.cells}  # a merged cell comes once for each column it spans
        lines.append(" | ".join(_cell_text(cell) for cell in cells.values()))
    return "\n".join(lines)


def _cell_text(cell: _Cell) -> str:
    from docx.table import Table

    parts = (_table_text(block) if isinstance(block, Table) else block.text for block in cell.iter_inner_content())
    return " ".join(" ".join(parts).split())
