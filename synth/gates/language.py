"""Drops queries that are surely in another language than the record says."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.language import identify, known_languages, primary

__all__ = ["Language"]


class Language:
    """Identifies the query's language with fastText and keeps it in doubt.

    Numbers and company names look like other languages, so a query is dropped only when
    another language is likely (`min_probability`) and there are letters enough to tell.
    It abstains on languages that the identifier does not know.
    """

    name = "language"

    class Settings(Strict):
        """`accept` replaces the record's own language; `en-GB` counts as `en`."""

        accept: list[str] = []
        min_letters: Annotated[int, Field(ge=1)] = 40
        min_probability: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._accepted = {primary(code) for code in settings.accept}

    def judge(self, record: Pair) -> Verdict:
        expected = self._accepted or {primary(record.language)}
        found = identify(record.query, self.settings.min_letters) if expected <= known_languages() else None
        if found is None:
            return Verdict(gate=self.name, keep=True, detail="abstained")
        keep = found.language in expected or found.probability < self.settings.min_probability
        return Verdict(
            gate=self.name,
            keep=keep,
            reason="" if keep else "wrong_language",
            score=round(found.probability, 4),
            detail=found.language,
        )
