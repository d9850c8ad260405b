"""Queries of published versions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from synth.arrays import Ints
from synth.files import read_batches
from synth.store import VersionRef
from synth.text import hash64, normalise


class EarlierQueries:
    """The queries of some versions, in the order given."""

    def __init__(self, versions: Sequence[VersionRef]) -> None:
        self.texts: list[str] = []
        self._versions = versions
        self._ends = []
        for version in versions:
            for path in version.record_files():
                for batch in read_batches(path, ["query"]):
                    self.texts += batch.column("query").to_pylist()
            self._ends.append(len(self.texts))

    def __len__(self) -> int:
        return len(self.texts)

    def version_of(self, place: int) -> VersionRef:
        """The version that holds the query at `place` of `texts`."""
        return self._versions[bisect_right(self._ends, place)]

    def find(self, keys: npt.NDArray[np.uint64]) -> Ints:
        """The place of the first query with each key (`hash64` of the normalised text), or -1."""
        own, first = self._keys
        if not len(own):
            return np.full(len(keys), -1, dtype=np.int64)
        place = np.minimum(np.searchsorted(own, keys), len(own) - 1)
        return np.where(own[place] == keys, first[place], -1)

    @cached_property
    def _keys(self) -> tuple[npt.NDArray[np.uint64], Ints]:
        keys = np.fromiter(map(hash64, map(normalise, self.texts)), dtype=np.uint64, count=len(self.texts))
        own, first = np.unique(keys, return_index=True)
        return own, first.astype(np.int64)
