"""Frequent English words (data/words/en.txt): which words are whole, and which are the beginning of one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache, lru_cache

from synth.resources import find_shipped
from synth.text import STOP_WORDS

SHORT = 3
"""What is left of a word without its ending has at least so many letters."""
SURELY_ENGLISH = 0.8
"""Share of English words from which a text needs no other proof."""
INFLECTIONS = ("s", "es", "ed", "d", "ing", "ly", "er", "ers")
_ENDINGS = ("s", "es", "ed", "ing", "ly", "er", "ers")


def english_share(tokens: Sequence[str]) -> float:
    """Share of lower-case words that are English ones; 1.0 where there are none."""
    return sum(map(_is_english, tokens)) / len(tokens) if tokens else 1.0


@lru_cache(maxsize=65_536)
def _is_english(word: str) -> bool:
    return word in STOP_WORDS or is_known(word)


@lru_cache(maxsize=65_536)
def is_known(word: str) -> bool:
    """Whether a lower-case word is listed, or an inflection of what is: `merged`, `running`."""
    known, _ = _known_words()
    if word in known:
        return True
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < SHORT:
            continue
        if stem in known or (ending != "s" and f"{stem}e" in known) or (stem[-1] == stem[-2] and stem[:-1] in known):
            return True
    return False


def begins_known(word: str) -> bool:
    """Whether a listed word goes on where this one ends."""
    _, ordered = _known_words()
    for place in range(bisect_right(ordered, word), len(ordered)):
        if not ordered[place].startswith(word):
            return False
        if is_beginning(word, ordered[place]):
            return True
    return False


def is_beginning(word: str, other: str) -> bool:
    """Whether `other` goes on after `word`, with more than an inflection."""
    return len(other) > len(word) and other.startswith(word) and other[len(word) :] not in INFLECTIONS


@cache
def known_threes() -> frozenset[str]:
    """Every three letters in a row of a listed word."""
    known, _ = _known_words()
    return frozenset(word[start : start + 3] for word in known for start in range(len(word) - 2))


@cache
def _known_words() -> tuple[frozenset[str], list[str]]:
    """The words, and the same in alphabetical order."""
    lines = find_shipped("data", "words", "en.txt").read_text(encoding="utf-8").splitlines()
    known = frozenset(word for line in lines if not line.startswith("#") for word in line.split())
    return known, sorted(known)
