"""Evidence: what answers a query inside a long passage, and how deep it lies there.

Models read the beginning of a text better than its end (arXiv 2412.15241), so that queries about beginnings teach them to
go on doing so. Here the depth is drawn first, evenly over the ten deciles of the passage, then a span that lies there.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

from sentencex import get_sentence_boundaries

from schemas.record import Pair
from synth.plan import spread
from synth.tasks import TaskInput
from synth.text import draw

DECILES = 10
SENTENCES = 3
"""A span has at most so many sentences."""
_BYTES = (24, 600)
"""Of a sentence, in UTF-8: what is shorter says nothing, what is longer is a list or a table."""
_NO_SENTENCE = ("#", "|", "-", "*", ">")
_BASE = 3
"""Depths are spread in another base than what the plan draws, so that they are spread within each task of a mix."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """`passage[start:end]`, in characters of a passage of `size` characters."""

    start: int
    end: int
    text: str
    size: int

    @property
    def decile(self) -> int:
        return decile_of(self.start, self.end, self.size)

    @property
    def attributes(self) -> dict[str, str]:
        """What a record says of it; `wrong_depth` reads it again."""
        return {
            "evidence": self.text,
            "evidence_start": str(self.start),
            "evidence_end": str(self.end),
            "evidence_decile": str(self.decile),
        }


def decile_of(start: int, end: int, size: int) -> int:
    """In which tenth of a text the middle of a span lies, 0 to 9.

    >>> decile_of(0, 10, 1000), decile_of(990, 1000, 1000), decile_of(95, 115, 1000)
    (0, 9, 1)
    """
    return min((start + end) * DECILES // (2 * size), DECILES - 1)


def drawn_depth(task_input: TaskInput) -> float:
    """Where the evidence of an item shall lie, 0 to 1: spread over the items of its passage, and over passages by hash."""
    first = draw(task_input.passage.id, "evidence")
    return (first + spread(task_input.item.occurrence, _BASE)) % 1.0


def language_of(task_input: TaskInput) -> str:
    """What the passage is written in; the item's where nobody knows."""
    return task_input.passage.language or task_input.item.language


def evidence_of(task_input: TaskInput) -> Evidence | None:
    """One to three whole sentences in the drawn decile, or in the nearest that has any; None where there are none."""
    text = task_input.passage.text
    by_decile = _spans(text, language_of(task_input))
    if not any(by_decile):
        return None
    drawn, source = int(drawn_depth(task_input) * DECILES), random.Random(task_input.item.seed)
    nearest = min(abs(decile - drawn) for decile, spans in enumerate(by_decile) if spans)
    spans = [span for decile in sorted({drawn - nearest, drawn + nearest}) for span in _at(by_decile, decile)]
    start, end = source.choice(spans)
    return Evidence(start, end, text[start:end], len(text))


def surroundings(text: str, evidence: Evidence, most: int, language: str) -> str:
    """The text, or the whole sentences around the evidence where it is longer than `most` characters."""
    if len(text) <= most:
        return text
    room = (most - (evidence.end - evidence.start)) // 2
    first, last = evidence.start - room, evidence.end + room
    bounds = sentence_bounds(text, language)
    start = min((start for start, _ in bounds if start >= first), default=evidence.start)
    end = max((end for _, end in bounds if end <= last), default=evidence.end)
    return text[min(start, evidence.start) : max(end, evidence.end)]


def wrong_depth(record: Pair) -> str:
    """What is wrong with the place that a record names for its evidence; '' for nothing, or where it names none."""
    said = {each.name: each.value for each in record.attributes if each.name.startswith("evidence")}
    if not said:
        return ""
    text = record.positive.text
    try:
        start, end, decile = (int(said[f"evidence_{name}"]) for name in ("start", "end", "decile"))
    except (KeyError, ValueError):
        return "it names no whole place"
    if not 0 <= start < end <= len(text):
        return f"characters {start} to {end} of {len(text)}"
    if text[start:end] != said.get("evidence"):
        return f"characters {start} to {end} are {text[start:end][:80]!r}"
    found = decile_of(start, end, len(text))
    return "" if found == decile else f"decile {found}, and the record says {decile}"


@lru_cache(maxsize=8)
def sentence_bounds(text: str, language: str) -> tuple[tuple[int, int], ...]:
    """(start, end) of the whole sentences of a text in its order; no headings, table rows and list items."""
    found = []
    for boundary in get_sentence_boundaries(language, text):
        piece = boundary["text"]
        start = boundary["start_index"] + len(piece) - len(piece.lstrip())
        found.append((start, start + len(piece.strip())))
    return tuple((start, end) for start, end in found if _is_sentence(text[start:end]))


@lru_cache(maxsize=8)
def _spans(text: str, language: str) -> tuple[tuple[tuple[int, int], ...], ...]:
    """By decile: (start, end) of every run of one to three sentences with nothing but space between them."""
    bounds = sentence_bounds(text, language)
    by_decile: list[list[tuple[int, int]]] = [[] for _ in range(DECILES)]
    for first, (start, end) in enumerate(bounds):
        for following, its_end in bounds[first : first + SENTENCES]:
            if text[end:following].strip():
                break
            end = its_end
            by_decile[decile_of(start, end, len(text))].append((start, end))
    return tuple(map(tuple, by_decile))


def _at(by_decile: tuple[tuple[tuple[int, int], ...], ...], decile: int) -> tuple[tuple[int, int], ...]:
    return by_decile[decile] if 0 <= decile < DECILES else ()


def _is_sentence(text: str) -> bool:
    least, most = _BYTES
    return least <= len(text.encode()) <= most and not text.startswith(_NO_SENTENCE) and text[-1] not in (":", "|")
