"""Queries with more ties than any search for the best few can settle: all passages are looked at."""

from __future__ import annotations

import numpy as np

from synth.arrays import Floats, Ints
from synth.search.backends import PRODUCTS_BYTES, Numpy
from synth.search.scoring import score_at
from synth.search.tiles import Vectors, give_back, norms_of, read_tile, tile_bounds
from synth.teachers import order_hits

ROUNDING = 0.6e-4
"""What rounding to 4 decimals may add to a score, and a little."""


def sweep(queries: Floats, passages: Vectors, floors: Floats, depth: int, tile: int) -> tuple[Ints, Floats]:
    """The best `depth` of each query, given a score that at least `depth` passages reach, shape (n,).

    Whatever may reach the floor is scored exactly. Passages come in the order of their ordinals, so
    that once `depth` are found only better ones count: copies by the thousand cost nothing more.
    """
    hits: list[tuple[Ints, Floats]] = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)) for _ in queries]
    norms = norms_of(queries, "query")
    relative, _ = Numpy().error(queries.shape[1])
    for start, stop in tile_bounds(passages, tile):
        vectors = read_tile(passages, start, stop)
        slack = relative * norms * float(norms_of(vectors, "passage", start).max()) + ROUNDING + 1e-6 * np.abs(floors)
        block = max(1, PRODUCTS_BYTES // (4 * len(vectors)))
        for first in range(0, len(queries), block):
            products = queries[first : first + block] @ vectors.T
            for row in range(first, min(first + block, len(queries))):
                near = np.flatnonzero(products[row - first] >= floors[row] - slack[row])
                hits[row] = _add(hits[row], near + start, score_at(queries[[row]], vectors, near[None])[0], depth)
                if len(hits[row][0]) == depth:
                    floors[row] = max(floors[row], hits[row][1][-1])
        del vectors
        give_back(passages)
    return np.stack([ordinals for ordinals, _ in hits]), np.stack([scores for _, scores in hits])


def _add(hits: tuple[Ints, Floats], ordinals: Ints, scores: Floats, depth: int) -> tuple[Ints, Floats]:
    return order_hits(np.concatenate([hits[0], ordinals]), np.concatenate([hits[1], scores]), depth)
