"""Hard negatives out of a score table: positive-aware, never a known positive.

The rules are NV-Retriever's (arXiv 2407.15831). Every candidate of every query ends as
`selected` or with the reason it was left out, and the counts add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.recipe import MiningSettings
from synth.corpus import Corpus
from synth.scores import BEYOND

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Candidates:
    """Rows of a score table for n queries, sorted by query and rank.

    query: index into the queries, shape (rows,); passage, rank, score: shape (rows,)
    positive: ordinal of each query's positive, shape (n,); positive_score: shape (n,)
    others: query index -> further passages known to be positives of the same query text
    """

    query: Ints
    passage: Ints
    rank: Ints
    score: Floats
    positive: Ints
    positive_score: Floats
    others: Mapping[int, Ints]


def mine_negatives(corpus: Corpus, settings: MiningSettings, candidates: Candidates) -> tuple[Mask, Counter[str]]:
    """Which rows are hard negatives, shape (rows,), and what became of the rest, by reason."""
    outside = (candidates.rank < settings.rank_min) | (candidates.rank > settings.rank_max)
    reasons = (
        ("positive", _is_positive(corpus, candidates)),
        ("same_document", _same_document(corpus, settings, candidates)),
        ("other_split", _other_split(corpus, candidates)),
        ("outside_rank_window", outside | (candidates.rank == BEYOND)),
        (settings.rule, ~passes_rule(settings, candidates.score, candidates.positive_score[candidates.query])),
    )
    left = np.ones(len(candidates.query), dtype=bool)
    counts: Counter[str] = Counter()
    for reason, dropped in reasons:
        counts[reason] += int((left & dropped).sum())
        left &= ~dropped
    selected = _first_of_each(candidates.query, left, settings.negatives)
    counts["not_needed"] += int((left & ~selected).sum())
    counts["selected"] += int(selected.sum())
    return selected, Counter({reason: count for reason, count in counts.items() if count})


def passes_rule(settings: MiningSettings, negative: Floats, positive: Floats) -> Mask:
    """Whether candidates score low enough against their positive; boundaries are strict.

    `perc_pos` is written s(q,n) < s(q,p) - |s(q,p)| * (1 - threshold), so that it also
    means something for negative scores (cosines, cross-encoder logits).
    """
    n, p = negative.astype(np.float64), positive.astype(np.float64)
    if settings.rule == "perc_pos":
        ceiling = p - np.abs(p) * (1 - settings.threshold)
    elif settings.rule == "margin_pos":
        ceiling = p - settings.threshold
    elif settings.rule == "abs":
        ceiling = np.full_like(p, settings.threshold)
    else:
        return np.ones(len(n), dtype=bool)
    passes: Mask = np.round(n, 4) < np.round(ceiling, 6)
    return passes


def _is_positive(corpus: Corpus, candidates: Candidates) -> Mask:
    """The positive, another known positive of the query, or an equivalent of either."""
    found = corpus.are_equivalent(candidates.positive[candidates.query], candidates.passage)
    for query, passages in candidates.others.items():
        rows = slice(*np.searchsorted(candidates.query, [query, query + 1]))
        for passage in passages.tolist():
            others = candidates.passage[rows]
            found[rows] |= corpus.are_equivalent(np.full(len(others), passage), others)
    return found


def _same_document(corpus: Corpus, settings: MiningSettings, candidates: Candidates) -> Mask:
    if settings.same_document:
        return np.zeros(len(candidates.query), dtype=bool)
    positives = candidates.positive[candidates.query]
    same: Mask = corpus.document[positives] == corpus.document[candidates.passage]
    return same


def _other_split(corpus: Corpus, candidates: Candidates) -> Mask:
    """Train queries see train passages only; test is evaluated against the whole corpus."""
    is_train = ~corpus.is_test[candidates.positive[candidates.query]]
    other: Mask = is_train & (corpus.is_test | corpus.leaked)[candidates.passage]
    return other


def _first_of_each(query: Ints, left: Mask, wanted: int) -> Mask:
    """The first `wanted` remaining rows of each query."""
    rows = np.flatnonzero(left)
    selected = np.zeros(len(query), dtype=bool)
    if len(rows):
        owner = query[rows]
        starts = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
        place = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
        selected[rows[place < wanted]] = True
    return selected
