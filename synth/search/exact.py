"""Exact search: candidates of every tile, scored again, searched deeper where that is not enough."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synth.arrays import Floats, Ints
from synth.errors import InputError
from synth.search.backends import Backend, Faiss, Found, Numpy, has_faiss, merge
from synth.search.check import LONG, check_backend
from synth.search.parts import Parts
from synth.search.scoring import score_at
from synth.search.sweep import sweep
from synth.search.tiles import Tile, Vectors, norms_of, read_tile, tile_bounds
from synth.teachers import round_scores

DEEPER = 8
"""How many times as many candidates an unsure query is given in its second search."""
ORDERED = 4_096
"""Queries whose candidates are ordered at a time."""


@dataclass
class Tally:
    """What a search did: tiles compared, tiles read from `folder` instead, queries searched again."""

    tiles: int = 0
    reused: int = 0
    deepened: int = 0
    swept: int = 0


def cpu_backend() -> Backend:
    """FAISS where it is installed, else numpy."""
    return Faiss() if has_faiss() else Numpy()


class ExactSearch:
    """Vectors that stay open for any number of blocks of queries; see `search_exactly`.

    What a backend holds of them (a GPU: all that fits) stays with it, and is not read again.
    """

    def __init__(
        self,
        passages: Vectors,
        backend: Backend | None = None,
        folder: Path | None = None,
        tile: int = 0,
        tally: Tally | None = None,
    ) -> None:
        self.backend = backend or cpu_backend()
        self.tally = tally or Tally()
        self._passages, self._folder, self._rows = passages, folder, tile
        self._tiles = [Tile(passages, start, stop) for start, stop in tile_bounds(passages, tile)]
        self._work = 0
        self._checked = False

    def search(self, queries: Vectors, depth: int) -> tuple[Ints, Floats]:
        """The best `depth` passages of each query, as `search_exactly` returns them."""
        passages = self._passages
        _check_shapes(queries, passages, depth)
        queries = read_tile(queries, 0, len(queries))
        norms_of(queries, "query")
        depth = min(depth, len(passages))
        ordinals = np.empty((len(queries), depth), dtype=np.int64)
        scores = np.empty((len(queries), depth), dtype=np.float32)
        if not ordinals.size:
            return ordinals, scores
        self._check(queries)
        wanted = depth + depth // 32 + 8
        rows = np.arange(len(queries))
        for width in (wanted, wanted * DEEPER):
            ordinals[rows], scores[rows], sure = self._search(queries[rows], depth, width)
            rows = rows[~sure]
            if not len(rows):
                return ordinals, scores
            self.tally.deepened += len(rows) if width == wanted else 0
        self.tally.swept += len(rows)
        ordinals[rows], scores[rows] = sweep(queries[rows], passages, scores[rows, -1], depth, self._rows)
        return ordinals, scores

    def _check(self, queries: Floats) -> None:
        self._work += len(queries) * self._passages.size
        if self._work > LONG and not self._checked:
            check_backend(self.backend, queries, self._passages)
            self._checked = True

    def _search(self, queries: Floats, depth: int, wanted: int) -> tuple[Ints, Floats, npt.NDArray[np.bool_]]:
        """Ordinals and scores, shape (n, depth), and which queries have no better passage elsewhere, shape (n,)."""
        found, longest = self._find(queries, wanted)
        relative, absolute = self.backend.error(queries.shape[1])
        norms = norms_of(queries, "query")
        ceiling = found.cut + relative * norms * longest + absolute * (norms + longest)
        ordinals = np.sort(found.ordinals, axis=1)
        scores = score_at(queries, self._passages, ordinals)
        best = [
            _order(ordinals[s : s + ORDERED], scores[s : s + ORDERED], depth) for s in range(0, len(queries), ORDERED)
        ]
        ordinals, scores = (np.concatenate(arrays) for arrays in zip(*best, strict=True))
        return ordinals, scores, scores[:, -1] > round_scores(ceiling.astype(np.float32))

    def _find(self, queries: Floats, wanted: int) -> tuple[Found, float]:
        """The best candidates of all tiles, and the length of the longest passage."""
        parts = Parts(self._folder, queries, wanted, self.backend.name) if self._folder else None
        found: Found | None = None
        for tile in self._tiles:
            _ = tile.longest
            own = parts.read(tile) if parts else None
            if own is None:
                own = self.backend.search(queries, tile, wanted)
                self.tally.tiles += 1
                if parts:
                    parts.write(tile, own)
            else:
                self.tally.reused += 1
            tile.drop()
            own = Found(own.ordinals + tile.start, own.scores, own.cut)
            found = merge([found, own] if found else [own], wanted)
        assert found is not None
        return found, max(tile.longest for tile in self._tiles) * (1 + 1e-3)


def search_exactly(
    queries: Vectors,
    passages: Vectors,
    depth: int,
    *,
    backend: Backend | None = None,
    folder: Path | None = None,
    tile: int = 0,
    tally: Tally | None = None,
) -> tuple[Ints, Floats]:
    """The best `depth` passages of each query by inner product, over all passages.

    queries: shape (n, d); passages: shape (m, d); float32 or float16, may be memory-mapped.
    Returns ordinals and rounded scores, shape (n, min(depth, m)), ordered by score and then by
    ordinal. A tile is what is compared at a time (`tile` passages, 0: 256 MB of float32); with a
    `folder`, the candidates of each tile are kept there, and a second call with the same vectors
    compares only tiles that are missing. Holds one tile and up to 60 bytes a query and hit, so that
    queries by the million are best asked in blocks of 100,000: each block reads all passages once.
    Raises InputError for vectors that do not fit or are not finite, RunError where the backend
    fails or, before a long search, where it disagrees with numpy.
    """
    return ExactSearch(passages, backend, folder, tile, tally).search(queries, depth)


def _check_shapes(queries: Vectors, passages: Vectors, depth: int) -> None:
    if queries.ndim != 2 or passages.ndim != 2 or queries.shape[1] != passages.shape[1]:
        raise InputError(
            f"queries of shape {queries.shape} can't be compared with passages of shape {passages.shape}; embed both with one model"
        )
    if depth < 0:
        raise InputError(f"a search can't return {depth} passages a query; give a depth of 1 or more")


def _order(ordinals: Ints, scores: Floats, depth: int) -> tuple[Ints, Floats]:
    """Candidates that are sorted by ordinal, by score; ties stay by ordinal."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    return np.take_along_axis(ordinals, order, axis=1), np.take_along_axis(scores, order, axis=1)
