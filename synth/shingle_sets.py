"""Sets of word n-grams of many texts as flat arrays, and their exact Jaccard similarity."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from synth.arrays import Ints
from synth.text import tokens

Small = npt.NDArray[np.int32]

_CLASSES = (8, 16, 32, 64, 128, 256, 512, 1024)
_CODES = 1 << 20
"""Shingles that are looked up at a time."""
_CELLS = 1 << 18
"""Shingles that are compared at a time; bounds memory."""


@dataclass(frozen=True)
class ShingleSets:
    """The sets of n texts. A shingle that occurs once in all texts is counted and not listed.

    size: shape (n,), shingles of each text
    alone: shape (n,), how many of them occur nowhere else
    start: shape (n + 1,), where each text's shingles begin in `items`
    items: numbers of shingles, ascending in each text; rare ones have low numbers
    """

    size: Small
    alone: Small
    start: Ints
    items: Small
    distinct: int

    def __len__(self) -> int:
        return len(self.size)

    @cached_property
    def listed(self) -> Small:
        """How many shingles of each text are in `items`, shape (n,)."""
        return np.diff(self.start).astype(np.int32)

    @cached_property
    def bitmaps(self) -> list[npt.NDArray[np.uint64]]:
        """Each text's listed shingles, hashed to bits of one to eight words; each word of shape (n,)."""
        words = int(np.clip(self.listed.mean() // 16, 1, 8)) if len(self) else 1
        bit = (self.items.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(48)
        filled = np.flatnonzero(self.listed)
        made = []
        for word in range(words):
            mine = np.where(bit % np.uint64(words) == word, np.uint64(1) << (bit >> np.uint64(10)), np.uint64(0))
            bits = np.zeros(len(self), dtype=np.uint64)
            if len(filled):
                bits[filled] = np.bitwise_or.reduceat(mine, self.start[filled])
            made.append(bits)
        return made

    def overlap(self, first: Small, second: Small) -> Small:
        """|A ∩ B| of each pair of texts, shape (pairs,)."""
        shared = np.zeros(len(first), dtype=np.int32)
        longest = np.maximum(self.listed[first], self.listed[second])
        classes = np.searchsorted(_CLASSES, longest)
        able = np.minimum(self.listed[first], self.listed[second]) > 0
        for number in np.unique(classes[able]).tolist():
            pairs = np.flatnonzero((classes == number) & able)
            width = _CLASSES[number] if number < len(_CLASSES) else int(longest.max())
            step = max(1, _CELLS // width)
            for begin in range(0, len(pairs), step):
                block = pairs[begin : begin + step]
                shared[block] = self._shared(first[block], second[block], width)
        return shared

    def jaccard(self, first: Small, second: Small) -> npt.NDArray[np.float64]:
        """|A ∩ B| / |A ∪ B| of each pair of texts, at least one of which has words; shape (pairs,)."""
        shared = self.overlap(first, second)
        similarity: npt.NDArray[np.float64] = shared / (self.size[first] + self.size[second] - shared)
        return similarity

    def _shared(self, first: Small, second: Small, width: int) -> Small:
        both = np.concatenate([self._padded(first, width), self._padded(second, width)], axis=1)
        both.sort(axis=1)
        same = (both[:, 1:] == both[:, :-1]) & (both[:, 1:] < self.distinct)
        shared: Small = np.count_nonzero(same, axis=1).astype(np.int32)
        return shared

    def _padded(self, texts: Small, width: int) -> Small:
        columns = np.arange(width)
        places = self.start[texts][:, None] + columns
        inside = columns < self.listed[texts][:, None]
        return np.where(inside, self.items[np.minimum(places, len(self.items) - 1)], np.int32(self.distinct))


def read_shingles(texts: Iterable[str], size: int) -> ShingleSets:
    """The sets of word n-grams (`synth.text.shingles`) of `texts`, read once."""
    words, counts = _number_words(texts)
    codes, owner = _codes(words, counts, size)
    del words
    often, rank = _occurring_often(codes)
    alone = np.zeros(len(counts), dtype=np.int32)
    blocks = [np.empty(0, dtype=np.int64)]
    for start in range(0, len(codes), _CODES):
        code, text = codes[start : start + _CODES], owner[start : start + _CODES]
        place = np.searchsorted(often, code)
        known = often[np.minimum(place, max(len(often) - 1, 0))] == code if len(often) else np.zeros(len(code), bool)
        alone += np.bincount(text[~known], minlength=len(counts)).astype(np.int32)
        blocks.append((text[known].astype(np.int64) << 32) | rank[place[known]])
    del codes, owner
    packed = np.concatenate(blocks)
    blocks.clear()
    packed.sort()
    packed = packed[np.diff(packed, prepend=-1) != 0]
    listed = np.bincount(packed >> 32, minlength=len(counts)).astype(np.int32)
    start_of = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(listed, out=start_of[1:])
    return ShingleSets(listed + alone, alone, start_of, (packed & 0xFFFFFFFF).astype(np.int32), len(often))


def _occurring_often(codes: Ints) -> tuple[Ints, Ints]:
    """The codes that occur more than once, ascending, and the rank of each by how often, rare ones first."""
    ordered = np.sort(codes)
    same = np.zeros(len(codes) + 1, dtype=bool)
    np.equal(ordered[1:], ordered[:-1], out=same[1 : len(codes)])
    begins = np.flatnonzero(same[1:] & ~same[:-1])
    lengths = np.flatnonzero(same[:-1] & ~same[1:]) - begins
    rank = np.empty(len(begins), dtype=np.int64)
    rank[np.argsort(lengths, kind="stable")] = np.arange(len(begins))
    return ordered[begins], rank


def _number_words(texts: Iterable[str]) -> tuple[Small, Small]:
    """Numbers of the words of all texts from 1 up, and how many words each text has."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = lambda: len(numbers) + 1
    found, counts = array("i"), array("i")
    number = numbers.__getitem__
    for text in texts:
        own = tokens(text.lower())
        found.extend(map(number, own))
        counts.append(len(own))
    return np.frombuffer(found, dtype=np.int32), np.frombuffer(counts, dtype=np.int32)


def _codes(words: Small, counts: Small, size: int) -> tuple[Ints, Small]:
    """The shingles of all texts as numbers that are equal where they are, and the text of each."""
    owner = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    codes = words.astype(np.int64)
    if size == 1 or not len(words):
        return codes, owner
    ends = np.cumsum(counts, dtype=np.int64)
    left = (np.repeat(ends, counts) - np.arange(len(words))).astype(np.int32)
    base = int(words.max()) + 1
    highest = base
    for offset in range(1, size):
        if highest >= (1 << 62) // base:
            _, codes = np.unique(codes, return_inverse=True)
            highest = int(codes.max()) + 1
        codes *= base
        codes[:-offset] += words[offset:] * (left[:-offset] > offset)
        highest *= base
    begins = left >= size
    begins[(ends - counts)[counts > 0]] = True
    return codes[begins], owner[begins]
