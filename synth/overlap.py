"""What a query has in common with its passage; the passage's side is found once for all its queries."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache

from synth.text import words


@lru_cache(maxsize=16)
def copied_pairs(query: tuple[str, ...], passage: str) -> tuple[bool, ...]:
    """For each two neighbours among the query's words, whether they are neighbours in the passage: n - 1 of them."""
    known = _neighbours(passage)
    return tuple(map(known.__contains__, itertools.pairwise(query)))


@lru_cache(maxsize=1024)
def _neighbours(passage: str) -> frozenset[tuple[str, str]]:
    return frozenset(itertools.pairwise(words(passage)))


@lru_cache(maxsize=1024)
def words_in_order(passage: str) -> str:
    """Its words in one string, each between two spaces."""
    return f" {' '.join(words(passage))} "


@lru_cache(maxsize=1024)
def distinct_words(passage: str) -> frozenset[str]:
    """Its words, without order."""
    return frozenset(words(passage))


def is_whole(stretch: Sequence[str], passage: str) -> bool:
    """Whether the words are all that the passage has."""
    return f" {' '.join(stretch)} " == words_in_order(passage)
