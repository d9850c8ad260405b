"""What a set gate sees: every record that passed the record gates, in plan order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.record import Verdict
from synth.arrays import Floats, Labels
from synth.errors import InputError
from synth.store import VersionRef, open_store
from synth.teachers import Embedder, Teacher
from synth.teachers.scoring import LEXICAL, Scoring

Rejections = Iterable[tuple[int, Verdict]]
"""(row of the view, verdict) for each record that a set gate drops."""

_BLOCK = 10_000
EVALUATIONS = "evaluation"
"""Folder of a run with the evaluation sets its records are compared with."""


def _no_texts(rows: Sequence[int]) -> Sequence[Sequence[str]]:
    return [() for _ in rows]


@dataclass(frozen=True)
class Background:
    """What a set gate may ask of its run besides the records."""

    folder: Path = Path()
    """The run's; its evaluation sets lie in it, its store is two folders above."""
    teacher_name: str = ""
    teacher: Teacher | None = None
    scoring: Scoring = LEXICAL
    """Who the teacher is made of, and how each is reached again."""
    updated: str = ""
    """The dataset whose newest version the run updates; '' for none."""

    @property
    def evaluations(self) -> Path:
        return self.folder / EVALUATIONS

    def require_vectors(self, gate: str) -> Embedder:
        """The teacher, where it has vectors; InputError where it has none."""
        if isinstance(self.teacher, Embedder):
            return self.teacher
        raise InputError(
            f"the gate {gate!r} has a 'cosine', and the teacher {self.teacher_name!r} has no vectors: choose a sentence-transformers model with --teacher, or leave 'cosine' out"
        )

    def earlier(self, reference: str) -> list[VersionRef]:
        """The versions that `NAME` or `NAME@N` means, without those of this run; StoreError where there are none.

        Versions of the dataset that is updated are left out: their records are in the set, or retired.
        """
        store = open_store(self.folder.parents[1])
        found = [store.find(reference)] if "@" in reference else list(store.iterate(store.find(reference).name))
        return [each for each in found if each.manifest.run_id != self.folder.name and each.name != self.updated]


@dataclass(frozen=True)
class SetView:
    """Columns over n records, rows in plan order.

    position: place in the plan, below 0 for a record that is carried over from an earlier version
    alive: shape (n,), False where an earlier set gate dropped the record
    passage: ordinal of the positive's passage
    query_key: 64-bit hash of the normalised query
    ahead: how many passages the teacher scores above the positive, equivalents of the
        positive not counted; BEYOND for a positive that the search did not reach
    positive_score: the teacher's score of the positive, rounded
    task: what each record is, shape (n,); None where there are no tasks
    searched: shape (n,), False for a text pair, whose positive is no passage: `ahead` is 0 and the score infinite;
        None where all are searched for
    judged: shape (n,), whether an LLM judge kept the record; None where there is none
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
    fetch_positives: Callable[[Sequence[int]], Sequence[Sequence[str]]] = _no_texts
    """Texts of the positives in some rows, the first of each first."""
    background: Background = Background()
    searched: npt.NDArray[np.bool_] | None = None
    judged: npt.NDArray[np.bool_] | None = None
    task: Labels | None = None

    @property
    def is_carried(self) -> npt.NDArray[np.bool_]:
        """Which records an earlier version held: they come first, shape (n,)."""
        before: npt.NDArray[np.bool_] = self.position < 0
        return before

    @property
    def is_searched(self) -> npt.NDArray[np.bool_]:
        """Which records the teacher searched passages for, shape (n,)."""
        return np.ones(len(self.alive), dtype=bool) if self.searched is None else self.searched

    def queries(self, rows: npt.NDArray[np.int64]) -> Iterator[str]:
        """Texts of the queries in many rows, streaming."""
        for start in range(0, len(rows), _BLOCK):
            yield from self.fetch_queries(rows[start : start + _BLOCK].tolist())

    def positives(self, rows: npt.NDArray[np.int64]) -> Iterator[Sequence[str]]:
        """Texts of the positives in many rows, streaming."""
        for start in range(0, len(rows), _BLOCK):
            yield from self.fetch_positives(rows[start : start + _BLOCK].tolist())

    def embedding(self, rows: npt.NDArray[np.int64], embedder: Embedder) -> Callable[[int, int], Floats]:
        """Vectors of the queries in rows[start:stop], as a function of both."""
        return lambda start, stop: embedder.embed_queries(self.fetch_queries(rows[start:stop].tolist()))

    def but(self, **changes: Any) -> SetView:
        """The same view with some columns replaced."""
        return SetView(**{**self.__dict__, **changes})
