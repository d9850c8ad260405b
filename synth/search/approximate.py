"""Candidates from an index that does not look at every passage, always scored again exactly."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from synth.errors import InputError, MissingExtra, RunError
from synth.search.backends import Backend, has_faiss, has_gpu_faiss
from synth.search.exact import search_exactly
from synth.search.scoring import score_at
from synth.search.tiles import Vectors, give_back, norms_of, read_tile, tile_bounds
from synth.teachers import Floats, Ints

SAMPLE = 200
"""Queries whose recall is measured."""
RESAMPLES = 1_000
LINKS = 32
"""Links of a passage in the graph of HNSW (M) and of CAGRA (graph degree)."""
BUILD_BREADTH = 100
"""Candidates that HNSW looks at to link a passage (efConstruction)."""
TRAINED = 64
"""Passages a list that the k-means of IVF is trained on."""


@dataclass(frozen=True)
class Recall:
    """Share of the exact best that was found: the mean over sampled queries, and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    queries: int


@dataclass(frozen=True)
class Breadth:
    """How much of an index a query looks at.

    ef_search: candidates that HNSW and CAGRA keep on the way, at least twice the depth is taken;
    nprobe: lists of IVF, of about 4 * sqrt(passages)
    """

    ef_search: int = 256
    nprobe: int = 64


def search_approximately(
    queries: Vectors, passages: Vectors, depth: int, index: str, breadth: Breadth, seed: int, backend: Backend
) -> tuple[Ints, Floats, Recall | None]:
    """Like `search_exactly`, over what the index finds; ordinals -1 and scores 0 where it finds fewer.

    The whole index is held in memory: float32 vectors, and links or lists beside them. Recall is
    measured against an exact search by `backend` for 200 queries drawn by `seed`; a passage that
    scores as high as the last of the exact best counts as found. Raises RunError where FAISS fails.
    """
    queries = read_tile(queries, 0, len(queries))
    norms_of(queries, "query")
    depth = min(depth, len(passages))
    if not len(queries) or not depth:
        return *search_exactly(queries, passages, depth), None
    try:
        built = _BUILDERS[index](passages, breadth, depth, seed)
        _, found = built.search(queries, min(depth + depth // 32 + 8, len(passages)))
    except (RuntimeError, MemoryError) as error:
        raise RunError(
            f"the index {index} over {len(passages):,} passages failed: {next(iter(str(error).splitlines()), type(error).__name__)}; set search: {{index: exact}}, which holds one tile at a time"
        ) from error
    found = np.sort(found.astype(np.int64), axis=1)
    scores = score_at(queries, passages, found)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    ordinals, scores = np.take_along_axis(found, order, axis=1), np.take_along_axis(scores, order, axis=1)
    recall = _measure_recall(queries, passages, scores, seed, backend)
    return ordinals, np.where(ordinals < 0, np.float32(0), scores), recall


def _measure_recall(queries: Floats, passages: Vectors, scores: Floats, seed: int, backend: Backend) -> Recall:
    source = random.Random(seed)
    sample = sorted(source.sample(range(len(queries)), min(SAMPLE, len(queries))))
    _, exact = search_exactly(queries[sample], passages, scores.shape[1], backend=backend)
    shares = (scores[sample] >= exact[:, -1:]).mean(axis=1)
    drawn = [[source.randrange(len(sample)) for _ in sample] for _ in range(RESAMPLES)]
    low, high = np.percentile(shares[np.asarray(drawn)].mean(axis=1), [2.5, 97.5])
    return Recall(round(float(shares.mean()), 4), round(float(low), 4), round(float(high), 4), len(sample))


def _build_hnsw(passages: Vectors, breadth: Breadth, depth: int, seed: int) -> Any:  # noqa: ARG001 - one signature
    """Built by one thread: two threads link passages in the order in which they come."""
    faiss = _faiss()
    index = faiss.IndexHNSWFlat(passages.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = BUILD_BREADTH
    index.hnsw.efSearch = max(breadth.ef_search, 2 * depth)
    with _one_thread(faiss):
        for tile in _tiles(passages):
            index.add(tile)
    return index


def _build_ivf(passages: Vectors, breadth: Breadth, depth: int, seed: int) -> Any:  # noqa: ARG001 - one signature
    faiss = _faiss()
    lists = int(min(4 * len(passages) ** 0.5, max(1, len(passages) // 39)))
    quantizer = faiss.IndexFlatIP(passages.shape[1])
    index = faiss.IndexIVFFlat(quantizer, passages.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed, index.nprobe = 1 + seed % 2**31, min(breadth.nprobe, lists)
    drawn = random.Random(seed).sample(range(len(passages)), min(len(passages), TRAINED * lists))
    index.train(np.ascontiguousarray(passages[np.sort(drawn)], dtype=np.float32))
    for tile in _tiles(passages):
        index.add(tile)
    return index


def _build_cagra(passages: Vectors, breadth: Breadth, depth: int, seed: int) -> Any:  # noqa: ARG001 - one signature
    """Built on the first GPU, which has no fixed order: another build may find other candidates."""
    faiss = _faiss()
    config = faiss.GpuIndexCagraConfig()
    config.graph_degree, config.intermediate_graph_degree = LINKS, 2 * LINKS
    index = faiss.GpuIndexCagra(faiss.StandardGpuResources(), passages.shape[1], faiss.METRIC_INNER_PRODUCT, config)
    index.train(read_tile(passages, 0, len(passages)))
    return index


_BUILDERS = {"hnsw": _build_hnsw, "ivf": _build_ivf, "cagra": _build_cagra}


def check_index(index: str, device: str) -> None:
    """InputError where this index can't be had on this machine."""
    if not has_faiss():
        raise MissingExtra(f"search: {{index: {index}}}", "cpu")
    if index != "cagra" and device == "gpu":
        raise InputError(
            f"search: {{index: {index}}} is built and searched on the CPU; set device: cpu, or index: cagra"
        )
    if index == "cagra" and (device == "cpu" or not has_gpu_faiss() or not hasattr(_faiss(), "GpuIndexCagra")):
        raise InputError(
            "search: {index: cagra} needs a GPU and a FAISS that was built with cuVS (conda install -c pytorch -c nvidia -c rapidsai faiss-gpu-cuvs); set index: exact or hnsw"
        )


def _faiss() -> Any:
    import faiss

    return faiss


def _tiles(passages: Vectors) -> Iterator[Floats]:
    for start, stop in tile_bounds(passages):
        tile = read_tile(passages, start, stop)
        norms_of(tile, "passage", start)
        yield tile
        give_back(passages)


@contextmanager
def _one_thread(faiss: Any) -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
