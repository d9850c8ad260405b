"""Drops queries that repeat their passage: they teach a model to match strings."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Annotated

from pydantic import Field

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.text import words

__all__ = ["Copy"]

_MIN_RUN = 2
"""A lone shared word is no copying: with them, 0.92 of a human question's words occur in order in its passage."""


class Copy:
    """Measures the share of the query's words that stand in runs, in order, in the positive."""

    name = "copy"

    class Settings(Strict):
        """`exempt` lists the methods that copy by construction."""

        max_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.9
        min_words: Annotated[int, Field(ge=1)] = 4
        exempt: list[str] = ["extractive:span", "extractive:crop", "extractive:cloze"]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge(self, record: Pair) -> Verdict:
        query = words(record.query)
        share = _copied_share(query, words(record.positive.text))
        abstention = self._abstention(len(query), record.provenance.method)
        copied = not abstention and share > self.settings.max_share
        return Verdict(
            gate=self.name,
            keep=not copied,
            reason="copied" if copied else "",
            score=round(share, 4),
            detail=abstention,
        )

    def _abstention(self, word_count: int, method: str) -> str:
        if method in self.settings.exempt:
            return "made by copying"
        return "abstained" if word_count < self.settings.min_words else ""


def _copied_share(query: list[str], passage: list[str]) -> float:
    if not query:
        return 0.0
    blocks = SequenceMatcher(None, query, passage, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= _MIN_RUN) / len(query)
