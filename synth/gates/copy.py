"""Drops queries that repeat their passage: they teach a model to match strings."""

from __future__ import annotations

import operator
from typing import Annotated

from pydantic import Field

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.gates import CUT, verdict
from synth.overlap import copied_pairs
from synth.text import word_count, words

__all__ = ["Copy"]


class Copy:
    """Measures the share of the query's words that stand in runs of the positive.

    A lone shared word is no copying: with them, 0.92 of a human question's words occur in its passage.
    """

    name = "copy"

    class Settings(Strict):
        """`exempt` lists the methods that copy by construction."""

        max_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.9
        min_words: Annotated[int, Field(ge=1)] = 4
        exempt: list[str] = [method for method in CUT if method != "extractive:title"]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge(self, record: Pair) -> Verdict:
        query = words(record.query)
        share = _copied_share(query, record.positive.text)
        abstention = self._abstention(word_count(query), record.provenance.method)
        copied = not abstention and share > self.settings.max_share
        return verdict(self.name, "copied" if copied else "", round(share, 4), abstention)

    def _abstention(self, count: int, method: str) -> str:
        if method in self.settings.exempt:
            return "made by copying"
        return "abstained" if count < self.settings.min_words else ""


def _copied_share(query: tuple[str, ...], passage: str) -> float:
    """Share of the query's words that stand beside the same word as in the passage."""
    if not query:
        return 0.0
    copied = copied_pairs(query, passage)
    beside: int = sum(map(operator.or_, (False, *copied), (*copied, False)))
    return beside / len(query)
