"""Drops queries that are surely in another language than the record says."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Protocol, cast

from pydantic import Field

from schemas.base import Strict
from schemas.record import Pair, Verdict

__all__ = ["Language"]

_READ_CHARS = 300
"""What the identifier sees of a query: it is sure long before, and its cost grows with length."""


class _Identifier(Protocol):
    @property
    def labels(self) -> list[str]: ...

    def classify(self, text: str) -> tuple[str, float]: ...


class Language:
    """Identifies the query's language with py3langid and keeps it in doubt.

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
        self._identifier = _load_identifier()
        self._known = frozenset(self._identifier.labels)

    def judge(self, record: Pair) -> Verdict:
        expected = {_primary(code) for code in self.settings.accept or [record.language]}
        letters = sum(map(str.isalpha, record.query))
        if letters < self.settings.min_letters or not expected <= self._known:
            return Verdict(gate=self.name, keep=True, detail="abstained")
        found, probability = self._identifier.classify(record.query[:_READ_CHARS])
        keep = found in expected or probability < self.settings.min_probability
        return Verdict(
            gate=self.name,
            keep=keep,
            reason="" if keep else "wrong_language",
            score=round(probability, 4),
            detail=found,
        )


def _primary(code: str) -> str:
    return code.replace("_", "-").split("-")[0].lower()


@cache
def _load_identifier() -> _Identifier:
    # Loading takes about a second, hence neither at import nor twice. Classifying takes 0.1 ms.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return cast(_Identifier, LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True))
