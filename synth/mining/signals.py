"""What tells a positive that nobody labelled from a hard negative, as a few numbers a candidate.

Scores are never compared with a fixed number, only with the query's own list: a difference from
the list's best or mean, in units of the list's spread. So the numbers mean the same for cosines, BM25 and
the logits of a cross-encoder, whatever their sign and scale. The margin to the known positive's own
score is left out on purpose: beside these it told nothing (docs/mining.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from synth.arrays import Doubles, Floats, Ints

HEAD = 50
"""So many best candidates say what is usual for a query, however long its list is."""
LIMIT = 10.0
"""Numbers of spreads beyond this are cut off."""
DEEPEST = 200
"""Ranks among a positive's neighbours beyond this are all one: a search need not go deeper."""

SIGNS: Mapping[str, int] = {"score": 1, "between": 1, "overlap": 1, "overlap_between": 1, "rank_between": -1}
"""Every signal, and whether more of it makes a false negative likelier (1) or less likely (-1)."""


@dataclass(frozen=True)
class Evidence:
    """What is known of the candidates of n queries: one row a candidate, in any order, all of shape (rows,).

    Known positives and their copies have no row. Where a query has several positives, `between`
    and `overlap_between` are the highest and `rank_between` the lowest over them.

    query: which list a row belongs to, in [0, n); score: the teacher's, of query and candidate
    between: the teacher's, of positive and candidate
    overlap: BM25 of query and candidate, in any unit (`Overlap.with_queries`)
    overlap_between: cosine of the term weights of positive and candidate (`Overlap.between`)
    rank_between: 1-based rank of the candidate among all neighbours of the positive, any large
    number where the search did not reach it
    """

    query: Ints
    score: Floats
    between: Floats
    overlap: Floats | None = None
    overlap_between: Floats | None = None
    rank_between: Ints | None = None


@dataclass(frozen=True)
class Signals:
    """Named columns, shape (rows, len(names)); always finite."""

    names: tuple[str, ...]
    values: Doubles

    def columns(self, names: tuple[str, ...]) -> Doubles:
        """Some of them in this order, shape (rows, len(names)); KeyError for one that is not there."""
        missing = [name for name in names if name not in self.names]
        if missing:
            raise KeyError(f"no signal {missing[0]!r} among {', '.join(self.names)}")
        return self.values if names == self.names else self.values[:, [self.names.index(name) for name in names]]


def compute_signals(evidence: Evidence) -> Signals:
    """The signals that the evidence allows, in the order of `SIGNS`. Rows permuted give rows permuted."""
    lists = _Lists(evidence.query, evidence.score.astype(np.float64))
    found = {"score": lists.below_best(), "between": lists.standardised(evidence.between)}
    if evidence.overlap is not None:
        found["overlap"] = lists.standardised(evidence.overlap)
    if evidence.overlap_between is not None:
        found["overlap_between"] = evidence.overlap_between.astype(np.float64)
    if evidence.rank_between is not None:
        found["rank_between"] = np.log(np.clip(evidence.rank_between, 1, DEEPEST).astype(np.float64))
    return Signals(tuple(found), np.stack(list(found.values()), axis=1))


class _Lists:
    """The candidates of each query, and which of them are its best `HEAD` (ties at the last place included)."""

    def __init__(self, query: Ints, score: Doubles) -> None:
        self._query, self._score = query, score
        self._count = int(query.max()) + 1 if len(query) else 0
        order = _by_list(query, score)
        owner, ordered = query[order], score[order]
        starts = np.searchsorted(owner, np.arange(self._count + 1))
        last = np.minimum(starts[1:], starts[:-1] + HEAD) - 1
        used = last >= starts[:-1]
        cut, self._best = np.zeros(self._count), np.zeros(self._count)
        cut[used], self._best[used] = ordered[last[used]], ordered[starts[:-1][used]]
        self._head = score >= cut[query]
        self._owner = query[self._head]
        self._size = np.maximum(np.bincount(self._owner, minlength=self._count), 1)

    def below_best(self) -> Doubles:
        """How far a candidate scores below the best of its list, in spreads; 0 for the best."""
        _, spread = self._centre(self._score)
        return self._in_spreads(self._score - self._best[self._query], spread)

    def standardised(self, values: Floats) -> Doubles:
        """How far a value lies from the mean of its list, in spreads."""
        exact = values.astype(np.float64)
        mean, spread = self._centre(exact)
        return self._in_spreads(exact - mean[self._query], spread)

    def _centre(self, values: Doubles) -> tuple[Doubles, Doubles]:
        """Mean and standard deviation over each list's best, shape (n,) each; 0 where all are alike."""
        mean = np.bincount(self._owner, values[self._head], minlength=self._count) / self._size
        apart = values[self._head] - mean[self._owner]
        spread = np.sqrt(np.bincount(self._owner, apart**2, minlength=self._count) / self._size)
        return mean, np.where(spread > 1e-9 * (1 + np.abs(mean)), spread, 0.0)

    def _in_spreads(self, difference: Doubles, spread: Doubles) -> Doubles:
        own = spread[self._query]
        scaled = np.divide(difference, own, out=np.zeros_like(difference), where=own > 0)
        return np.clip(scaled, -LIMIT, LIMIT, out=scaled)


def _by_list(query: Ints, score: Doubles) -> Ints:
    """Rows by list and then from the best score down; rows that already are in order are not sorted."""
    same, ahead = query[1:] == query[:-1], query[1:] > query[:-1]
    if bool((ahead | (same & (score[1:] <= score[:-1]))).all()):
        return np.arange(len(query))
    return np.lexsort((-score, query))
