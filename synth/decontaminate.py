"""Which texts hold what an evaluation set holds.

Texts are compared as sequences of words (NFKC, lower case, no punctuation). Two hold the same
when the shorter shares at least half of its word 13-grams with the other (as LightOn checked NQ).
A text of fewer than 13 words has none: short texts (at 0.8 those up to 16 words, so that no pair
is left out) also hold the same when the Jaccard similarity of their sets of words is 0.8 or more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from synth.arrays import Ints
from synth.near import find_nearest_of
from synth.ragged import ragged
from synth.shingle_sets import read_shingles
from synth.text import hash64, jaccard, normalise, shingles, words

GRAM = 13
_BLOCK = 2_048
"""Texts that are hashed at a time."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)

Hashes = npt.NDArray[np.uint64]


class Match(NamedTuple):
    """What a text holds: the id of an evaluation text, and how much of it is the same."""

    id: str
    share: float


class Matcher:
    """Finds texts that hold what one of `references` (text by id) holds."""

    def __init__(self, references: Mapping[str, str], containment: float, near: float) -> None:
        self._ids = list(references)
        self._tokens = [words(normalise(text)) for text in references.values()]
        self._containment = containment
        self._near = near
        self._short = int(np.ceil(GRAM / near))
        """Fewer words than this: one of two near texts may have no 13-gram."""
        hashes, owner, self._grams = _hash_grams(self._tokens)
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._owner = hashes[order], owner[order]

    def find(self, texts: Iterable[str]) -> dict[int, Match]:
        """By number of the text the reference it holds most of; texts that hold none are left out."""
        found: dict[int, Match] = {}
        short: dict[int, str] = {}
        numbered = enumerate(map(words, map(normalise, texts)))
        while block := list(islice(numbered, _BLOCK)):
            short |= {number: " ".join(tokens) for number, tokens in block if 0 < len(tokens) < self._short}
            first = block[0][0]
            for number, match in self._contained([tokens for _, tokens in block]):
                found[first + number] = match
        return self._alike(short) | found

    def _contained(self, texts: Sequence[tuple[str, ...]]) -> Iterator[tuple[int, Match]]:
        hashes, owner, grams = _hash_grams(texts)
        low = np.searchsorted(self._hashes, hashes, side="left")
        hits, offset = ragged(np.searchsorted(self._hashes, hashes, side="right") - low)
        pairs = owner[hits] * len(self._ids) + self._owner[low[hits] + offset]
        pairs, shared = np.unique(pairs, return_counts=True)
        text, reference = np.divmod(pairs, max(len(self._ids), 1))
        able = shared >= self._containment * np.minimum(grams[text], self._grams[reference])
        best: dict[int, Match] = {}
        for number, other in zip(text[able].tolist(), reference[able].tolist(), strict=True):
            share = _containment(texts[number], self._tokens[other])
            if share >= self._containment and (number not in best or share > best[number].share):
                best[number] = Match(self._ids[other], round(share, 4))
        yield from best.items()

    def _alike(self, short: Mapping[int, str]) -> dict[int, Match]:
        references = [place for place, tokens in enumerate(self._tokens) if 0 < len(tokens) < self._short]
        if not references or not short:
            return {}
        own = [" ".join(self._tokens[place]) for place in references]
        nearest = find_nearest_of(read_shingles(chain(own, short.values()), 1), len(own), self._near)
        matched = {}
        for (number, text), place in zip(short.items(), nearest.tolist(), strict=True):
            if place >= 0:
                share = jaccard(set(words(text)), set(words(own[place])))
                matched[number] = Match(self._ids[references[place]], round(share, 4))
        return matched


def _containment(one: Sequence[str], other: Sequence[str]) -> float:
    """The share of 13-grams that the text with fewer of them has in common with the other."""
    first, second = shingles(one, GRAM), shingles(other, GRAM)
    return len(first & second) / min(len(first), len(second))


def _hash_grams(texts: Sequence[Sequence[str]]) -> tuple[Hashes, Ints, Ints]:
    """Hashes of each text's distinct 13-grams, the texts they are of, and how many each text has."""
    lengths = np.asarray([len(tokens) for tokens in texts], dtype=np.int64)
    tokens = np.fromiter(map(_numbers.__getitem__, chain.from_iterable(texts)), dtype=np.uint64, count=lengths.sum())
    starts = np.cumsum(lengths) - lengths
    owner, offset = ragged((lengths - GRAM + 1).clip(0))
    begins = starts[owner] + offset
    hashes = np.zeros(len(begins), dtype=np.uint64)
    for place in range(GRAM):
        hashes = hashes * _FACTOR + tokens[begins + place]
    order = np.lexsort((hashes, owner))
    hashes, owner = hashes[order], owner[order]
    fresh = np.ones(len(hashes), dtype=bool)
    fresh[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
    return hashes[fresh], owner[fresh], np.bincount(owner[fresh], minlength=len(texts))


class _Numbers(dict[str, int]):
    """A hash of each word, remembered."""

    def __missing__(self, word: str) -> int:
        if len(self) > 1_000_000:
            self.clear()
        self[word] = number = hash64(word)
        return number


_numbers = _Numbers()
