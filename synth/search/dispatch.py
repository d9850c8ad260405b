"""Which device and which index a search uses, and what it did."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from synth.errors import InputError, suggest
from synth.search.approximate import Breadth, Recall, check_index, search_approximately
from synth.search.backends import Backend, FaissDevices, GpuDevices, Gpus, faiss_version, has_gpu_faiss
from synth.search.exact import Tally, cpu_backend, search_exactly
from synth.search.tiles import Vectors
from synth.teachers import Floats, Ints

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
    tally, recall = Tally(), None
    backend, why = choose_backend(settings, devices)
    if settings.index == "exact":
        ordinals, scores = search_exactly(
            queries, passages, depth, backend=backend, folder=folder, tile=settings.tile, tally=tally
        )
    else:
        ordinals, scores, recall = search_approximately(
            queries, passages, depth, settings.index, settings.breadth, settings.seed, backend
        )
    report = Report(
        backend=backend.name,
        device=backend.device,
        why=why,
        index=settings.index,
        faiss=faiss_version(),
        tiles=tally.tiles,
        reused=tally.reused,
        deepened=tally.deepened,
        swept=tally.swept,
        seconds=time.perf_counter() - started,
        deterministic=settings.index != "cagra",
        recall=recall,
    )
    return ordinals, scores, report


def choose_backend(settings: SearchSettings, devices: GpuDevices | None = None) -> tuple[Backend, str]:
    """What searches exactly, and why it; InputError where the settings ask for what is not there."""
    if settings.index != "exact":
        check_index(settings.index, settings.device)
    if settings.device == "cpu":
        return cpu_backend(), "device: cpu"
    if settings.device == "auto" and settings.index in ("hnsw", "ivf"):
        return cpu_backend(), f"index: {settings.index} is searched on the CPU"
    devices = devices or FaissDevices()
    if devices.count():
        return Gpus(devices), f"device: {settings.device}"
    missing = _what_is_missing()
    if settings.device == "gpu" or settings.index == "cagra":
        raise InputError(f"no search on a GPU is possible: {missing}, or set search: {{device: cpu, index: exact}}")
    return cpu_backend(), f"device: auto, and {missing.split(';')[0]}"


def _what_is_missing() -> str:
    version = faiss_version()
    if not version:
        return "FAISS is not installed; type pip install 'synth[gpu]'"
    if not has_gpu_faiss():
        return f"FAISS {version} is built for the CPU; type pip uninstall faiss-cpu, then pip install 'synth[gpu]'"
    return f"FAISS {version} sees no GPU; look at nvidia-smi and CUDA_VISIBLE_DEVICES"
