"""Set gate: the teacher must rank a query's own passage within the first k.

rank = 1 + number of passages that score strictly above the positive and are neither the
positive, nearly identical to it, nor overlapping it. Reported with k and the pool size,
because rank 10 of 400 and rank 10 of a million are different tests. See E5 (top 2 of
1M), KaLM (top 50), Promptagator (round trip).
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from schemas.base import Strict
from schemas.record import Verdict
from synth.text import content_words
from synth.view import Rejections, SetView

__all__ = ["Consistency"]


class Consistency:
    """Drops `inconsistent` records (rank beyond k) and `low_score` ones (at or below the floor)."""

    name = "consistency"

    class Settings(Strict):
        k: Annotated[int, Field(ge=1)] = 10
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
        return self.settings.k

    def judge_set(self, view: SetView) -> Rejections:
        floor = self.settings.min_score
        low = view.positive_score <= (-np.inf if floor is None else floor)
        beyond = view.ahead >= self.settings.k
        failing = np.flatnonzero(view.alive & (low | beyond))
        for row in failing[~self._left_to_judge(view, failing)].tolist():
            if low[row]:
                reason, score = "low_score", float(view.positive_score[row])
            else:
                reason, score = "inconsistent", float(view.ahead[row] + 1)
            yield (
                row,
                Verdict(
                    gate=self.name,
                    keep=False,
                    reason=reason,
                    score=score,
                    detail=f"k {self.settings.k}, pool {view.pool}, depth {view.depth}",
                ),
            )

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
