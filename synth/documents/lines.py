"""Lines of text files of any size: no more than a piece of an overlong line is ever in memory."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import NamedTuple

from synth.documents import text

_PIECE = 1 << 18


class BadLine(NamedTuple):
    """A line, or the rest of a file, that can't be used."""

    reason: str
    detail: str
    quotes: int = 0
    """How many double quotes it held, so that CSV knows whether it opened or closed a field."""
    ends_file: bool = False


def read_lines(path: Path) -> Iterator[str | BadLine]:
    """Lines without their newline. After a BadLine that ends the file there is nothing more."""
    with path.open("rb") as file:
        handle = gzip.GzipFile(fileobj=file) if path.name.lower().endswith(".gz") else file
        try:
            yield from _decoded(_split(_pieces(handle)))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            yield BadLine("corrupt", f"{error}; what came before it was read", ends_file=True)
        except UnicodeDecodeError as error:
            yield BadLine("encoding", text.not_text(error), ends_file=True)


def _pieces(handle: BufferedIOBase) -> Iterator[bytes]:
    """The file in UTF-8 without byte-order mark; `read1`, since `read` loses what precedes damage in a gz."""
    piece = handle.read1(_PIECE)
    if piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        decoder = codecs.getincrementaldecoder("utf-16")()
        while piece:
            yield decoder.decode(piece).encode()
            piece = handle.read1(_PIECE)
        decoder.decode(b"", final=True)
    piece = piece.removeprefix(codecs.BOM_UTF8)
    while piece:
        yield piece
        piece = handle.read1(_PIECE)


def _split(pieces: Iterator[bytes]) -> Iterator[bytes | BadLine]:
    with SpooledTemporaryFile(max_size=_PIECE) as spool:
        line = _OpenLine(spool)
        for piece in pieces:
            *ends, rest = piece.split(b"\n")
            for end in ends:
                yield line.finish(end)
            line.add(rest)
        if line.size:
            yield line.finish(b"")


class _OpenLine:
    """The start of a line whose end was not read yet. A long one waits on disk, one beyond the limit is dropped."""

    def __init__(self, spool: SpooledTemporaryFile[bytes]) -> None:
        self._spool = spool
        self.size = 0
        self._quotes = 0

    def add(self, part: bytes) -> None:
        self.size += len(part)
        self._quotes += part.count(b'"')
        if self.size <= text.MAX_BYTES:
            self._spool.write(part)

    def finish(self, end: bytes) -> bytes | BadLine:
        if not self.size and len(end) <= text.MAX_BYTES:
            return end
        self.add(end)
        size, quotes, self.size, self._quotes = self.size, self._quotes, 0, 0
        self._spool.seek(0)
        line = self._spool.read(size) if size <= text.MAX_BYTES else None
        self._spool.seek(0)
        self._spool.truncate()
        return BadLine("too_large", f"a line of {size} bytes", quotes) if line is None else line


def _decoded(lines: Iterator[bytes | BadLine]) -> Iterator[str | BadLine]:
    for number, line in enumerate(lines):
        if isinstance(line, BadLine):
            yield line
        elif b"\0" in line:
            yield BadLine("binary", text.nul_at(line.index(b"\0")), line.count(b'"'), ends_file=number == 0)
            if number == 0:
                return
        else:
            yield _decode(line)


def _decode(line: bytes) -> str | BadLine:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        return BadLine("encoding", text.not_text(error), line.count(b'"'))
