"""Regions: queries that are alike, by leader clustering in one pass.

A query whose nearest leader is less similar than the threshold opens a region and leads it.
The first queries of a sequence open the same regions whatever follows them.
"""

from __future__ import annotations

import numpy as np

from synth.arrays import Floats, Ints
from synth.teachers import DECIMALS

MOST_REGIONS = 20_000
"""Leaders that are kept; bounds memory and time."""
_TILE = 256


class Regions:
    """Regions opened so far, numbered in the order in which they were opened."""

    def __init__(self, similarity: float) -> None:
        self._similarity = similarity
        self._leaders: Floats = np.empty((0, 0), dtype=np.float32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def similarity(self) -> float:
        """The threshold."""
        return self._similarity

    @property
    def is_full(self) -> bool:
        """From here on a query may open a region that is not remembered."""
        return self._count >= MOST_REGIONS

    def add(self, vectors: Floats) -> Ints:
        """The region of each vector, shape (n,); vectors have unit length, shape (n, d)."""
        tiles = [self._add_tile(vectors[start : start + _TILE]) for start in range(0, len(vectors), _TILE)]
        return np.concatenate(tiles) if tiles else np.empty(0, dtype=np.int64)

    def _add_tile(self, tile: Floats) -> Ints:
        region, best = self._nearest(tile)
        among = tile @ tile.T
        opened: list[int] = []
        first = self._count
        for row in range(len(tile)):
            if opened:
                nearest = int(np.argmax(among[row, opened]))
                if among[row, opened[nearest]] > best[row]:
                    region[row], best[row] = first + nearest, among[row, opened[nearest]]
            if round(float(best[row]), DECIMALS) < self._similarity and not self.is_full:
                region[row], self._count = self._count, self._count + 1
                opened.append(row)
        self._remember(tile[opened], first)
        return region

    def _nearest(self, tile: Floats) -> tuple[Ints, Floats]:
        """The most similar leader of each vector, and how similar."""
        if not self._count:
            return np.zeros(len(tile), dtype=np.int64), np.full(len(tile), -2, dtype=np.float32)
        scores = tile @ self._leaders[: self._count].T
        nearest = np.argmax(scores, axis=1).astype(np.int64)
        return nearest, scores[np.arange(len(tile)), nearest]

    def _remember(self, leaders: Floats, first: int) -> None:
        while first + len(leaders) > len(self._leaders):
            grown = np.empty((max(1_024, 2 * len(self._leaders)), leaders.shape[1]), dtype=np.float32)
            if first:
                grown[:first] = self._leaders[:first]
            self._leaders = grown
        self._leaders[first : first + len(leaders)] = leaders
