"""Texts that mean the same by the cosine of their vectors, over a whole set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from synth.arrays import Floats, Ints, Mask
from synth.near import Kinds, settle
from synth.search import TIE, score_pairs, search_exactly
from synth.teachers import round_scores

BLOCK = 1_024
"""Texts that are compared at a time."""
Embed = Callable[[int, int], Floats]
"""Vectors of unit length of texts start … stop - 1."""


def find_alike_originals(embed: Embed, kind: Kinds, threshold: float) -> Ints:
    """For each text whose cosine to an earlier one that is kept is at least `threshold`, the first such; else -1.

    Only texts of the same `kind`, shape (n,), are compared. Every text is compared with every
    kept one, a block at a time; the vectors of those kept stay in memory.
    """
    originals = np.full(len(kind), -1, dtype=np.int64)
    kept: list[tuple[Ints, Floats]] = []
    for start in range(0, len(kind), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(kind)))
        vectors = embed(start, start + len(rows))
        for earlier, known in kept:
            same = kind[earlier][:, None] == kind[rows]
            settle(_pairs(known, vectors, threshold, same, (earlier, rows)), originals)
        later = kind[rows][:, None] == kind[rows]
        settle(_pairs(vectors, vectors, threshold, np.triu(later, 1), (rows, rows)), originals)
        chosen = np.flatnonzero(originals[rows] < 0)
        kept.append((rows[chosen], vectors[chosen]))
    return originals


def _pairs(one: Floats, other: Floats, threshold: float, allowed: Mask, rows: tuple[Ints, Ints]) -> Ints:
    """Pairs of rows that are allowed and alike, by their second, then their first; shape (n, 2)."""
    second, first = np.nonzero((((one @ other.T) > threshold - TIE) & allowed).T)
    near = score_pairs(one[first], other[second]) >= _rounded(threshold)
    return np.stack([rows[0][first[near]], rows[1][second[near]]], axis=1)


def find_nearest_alike(embed: Embed, count: int, others: Floats, threshold: float) -> tuple[Ints, Floats]:
    """The nearest of `others` to each of `count` texts, -1 where its cosine is below `threshold`; and the cosines."""
    nearest, cosines = np.full(count, -1, dtype=np.int64), np.zeros(count, dtype=np.float32)
    for start in range(0, count if len(others) else 0, BLOCK):
        stop = min(start + BLOCK, count)
        best, scores = search_exactly(embed(start, stop), others, 1)
        cosines[start:stop] = scores[:, 0]
        nearest[start:stop] = np.where(scores[:, 0] >= _rounded(threshold), best[:, 0], -1)
    return nearest, cosines


def _rounded(threshold: float) -> np.float32:
    rounded: np.float32 = round_scores(np.asarray([threshold], dtype=np.float32))[0]
    return rounded
