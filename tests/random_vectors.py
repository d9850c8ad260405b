"""Vectors drawn by seed, and what an exact search over them must return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import numpy as np
import pytest

from synth.arrays import Floats
from synth.search import has_faiss, search_exactly
from synth.search.backends import GPU_DEPTH, Backend, Faiss, Found, Numpy
from synth.search.tiles import Tile
from synth.teachers import round_scores

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

    def search(self, queries: Floats, tile: Tile, wanted: int) -> Any:
        self.tiles += 1
        return self._backend.search(queries, tile, wanted)


class Off:
    """A backend whose scores are off by at most `by`, as those of another storage are; or by more than it says."""

    def __init__(self, backend: Backend, by: float, says: float | None = None) -> None:
        self._backend, self._by, self._says = backend, by, by if says is None else says
        self.name, self.device = f"{backend.name}, off by {by}", "cpu"

    def search(self, queries: Floats, tile: Tile, wanted: int) -> Any:
        found = self._backend.search(queries, tile, len(tile))
        noise = np.random.default_rng(found.ordinals.size).uniform(-self._by, self._by, found.scores.shape)
        scores = (found.scores + noise).astype(np.float32)
        order = np.argsort(-scores, axis=1)
        kept, dropped = order[:, :wanted], order[:, wanted:]
        cut = np.take_along_axis(scores, dropped, axis=1).max(axis=1, initial=-np.inf)
        return Found(np.take_along_axis(found.ordinals, kept, axis=1), np.take_along_axis(scores, kept, axis=1), cut)

    def error(self, dimension: int) -> tuple[float, float]:
        return self._backend.error(dimension)[0] + self._says, 0.0


@dataclass(eq=False)
class Shard:
    """Vectors on a fake GPU."""

    device: int
    vectors: Floats


class FakeGpus:
    """As FAISS does it on a GPU: vectors stored as float16, at most 2,048 hits."""

    version = "1.15.1"

    def __init__(self, count: int, broken: int | None = None, room: int | None = None) -> None:
        self._count, self._broken, self._room = count, broken, room
        self.searched: list[tuple[int, int, int]] = []
        self.uploaded: list[tuple[int, int]] = []
        self.held: WeakSet[Shard] = WeakSet()

    def count(self) -> int:
        return self._count

    def hold(self, device: int, shard: Floats) -> Shard:
        there = sum(len(other.vectors) for other in self.held if other.device == device)
        if device == self._broken or (self._room is not None and there + len(shard) > self._room):
            raise RuntimeError("Error in cudaMalloc: out of memory\nat StandardGpuResources.cpp:452")
        self.uploaded.append((device, len(shard)))
        held = Shard(device, shard.astype(np.float16).astype(np.float32))
        self.held.add(held)
        return held

    def search(self, held: Shard, queries: Floats, wanted: int) -> Any:
        assert 0 < wanted <= min(GPU_DEPTH, len(held.vectors))
        self.searched.append((held.device, len(held.vectors), wanted))
        found = Numpy().search(queries.astype(np.float16).astype(np.float32), Tile(held.vectors), wanted)
        order = np.argsort(-found.scores, axis=1)
        return np.take_along_axis(found.scores, order, axis=1), np.take_along_axis(found.ordinals, order, axis=1)
