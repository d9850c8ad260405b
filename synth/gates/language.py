"""Drops queries that are surely in another language than the record says."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated

from pydantic import Field

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.gates import verdict
from synth.language import Found, as_found, identify, known_languages
from synth.overlap import distinct_words
from synth.scripts import LATIN, count_letters, is_foreign, scripts_of
from synth.text import words
from synth.vocabulary import SURELY_ENGLISH, english_share

__all__ = ["Language"]

_ENGLISH = {"en"}
_MOSTLY = 0.5
"""With more English words than this share, what should be English is."""
_UNLIKE = 0.4
"""What should be English and has accents, or no English word at all, needs no more probability than this."""
_ENGLISH_WORDS = 4
"""So many words of its own that are all English are English, where the identifier's first guess is the same."""


class Language:
    """Identifies the query's language by its script, and with fastText, and keeps it in doubt.

    A script that only one language is written with tells by one letter, and one that a language is not written with
    tells that the query is none of it; Latin letters do so where there are no others. A query of English words is English
    without asking. Numbers and company names look like other languages, so a query is dropped only when
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
        self._accepted = {as_found(code) for code in settings.accept}

    def judge(self, record: Pair) -> Verdict:
        expected = self._accepted or {as_found(record.language)}
        if not expected <= known_languages():
            return verdict(self.name, detail="abstained")
        query, text = record.query, record.positive.text
        if expected == _ENGLISH and english_share(words(query)) >= SURELY_ENGLISH:
            return verdict(self.name, detail="English words")
        whole = identify(query, self.settings.min_letters)
        if whole is not None and whole.probability >= self.settings.min_probability:
            return self._verdict(whole, keep=whole.language in expected)
        shared = distinct_words(text)
        own = [word for word in words(query) if word not in shared]
        if self._is_foreign_script(query, shared, expected):
            return verdict(self.name, "wrong_language", 1.0, "another script")
        found = self._foreign(query, own, expected)
        if found is not None:
            return self._verdict(found, keep=False)
        return self._verdict(whole, keep=True) if whole else verdict(self.name, detail="abstained")

    def _foreign(self, query: str, own: Sequence[str], expected: Collection[str]) -> Found | None:
        """The language that the words of its own are surely in, if that is none of those expected."""
        english = english_share(own)
        if "en" not in expected and len(own) >= _ENGLISH_WORDS and english == 1.0:
            guess = identify(query, 1)
            if guess is not None and guess.language == "en":
                return guess
        known = english if expected == _ENGLISH else None
        text = " ".join(own)
        found = identify(text, self.settings.min_own_letters) if known is None or known <= _MOSTLY else None
        if found is None or found.language in expected or not self._is_sure(found, text, query, known):
            return None
        return found

    def _is_foreign_script(self, query: str, shared: Collection[str], expected: Collection[str]) -> bool:
        """Whether the query has no letter of its language's scripts, or a third as many of others in words of its own."""
        allowed = frozenset[str]().union(*map(scripts_of, expected))
        if LATIN in allowed and query.isascii():
            return False
        alone = "".join(word for word in words(query) if word not in shared or (len(word) == 1 and not word.isascii()))
        counts = count_letters(alone)
        if is_foreign(counts, allowed):
            return True
        if LATIN in allowed or not allowed.isdisjoint(count_letters(query)):
            return False
        return counts.get(LATIN, 0) >= self.settings.min_own_letters

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
