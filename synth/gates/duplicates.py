"""Set gate: the same query, or nearly the same, is kept once: the first in plan order, which begins with carried ones.

Exact: equal after NFKC, lower case and white space. Near: Jaccard similarity of the word
sets at or above `near`, unless the queries differ in a number (the same question about
another year is another question). Alike, where `cosine` is set: the cosine of their vectors,
with the same exception. All pairs count, none is sampled. The query of a text pair, a text of a
passage, is compared with those of its task: classified and paraphrased, one sentence makes two records.

A query is dropped for an earlier one that is kept when it is compared, never for one that is
dropped itself: what resembles only dropped queries stays. Measures follow one another, so a
query may be dropped for one that a later measure drops; the verdict names the one kept in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Annotated

import numpy as np
from pydantic import Field

from schemas.base import Strict
from schemas.record import Verdict
from synth.alike import find_alike_originals, find_nearest_alike
from synth.arrays import Ints, Mask
from synth.earlier import EarlierQueries
from synth.errors import DomainError, StoreError
from synth.near import Kinds, find_nearest_of, find_originals
from synth.shingle_sets import read_shingles
from synth.store import VersionRef
from synth.text import hash64, words
from synth.view import Background, Rejections, SetView

__all__ = ["Duplicates"]

QUERY_SHINGLE = 1
"""Queries are compared by single words: they are too short for longer shingles."""

Measures = Iterator[tuple[str, Callable[[Ints], Ints]]]
"""Reason, and what finds in some rows for each the place of the query it repeats, or -1."""


class Duplicates:
    """Drops `duplicate`, `near_duplicate` and `same_meaning`; the score is the position of the one kept, in this run."""

    name = "duplicates"

    class Settings(Strict):
        near: Annotated[float, Field(gt=0.5, le=1)] = 0.85
        cosine: Annotated[float, Field(gt=0.5, le=1)] | None = None
        """Such as 0.95; for teachers with vectors. Every pair is compared, in time that grows with its square."""
        against: list[str] = []
        """Datasets of the store, NAME or NAME@N, whose queries count as earlier ones; not versions of this very run."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def check(self, background: Background) -> None:
        """Refuse, before anything is made, what the run can't give; InputError."""
        if self.settings.cosine is not None:
            background.require_vectors(self.name)
        try:
            self._versions(background)
        except StoreError as error:
            raise DomainError(f"the gate {self.name!r}, against: {error}") from error

    def judge_set(self, view: SetView) -> Rejections:
        alive = view.alive.copy()
        earlier = EarlierQueries(self._versions(view.background))
        for reason, find in self._measures_against(view, earlier) if len(earlier) else ():
            for row, place in _found(alive, find):
                yield row, _verdict(reason, None, f"in {earlier.version_of(place)}")
        dropped: dict[int, tuple[str, int]] = {}
        for reason, find in self._measures(view):
            rows = np.flatnonzero(alive)
            dropped |= {row: (reason, int(rows[place])) for row, place in _found(alive, find)}
        for row, (reason, first) in dropped.items():
            while first in dropped:
                first = dropped[first][1]
            yield row, _repeats(view, reason, first)

    def _versions(self, background: Background) -> list[VersionRef]:
        found = [version for name in self.settings.against for version in background.earlier(name)]
        return list(dict.fromkeys(found))

    def _measures(self, view: SetView) -> Measures:
        yield "duplicate", lambda rows: _equal(view, rows)
        yield "near_duplicate", lambda rows: _near(view, self.settings.near, (), rows)
        if self.settings.cosine is not None:
            yield "same_meaning", partial(self._alike, view, self.settings.cosine)

    def _measures_against(self, view: SetView, earlier: EarlierQueries) -> Measures:
        yield "duplicate", lambda rows: earlier.find(view.query_key[rows])
        yield "near_duplicate", lambda rows: _near(view, self.settings.near, earlier.texts, rows)
        if self.settings.cosine is not None:
            yield "same_meaning", partial(self._alike_earlier, view, self.settings.cosine, earlier)

    def _alike(self, view: SetView, cosine: float, rows: Ints) -> Ints:
        embedder = view.background.require_vectors(self.name)
        kinds = _kinds(view.queries(rows)) ^ _kept_apart(view, rows)
        return find_alike_originals(view.embedding(rows, embedder), kinds, cosine)

    def _alike_earlier(self, view: SetView, cosine: float, earlier: EarlierQueries, rows: Ints) -> Ints:
        embedder = view.background.require_vectors(self.name)
        others = embedder.embed_queries(earlier.texts)
        places, _ = find_nearest_alike(view.embedding(rows, embedder), len(rows), others, cosine)
        other_number = _kinds(earlier.texts)[places] != _kinds(view.queries(rows))
        return np.where(other_number, -1, places)


def _found(alive: Mask, find: Callable[[Ints], Ints]) -> Iterator[tuple[int, int]]:
    """Rows that repeat something, with its place; they are alive no more."""
    rows = np.flatnonzero(alive)
    places = find(rows)
    repeated = places >= 0
    alive[rows[repeated]] = False
    return zip(rows[repeated].tolist(), places[repeated].tolist(), strict=True)


def _equal(view: SetView, rows: Ints) -> Ints:
    keys = view.query_key[rows] ^ _kept_apart(view, rows)
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    originals = first[group]
    return np.where(originals < np.arange(len(rows)), originals, -1)


def _kept_apart(view: SetView, rows: Ints) -> Kinds:
    """A hash of the task of each text pair; 0 for queries about passages, which are compared with one another."""
    apart = np.zeros(len(rows), dtype=np.uint64)
    if view.task is None:
        return apart
    tasks, searched = view.task[rows], view.is_searched[rows]
    for name in np.unique(tasks[~searched]).tolist():
        apart[~searched & (tasks == name)] = hash64(name)
    return apart


def _near(view: SetView, near: float, earlier: Sequence[str], rows: Ints) -> Ints:
    kinds: list[int] = []
    sets = read_shingles(_noting_kinds(chain(earlier, view.queries(rows)), kinds), QUERY_SHINGLE)
    kind = np.asarray(kinds, dtype=np.uint64)
    if earlier:
        return find_nearest_of(sets, len(earlier), near, kind)
    return find_originals(sets, near, kind ^ _kept_apart(view, rows))


def _kinds(queries: Iterable[str]) -> Kinds:
    return np.fromiter(map(_kind, queries), dtype=np.uint64)


def _verdict(reason: str, score: float | None, detail: str) -> Verdict:
    return Verdict(gate=Duplicates.name, keep=False, reason=reason, score=score, detail=detail)


def _repeats(view: SetView, reason: str, first: int) -> Verdict:
    """The verdict on a record for the one in row `first`."""
    position = int(view.position[first])
    if position >= 0:
        return _verdict(reason, float(position), f"kept: position {position}")
    return _verdict(reason, None, f"kept: carried over, {view.fetch_queries([first])[0]!r}")


def _noting_kinds(queries: Iterable[str], kinds: list[int]) -> Iterator[str]:
    """The queries, which are read once."""
    for query in queries:
        kinds.append(_kind(query))
        yield query


def _kind(query: str) -> int:
    """A hash of the numbers that a query names; 0 for none."""
    named = {word for word in words(query) if _names_number(word)} if _names_number(query) else set()
    return hash64(" ".join(sorted(named))) if named else 0


def _names_number(text: str) -> bool:
    return any(map(str.isdigit, text))
