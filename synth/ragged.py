"""Groups of unequal sizes as flat arrays, without a loop over the groups."""

from __future__ import annotations

import numpy as np

from synth.arrays import Ints, Mask


def ragged(counts: Ints) -> tuple[Ints, Ints]:
    """Each number n repeated counts[n] times, and 0 … counts[n] - 1 beside it."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def spread(starts: Ints, wanted: Ints) -> tuple[Ints, Ints]:
    """All members of the groups `wanted`: (which of `wanted`, row of the member), both flat.

    starts: where each group begins in some sorted rows, and where the last one ends.
    """
    which, offset = ragged(starts[wanted + 1] - starts[wanted])
    return which, starts[wanted][which] + offset


def place_in_group(group: Ints, left: Mask | None = None) -> Ints:
    """For sorted groups: how many rows of the own group come before, of those that are left; -1 for the others."""
    rows = np.arange(len(group)) if left is None else np.flatnonzero(left)
    place = np.full(len(group), -1, dtype=np.int64)
    if len(rows):
        owner = group[rows]
        first = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
        place[rows] = ragged(np.diff(np.append(first, len(rows))))[1]
    return place
