"""The candidates of each tile on disk, so that a search goes on where it was killed."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from synth.arrays import Floats
from synth.files import replace_atomically
from synth.search.backends import Found
from synth.search.tiles import Tile


class Parts:
    """One file a tile, named by a hash of all that its content depends on.

    That is the queries, how many candidates were wanted, the backend with its version, and the
    tile's vectors; so a file of another search or of a changed corpus is never read.
    """

    def __init__(self, folder: Path, queries: Floats, wanted: int, backend: str) -> None:
        self._folder = folder
        self._search = hashlib.sha256(f"{backend}\n{wanted}\n{queries.shape}\n".encode() + queries.tobytes()).digest()
        self._shape = len(queries)

    def read(self, tile: Tile) -> Found | None:
        """What was found in this tile, None if it was not searched or the file can't be read."""
        stored = load_arrays(self._path(tile), "ordinals", "scores", "cut")
        if stored is None or len(stored["cut"]) != self._shape:
            return None
        return Found(stored["ordinals"].astype(np.int64), stored["scores"], stored["cut"])

    def write(self, tile: Tile, found: Found) -> None:
        save_arrays(self._path(tile), ordinals=found.ordinals.astype(np.int32), scores=found.scores, cut=found.cut)

    def _path(self, tile: Tile) -> Path:
        name = hashlib.sha256(self._search + tile.digest).hexdigest()[:32]
        return self._folder / f"tile-{tile.start:012d}-{name}.npz"


def save_arrays(path: Path, **arrays: npt.NDArray[Any]) -> None:
    """Arrays by their names in one file, which is there whole or not at all."""
    with replace_atomically(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_arrays(path: Path, *names: str) -> dict[str, npt.NDArray[Any]] | None:
    """The arrays of these names; None where there is no such file, or a damaged one."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
