"""Set gate: the same query, or nearly the same, is kept once: the first in plan order.

Exact: equal after NFKC, lower case and white space. Near: Jaccard similarity of the word
sets at or above `near`, unless the queries differ in a number (the same question about
another year is another question).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from schemas.base import Strict
from schemas.record import Verdict
from synth.near import find_near_pairs
from synth.text import words
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
        kept = view.alive.copy()
        exact = dict(_exact(view))
        kept[list(exact)] = False
        near: dict[int, int] = {}
        for one, other in self._near(view, np.flatnonzero(kept)):
            if kept[one] and kept[other]:
                kept[other] = False
                near[other] = one
        for row, first in near.items():
            yield row, self._verdict("near_duplicate", view, first)
        for row, first in exact.items():
            yield row, self._verdict("duplicate", view, near.get(first, first))

    def _near(self, view: SetView, rows: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
        def fetch(numbers: Sequence[int]) -> Sequence[str]:
            return view.fetch_queries(rows[list(numbers)].tolist())

        pairs = rows[find_near_pairs(view.signature[rows], fetch, threshold=self.settings.near, size=QUERY_SHINGLE)]
        if not len(pairs):
            return []
        involved = np.unique(pairs).tolist()
        numbers = {row: _numbers(text) for row, text in zip(involved, view.fetch_queries(involved), strict=True)}
        same = [(int(a), int(b)) for a, b in pairs.tolist() if numbers[a] == numbers[b]]
        return sorted(same, key=lambda pair: (pair[1], pair[0]))

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


def _numbers(text: str) -> frozenset[str]:
    return frozenset(word for word in words(text) if any(character.isdigit() for character in word))
