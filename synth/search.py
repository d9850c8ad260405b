"""Exact inner-product search: FAISS where it is installed, numpy otherwise. Same answers."""

from __future__ import annotations

import importlib.util

import numpy as np
import numpy.typing as npt

from synth.teachers import Floats, Ints, order_hits, round_scores

TILE = 131_072
"""Passages that are scored at a time; bounds memory to queries x TILE floats without FAISS."""


BLOCK = 1_024
"""Vectors that are compared with all before them at a time."""
TIE = 2e-4
"""Scores closer than this may change places when they are computed in another arithmetic."""


def has_faiss() -> bool:
    """Whether the extra `cpu` or `gpu` is installed."""
    return importlib.util.find_spec("faiss") is not None


def search_exactly(
    queries: Floats, passages: Floats, depth: int, *, use_faiss: bool | None = None
) -> tuple[Ints, Floats]:
    """The best `depth` passages of each query by inner product, over all passages.

    queries: shape (n, d); passages: shape (m, d), may be memory-mapped; both float32.
    Returns ordinals and rounded scores, shape (n, min(depth, m)), ordered by score and
    then by ordinal. Finalists are scored again in float64 and ties at the last place are
    searched to their end, so that FAISS and numpy return the same.
    """
    use_faiss = has_faiss() if use_faiss is None else use_faiss
    depth = min(depth, len(passages))
    ordinals = np.empty((len(queries), depth), dtype=np.int64)
    scores = np.empty((len(queries), depth), dtype=np.float32)
    rows, wanted = np.arange(len(queries)), depth + 8
    while len(rows):
        tiles = [
            _search_tile(queries[rows], passages, start, wanted, use_faiss) for start in range(0, len(passages), TILE)
        ]
        unsure = []
        for place, row in enumerate(rows.tolist()):
            found = [np.sort(tile[place]) for tile in tiles]
            exact = [score_pairs(np.broadcast_to(queries[row], (len(f), queries.shape[1])), passages[f]) for f in found]
            ordinals[row], scores[row] = order_hits(np.concatenate(found), np.concatenate(exact), depth)
            cut = [e.min() for e in exact if len(e) == wanted]
            if wanted < len(passages) and cut and max(cut) >= scores[row, -1] - TIE:
                unsure.append(row)
        rows, wanted = np.asarray(unsure, dtype=np.int64), wanted * 4
    return ordinals, scores


def _search_tile(queries: Floats, passages: Floats, start: int, wanted: int, use_faiss: bool) -> Ints:
    tile = np.ascontiguousarray(passages[start : start + TILE])
    return (_faiss_tile if use_faiss else _numpy_tile)(queries, tile, min(wanted, len(tile))) + start


def score_pairs(queries: Floats, passages: Floats) -> Floats:
    """Row-wise inner products in one arithmetic (float64, then rounded), shape (n,)."""
    products = np.einsum("ij,ij->i", queries.astype(np.float64), passages.astype(np.float64))
    return round_scores(products.astype(np.float32))


def find_pairs_above(vectors: Floats, threshold: float) -> tuple[Ints, Floats]:
    """Pairs (i, j), i < j, of rows whose inner product is above `threshold`, shape (n, 2), and the products.

    vectors: shape (n, d). Products are rounded before they are compared; memory is bounded by blocks.
    """
    found = [np.empty((0, 2), dtype=np.int64)]
    for start in range(0, len(vectors), BLOCK):
        products = vectors[: start + BLOCK] @ vectors[start : start + BLOCK].T
        first, second = np.nonzero(products > threshold - TIE)
        pairs = np.stack([first, second + start], axis=1)
        found.append(pairs[pairs[:, 0] < pairs[:, 1]])
    pairs = np.concatenate(found)
    scores = score_pairs(vectors[pairs[:, 0]], vectors[pairs[:, 1]])
    above = scores > round_scores(np.asarray(threshold, dtype=np.float32))
    return pairs[above], scores[above]


def _faiss_tile(queries: Floats, tile: Floats, wanted: int) -> Ints:
    import faiss

    _, found = faiss.knn(np.ascontiguousarray(queries), tile, wanted, metric=faiss.METRIC_INNER_PRODUCT)
    ordinals: npt.NDArray[np.int64] = found.astype(np.int64)
    return ordinals


def _numpy_tile(queries: Floats, tile: Floats, wanted: int) -> Ints:
    products = queries @ tile.T
    if wanted >= len(tile):
        return np.tile(np.arange(len(tile)), (len(queries), 1))
    return np.argpartition(-products, wanted - 1, axis=1)[:, :wanted]
