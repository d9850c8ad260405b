"""The candidates of each tile on disk, so that a search goes on where it was killed."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from synth.files import replace_atomically
from synth.search.backends import Found
from synth.teachers import Floats


class Parts:
    """One file a tile, named by a hash of all that its content depends on.

    That is the queries, how many candidates were wanted, the backend with its version, and the
    tile's vectors; so a file of another search or of a changed corpus is never read.
    """

    def __init__(self, folder: Path, queries: Floats, wanted: int, backend: str) -> None:
        self._folder = folder
        self._search = hashlib.sha256(f"{backend}\n{wanted}\n{queries.shape}\n".encode() + queries.tobytes()).digest()
        self._shape = len(queries)

    def read(self, start: int, tile: Floats) -> Found | None:
        """What was found in this tile, None if it was not searched or the file can't be read."""
        try:
            with self._path(start, tile).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                found = Found(stored["ordinals"].astype(np.int64), stored["scores"], stored["cut"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return found if len(found.cut) == self._shape else None

    def write(self, start: int, tile: Floats, found: Found) -> None:
        with replace_atomically(self._path(start, tile)) as temporary, temporary.open("wb") as file:
            np.savez(file, ordinals=found.ordinals.astype(np.int32), scores=found.scores, cut=found.cut)

    def _path(self, start: int, tile: Floats) -> Path:
        digest = hashlib.sha256(self._search + repr(tile.shape).encode())
        digest.update(tile.data)
        return self._folder / f"tile-{start:012d}-{digest.hexdigest()[:32]}.npz"
