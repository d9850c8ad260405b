"""Bytes to text to documents: decoding, cleaning, plain text and Markdown."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import yaml

from schemas.document import Document, RejectedSource
from synth.documents.fields import FieldNames
from synth.documents.walk import SourceFile
from synth.language import as_code
from synth.text import normalise

MAX_BYTES = 50_000_000
"""The largest file of one document, line or field that is read."""

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)??(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
_FRONT_MATTER_LIMIT = 16_384
_HEADING = re.compile(r"\s*#[ \t]+(\S[^\n]*?)(?:[ \t]+#+)?[ \t]*(?:\n|$)")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Parsed(NamedTuple):
    """A document before it is cleaned and named."""

    text: str
    title: str = ""
    id: str = ""
    licence: str = ""
    language: str = ""
    topic: str = ""
    written_by: str = ""


Parser = Callable[[bytes, str], Parsed | RejectedSource]
"""From the content of a file and its name."""


def read_whole(parse: Parser, file: SourceFile, _wanted: FieldNames) -> Iterator[Document | RejectedSource]:
    """Read a file that is one document; unless it brings an id it goes by its name, which outlives edits."""
    with file.path.open("rb") as handle:
        data = handle.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        yield RejectedSource(source=file.name, reason="too_large", detail=f"more than {MAX_BYTES} bytes; split it")
    elif not data.strip():
        yield RejectedSource(source=file.name, reason="empty")
    else:
        parsed = parse(data, file.name)
        if isinstance(parsed, Parsed):
            yield make_document(parsed._replace(id=parsed.id or file.name), file.name)
        else:
            yield parsed


def make_document(parsed: Parsed, source: str) -> Document | RejectedSource:
    """A clean document; its id is the one it brought, else it follows from title and text alone."""
    text, title = clean(parsed.text), _one_line(parsed.title)
    if not text:
        return RejectedSource(source=source, reason="empty")
    document_id = _one_line(parsed.id) or _id_of(title, text)
    return Document(
        id=document_id,
        title=title,
        text=text,
        source=source,
        licence=_one_line(parsed.licence),
        language=as_code(parsed.language),
        topic=_one_line(parsed.topic),
        written_by=_one_line(parsed.written_by),
    )


def clean(text: str) -> str:
    r"""Only `\n` and `\t` stay of the control characters; no space at either end.

    >>> clean("Net debt\x07 rose\r\n")
    'Net debt  rose'
    """
    return _UNPRINTABLE.sub(" ", text.replace("\r\n", "\n")).strip()


def _one_line(text: str) -> str:
    return " ".join(clean(text).split())


def _id_of(title: str, text: str) -> str:
    return hashlib.sha256(f"{normalise(title)}\n{normalise(text)}".encode()).hexdigest()[:16]


def decode(data: bytes, source: str) -> str | RejectedSource:
    """Text of UTF-8, or of UTF-16 with a byte-order mark."""
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    nul = -1 if is_utf16 else data.find(b"\0")
    if nul >= 0:
        return RejectedSource(source=source, reason="binary", detail=nul_at(nul))
    try:
        text = data.decode("utf-16" if is_utf16 else "utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        return RejectedSource(source=source, reason="encoding", detail=not_text(error))
    if "\0" in text:
        return RejectedSource(source=source, reason="binary", detail=nul_at(text.index("\0")))
    return text


def nul_at(offset: int) -> str:
    """Detail of a rejection as binary."""
    return f"a NUL at offset {offset}: this is not text in UTF-8, or in UTF-16 with a byte-order mark"


def not_text(error: UnicodeDecodeError) -> str:
    """Detail of a rejection for its encoding."""
    byte, wanted = error.object[error.start], error.encoding.upper()
    return (
        f"byte 0x{byte:02x} at offset {error.start} is not {wanted}; "
        "convert the file with iconv -f LATIN1 -t UTF-8, or from whatever encoding it has"
    )


def parse_text(data: bytes, source: str) -> Parsed | RejectedSource:
    """Plain text has no title."""
    text = decode(data, source)
    return text if isinstance(text, RejectedSource) else Parsed(text)


def parse_markdown(data: bytes, source: str) -> Parsed | RejectedSource:
    """Front matter gives title, id and licence; else the heading on the first line is the title."""
    text = decode(data, source)
    if isinstance(text, RejectedSource):
        return text
    front, body = _split_front_matter(text.replace("\r\n", "\n"))
    title, body = take_title(body, front.get("title", ""))
    return Parsed(body, title, front.get("id", ""), front.get("licence") or front.get("license", ""))


def take_title(text: str, title: str = "") -> tuple[str, str]:
    """Title and remaining text: a first `# Heading` leaves the text unless another title is known.

    >>> take_title("# Bonds\\nA bond is a loan.")
    ('Bonds', 'A bond is a loan.')
    """
    match = _HEADING.match(text)
    if match and (not title or normalise(match[1]) == normalise(title)):
        return title or match[1], text[match.end() :]
    return title, text


def _split_front_matter(text: str) -> tuple[dict[str, str], str]:
    match = _FRONT_MATTER.match(text[:_FRONT_MATTER_LIMIT])
    if not match:
        return {}, text
    try:
        # BaseLoader builds nothing but strings, lists and dicts: an id such as 007 stays as written.
        fields = yaml.BaseLoader(match[1] or "").get_single_data()
    except (yaml.YAMLError, RecursionError):
        return {}, text
    if fields is None:
        return {}, text[match.end() :]
    if not isinstance(fields, dict):
        return {}, text
    strings = {str(key).lower(): value for key, value in fields.items() if isinstance(value, str)}
    return strings, text[match.end() :]
