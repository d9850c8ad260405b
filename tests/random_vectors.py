"""Vectors drawn by seed, and what an exact search over them must return."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from synth.search import has_faiss, search_exactly
from synth.search.backends import GPU_DEPTH, Backend, Faiss, Found, Numpy
from synth.teachers import round_scores

Floats = npt.NDArray[np.float32]

needs_faiss = pytest.mark.skipif(not has_faiss(), reason="FAISS is not installed")
each_backend = pytest.mark.parametrize(
    "backend", [Numpy(), pytest.param(Faiss(), marks=needs_faiss)], ids=["numpy", "faiss"]
)


def unit_vectors(seed: int, count: int, dimension: int = 16) -> Floats:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def by_brute_force(queries: Floats, passages: Any, depth: int) -> tuple[list[list[int]], list[list[float]]]:
    """All products in float64, rounded, fully sorted: by score, then by ordinal."""
    products = round_scores((queries.astype(np.float64) @ np.asarray(passages, dtype=np.float64).T).astype(np.float32))
    order = [np.lexsort((np.arange(len(passages)), -row))[:depth] for row in products]
    return [o.tolist() for o in order], [row[o].tolist() for row, o in zip(products, order, strict=True)]


def assert_exact(queries: Floats, passages: Any, depth: int, **how: Any) -> None:
    ordinals, scores = search_exactly(queries, passages, depth, **how)
    expected_ordinals, expected_scores = by_brute_force(queries, passages, depth)
    assert ordinals.tolist() == expected_ordinals
    assert scores.tolist() == expected_scores


class Counting:
    """A backend that counts the tiles it searched."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.name, self.device, self.error = backend.name, backend.device, backend.error
        self.tiles = 0

    def search(self, queries: Floats, tile: Floats, wanted: int) -> Any:
        self.tiles += 1
        return self._backend.search(queries, tile, wanted)


class Off:
    """A backend whose scores are off by at most `by`, as those of another storage are; or by more than it says."""

    def __init__(self, backend: Backend, by: float, says: float | None = None) -> None:
        self._backend, self._by, self._says = backend, by, by if says is None else says
        self.name, self.device = f"{backend.name}, off by {by}", "cpu"

    def search(self, queries: Floats, tile: Floats, wanted: int) -> Any:
        found = self._backend.search(queries, tile, len(tile))
        noise = np.random.default_rng(found.ordinals.size).uniform(-self._by, self._by, found.scores.shape)
        scores = (found.scores + noise).astype(np.float32)
        order = np.argsort(-scores, axis=1)
        kept, dropped = order[:, :wanted], order[:, wanted:]
        cut = np.take_along_axis(scores, dropped, axis=1).max(axis=1, initial=-np.inf)
        return Found(np.take_along_axis(found.ordinals, kept, axis=1), np.take_along_axis(scores, kept, axis=1), cut)

    def error(self, dimension: int) -> tuple[float, float]:
        return self._backend.error(dimension)[0] + self._says, 0.0


class FakeGpus:
    """As FAISS does it on a GPU: vectors stored as float16, at most 2,048 hits."""

    version = "1.15.1"

    def __init__(self, count: int, broken: int | None = None) -> None:
        self._count, self._broken = count, broken
        self.searched: list[tuple[int, int, int]] = []

    def count(self) -> int:
        return self._count

    def search(self, device: int, queries: Floats, shard: Floats, wanted: int) -> Any:
        assert 0 < wanted <= min(GPU_DEPTH, len(shard))
        if device == self._broken:
            raise RuntimeError("Error in cudaMalloc: out of memory\nat StandardGpuResources.cpp:452")
        self.searched.append((device, len(shard), wanted))
        halves = (array.astype(np.float16).astype(np.float32) for array in (queries, shard))
        found = Numpy().search(*halves, wanted)
        order = np.argsort(-found.scores, axis=1)
        return np.take_along_axis(found.scores, order, axis=1), np.take_along_axis(found.ordinals, order, axis=1)
