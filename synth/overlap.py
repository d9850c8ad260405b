"""What a query has in common with its passage; the passage's side is found once for all its queries."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache

from synth.text import words


def copied_pairs(query: Sequence[str], passage: str) -> list[bool]:
    """For each two neighbours among the query's words, whether they are neighbours in the passage: n - 1 of them."""
    text = words_in_order(passage)
    pairs = [f" {word} {next_word}" for word, next_word in itertools.pairwise(query)]
    return [pair in text and f"{pair} " in text for pair in pairs]


@lru_cache(maxsize=1024)
def words_in_order(passage: str) -> str:
    """Its words in one string, each between two spaces."""
    return f" {' '.join(words(passage))} "


@lru_cache(maxsize=1024)
def distinct_words(passage: str) -> frozenset[str]:
    """Its words, without order."""
    return frozenset(words(passage))
