"""Phrases of a facts file as patterns, and the exchange of spans in a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.record import Change

NUMBER = r"\d+(?:[.,]\d+)*"
_ANY_NUMBER = rf"[$€£¥]?\s?{NUMBER}"
_NEVER = re.compile(r"(?!)")


@dataclass(frozen=True)
class Exchange:
    """A text with one fact changed, and what was changed for what."""

    text: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Span:
    """`text[start:end]` is to become `after`."""

    start: int
    end: int
    after: str


def whole(phrase: str) -> str:
    """The pattern of a phrase between word boundaries; `#` is any number, a last `*` any ending.

    A sign such as `€` is no part of a longer one, as in `A$` or `€STR`.
    """
    if not any(map(str.isalnum, phrase)) and "#" not in phrase:
        return rf"(?<![A-Za-z]){re.escape(phrase)}(?![A-Z]{{2}})"
    parts = [_ANY_NUMBER if part == "#" else re.escape(part) for part in re.split(r"(#)", phrase.rstrip("*")) if part]
    pattern = re.sub(r"(?:\\ )+", r"\\s+", "".join(parts))
    first = r"(?<![\w-])" if phrase[0].isalnum() else ""
    last = r"(?![\w-])" if phrase[-1].isalnum() else ""
    return first + pattern + last


def loose(phrase: str) -> str:
    """The pattern of a phrase wherever a word begins with it; for what must not be left over."""
    if not any(map(str.isalnum, phrase)):
        return re.escape(phrase)
    pattern = re.sub(r"(?:\\ )+", r"\\s+", re.escape(phrase))
    return rf"(?<![A-Za-z]){pattern}" + ("" if len(phrase) > 3 else r"(?![A-Za-z])")


def any_of(patterns: Iterable[str], *, match_case: bool = False) -> re.Pattern[str]:
    """One pattern for all; it matches nothing where there are none."""
    joined = "|".join(patterns)
    return re.compile(joined, 0 if match_case else re.IGNORECASE) if joined else _NEVER


def put(text: str, spans: Sequence[Span]) -> Exchange:
    """`text` with spans exchanged, in order and free of overlaps; an English article before one follows its sound."""
    parts: list[str] = []
    position = 0
    changes: dict[tuple[str, str], Change] = {}
    for span in spans:
        kept = _with_article(text[position : span.start], span.after)
        before = text[span.start : span.end]
        parts += [kept, span.after]
        changes[before, span.after] = Change(before=before, after=span.after)
        position = span.end
    return Exchange("".join([*parts, text[position:]]), tuple(changes.values()))


def blank(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """`text` with spans replaced by a bar: what is left when every known mention is taken out."""
    parts: list[str] = []
    position = 0
    for start, end in spans:
        parts += [text[position:start], "¦"]
        position = end
    return "".join([*parts, text[position:]])


def like(before: str, after: str) -> str:
    """`after` in the case of `before`."""
    if before.isupper() and sum(map(str.isalpha, before)) > 1:
        return after.upper()
    return after[:1].upper() + after[1:] if before[:1].isupper() else after


_ARTICLE = re.compile(r"\b([Aa])n?(\s+)$")


def _with_article(kept: str, after: str) -> str:
    found = _ARTICLE.search(kept)
    if found is None or not after[:1].isalpha():
        return kept
    return kept[: found.start()] + found[1] + ("n" if after[0].lower() in "aeiou" else "") + found[2]
