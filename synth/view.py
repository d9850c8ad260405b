"""What a set gate sees: every record that passed the record gates, in plan order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.record import Verdict

Rejections = Iterable[tuple[int, Verdict]]
"""(row of the view, verdict) for each record that a set gate drops."""

_BLOCK = 10_000


@dataclass(frozen=True)
class SetView:
    """Columns over n records, rows in plan order.

    alive: shape (n,), False where an earlier set gate dropped the record
    passage: ordinal of the positive's passage
    query_key: 64-bit hash of the normalised query
    ahead: how many passages the teacher scores above the positive, equivalents of the
        positive not counted; never more than `depth`
    positive_score: the teacher's score of the positive, rounded
    """

    alive: npt.NDArray[np.bool_]
    position: npt.NDArray[np.int64]
    passage: npt.NDArray[np.int64]
    query_key: npt.NDArray[np.uint64]
    ahead: npt.NDArray[np.int64]
    positive_score: npt.NDArray[np.float32]
    pool: int
    depth: int
    fetch_queries: Callable[[Sequence[int]], Sequence[str]]
    """Texts of the queries in some rows; only these are read."""

    def queries(self, rows: npt.NDArray[np.int64]) -> Iterator[str]:
        """Texts of the queries in many rows, streaming."""
        for start in range(0, len(rows), _BLOCK):
            yield from self.fetch_queries(rows[start : start + _BLOCK].tolist())

    def but(self, **changes: Any) -> SetView:
        """The same view with some columns replaced."""
        return SetView(**{**self.__dict__, **changes})
