"""Before a long search: does the backend say what numpy says?"""

from __future__ import annotations

import numpy as np

from synth.arrays import Floats
from synth.errors import RunError
from synth.search.backends import Backend, Found
from synth.search.tiles import Tile, Vectors, give_back, norms_of, read_tile

LONG = 10**10
"""Multiplications from which on a search is worth a check of some milliseconds."""
QUERIES, PASSAGES, WANTED = 64, 1_000, 100
STRETCH = 50
"""Rows in a row that are sampled together."""


def check_backend(backend: Backend, queries: Vectors, passages: Vectors) -> None:
    """Compare a backend with numpy in float64 on some rows; RunError where it is further off than it may be."""
    some, tile = _sample(queries, QUERIES), _sample(passages, PASSAGES)
    found = backend.search(some, Tile(tile), WANTED)
    fault = _find_fault(backend, found, some, tile)
    if fault:
        raise RunError(
            f"{backend.name} ({backend.device}) is wrong on a sample of these vectors: {fault}; install it again (pip install --force-reinstall 'synth[cpu]' or 'synth[gpu]'), update the driver of the GPU, or write ,search_on=cpu behind the teacher's name"
        )


def _find_fault(backend: Backend, found: Found, queries: Floats, tile: Floats) -> str:
    exact = queries.astype(np.float64) @ tile.astype(np.float64).T
    wanted = min(WANTED, len(tile))
    if found.ordinals.shape != (len(queries), wanted) or not np.array_equal(
        np.sort(found.ordinals % len(tile), axis=1), np.sort(found.ordinals, axis=1)
    ):
        return f"it returns hits of shape {found.ordinals.shape}, some of no passage, where {(len(queries), wanted)} were asked for"
    relative, absolute = backend.error(queries.shape[1])
    lengths, longest = norms_of(queries, "query"), float(norms_of(tile, "passage").max())
    allowed = relative * lengths * longest + absolute * (lengths + longest) + 1e-9
    at_hits = np.take_along_axis(exact, found.ordinals, axis=1)
    off = ~(np.abs(found.scores - at_hits) <= allowed[:, None])
    if off.any():
        row, place = (int(n[0]) for n in np.nonzero(off))
        return f"a pair scores {found.scores[row, place]:.4f} there and {at_hits[row, place]:.4f} in numpy ({allowed[row]:.1e} may differ)"
    np.put_along_axis(exact, found.ordinals, -np.inf, axis=1)
    missed = exact.max(axis=1) > found.cut + allowed
    if missed.any():
        row = int(np.argmax(missed))
        return (
            f"it leaves out a passage that scores {exact[row].max():.4f} and keeps one of {found.scores[row].min():.4f}"
        )
    return ""


def _sample(vectors: Vectors, wanted: int) -> Floats:
    """Stretches of rows, spread evenly: single rows all over a mapped file would map most of it."""
    starts = np.unique(np.linspace(0, max(0, len(vectors) - STRETCH), -(-wanted // STRETCH)).astype(np.int64))
    sample = np.concatenate([read_tile(vectors, start, start + STRETCH) for start in starts.tolist()])
    give_back(vectors)
    return sample[:wanted]
