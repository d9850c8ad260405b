"""Set gate: the same query, or nearly the same, is kept once: the first in plan order.

Exact: equal after NFKC, lower case and white space. Near: Jaccard similarity of the word
sets at or above `near`, unless the queries differ in a number (the same question about
another year is another question). All pairs count, none is sampled. A query is dropped for
an earlier one that is kept, never for one that is dropped itself: what resembles only
dropped queries stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

import numpy as np
from pydantic import Field

from schemas.base import Strict
from schemas.record import Verdict
from synth.near import find_originals
from synth.shingle_sets import read_shingles
from synth.text import hash64, words
from synth.view import Rejections, SetView

__all__ = ["Duplicates"]

QUERY_SHINGLE = 1
"""Queries are compared by single words: they are too short for longer shingles."""


class Duplicates:
    """Drops `duplicate` and `near_duplicate` queries; the score is the position of the one kept."""

    name = "duplicates"

    class Settings(Strict):
        near: Annotated[float, Field(gt=0.5, le=1)] = 0.85

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge_set(self, view: SetView) -> Rejections:
        exact = dict(_exact(view))
        near = dict(self._near(view, exact))
        for row, first in near.items():
            yield row, self._verdict("near_duplicate", view, first)
        for row, first in exact.items():
            yield row, self._verdict("duplicate", view, near.get(first, first))

    def _near(self, view: SetView, exact: Mapping[int, int]) -> Iterator[tuple[int, int]]:
        alive = view.alive.copy()
        alive[list(exact)] = False
        rows = np.flatnonzero(alive)
        numbers: list[int] = []
        sets = read_shingles(_noting_numbers(view.queries(rows), numbers), QUERY_SHINGLE)
        originals = find_originals(sets, self.settings.near, np.asarray(numbers, dtype=np.uint64))
        dropped = np.flatnonzero(originals >= 0)
        return zip(rows[dropped].tolist(), rows[originals[dropped]].tolist(), strict=True)

    def _verdict(self, reason: str, view: SetView, first: int) -> Verdict:
        position = int(view.position[first])
        return Verdict(
            gate=self.name, keep=False, reason=reason, score=float(position), detail=f"kept: position {position}"
        )


def _exact(view: SetView) -> Iterator[tuple[int, int]]:
    rows = np.flatnonzero(view.alive)
    _, first, group = np.unique(view.query_key[rows], return_index=True, return_inverse=True)
    for row, original in zip(rows.tolist(), rows[first[group]].tolist(), strict=True):
        if row != original:
            yield row, original


def _noting_numbers(queries: Iterable[str], numbers: list[int]) -> Iterator[str]:
    """The queries, and of each a hash of the numbers it names."""
    for query in queries:
        named = {word for word in words(query) if _names_number(word)} if _names_number(query) else set()
        numbers.append(hash64(" ".join(sorted(named))) if named else 0)
        yield query


def _names_number(text: str) -> bool:
    return any(map(str.isdigit, text))
