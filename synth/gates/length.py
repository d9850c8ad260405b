"""Drops queries that are too short to ask for anything, or too long to be one."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Self
from unicodedata import east_asian_width

from pydantic import Field, model_validator

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth import registry
from synth.gates import verdict
from synth.text import word_count

__all__ = ["Length"]

_Size = Annotated[int, Field(ge=0)]


class Length:
    """Bounds the query in words and characters, and the positive in characters.

    A task whose queries are long by nature brings its own bound (`most_words`). Of scripts without spaces two letters
    count as a word, and against `min_chars` each letter of double width as two characters.
    """

    name = "length"

    class Settings(Strict):
        """Inclusive bounds."""

        min_words: _Size = 2
        max_words: _Size = 64
        min_chars: _Size = 8
        max_chars: _Size = 600
        max_passage_chars: _Size = 400_000

        @model_validator(mode="after")
        def _ordered(self) -> Self:
            for unit, least, most in (
                ("words", self.min_words, self.max_words),
                ("chars", self.min_chars, self.max_chars),
            ):
                if least > most:
                    raise ValueError(f"min_{unit} ({least}) is above max_{unit} ({most})")
            return self

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge(self, record: Pair) -> Verdict:
        count = word_count(record.query)
        reason, detail = self._fault(record, count)
        return verdict(self.name, reason, float(count), detail)

    def _fault(self, record: Pair, count: int) -> tuple[str, str]:
        bounds, chars, passage_chars = self.settings, len(record.query), len(record.positive.text)
        most_words = most_words_of(record.provenance.task)
        most_chars = max(bounds.max_chars, most_words * _CHARS_A_WORD) if most_words else bounds.max_chars
        most_words = max(bounds.max_words, most_words)
        if count < bounds.min_words:
            return "too_short", f"query: {count} words, at least {bounds.min_words}"
        if chars + _wide(record.query) < bounds.min_chars:
            return "too_short", f"query: {chars} characters, at least {bounds.min_chars}"
        if count > most_words:
            return "too_long", f"query: {count} words, at most {most_words}"
        if chars > most_chars:
            return "too_long", f"query: {chars} characters, at most {most_chars}"
        if passage_chars > bounds.max_passage_chars:
            return "too_long", f"passage: {passage_chars} characters, at most {bounds.max_passage_chars}"
        return "", ""


_CHARS_A_WORD = 10


def _wide(text: str) -> int:
    return 0 if text.isascii() else sum(east_asian_width(letter) in "WF" for letter in text)


@cache
def most_words_of(task: str) -> int:
    """The words that queries of a task may have in any case, such as a conversation; 0 where it says nothing."""
    return int(getattr(registry.find("tasks", task), "most_words", 0)) if task in registry.names("tasks") else 0
