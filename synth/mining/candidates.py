"""What the miner sees: a block of queries with their candidates and known positives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from synth.arrays import Floats, Ints, Keys, Mask
from synth.ragged import spread

BEYOND = 65_535
"""The rank of a positive that the search did not reach."""

Anchor = Literal["min", "max", "mean", "each"]


@dataclass(frozen=True)
class Positives:
    """The known positives of n queries, flat and sorted by owner; the first of each owner is its own.

    owner: index of the query, shape (p,); passage: ordinal, shape (p,)
    rank: raw and 1-based, BEYOND where the search did not reach it, shape (p,)
    score: the teacher's, shape (p,); NaN where it was not asked
    """

    owner: Ints
    passage: Ints
    rank: Ints
    score: Floats

    def known_besides(self, owner: Ints, passage: Ints) -> Positives:
        """These and more of the same queries, which the teacher was not asked about."""
        order = np.argsort(np.concatenate([self.owner, owner]), kind="stable")
        return Positives(
            np.concatenate([self.owner, owner])[order],
            np.concatenate([self.passage, passage])[order],
            np.concatenate([self.rank, np.full(len(owner), BEYOND)])[order],
            np.concatenate([self.score, np.full(len(owner), np.nan, dtype=np.float32)])[order],
        )

    def starts(self, count: int) -> Ints:
        """Where the positives of each of `count` queries begin, and where the last ones end."""
        return np.searchsorted(self.owner, np.arange(count + 1)).astype(np.int64)

    def anchors(self, count: int, how: Anchor) -> npt.NDArray[np.float64]:
        """The score that candidates are compared with, shape (count,); NaN for a query without one."""
        if how == "each":
            own = np.full(count, np.nan)
            owners, first = np.unique(self.owner, return_index=True)
            own[owners] = self.score[first]
            return own
        known = ~np.isnan(self.score)
        owner, score = self.owner[known], self.score[known].astype(np.float64)
        if how == "mean":
            held = np.bincount(owner, minlength=count)
            total = np.bincount(owner, weights=score, minlength=count)
            return np.where(held > 0, total / np.maximum(held, 1), np.nan)
        best = np.full(count, np.inf if how == "min" else -np.inf)
        (np.minimum if how == "min" else np.maximum).at(best, owner, score)
        return np.where(np.isfinite(best), best, np.nan)


@dataclass(frozen=True)
class Candidates:
    """Rows of a score table for n queries, sorted by query and rank.

    query: index of the query, shape (rows,); passage: ordinal; rank: raw and 1-based, or BEYOND
    where the search did not reach a positive; score: the teacher's, rounded
    query_key: a hash of each query's normalised text, shape (n,)
    between, overlap, overlap_between: evidence of a positive that nobody labelled, shape (rows,);
    see `synth.mining.evidence`
    probability: that the candidate is such a positive, shape (rows,); all None where nothing asks for them
    """

    query: Ints
    passage: Ints
    rank: Ints
    score: Floats
    positives: Positives
    query_key: Keys
    between: Floats | None = None
    overlap: Floats | None = None
    overlap_between: Floats | None = None
    probability: Floats | None = None

    @property
    def count(self) -> int:
        """How many queries."""
        return len(self.query_key)

    def _beside(self, rows: Ints | Mask) -> list[Floats | None]:
        columns = (self.between, self.overlap, self.overlap_between, self.probability)
        return [None if column is None else column[rows] for column in columns]

    def each_positive(self) -> Candidates:
        """Every query as often as it has positives, another of them its own each time."""
        count, positives = self.count, self.positives
        by_query = positives.starts(count)
        which, rows = spread(np.searchsorted(self.query, np.arange(count + 1)).astype(np.int64), positives.owner)
        owner, places = spread(by_query, positives.owner)
        order = np.lexsort((places != np.arange(len(positives.owner))[owner], owner))
        owner, places = owner[order], places[order]
        known = Positives(owner, positives.passage[places], positives.rank[places], positives.score[places])
        return Candidates(
            which,
            self.passage[rows],
            self.rank[rows],
            self.score[rows],
            known,
            self.query_key[positives.owner],
            *self._beside(rows),
        )

    def only(self, kept: Mask) -> Candidates:
        """Those of some queries, shape (n,), which are numbered anew."""
        number = np.cumsum(kept) - 1
        rows, own = kept[self.query], kept[self.positives.owner]
        positives = Positives(
            number[self.positives.owner[own]],
            self.positives.passage[own],
            self.positives.rank[own],
            self.positives.score[own],
        )
        return Candidates(
            number[self.query[rows]],
            self.passage[rows],
            self.rank[rows],
            self.score[rows],
            positives,
            self.query_key[kept],
            *self._beside(rows),
        )
