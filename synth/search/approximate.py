"""Candidates from an index that does not look at every passage, always scored again exactly."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from synth.arrays import Floats, Ints
from synth.errors import InputError, MissingExtra, RunError
from synth.files import replace_atomically, write_bytes
from synth.search.backends import has_faiss, has_gpu_faiss
from synth.search.exact import ExactSearch
from synth.search.scoring import score_at
from synth.search.tiles import Vectors, give_back, norms_of, read_tile, tile_bounds

SAMPLE, MOST = 200, 1_000
"""Queries whose recall is measured: at first, and of very many."""
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


class Approximate:
    """An index over one corpus: built once, kept in `folder`, and opened when it is first searched.

    The whole index is held in memory: float32 vectors, and links or lists beside them. Recall is
    measured against `exact` on queries drawn by `seed`: 200 of the first that come, then one in a
    hundred up to 1,000; a passage that scores as high as the last of the exact best counts as
    found. What was measured is kept beside the index. Raises RunError where FAISS fails.
    """

    def __init__(
        self,
        passages: Vectors,
        index: str,
        breadth: Breadth,
        seed: int,
        exact: ExactSearch,
        folder: Path | None,
    ) -> None:
        self._passages, self._kind, self._breadth, self._seed = passages, index, breadth, seed
        self._exact, self._folder = exact, folder
        self._index: Any = None
        self._asked, self._shares = self._read_measured()

    @property
    def path(self) -> Path | None:
        """Of the index, by all that it depends on besides the vectors."""
        told = [self._kind, LINKS, BUILD_BREADTH, TRAINED, self._seed, *self._passages.shape]
        return self._folder / f"{'-'.join(map(str, told))}.faiss" if self._folder else None

    @property
    def recall(self) -> Recall | None:
        """As far as it was measured; None before the first query."""
        return _recall(self._shares, self._seed) if self._shares else None

    def prepare(self) -> None:
        """Build the index, unless its folder has it already."""
        if self._index is not None or not len(self._passages) or (self.path and self.path.exists()):
            return
        with self._failing():
            self._index = _BUILDERS[self._kind](self._passages, self._seed)
            if self.path:
                with replace_atomically(self.path) as temporary:
                    _write_index(self._index, self._kind, temporary)

    def search(self, queries: Vectors, depth: int) -> tuple[Ints, Floats]:
        """Like `search_exactly`, over what the index finds; ordinals -1 and scores 0 where it finds fewer."""
        queries = read_tile(queries, 0, len(queries))
        norms_of(queries, "query")
        depth = min(depth, len(self._passages))
        if not len(queries) or not depth:
            return self._exact.search(queries, depth)
        self.prepare()
        with self._failing():
            if self._index is None:
                self._index = _read_index(self._kind, self.path)
            wanted = min(depth + depth // 32 + 8, len(self._passages))
            _, found = self._index.search(queries, wanted, params=_parameters(self._kind, self._breadth, wanted))
        found = np.sort(found.astype(np.int64), axis=1)
        scores = score_at(queries, self._passages, found)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        ordinals, scores = np.take_along_axis(found, order, axis=1), np.take_along_axis(scores, order, axis=1)
        self._measure(queries, scores)
        return ordinals, np.where(ordinals < 0, np.float32(0), scores)

    def _measure(self, queries: Floats, scores: Floats) -> None:
        source = random.Random(self._seed + self._asked)
        self._asked += len(queries)
        due = min(MOST, max(SAMPLE, self._asked // 100)) - len(self._shares)
        if due <= 0:
            return
        sample = sorted(source.sample(range(len(queries)), min(due, len(queries))))
        _, exact = self._exact.search(queries[sample], scores.shape[1])
        self._shares += (scores[sample] >= exact[:, -1:]).mean(axis=1).tolist()
        if self._folder:
            write_bytes(self._measured_path(), orjson.dumps({"asked": self._asked, "shares": self._shares}))

    def _read_measured(self) -> tuple[int, list[float]]:
        if self._folder is None or not self._measured_path().exists():
            return 0, []
        told = orjson.loads(self._measured_path().read_bytes())
        return told["asked"], told["shares"]

    def _measured_path(self) -> Path:
        assert self.path is not None
        looked = self._breadth.nprobe if self._kind == "ivf" else self._breadth.ef_search
        return self.path.with_name(f"{self.path.stem}-{looked}.recall.json")

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            raise RunError(
                f"the index {self._kind} over {len(self._passages):,} passages failed: {next(iter(str(error).splitlines()), type(error).__name__)}; write index=exact, which holds one tile at a time, or remove {self.path} if that file is damaged"
            ) from error


def _recall(shares: list[float], seed: int) -> Recall:
    source, measured = random.Random(seed), np.asarray(shares)
    drawn = [[source.randrange(len(shares)) for _ in shares] for _ in range(RESAMPLES)]
    low, high = np.percentile(measured[np.asarray(drawn)].mean(axis=1), [2.5, 97.5])
    return Recall(round(float(measured.mean()), 4), round(float(low), 4), round(float(high), 4), len(shares))


def _parameters(kind: str, breadth: Breadth, wanted: int) -> Any:
    faiss = _faiss()
    if kind == "ivf":
        return faiss.SearchParametersIVF(nprobe=breadth.nprobe)
    kept = max(breadth.ef_search, 2 * wanted)
    if kind == "hnsw":
        return faiss.SearchParametersHNSW(efSearch=kept)
    parameters = faiss.SearchParametersCagra()
    parameters.itopk_size = -(-kept // 32) * 32
    return parameters


def _write_index(index: Any, kind: str, path: Path) -> None:
    faiss = _faiss()
    faiss.write_index(faiss.index_gpu_to_cpu(index) if kind == "cagra" else index, str(path))


def _read_index(kind: str, path: Path | None) -> Any:
    faiss = _faiss()
    index = faiss.read_index(str(path))
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index) if kind == "cagra" else index


def _build_hnsw(passages: Vectors, seed: int) -> Any:  # noqa: ARG001 - one signature
    """Built by one thread: two threads link passages in the order in which they come."""
    faiss = _faiss()
    index = faiss.IndexHNSWFlat(passages.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = BUILD_BREADTH
    with _one_thread(faiss):
        for tile in _tiles(passages):
            index.add(tile)
    return index


def _build_ivf(passages: Vectors, seed: int) -> Any:
    faiss = _faiss()
    lists = int(min(4 * len(passages) ** 0.5, max(1, len(passages) // 39)))
    quantizer = faiss.IndexFlatIP(passages.shape[1])
    index = faiss.IndexIVFFlat(quantizer, passages.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = 1 + seed % 2**31
    drawn = random.Random(seed).sample(range(len(passages)), min(len(passages), TRAINED * lists))
    index.train(np.ascontiguousarray(passages[np.sort(drawn)], dtype=np.float32))
    for tile in _tiles(passages):
        index.add(tile)
    return index


def _build_cagra(passages: Vectors, seed: int) -> Any:  # noqa: ARG001 - one signature
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
        raise MissingExtra(f"index={index}", "cpu")
    if index != "cagra" and device == "gpu":
        raise InputError(
            f"index={index} is built and searched on the CPU; leave search_on=gpu out, or write index=cagra"
        )
    if index == "cagra" and (device == "cpu" or not has_gpu_faiss() or not hasattr(_faiss(), "GpuIndexCagra")):
        raise InputError(
            "index=cagra needs a GPU and a FAISS that was built with cuVS (conda install -c pytorch -c nvidia -c rapidsai faiss-gpu-cuvs); write index=exact or index=hnsw"
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
