"""The one arithmetic of all scores: float64 inner products of the stored values, 4 decimals."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from synth.arrays import Floats, Ints
from synth.errors import InputError
from synth.search.tiles import TILE_BYTES, Vectors, give_back, is_large_map
from synth.teachers import round_scores

BLOCK = 1_024
"""Vectors that are compared with all before them at a time."""
CHUNK = 1 << 16
"""Pairs that a thread scores at a time."""
WIDE = 16
"""Ordinals a query from which on its vector is multiplied with all of them in turn."""
VALUES = 1 << 17
"""Values of either side that are multiplied at a time: what a core keeps in its cache."""
TIE = 2e-4
"""Scores closer than this may change places when they are computed in another arithmetic."""


def score_pairs(queries: Vectors, passages: Vectors) -> Floats:
    """Row-wise inner products, shape (n,), rounded."""
    rows = np.arange(len(queries))
    return _score(queries, rows, passages, rows)


def score_at(queries: Vectors, vectors: Vectors, rows: Ints) -> Floats:
    """Scores of each query with the vectors at its own ordinals, as `score_pairs` computes them.

    queries: shape (n, d); vectors: shape (m, d), float32 or float16, may be memory-mapped; rows:
    ordinals, shape (n, k). Returns shape (n, k), -inf where an ordinal is -1. Vectors that are
    mapped and large are read once, in the order in which they lie on disk.
    """
    count, width = rows.shape
    if rows.size and (rows.min() < -1 or rows.max() >= len(vectors)):
        raise InputError(
            f"there are {len(vectors):,} vectors, and ordinal {rows.max():,} or {rows.min():,} is asked for"
        )
    scores = np.full((count, width), -np.inf, dtype=np.float32)
    real = rows >= 0
    if width < WIDE or is_large_map(vectors) or not len(vectors):
        scores[real] = _score(queries, np.nonzero(real)[0], vectors, rows[real])
        return scores
    queries, vectors = _in_one_piece(queries), _in_one_piece(vectors)
    block = max(1, CHUNK // width)
    starts = range(0, count, block)
    with ThreadPoolExecutor(_threads()) as pool:
        for start, products in zip(
            starts,
            pool.map(lambda s: _multiply_rows(queries[s : s + block], vectors, rows[s : s + block]), starts),
            strict=True,
        ):
            np.copyto(scores[start : start + block], products, where=real[start : start + block])
    return scores


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
    scores = _score(vectors, pairs[:, 0], vectors, pairs[:, 1])
    above = scores > round_scores(np.asarray(threshold, dtype=np.float32))
    return pairs[above], scores[above]


def _score(queries: Vectors, owners: Ints, vectors: Vectors, ordinals: Ints) -> Floats:
    """Of each pair (owners[i], ordinals[i]), shape (n,)."""
    queries, vectors = _in_one_piece(queries), _in_one_piece(vectors)
    products = np.empty(len(ordinals), dtype=np.float64)
    with ThreadPoolExecutor(_threads()) as pool:
        for places in _passes(vectors, ordinals):
            stripes = np.array_split(places, _threads())
            list(pool.map(lambda own: _multiply(queries, owners, vectors, ordinals, own, products), stripes))
            give_back(vectors)
    return round_scores(products.astype(np.float32))


def _passes(vectors: Vectors, ordinals: Ints) -> Iterator[Ints]:
    """Places of the pairs that are scored together: all, or those of one stretch of a file."""
    if not is_large_map(vectors):
        yield np.arange(len(ordinals))
        return
    order = np.argsort(ordinals, kind="stable")
    stretch = max(1, TILE_BYTES // (vectors.shape[1] * vectors.itemsize))
    bounds = np.searchsorted(ordinals[order], np.arange(stretch, len(vectors), stretch))
    yield from np.split(order, bounds)


def _in_one_piece(vectors: Vectors) -> Vectors:
    return vectors if vectors.flags.c_contiguous else np.ascontiguousarray(vectors)


def _multiply_rows(queries: Vectors, vectors: Vectors, rows: Ints) -> Floats:
    """Each query with its own row of ordinals, shape (n, k); something where an ordinal is -1."""
    size = max(1, min(VALUES // max(1, vectors.shape[1]), rows.shape[1]))
    taken = np.empty((size, vectors.shape[1]), dtype=vectors.dtype)
    exact = np.empty((size, vectors.shape[1]), dtype=np.float64)
    products = np.empty(rows.shape, dtype=np.float64)
    for query, own, out in zip(queries.astype(np.float64), rows, products, strict=True):
        for start in range(0, len(own), size):
            chosen = own[start : start + size]
            np.take(vectors, chosen, axis=0, out=taken[: len(chosen)], mode="clip")
            np.copyto(exact[: len(chosen)], taken[: len(chosen)])
            np.vecdot(exact[: len(chosen)], query, out=out[start : start + size])
    return round_scores(products.astype(np.float32))


def _multiply(
    queries: Vectors, owners: Ints, vectors: Vectors, ordinals: Ints, places: Ints, products: npt.NDArray[np.float64]
) -> None:
    size = max(1, min(VALUES // max(1, vectors.shape[1]), len(places)))
    taken = [np.empty((size, vectors.shape[1]), dtype=array.dtype) for array in (queries, vectors)]
    exact = [np.empty((size, vectors.shape[1]), dtype=np.float64) for _ in taken]
    for start in range(0, len(places), size):
        own = places[start : start + size]
        for array, rows, raw, wide in ((queries, owners, taken[0], exact[0]), (vectors, ordinals, taken[1], exact[1])):
            np.take(array, rows[own], axis=0, out=raw[: len(own)], mode="clip")
            np.copyto(wide[: len(own)], raw[: len(own)])
        products[own] = np.vecdot(exact[0][: len(own)], exact[1][: len(own)])


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
