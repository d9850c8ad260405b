"""Exact search: candidates of every tile, scored again, searched deeper where that is not enough."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synth.errors import InputError
from synth.search.backends import Backend, Faiss, Found, Numpy, has_faiss, merge
from synth.search.check import LONG, check_backend
from synth.search.parts import Parts
from synth.search.scoring import score_at
from synth.search.sweep import sweep
from synth.search.tiles import Vectors, give_back, norms_of, read_tile, tile_bounds
from synth.teachers import Floats, Ints, round_scores

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


@dataclass(frozen=True)
class _Job:
    passages: Vectors
    backend: Backend
    folder: Path | None
    tile: int
    tally: Tally


def cpu_backend() -> Backend:
    """FAISS where it is installed, else numpy."""
    return Faiss() if has_faiss() else Numpy()


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
    _check_shapes(queries, passages, depth)
    job = _Job(passages, backend or cpu_backend(), folder, tile, tally or Tally())
    queries = read_tile(queries, 0, len(queries))
    norms_of(queries, "query")
    depth = min(depth, len(passages))
    ordinals = np.empty((len(queries), depth), dtype=np.int64)
    scores = np.empty((len(queries), depth), dtype=np.float32)
    if not ordinals.size:
        return ordinals, scores
    if len(queries) * passages.size > LONG:
        check_backend(job.backend, queries, passages)
    wanted = depth + depth // 32 + 8
    rows = np.arange(len(queries))
    for width in (wanted, wanted * DEEPER):
        ordinals[rows], scores[rows], sure = _search(job, queries[rows], depth, width)
        rows = rows[~sure]
        if not len(rows):
            return ordinals, scores
        job.tally.deepened += len(rows) if width == wanted else 0
    job.tally.swept += len(rows)
    ordinals[rows], scores[rows] = sweep(queries[rows], passages, scores[rows, -1], depth, tile)
    return ordinals, scores


def _check_shapes(queries: Vectors, passages: Vectors, depth: int) -> None:
    if queries.ndim != 2 or passages.ndim != 2 or queries.shape[1] != passages.shape[1]:
        raise InputError(
            f"queries of shape {queries.shape} can't be compared with passages of shape {passages.shape}; embed both with one model"
        )
    if depth < 0:
        raise InputError(f"a search can't return {depth} passages a query; give a depth of 1 or more")


def _search(job: _Job, queries: Floats, depth: int, wanted: int) -> tuple[Ints, Floats, npt.NDArray[np.bool_]]:
    """Ordinals and scores, shape (n, depth), and which queries have no better passage elsewhere, shape (n,)."""
    found, longest = _find(job, queries, wanted)
    relative, absolute = job.backend.error(queries.shape[1])
    norms = norms_of(queries, "query")
    ceiling = found.cut + relative * norms * longest + absolute * (norms + longest)
    ordinals = np.sort(found.ordinals, axis=1)
    scores = score_at(queries, job.passages, ordinals)
    best = [_order(ordinals[s : s + ORDERED], scores[s : s + ORDERED], depth) for s in range(0, len(queries), ORDERED)]
    ordinals, scores = (np.concatenate(arrays) for arrays in zip(*best, strict=True))
    return ordinals, scores, scores[:, -1] > round_scores(ceiling.astype(np.float32))


def _order(ordinals: Ints, scores: Floats, depth: int) -> tuple[Ints, Floats]:
    """Candidates that are sorted by ordinal, by score; ties stay by ordinal."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    return np.take_along_axis(ordinals, order, axis=1), np.take_along_axis(scores, order, axis=1)


def _find(job: _Job, queries: Floats, wanted: int) -> tuple[Found, float]:
    """The best candidates of all tiles, and the length of the longest passage."""
    parts = Parts(job.folder, queries, wanted, job.backend.name) if job.folder else None
    found: Found | None = None
    longest = 0.0
    for start, stop in tile_bounds(job.passages, job.tile):
        tile = read_tile(job.passages, start, stop)
        longest = max(longest, float(norms_of(tile, "passage", start).max()) * (1 + 1e-3))
        own = parts.read(start, tile) if parts else None
        if own is None:
            own = job.backend.search(queries, tile, wanted)
            job.tally.tiles += 1
            if parts:
                parts.write(start, tile, own)
        else:
            job.tally.reused += 1
        own = Found(own.ordinals + start, own.scores, own.cut)
        found = merge([found, own] if found else [own], wanted)
        del tile
        give_back(job.passages)
    assert found is not None
    return found, longest
