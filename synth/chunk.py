"""Cuts documents into passages: by section, then by sentences, with character offsets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from sentencex import get_sentence_boundaries

from schemas.recipe import ChunkSettings

_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


WIDE, LEAST, SAMPLE = 3, 100, 2_000
"""Latin letters that a wide one is worth, characters that a passage may have in any case, and how much of a document is looked at."""


class Chunk(NamedTuple):
    """`text[start:end]` of a document and the heading above it."""

    heading: str
    start: int
    end: int


class _Span(NamedTuple):
    start: int
    end: int


def chunk_document(text: str, settings: ChunkSettings, language: str = "en") -> list[Chunk]:
    """Passages of a document, in order.

    Sentences are never cut unless one alone exceeds `max_chars`; headings (Markdown `#`)
    start a new passage and are kept apart from the text, or else stay in it (`at_headings`). A passage shorter than
    `min_chars` joins the one before it in its section, or stands alone where there is none.

    Where most letters are wide (Chinese, Japanese, Korean), bounds are a third of what is set: one of them says as
    much as three Latin ones, and takes about as many tokens.
    """
    settings = _for_script(settings, text)
    chunks: list[Chunk] = []
    for heading, section in _sections(text) if settings.at_headings else [("", _Span(0, len(text)))]:
        sentences = [
            piece for s in _sentences(text, section, language) for piece in _pieces(text, s, settings.max_chars)
        ]
        groups = _group(sentences, settings)
        chunks += [Chunk(heading, group[0].start, group[-1].end) for group in groups]
    return chunks


def _for_script(settings: ChunkSettings, text: str) -> ChunkSettings:
    looked_at = text[:SAMPLE]
    if looked_at.isascii():
        return settings
    letters = [letter for letter in looked_at if letter.isalpha()]
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in letters)
    if 2 * wide <= len(letters):
        return settings
    most = max(settings.max_chars // WIDE, LEAST)
    return settings.model_copy(update={"max_chars": most, "min_chars": min(max(settings.min_chars // WIDE, 1), most)})


def _sections(text: str) -> Iterator[tuple[str, _Span]]:
    heading, start = "", 0
    for match in _HEADING.finditer(text):
        yield heading, _Span(start, match.start())
        heading, start = match.group(2), match.end()
    yield heading, _Span(start, len(text))


def _sentences(text: str, section: _Span, language: str) -> Iterator[_Span]:
    for boundary in get_sentence_boundaries(language, text[section.start : section.end]):
        span = _trim(text, _Span(section.start + boundary["start_index"], section.start + boundary["end_index"]))
        if span.end > span.start:
            yield span


def _pieces(text: str, span: _Span, limit: int) -> Iterator[_Span]:
    """A sentence, cut at white space where it is longer than a passage may be."""
    while span.end - span.start > limit:
        cut = max(text.rfind(" ", span.start, span.start + limit), text.rfind("\n", span.start, span.start + limit))
        if cut <= span.start:
            cut = span.start + limit
        yield _trim(text, _Span(span.start, cut))
        span = _trim(text, _Span(cut, span.end))
    if span.end > span.start:
        yield span


def _group(sentences: list[_Span], settings: ChunkSettings) -> list[list[_Span]]:
    groups: list[list[_Span]] = []
    current: list[_Span] = []
    for sentence in sentences:
        if current and sentence.end - current[0].start > settings.max_chars:
            groups.append(current)
            current = _overlap(current, sentence, settings)
        current.append(sentence)
    if current:
        groups.append(current)
    return _join_short_tail(groups, settings)


def _overlap(done: list[_Span], following: _Span, settings: ChunkSettings) -> list[_Span]:
    kept = done[len(done) - settings.overlap_sentences :] if settings.overlap_sentences else []
    while kept and (following.end - kept[0].start > settings.max_chars or len(kept) == len(done)):
        kept = kept[1:]
    return kept


def _join_short_tail(groups: list[list[_Span]], settings: ChunkSettings) -> list[list[_Span]]:
    if len(groups) < 2:
        return groups
    short = groups[-1][-1].end - groups[-1][0].start < settings.min_chars
    if short and groups[-1][-1].end - groups[-2][0].start <= settings.max_chars + settings.min_chars:
        tail = groups.pop()
        groups[-1] = groups[-1] + [s for s in tail if s.end > groups[-1][-1].end]
    return groups


def _trim(text: str, span: _Span) -> _Span:
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return _Span(start, end)
