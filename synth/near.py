"""Near-duplicate texts: the pairs whose sets of word n-grams have a Jaccard similarity at or above a threshold.

An exact set-similarity join: nothing is sketched or drawn, so none is missed and none is wrong.
Shingles are ordered from rare to frequent. Two near texts share their first common shingle
within a short prefix of both (AllPairs, Bayardo et al. 2007), their first two within a prefix
longer by one, and so on (AdaptJoin, Wang et al. 2012). So texts are grouped by a shingle of
their prefix, large groups are divided by a further one, and pairs in a group are compared: by
what their sizes and places still allow (PPJoin, Xiao et al. 2008), by a bitmap of their sets
(Sandes et al. 2020), and those that are left by the sets themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from synth.arrays import Ints, Mask
from synth.ragged import ragged
from synth.shingle_sets import ShingleSets, Small

Pairs = npt.NDArray[np.int64]
Kinds = npt.NDArray[np.uint64]
"""Texts are compared where these are the same; shape (n,)."""

CROWD = 128
"""Texts in one group from which each is compared with few of the others."""
BEFORE = 64
_BLOCK = 1 << 20
"""Pairs that are compared at a time; bounds memory."""
_DEPTH = 4
"""Shingles that a group is made of at most."""
_LARGE = 32
"""Texts from which a group is divided; more where that is dear."""
_STEP = 512
"""Texts of crowds that `find_originals` takes at a time."""
_EPSILON = 1e-9
_NONE = np.empty(0, dtype=np.int64)


def find_near_pairs(sets: ShingleSets, threshold: float, *, crowd: int = CROWD) -> Pairs:
    """Pairs (i, j), i < j, whose Jaccard similarity is at least `threshold`, ascending, shape (n, 2).

    Where more than `crowd` texts lie in one group, which are mostly copies of one text, each
    of them is compared with the first and with the 64 before it.
    """
    join = _Join(sets, threshold)
    found = [_NONE]
    for group in join.groups():
        rank, size = group.rank, group.sizes
        is_crowd = size > crowd
        found += join.compare(group, group.first, np.where(is_crowd, np.minimum(rank, 1), rank))
        if is_crowd.any():
            before = np.where(is_crowd, np.minimum(rank - 1, BEFORE), 0).clip(0)
            found += join.compare(group, np.arange(len(rank)) - before, before)
    return _unpacked(_distinct(found), len(sets))


def find_nearest_of(sets: ShingleSets, others: int, threshold: float, kind: Kinds | None = None) -> Ints:
    """For each text from number `others` on the first of the texts before that number it is near to, or -1.

    Texts are compared where their `kind` is the same.
    """
    join = _Join(sets, threshold, kind)
    nearest = np.full(len(sets) - others, others, dtype=np.int64)
    for group in join.groups():
        ends = np.searchsorted(group.number * len(sets) + group.text, group.number * len(sets) + others)
        counts = np.where(group.text < others, 0, ends - group.first)
        for packed in join.compare(group, group.first, counts):
            first, second = _unpacked(packed, len(sets)).T
            np.minimum.at(nearest, second - others, first)
    return np.where(nearest < others, nearest, -1)


def find_originals(sets: ShingleSets, threshold: float, kind: Kinds | None = None) -> Ints:
    """For each text that is near to an earlier one that is kept, the first such; -1 for those kept.

    Texts are gone through in order, and compared where their `kind` is the same. What resembles
    only dropped texts is kept; so copies of a crowd leave one, and no chain of small changes
    drops what is like nothing that is kept.
    """
    join = _Join(sets, threshold, kind)
    found, crowds = [_NONE], []
    for group in join.groups():
        is_crowd = group.sizes > CROWD
        found += join.compare(group, group.first, np.where(is_crowd, 0, group.rank))
        if is_crowd.any():
            crowds.append(group.where(is_crowd))
    pairs = _in_order(_unpacked(_distinct(found), len(sets)))
    originals = np.full(len(sets), -1, dtype=np.int64)
    texts = np.unique(np.concatenate([_NONE, *(group.text for group in crowds)]))
    _go_through([_Crowd(join, group) for group in crowds], texts, pairs, originals)
    return originals


@dataclass(frozen=True)
class _Group:
    """Texts by the shingles they share: an entry for each text in each group, sorted by group and text.

    number: shape (entries,), the group
    last: place in the text's items of the last shingle that the group is made of
    skipped: the shingle before `last` that the group is not made of, -1 where there is none
    depth: shingles that each group is made of
    """

    number: Ints
    text: Small
    last: Small
    skipped: Small
    depth: int

    def __len__(self) -> int:
        return len(self.number)

    def where(self, chosen: Mask | Ints) -> _Group:
        return _Group(self.number[chosen], self.text[chosen], self.last[chosen], self.skipped[chosen], self.depth)

    @cached_property
    def _starts(self) -> Ints:
        return np.flatnonzero(np.diff(self.number, prepend=-1))

    @cached_property
    def _sizes(self) -> Ints:
        return np.diff(self._starts, append=len(self))

    @cached_property
    def first(self) -> Ints:
        """The first entry of each entry's group."""
        return np.repeat(self._starts, self._sizes)

    @cached_property
    def rank(self) -> Ints:
        """How many entries lie before each in its group."""
        return np.arange(len(self)) - self.first

    @cached_property
    def sizes(self) -> Ints:
        """Entries of each entry's group."""
        return np.repeat(self._sizes, self._sizes)

    def total(self, values: Ints) -> Ints:
        """The sum of `values` in each entry's group."""
        return np.repeat(np.add.reduceat(values, self._starts), self._sizes)

    def least(self, values: Small) -> Small:
        """The lowest of `values` in each entry's group."""
        return np.repeat(np.minimum.reduceat(values, self._starts), self._sizes)

    def useful(self) -> _Group:
        """Without groups of one text, and those that all skipped the same shingle: another group has their pairs."""
        if not len(self):
            return self
        lowest = np.minimum.reduceat(self.skipped, self._starts)
        same = (lowest >= 0) & (lowest == np.maximum.reduceat(self.skipped, self._starts))
        kept = np.repeat((self._sizes > 1) & ~same, self._sizes)
        return self if kept.all() else self.where(kept)


class _Join:
    """Candidates and their comparison."""

    def __init__(self, sets: ShingleSets, threshold: float, kind: Kinds | None = None) -> None:
        self.sets = sets
        self._threshold = threshold
        size = sets.size
        self._kind = np.zeros(len(sets), dtype=np.int64) if kind is None else np.unique(kind, return_inverse=True)[1]
        self._least = np.ceil(threshold * size - _EPSILON).astype(np.int32)
        """The overlap that each text needs with any other."""
        self._reach = size - self._least - sets.alone
        """Listed shingles of each text that may come before the first it shares with a near one."""
        sums = np.arange(2 * int(size.max(initial=0)) + 1)
        self._needed = np.ceil(sums * (threshold / (1 + threshold)) - _EPSILON).astype(np.int32)
        """The overlap that a pair needs, by the sum of its sizes."""

    def groups(self) -> Iterator[_Group]:
        """Groups that are not divided further; a near pair is in at least one, and not `skipped` there."""
        text = np.flatnonzero((self._reach >= 0) & (self.sets.listed > 0)).astype(np.int32)
        nothing = np.full(len(text), -1, dtype=np.int32)
        group = _Group(self._kind[text], text, nothing, nothing, 0)
        while len(group):
            group = self._divided(group).useful()
            if not len(group) or group.depth == _DEPTH:
                break
            large = group.sizes > np.maximum(_LARGE, 8 * group.total(self._branches(group)) // group.sizes)
            large &= group.least(self._least[group.text]) > group.depth
            yield group.where(~large)
            group = group.where(large)
        yield group

    def _branches(self, group: _Group) -> Ints:
        highest = np.minimum(self.sets.listed[group.text], self._reach[group.text] + group.depth + 1)
        branches: Ints = (highest - group.last - 1).clip(0).astype(np.int64)
        return branches

    def _divided(self, group: _Group) -> _Group:
        counts = self._branches(group)
        parent, offset = ragged(counts)
        last = group.last[parent] + 1 + offset.astype(np.int32)
        text = group.text[parent]
        place = self.sets.start[text] + last
        items = self.sets.items[place]
        skipped = np.where(offset > 0, self.sets.items[place - 1], group.skipped[parent])
        number = group.number[parent] * max(self.sets.distinct, 1) + items
        order = np.argsort(number, kind="stable")
        number = number[order]
        number = np.cumsum(np.diff(number, prepend=-1) != 0) - 1
        return _Group(number, text[order], last[order], skipped[order].astype(np.int32), group.depth + 1)

    def compare(self, group: _Group, base: Ints, counts: Ints) -> Iterator[Ints]:
        """Near pairs, packed, among each entry and the `counts` entries from `base` on."""
        ends = np.cumsum(counts)
        begin = 0
        while begin < len(counts):
            done = int(ends[begin - 1]) if begin else 0
            stop = max(int(np.searchsorted(ends, done + _BLOCK, side="right")), begin + 1)
            later, offset = ragged(counts[begin:stop])
            if len(later):
                later += begin
                yield self.verify(*self._candidates(group, base[later] + offset, later))
            begin = stop

    def _candidates(self, group: _Group, earlier: Ints, later: Ints) -> tuple[Small, Small]:
        """What places and sizes still allow; a pair that another group has too is left to that."""
        fresh = (group.skipped[earlier] != group.skipped[later]) | (group.skipped[later] < 0)
        earlier, later = earlier[fresh], later[fresh]
        first, second = group.text[earlier], group.text[later]
        size, listed = self.sets.size, self.sets.listed
        rest = np.minimum(listed[first] - group.last[earlier], listed[second] - group.last[later]) - 1
        able = group.depth + rest >= self._needed[size[first] + size[second]]
        return first[able], second[able]

    def verify(self, first: Small, second: Small) -> Ints:
        """Those of the pairs that are near, packed and distinct."""
        sets = self.sets
        both = sets.size[first] + sets.size[second]
        apart = sets.alone[first] + sets.alone[second]
        for bits in sets.bitmaps:
            apart += np.bitwise_count(bits[first] ^ bits[second])
        able = apart <= both - 2 * self._needed[both]
        packed = _distinct([first[able].astype(np.int64) * len(sets) + second[able]])
        pairs = _unpacked(packed, len(sets)).astype(np.int32)
        return packed[sets.jaccard(pairs[:, 0], pairs[:, 1]) >= self._threshold]


class _Crowd:
    """Large groups of one depth, gone through in the order of the texts: what comes is compared with what is kept."""

    def __init__(self, join: _Join, group: _Group) -> None:
        self._join = join
        self._group = group.where(np.argsort(group.text, kind="stable"))
        self._kept = group.where(np.empty(0, dtype=np.int64))

    def near_kept(self, begin: int, stop: int) -> Iterator[Ints]:
        """Near pairs, packed, of kept texts and texts begin … stop - 1."""
        coming, kept = self._between(begin, stop), self._kept
        base = np.searchsorted(kept.number, coming.number, side="left")
        counts = np.searchsorted(kept.number, coming.number, side="right") - base
        none = np.zeros(len(kept), dtype=np.int64)
        both = _joined(kept, coming)
        return self._join.compare(both, np.concatenate([none, base]), np.concatenate([none, counts]))

    def near_each_other(self, begin: int, stop: int, originals: Ints) -> Iterator[Ints]:
        """Near pairs, packed, of those of texts begin … stop - 1 that are not dropped."""
        coming = self._between(begin, stop)
        coming = coming.where(originals[coming.text] < 0)
        return self._join.compare(coming, coming.first, coming.rank)

    def keep(self, originals: Ints, begin: int, stop: int) -> None:
        coming = self._between(begin, stop)
        self._kept = _by_number(_joined(self._kept, coming.where(originals[coming.text] < 0)))

    def _between(self, begin: int, stop: int) -> _Group:
        low, high = np.searchsorted(self._group.text, (begin, stop))
        return _by_number(self._group.where(np.arange(low, high)))


def _joined(one: _Group, other: _Group) -> _Group:
    return _Group(
        np.concatenate([one.number, other.number]),
        np.concatenate([one.text, other.text]),
        np.concatenate([one.last, other.last]),
        np.concatenate([one.skipped, other.skipped]),
        one.depth,
    )


def _by_number(group: _Group) -> _Group:
    return group.where(np.argsort(group.number, kind="stable"))


def _go_through(crowds: Sequence[_Crowd], texts: Small, pairs: Pairs, originals: Ints) -> None:
    """Drop texts that are near to an earlier kept one, a few of those in crowds at a time."""
    bounds = [0, *texts[_STEP::_STEP].tolist(), len(originals)]
    for begin, stop in pairwise(bounds):
        low, high = np.searchsorted(pairs[:, 1], (begin, stop))
        is_before = pairs[low:high, 0] < begin
        found = [block for crowd in crowds for block in crowd.near_kept(begin, stop)]
        _settle_with(pairs[low:high][is_before], found, originals)
        found = [block for crowd in crowds for block in crowd.near_each_other(begin, stop, originals)]
        _settle_with(pairs[low:high][~is_before], found, originals)
        for crowd in crowds:
            crowd.keep(originals, begin, stop)


def _settle_with(pairs: Pairs, packed: list[Ints], originals: Ints) -> None:
    found = _unpacked(_distinct([_NONE, *packed]), len(originals))
    settle(_in_order(np.concatenate([pairs, found])), originals)


def distinct(pairs: Pairs, count: int) -> Pairs:
    """Pairs of numbers below `count`, ascending, once."""
    return _unpacked(_distinct([pairs[:, 0] * count + pairs[:, 1]]), count)


def _in_order(pairs: Pairs) -> Pairs:
    return pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]


def settle(pairs: Pairs, originals: Ints) -> None:
    """Drop texts that are near to an earlier kept one; pairs are sorted by their second, then their first."""
    for first, second in pairs.tolist():
        if originals[first] < 0 and originals[second] < 0:
            originals[second] = first


def _distinct(blocks: list[Ints]) -> Ints:
    """What the blocks hold, ascending, once. Empties them, to need less memory. (`np.unique` hashes, much slower here.)"""
    packed = np.concatenate(blocks)
    blocks.clear()
    packed.sort()
    fresh = np.ones(len(packed), dtype=bool)
    np.not_equal(packed[1:], packed[:-1], out=fresh[1:])
    return packed if fresh.all() else packed[fresh]


def _unpacked(packed: Ints, count: int) -> Pairs:
    pairs = np.empty((len(packed), 2), dtype=np.int64)
    np.divmod(packed, max(count, 1), out=(pairs[:, 0], pairs[:, 1]))
    return pairs
