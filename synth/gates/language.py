"""Drops queries that are surely in another language than the record says."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated

from pydantic import Field

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.gates import verdict
from synth.language import Found, identify, known_languages, primary
from synth.overlap import distinct_words
from synth.text import words
from synth.vocabulary import SURELY_ENGLISH, english_share

__all__ = ["Language"]

_LATIN = re.compile(r"[a-z\u00c0-\u024f]+")
_LAST_LATIN = "\u024f"
_MORE_LATIN = frozenset(map(chr, range(0x1E00, 0x1F00)))
_ENGLISH = {"en"}
_MOSTLY = 0.5
"""With more English words than this share, what should be English is."""
_UNLIKE = 0.4
"""What should be English and has accents, or no English word at all, needs no more probability than this."""


class Language:
    """Identifies the query's language with fastText and keeps it in doubt.

    A query of English words is English without asking. Numbers and company names look like other languages, so a query is dropped only when
    another language is likely (`min_probability`) and there are letters enough to tell. The words
    that it does not share with its passage tell with fewer letters, since names stand in both.
    It abstains on languages that the identifier does not know.
    """

    name = "language"

    class Settings(Strict):
        """`accept` replaces the record's own language; `en-GB` counts as `en`."""

        accept: list[str] = []
        min_letters: Annotated[int, Field(ge=1)] = 40
        min_own_letters: Annotated[int, Field(ge=1)] = 6
        min_probability: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8
        min_own_probability: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._accepted = {primary(code) for code in settings.accept}

    def judge(self, record: Pair) -> Verdict:
        expected = self._accepted or {primary(record.language)}
        if not expected <= known_languages():
            return verdict(self.name, detail="abstained")
        if expected == _ENGLISH and english_share(words(record.query)) >= SURELY_ENGLISH:
            return verdict(self.name, detail="English words")
        whole = identify(record.query, self.settings.min_letters)
        if whole is not None and whole.probability >= self.settings.min_probability:
            return self._verdict(whole, keep=whole.language in expected)
        shared = distinct_words(record.positive.text)
        own = " ".join(word for word in words(record.query) if word not in shared)
        if expected == _ENGLISH and _is_foreign_script(own, shared):
            return verdict(self.name, "wrong_language", 1.0, "another script")
        english = english_share(own.split()) if expected == _ENGLISH else None
        found = identify(own, self.settings.min_own_letters) if english is None or english <= _MOSTLY else None
        if found is not None and found.language not in expected and self._is_sure(found, own, record.query, english):
            return self._verdict(found, keep=False)
        return self._verdict(whole, keep=True) if whole else verdict(self.name, detail="abstained")

    def _is_sure(self, found: Found, own: str, query: str, english: float | None) -> bool:
        """Of the words of its own: likely by themselves or in their sentence, or written with accents.

        `english` is the share of English words among them where they should be English, else None.
        """
        needed = self.settings.min_own_probability
        if english is not None and (not english or not own.isascii()):
            needed = _UNLIKE
        if identify(own, self.settings.min_letters) is not None:
            return found.probability >= self.settings.min_probability
        sentence = identify(query, 1)
        agreed = sentence.probability if sentence and sentence.language == found.language else 0.0
        return max(found.probability, agreed) >= needed

    def _verdict(self, found: Found, *, keep: bool) -> Verdict:
        return verdict(self.name, "" if keep else "wrong_language", round(found.probability, 4), found.language)


def _is_foreign_script(text: str, shared: Collection[str]) -> bool:
    """Whether a quarter of the letters are not Latin; Latin words that are shared do not count."""
    if text.isascii():
        return False
    foreign = sum(letter.isalpha() and letter > _LAST_LATIN and letter not in _MORE_LATIN for letter in text)
    latin = sum(len(word) for word in _LATIN.findall(text) if word not in shared)
    return foreign > 1 and 3 * foreign >= latin
