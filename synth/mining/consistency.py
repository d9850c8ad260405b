"""Consistency of anybody's pairs: does a teacher that knows nothing of the labels find the positive again?

A pair's rank is 1 + the passages that score strictly above the positive and are neither a
known positive of the query nor equivalent to one (E5: top 2 of 1M; KaLM: top 50; Promptagator:
a round trip). The other way round, queries are ranked for the passage. Rank k means little
without the size of the pool, so both are told.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from synth.arrays import Ints, Labels
from synth.errors import InputError, suggest
from synth.mining.candidates import BEYOND
from synth.mining.table import ScoreTable, retrieve
from synth.pairs import Pairs
from synth.progress import Reporter
from synth.store import Store
from synth.teachers.scoring import Scoring

Direction = Literal["query", "passage", "mutual"]
DEEPEST_K = 30_000
"""Half of what a search can reach, so that copies of a positive ahead of it leave room."""


@dataclass(frozen=True)
class Bounds:
    """What a pair must keep. `k` is the lowest rank that does; `quantile` chooses it for each source instead:
    the rank that this share of its pairs reaches. A score at or below `min_score` breaks it."""

    k: int = 10
    quantile: float | None = None
    min_score: float | None = None
    per_source: Mapping[str, int] = field(default_factory=dict)
    """k of some sources."""

    def __post_init__(self) -> None:
        highest = max(self.k, *self.per_source.values(), 1)
        if highest > DEEPEST_K:
            raise InputError(f"a k of {highest:,} is more than a search can tell; give at most {DEEPEST_K:,}")
        if self.min_score is not None and not math.isfinite(self.min_score):
            raise InputError(f"a floor of {self.min_score} keeps all or nothing; give a finite score")


@dataclass(frozen=True)
class Filtered:
    """Pairs of a query and a positive, and what became of each: all columns have shape (pairs,).

    rank: in the direction that was asked for, BEYOND where the search did not reach it; for `mutual` the worse of both
    reason: '' where the pair is kept
    k: by source, as it was applied
    """

    pairs: Pairs
    query: Ints
    passage: Ints
    rank: Ints
    score: npt.NDArray[np.float32]
    reason: list[str]
    k: dict[str, int]

    @property
    def counts(self) -> Counter[str]:
        return Counter(reason or "kept" for reason in self.reason)

    @property
    def by_source(self) -> dict[str, Counter[str]]:
        found: dict[str, Counter[str]] = {}
        for number, reason in zip(self.query.tolist(), self.reason, strict=True):
            found.setdefault(self.pairs.sources[number], Counter())[reason or "kept"] += 1
        return found

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """(kept, dropped) pairs: query, positive, source, rank, score, and why one was dropped."""
        pairs, number = self.pairs, self.query.tolist()
        table = pa.table(
            {
                "query": [pairs.queries[n] for n in number],
                "positive": [pairs.passages[n] for n in self.passage.tolist()],
                "source": [pairs.sources[n] for n in number],
                "rank": self.rank,
                "score": self.score,
                "reason": self.reason,
            }
        )
        kept = np.asarray([not reason for reason in self.reason], dtype=bool)
        return table.filter(pa.array(kept)).drop_columns(["reason"]), table.filter(pa.array(~kept))


def consistency_filter(
    pairs: Pairs,
    table: ScoreTable,
    bounds: Bounds,
    *,
    reverse: ScoreTable | None = None,
    direction: Direction = "query",
) -> Filtered:
    """Judge every pair; `reverse` is needed for `passage` and `mutual` (see `retrieve_reverse`).

    Raises InputError where a source of `bounds` is none of the pairs'.
    """
    query, passage, forward, score = _ranks(table)
    rank = forward
    if direction != "query":
        if reverse is None:
            raise InputError(f"the direction {direction!r} needs the table of retrieve_reverse")
        backward = reversed_ranks(reverse, pairs, query, passage)
        rank = backward if direction == "passage" else np.maximum(forward, backward)
    limits = _limits(pairs, query, rank, bounds)
    k = np.asarray([limits[pairs.sources[number]] for number in query.tolist()], dtype=np.int64)
    low = np.zeros(len(rank), dtype=bool) if bounds.min_score is None else score <= bounds.min_score
    reason = np.where(low, "low_score", np.where(rank > k, "inconsistent", ""))
    return Filtered(pairs, query, passage, rank, score, reason.tolist(), limits)


def check_direction(direction: Direction, scoring: Scoring) -> None:
    """InputError where a rescorer would be asked about queries for a passage, which it was not trained to read."""
    if direction != "query" and scoring.chosen.rescorer:
        raise InputError(
            f"the direction {direction!r} ranks queries for a passage, and the rescorer {scoring.chosen.rescorer!r} reads a query first and a passage second: leave --rescore out, or take the direction 'query'"
        )


def retrieve_reverse(
    pairs: Pairs, teacher: str | Scoring, *, store: Store, depth: int, reporter: Reporter, folder: Path | None = None
) -> ScoreTable:
    """Queries ranked for every positive: the positives asked as queries, the queries as the pool."""
    return retrieve(
        _reversed(pairs), teacher, store=store, depth=depth, evidence=False, reporter=reporter, folder=folder
    )


def _reversed(pairs: Pairs) -> Pairs:
    turned = Pairs()
    for query, id in zip(pairs.queries, pairs.query_ids, strict=True):  # noqa: A001
        turned.add_passage(query, id)
    for number, positives in enumerate(pairs.positives):
        for ordinal in positives:
            turned.add(pairs.passages[ordinal], [number], pairs.passage_ids[ordinal])
    return turned


def _ranks(table: ScoreTable) -> tuple[Ints, Ints, Ints, npt.NDArray[np.float32]]:
    known = pq.read_table(table.folder / "positives.parquet")
    query, passage, ahead = (known[name].to_numpy().astype(np.int64) for name in ("query", "passage", "ahead"))
    return query, passage, np.minimum(ahead + 1, BEYOND), known["score"].to_numpy()


def reversed_ranks(reverse: ScoreTable, pairs: Pairs, query: Ints, passage: Ints) -> Ints:
    """Ranks of the queries in [0, queries) for the passages beside them, shape (rows,), by the table of `retrieve_reverse`."""
    asked, found, rank, _ = _ranks(reverse)
    numbers = {ordinal: number for number, ordinal in enumerate(_order(pairs))}
    size = len(pairs.queries)
    keys = asked * size + found
    order = np.argsort(keys)
    wanted = np.asarray([numbers[ordinal] for ordinal in passage.tolist()], dtype=np.int64) * size + query
    return rank[order[np.searchsorted(keys[order], wanted)]]


def _order(pairs: Pairs) -> Iterator[int]:
    """Distinct positives in the order in which `_reversed` numbers them."""
    yield from dict.fromkeys(ordinal for positives in pairs.positives for ordinal in positives)


def _limits(pairs: Pairs, query: Ints, rank: Ints, bounds: Bounds) -> dict[str, int]:
    sources = np.asarray([pairs.sources[number] for number in query.tolist()])
    names = [str(name) for name in np.unique(sources)]
    if unknown := sorted(set(bounds.per_source) - set(names)):
        there = suggest(unknown[0], names) if names != [""] else "; the pairs name no source, see --source-field"
        raise InputError(f"no pair has the source {unknown[0]!r}{there}")
    return limits_of(sources, rank, bounds)


def limits_of(sources: Labels, rank: Ints, bounds: Bounds) -> dict[str, int]:
    """k of every source, given the source and the rank of each pair."""
    names = [str(name) for name in np.unique(sources)]
    if bounds.quantile is None:
        return {name: bounds.per_source.get(name, bounds.k) for name in names}
    reached = {name: _reached_by(rank[sources == name], bounds.quantile) for name in names}
    return reached | {name: k for name, k in bounds.per_source.items() if name in names}


def _reached_by(rank: Ints, share: float) -> int:
    """The rank that a share of the pairs reaches; where fewer are reached at all, the last rank that is."""
    k = int(np.quantile(rank, share, method="inverted_cdf"))
    return k if k < BEYOND else int(rank[rank < BEYOND].max(initial=1))
