"""What a query has in common with its passage; the passage's side is found once for all its queries."""

from __future__ import annotations

import itertools
from functools import lru_cache

from synth.text import words


@lru_cache(maxsize=16)
def copied_pairs(query: tuple[str, ...], passage: str) -> tuple[bool, ...]:
    """For each two neighbours among the query's words, whether they are neighbours in the passage: n - 1 of them."""
    text, known = words_in_order(passage), distinct_words(passage)
    return tuple(
        first in known and second in known and (pair := f" {first} {second}") in text and f"{pair} " in text
        for first, second in itertools.pairwise(query)
    )


@lru_cache(maxsize=1024)
def words_in_order(passage: str) -> str:
    """Its words in one string, each between two spaces."""
    return f" {' '.join(words(passage))} "


@lru_cache(maxsize=1024)
def distinct_words(passage: str) -> frozenset[str]:
    """Its words, without order."""
    return frozenset(words(passage))
