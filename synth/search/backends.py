"""What compares queries with one tile of passages: numpy, FAISS, or FAISS on GPUs."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np

from synth.arrays import Floats, Ints
from synth.errors import InputError, RunError
from synth.search.tiles import Tile

PRODUCTS_BYTES = 1 << 26
"""Products that numpy holds at a time."""
MERGED = 4_096
"""Queries whose hits are merged at a time."""
FLOAT16 = 65_504
"""The largest value of a float16."""
GPU_DEPTH = 2_048
"""The most hits that a GPU index of FAISS returns for a query."""


@dataclass(frozen=True)
class Found:
    """Candidates of each query, in no order, and what the others can't exceed.

    ordinals: shape (n, k); scores: shape (n, k), as the backend computed them; cut: shape (n,),
    no passage left out scored higher than this, -inf where none was left out
    """

    ordinals: Ints
    scores: Floats
    cut: Floats


class Backend(Protocol):
    """Scores all of a tile and keeps the best."""

    name: str
    """With the version: results of one name may stand in for each other."""
    device: str

    def search(self, queries: Floats, tile: Tile, wanted: int) -> Found:
        """The best `wanted` rows of a tile for each query. queries: shape (n, d)."""

    def error(self, dimension: int) -> tuple[float, float]:
        """By how much a score may be off: (a, b) of a * |q| * |p| + b * (|q| + |p|)."""


class Numpy:
    """Where FAISS is not installed."""

    device = "cpu"

    def __init__(self) -> None:
        self.name = f"numpy {np.__version__}"

    def search(self, queries: Floats, tile: Tile, wanted: int) -> Found:
        wanted, vectors = min(wanted, len(tile)), tile.read()
        ordinals = np.empty((len(queries), wanted), dtype=np.int64)
        scores = np.empty((len(queries), wanted), dtype=np.float32)
        block = max(1, PRODUCTS_BYTES // (4 * len(tile)))
        for start in range(0, len(queries), block):
            products = queries[start : start + block] @ vectors.T
            best = np.argpartition(products, len(tile) - wanted, axis=1)[:, len(tile) - wanted :]
            ordinals[start : start + block] = best
            scores[start : start + block] = np.take_along_axis(products, best, axis=1)
        return Found(ordinals, scores, _cut(scores, len(tile)))

    def error(self, dimension: int) -> tuple[float, float]:
        return _float32_error(dimension), 0.0


class Faiss:
    """FAISS on the CPU."""

    device = "cpu"

    def __init__(self) -> None:
        self.name = f"faiss {faiss_version()}"

    def search(self, queries: Floats, tile: Tile, wanted: int) -> Found:
        import faiss

        scores, ordinals = faiss.knn(queries, tile.read(), min(wanted, len(tile)), metric=faiss.METRIC_INNER_PRODUCT)
        return Found(ordinals, scores, _cut(scores, len(tile)))

    def error(self, dimension: int) -> tuple[float, float]:
        return _float32_error(dimension), 0.0


class GpuDevices(Protocol):
    """The GPUs of this machine, as far as a search needs them."""

    version: str

    def count(self) -> int:
        """How many there are that can be used."""

    def hold(self, device: int, shard: Floats) -> Any:
        """Put a shard on a GPU, where it stays as long as what is returned."""

    def search(self, held: Any, queries: Floats, wanted: int) -> tuple[Floats, Ints]:
        """Scores and rows of the best `wanted` (at most 2,048) of a shard, shape (n, wanted)."""


class FaissDevices:
    """GPUs through FAISS; vectors are stored as float16 and products summed up in float32."""

    def __init__(self) -> None:
        self.version = faiss_version()
        self._resources: dict[int, Any] = {}

    def count(self) -> int:
        if not has_gpu_faiss():
            return 0
        import faiss

        return int(faiss.get_num_gpus())

    def hold(self, device: int, shard: Floats) -> Any:
        import faiss

        if device not in self._resources:
            self._resources[device] = faiss.StandardGpuResources()
        config = faiss.GpuIndexFlatConfig()
        config.device, config.useFloat16 = device, True
        index = faiss.GpuIndexFlatIP(self._resources[device], shard.shape[1], config)
        index.add(shard)
        return index

    def search(self, held: Any, queries: Floats, wanted: int) -> tuple[Floats, Ints]:
        scores, rows = held.search(queries, wanted)
        return scores, rows


class Gpus:
    """A tile in shards, one or more a GPU, searched at the same time and merged.

    Shards stay where they are for the next queries, as long as they fit; from the first that does
    not, a GPU holds one at a time. For one thread at a time.
    """

    def __init__(self, devices: GpuDevices) -> None:
        self._devices = devices
        self._count = devices.count()
        self._held: list[WeakKeyDictionary[Tile, dict[tuple[int, int], Any]]] = [
            WeakKeyDictionary() for _ in range(self._count)
        ]
        self._full: set[int] = set()
        self.name = f"faiss {devices.version} on GPU"
        self.device = f"gpu x {self._count}"

    def search(self, queries: Floats, tile: Tile, wanted: int) -> Found:
        _check_values(queries)
        wanted = min(wanted, len(tile))
        shards = min(len(tile), max(self._count, -(-2 * wanted // GPU_DEPTH)))
        bounds = np.linspace(0, len(tile), shards + 1).astype(np.int64).tolist()
        spans = list(itertools.pairwise(bounds))

        def search_device(device: int) -> list[Found]:
            return [self._search_shard(device, queries, tile, span, wanted) for span in spans[device :: self._count]]

        if not all(span in self._held[place % self._count].get(tile, {}) for place, span in enumerate(spans)):
            _check_values(tile.read())
        with ThreadPoolExecutor(self._count) as pool:
            return merge([found for own in pool.map(search_device, range(self._count)) for found in own], wanted)

    def _search_shard(self, device: int, queries: Floats, tile: Tile, span: tuple[int, int], wanted: int) -> Found:
        size = span[1] - span[0]
        wanted = min(wanted, size, GPU_DEPTH)
        try:
            scores, rows = self._search_held(device, queries, tile, span, wanted)
        except (RuntimeError, MemoryError) as error:
            raise RunError(
                f"the search failed on GPU {device} with {size:,} passages of {queries.shape[1]} dimensions: {next(iter(str(error).splitlines()), type(error).__name__)}; free its memory, or write ,search_on=cpu behind the teacher's name"
            ) from error
        return Found(rows + span[0], scores, _cut(scores, size))

    def _search_held(
        self, device: int, queries: Floats, tile: Tile, span: tuple[int, int], wanted: int
    ) -> tuple[Floats, Ints]:
        held = self._held[device]
        try:
            own = held.setdefault(tile, {})
            if span not in own:
                own[span] = self._devices.hold(device, tile.read()[span[0] : span[1]])
            found = self._devices.search(own[span], queries, wanted)
        except (RuntimeError, MemoryError):
            if sum(map(len, held.values())) < 2:
                raise
            held.clear()
            self._full.add(device)
            return self._search_held(device, queries, tile, span, wanted)
        if device in self._full:
            held.clear()
        return found

    def error(self, dimension: int) -> tuple[float, float]:
        """Both sides are rounded to 11 bits; tensor cores cut off what IEEE sums would round."""
        return 1.1 * 2.0**-10 + 4 * _float32_error(dimension), 2.0**-24 * dimension**0.5


def _check_values(vectors: Floats) -> None:
    if vectors.size and max(abs(float(vectors.max())), abs(float(vectors.min()))) > FLOAT16:
        raise InputError(
            f"a GPU stores vectors as float16, and some value is beyond {FLOAT16:,}; normalise the vectors, or write ,search_on=cpu behind the teacher's name"
        )


def merge(parts: Sequence[Found], wanted: int) -> Found:
    """The best `wanted` candidates of all parts, for each query."""
    if len(parts) == 1 and parts[0].ordinals.shape[1] <= wanted:
        return parts[0]
    blocks = [_merge_block(parts, slice(s, s + MERGED), wanted) for s in range(0, len(parts[0].cut), MERGED)]
    return Found(*(np.concatenate(arrays) for arrays in zip(*blocks, strict=True)))


def _merge_block(parts: Sequence[Found], rows: slice, wanted: int) -> tuple[Ints, Floats, Floats]:
    ordinals = np.concatenate([part.ordinals[rows] for part in parts], axis=1)
    scores = np.concatenate([part.scores[rows] for part in parts], axis=1)
    cut = np.max([part.cut[rows] for part in parts], axis=0)
    extra = scores.shape[1] - wanted
    if extra <= 0:
        return ordinals, scores, cut
    order = np.argpartition(scores, extra, axis=1)
    dropped = np.take_along_axis(scores, order[:, :extra], axis=1).max(axis=1)
    kept = order[:, extra:]
    return (
        np.take_along_axis(ordinals, kept, axis=1),
        np.take_along_axis(scores, kept, axis=1),
        np.maximum(cut, dropped),
    )


def has_faiss() -> bool:
    """Whether the extra `cpu` or `gpu` is installed."""
    return importlib.util.find_spec("faiss") is not None


def has_gpu_faiss() -> bool:
    """Whether FAISS is installed and was built for GPUs."""
    if not has_faiss():
        return False
    import faiss

    return hasattr(faiss, "StandardGpuResources")


def faiss_version() -> str:
    """Of the installed FAISS; empty without one."""
    if not has_faiss():
        return ""
    import faiss

    return str(faiss.__version__)


def _cut(scores: Floats, rows: int) -> Floats:
    if scores.shape[1] < rows:
        lowest: Floats = scores.min(axis=1)
        return lowest
    return np.full(len(scores), -np.inf, dtype=np.float32)


def _float32_error(dimension: int) -> float:
    """n * u / (1 - n * u) for n products summed up in any order (Higham 2002, section 3.1)."""
    unit = (dimension + 1) * 2.0**-24
    return unit / (1 - unit)
