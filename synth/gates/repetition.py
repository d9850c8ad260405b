"""Drops queries that a model wrote in a loop: a word, a phrase or a letter again and again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

from pydantic import Field

from schemas.base import Strict
from schemas.record import Pair, Verdict
from synth.gates import CUT, verdict
from synth.text import paired, unspaced_letters, word_count, words

__all__ = ["Repetition"]

_LETTERS = re.compile(r"([^\W\d_x])\1{5,}|([^\W\d_]{2,8}?)\2{3,}")
_SHORTEST_LOOP = 5
"""`_LETTERS` needs more letters."""
_LONG = 3
"""A phrase of so many words may not even be said twice in a row; shorter ones may ("very, very")."""


class Repetition:
    """Looks for words that repeat the words just before them."""

    name = "repetition"

    class Settings(Strict):
        """`times` is for one word or two, in a row; `min_distinct` for all words of a query of 12 or more.

        `exempt` lists the methods that may meet a table row which says the same thrice.
        """

        times: Annotated[int, Field(ge=2, le=4)] = 3
        min_distinct: Annotated[float, Field(ge=0.0, le=1.0)] = 0.4
        exempt: list[str] = list(CUT)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def judge(self, record: Pair) -> Verdict:
        if record.provenance.method in self.settings.exempt:
            return verdict(self.name, detail="made by copying")
        found = words(record.query)
        detail, times = self._loop(found)
        if not detail:
            detail = next(filter(_stutters, found), "")[:80]
        return verdict(self.name, "repetition" if detail else "", float(times), detail)

    def _loop(self, found: Sequence[str]) -> tuple[str, int]:
        """The words that are repeated, and how often they stand there in a row."""
        distinct = len(set(found))
        if len(found) - distinct < self.settings.times - 1:
            return "", 1
        for size in range(1, len(found) // 2 + 1):
            begin, length = _longest(found, size)
            looped = found[begin : begin + size]
            needed = self.settings.times if word_count(looped) < _LONG else 2
            if length // size >= needed:
                return " ".join(looped)[:80], length // size
        if unspaced_letters(found):
            found = paired(found)
            distinct = len(set(found))
        if len(found) >= 12 and distinct < self.settings.min_distinct * len(found):
            return f"{distinct} different words of {len(found)}", 1
        return "", 1


@lru_cache(maxsize=65_536)
def _stutters(word: str) -> bool:
    """Whether letters of a word repeat in a loop."""
    return len(word) > _SHORTEST_LOOP and 2 * len(set(word)) < len(word) and _LETTERS.search(word) is not None


def _longest(found: Sequence[str], size: int) -> tuple[int, int]:
    """Where the longest stretch begins whose words recur every `size` words, and its length."""
    best, begin, run = (0, size), 0, 0
    for place in range(size, len(found)):
        if found[place] != found[place - size]:
            run = 0
            continue
        run += 1
        begin = place - size - run + 1
        if run + size > best[1]:
            best = begin, run + size
    return best
