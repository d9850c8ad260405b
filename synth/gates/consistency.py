"""Set gate: the teacher must rank a query's own passage within the first k, or the query among those of the run.

rank = 1 + number of passages that score strictly above the positive and are neither the
positive, nearly identical to it, nor overlapping it. Reported with k and the pool size,
because rank 10 of 400 and rank 10 of a million are different tests. See E5 (top 2 of
1M), KaLM (top 50), Promptagator (round trip). The other way round, the queries that are left of the run are ranked
for the passage, by the code of `synth gate`. Records carried over from an earlier version have passed among the
passages of that one and are not judged again: a larger pool makes a rank worse and a record no more wrong.
"""

from __future__ import annotations

import shutil
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from schemas.base import Strict
from schemas.record import Verdict
from synth import registry
from synth.arrays import Ints, Labels
from synth.mining.candidates import BEYOND
from synth.mining.consistency import (
    DEEPEST_K,
    Bounds,
    Direction,
    check_direction,
    limits_of,
    retrieve_reverse,
    reversed_ranks,
)
from synth.pairs import Pairs
from synth.progress import Silent
from synth.store import Store
from synth.text import content_words
from synth.view import Background, Rejections, SetView

__all__ = ["Consistency"]

DEPTH = 100
"""Ranks beyond it are all one where nothing asks for deeper ones."""


class Consistency:
    """Drops `inconsistent` records (rank beyond k) and `low_score` ones (at or below the floor)."""

    name = "consistency"

    class Settings(Strict):
        direction: Direction = "query"
        """Rank passages for the query, the run's queries for the passage, or both: then the worse rank counts."""
        k: Annotated[int, Field(ge=1, le=DEEPEST_K)] = 10
        per_task: dict[str, Annotated[int, Field(ge=1, le=DEEPEST_K)]] = {}
        """k of some tasks, by name."""
        quantile: Annotated[float | None, Field(gt=0, le=1)] = None
        """Chooses k for each task instead: the rank that this share of its records reaches."""
        min_score: float | None = 0.0
        """None for no floor, as for logits, which have no zero."""
        judged_overlap: Annotated[float, Field(ge=0, le=1)] = 0.3
        """An LLM judge's word counts more than the rank where at most this share of the query's content words
        stands in its positives: such a pair is hard to find, and need not be wrong."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def needs_depth(self) -> int:
        """How deep the teacher must search for this gate to see what it judges."""
        return max(
            self.settings.k, *self.settings.per_task.values(), 1 if self.settings.quantile is None else DEPTH // 2
        )

    def check(self, background: Background) -> None:
        """Refuses tasks that there are not, and a direction that a rescorer does not read; InputError."""
        for name in self.settings.per_task:
            registry.find("tasks", name)
        check_direction(self.settings.direction, background.scoring)

    def judge_set(self, view: SetView) -> Rejections:
        floor = self.settings.min_score
        low = view.positive_score <= (-np.inf if floor is None else floor)
        rank, where = self._ranks(view)
        k = self._limits(view, rank)
        failing = np.flatnonzero(view.alive & view.is_searched & ~view.is_carried & (low | (rank > k)))
        for row in failing[~self._left_to_judge(view, failing)].tolist():
            if low[row]:
                reason, score = "low_score", float(view.positive_score[row])
            else:
                reason, score = "inconsistent", float(rank[row])
            yield row, Verdict(gate=self.name, keep=False, reason=reason, score=score, detail=f"k {k[row]}, {where}")

    def _ranks(self, view: SetView) -> tuple[Ints, str]:
        """(rank of each record in the direction asked for, shape (n,); what it is a rank among)."""
        forward, where = np.minimum(view.ahead + 1, BEYOND), f"pool {view.pool}, depth {view.depth}"
        if self.settings.direction == "query":
            return forward, where
        rows = np.flatnonzero(view.alive & view.is_searched)
        backward = np.ones(len(view.alive), dtype=np.int64)
        backward[rows], queries = self._backward(view, rows)
        if self.settings.direction == "passage":
            return backward, f"queries {queries}"
        return np.maximum(forward, backward), f"{where}, queries {queries}"

    def _backward(self, view: SetView, rows: Ints) -> tuple[Ints, int]:
        """(rank of the query of some rows among all of them for its passage, how many queries there are)."""
        pairs = Pairs()
        query, passage = np.empty_like(rows), np.empty_like(rows)
        for place, (text, positives) in enumerate(zip(view.queries(rows), view.positives(rows), strict=True)):
            known = [pairs.add_passage(each) for each in positives]
            query[place], passage[place] = pairs.add(text, known), known[0]
        if not len(rows):
            return query, 0
        background, kept = view.background, view.background.folder / "consistency"
        store = Store(background.folder.parents[1])
        depth = max(DEPTH, 2 * self.needs_depth)
        table = retrieve_reverse(pairs, background.scoring, store=store, depth=depth, reporter=Silent(), folder=kept)
        for each in kept.iterdir():
            if each != table.corpus.folder:  # of a round with fewer records
                shutil.rmtree(each, ignore_errors=True)
        return reversed_ranks(table, pairs, query, passage), len(pairs.queries)

    def _limits(self, view: SetView, rank: Ints) -> Ints:
        """k that applies to each record, shape (n,); those that an earlier gate dropped choose nothing."""
        chosen = self.settings
        task: Labels = np.full(len(rank), "", dtype=np.str_) if view.task is None else view.task
        bounds = Bounds(chosen.k, chosen.quantile, per_source=chosen.per_task)
        judged = view.alive & view.is_searched & ~view.is_carried
        limits = limits_of(task[judged], rank[judged], bounds)
        return np.asarray([limits.get(str(name), chosen.k) for name in task.tolist()], dtype=np.int64)

    def _left_to_judge(self, view: SetView, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of some failing rows a judge kept although their words are not those of their positives."""
        left = np.zeros(len(rows), dtype=bool)
        if view.judged is None:
            return left
        places = np.flatnonzero(view.judged[rows])
        texts = zip(view.queries(rows[places]), view.positives(rows[places]), strict=True)
        for place, (query, positives) in zip(places.tolist(), texts, strict=True):
            asked = set(content_words(query))
            held = asked & {word for text in positives for word in content_words(text)}
            left[place] = len(held) <= self.settings.judged_overlap * len(asked)
        return left
