"""Which device and which index a search uses, and what it did."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from synth.arrays import Floats, Ints
from synth.errors import InputError, suggest
from synth.search.approximate import Approximate, Breadth, Recall, check_index
from synth.search.backends import Backend, FaissDevices, GpuDevices, Gpus, faiss_version, has_gpu_faiss
from synth.search.exact import ExactSearch, cpu_backend
from synth.search.tiles import Vectors

DEVICES = ("auto", "cpu", "gpu")
INDEXES = ("exact", "hnsw", "ivf", "cagra")


@dataclass(frozen=True)
class SearchSettings:
    """How to search; raises InputError for what there is not.

    device: `auto` takes GPUs where FAISS can use one, and the report says which it took
    index: `exact`, or where candidates come from before they are scored exactly
    tile: passages that are compared at a time, 0: 256 MB of float32
    """

    device: str = "auto"
    index: str = "exact"
    tile: int = 0
    breadth: Breadth = field(default_factory=Breadth)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, known in (("device", self.device, DEVICES), ("index", self.index, INDEXES)):
            if value not in known:
                raise InputError(f"search: there is no {name} {value!r}{suggest(value, known)}")
        if self.tile < 0:
            raise InputError(f"search: a tile of {self.tile} passages is impossible; give 0 to let synth choose")


@dataclass(frozen=True)
class Report:
    """What a search did.

    why: why this device was taken; tiles: compared in this call; reused: read from the folder
    instead; deepened: queries that were searched a second time, of which `swept` were compared
    with every passage on the CPU; deterministic: whether the same call gives the same hits
    """

    backend: str
    device: str
    why: str
    index: str
    faiss: str
    tiles: int
    reused: int
    deepened: int
    swept: int
    seconds: float
    deterministic: bool
    recall: Recall | None


def search(
    queries: Vectors,
    passages: Vectors,
    depth: int,
    settings: SearchSettings = SearchSettings(),
    *,
    folder: Path | None = None,
    devices: GpuDevices | None = None,
) -> tuple[Ints, Floats, Report]:
    """`search_exactly`, or an approximate index, on the device that the settings name.

    Returns ordinals and scores as `search_exactly` does, and a report. A GPU that fails is a
    RunError, one that is missing an InputError: a search never moves to the CPU by itself.
    """
    started = time.perf_counter()
    searcher = Searcher(passages, settings, tiles=folder, devices=devices)
    ordinals, scores = searcher.search(queries, depth)
    return ordinals, scores, searcher.report(time.perf_counter() - started)


class Searcher:
    """One corpus, opened once for any number of blocks of queries, on the device that the settings name.

    `folder` keeps an approximate index and its recall, `tiles` the candidates of each tile.
    Raises InputError where the device or the index is not to be had.
    """

    def __init__(
        self,
        passages: Vectors,
        settings: SearchSettings = SearchSettings(),
        *,
        folder: Path | None = None,
        tiles: Path | None = None,
        devices: GpuDevices | None = None,
    ) -> None:
        self._settings = settings
        self._backend, self._why = choose_backend(settings, devices)
        self._exact = ExactSearch(passages, self._backend, tiles, settings.tile)
        self._index: Approximate | None = None
        if settings.index != "exact":
            self._index = Approximate(passages, settings.index, settings.breadth, settings.seed, self._exact, folder)
        self._one = threading.Lock()

    def __str__(self) -> str:
        return f"search: index={self._settings.index}, {self._backend.name} ({self._backend.device}; {self._why})"

    @property
    def recall(self) -> Recall | None:
        """Of an approximate index, as far as it was measured."""
        return self._index.recall if self._index else None

    def prepare(self) -> None:
        """Build an approximate index, unless its folder has it."""
        with self._one:
            if self._index:
                self._index.prepare()

    def search(self, queries: Vectors, depth: int) -> tuple[Ints, Floats]:
        """As `search_exactly` returns them; ordinals -1 and scores 0 where an index finds fewer."""
        with self._one:
            return (self._index or self._exact).search(queries, depth)

    def report(self, seconds: float) -> Report:
        """What was done since it was opened."""
        tally = self._exact.tally
        return Report(
            backend=self._backend.name,
            device=self._backend.device,
            why=self._why,
            index=self._settings.index,
            faiss=faiss_version(),
            tiles=tally.tiles,
            reused=tally.reused,
            deepened=tally.deepened,
            swept=tally.swept,
            seconds=seconds,
            deterministic=self._settings.index != "cagra",
            recall=self.recall,
        )


def choose_backend(settings: SearchSettings, devices: GpuDevices | None = None) -> tuple[Backend, str]:
    """What searches exactly, and why it; InputError where the settings ask for what is not there."""
    if settings.index != "exact":
        check_index(settings.index, settings.device)
    if settings.device == "cpu":
        return cpu_backend(), "search_on=cpu"
    if settings.device == "auto" and settings.index in ("hnsw", "ivf"):
        return cpu_backend(), f"index={settings.index} is searched on the CPU"
    devices = devices or FaissDevices()
    if devices.count():
        return Gpus(devices), f"search_on={settings.device}"
    missing = _what_is_missing()
    if settings.device == "gpu" or settings.index == "cagra":
        raise InputError(
            f"no search on a GPU is possible: {missing}, or write ,search_on=cpu behind the teacher's name{' and leave index=cagra out' if settings.index == 'cagra' else ''}"
        )
    return cpu_backend(), f"search_on=auto, and {missing.split(';')[0]}"


def _what_is_missing() -> str:
    version = faiss_version()
    if not version:
        return "FAISS is not installed; type pip install 'synth[gpu]'"
    if not has_gpu_faiss():
        return f"FAISS {version} is built for the CPU; type pip uninstall faiss-cpu, then pip install 'synth[gpu]'"
    return f"FAISS {version} sees no GPU; look at nvidia-smi and CUDA_VISIBLE_DEVICES"
