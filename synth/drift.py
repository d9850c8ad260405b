"""How far two distributions are apart: the population stability index, and Kolmogorov and Smirnov's distance.

PSI = sum over bins of (q - p) ln(q / p); below 0.1 is read as no shift, to 0.25 as a moderate one, above
as a major one (Siddiqi, Credit Risk Scorecards, 2006). Of two samples of one distribution it is about
(1/n + 1/m) times chi-squared with one degree of freedom less than bins (Yurdakul, Statistical Properties
of Population Stability Index, 2018), so that small versions always differ: a shift is told only where the
index is also above the 95th percentile of that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

MODERATE, MAJOR = 0.1, 0.25
BINS = 10
_SMALL = 0.5
"""Added to every bin, so that an empty one gives no infinite index."""
_NORMAL_95 = 1.6449

Floats = npt.NDArray[np.float64]
Verdict = Literal["none", "moderate", "major"]


@dataclass(frozen=True)
class Histogram:
    """n different values, ascending, and how often each occurs; shapes (n,)."""

    values: Floats
    counts: Floats

    @property
    def total(self) -> float:
        return float(self.counts.sum())

    @property
    def mean(self) -> float:
        return float(self.values @ self.counts / self.total)

    def quantile(self, share: float) -> float:
        """The smallest value that so many are not above."""
        place = np.searchsorted(np.cumsum(self.counts), share * self.total * (1 - 1e-12))
        return float(self.values[min(int(place), len(self.values) - 1)])


@dataclass(frozen=True)
class Shift:
    """An index, the largest that chance alone gives in 19 of 20 cases, and what they say together."""

    psi: float
    chance: float

    @property
    def verdict(self) -> Verdict:
        if self.psi < MODERATE or self.psi <= self.chance:
            return "none"
        return "major" if self.psi >= MAJOR else "moderate"


def shift_of_counts(old: Mapping[str, int], new: Mapping[str, int]) -> Shift:
    """Of two distributions over named values."""
    keys = sorted({*old, *new})
    return _shift(np.array([old.get(key, 0) for key in keys]), np.array([new.get(key, 0) for key in keys]))


def shift_of_numbers(old: Histogram, new: Histogram) -> Shift:
    """Of two distributions of numbers, in bins that hold a tenth of the old one each, as far as its values can be told apart."""
    edges = np.unique([old.quantile(n / BINS) for n in range(1, BINS)])
    return _shift(*(np.bincount(np.searchsorted(edges, h.values), h.counts, len(edges) + 1) for h in (old, new)))


def ks_distance(old: Histogram, new: Histogram) -> float:
    """The largest difference of the two cumulative distributions, 0 to 1."""
    values = np.union1d(old.values, new.values)
    below = [
        np.concatenate([[0.0], np.cumsum(h.counts)])[np.searchsorted(h.values, values, side="right")] / h.total
        for h in (old, new)
    ]
    return float(np.abs(below[0] - below[1]).max())


def _shift(old: npt.NDArray[np.generic], new: npt.NDArray[np.generic]) -> Shift:
    before, after = (counts.astype(np.float64) for counts in (old, new))
    n, m, bins = float(before.sum()), float(after.sum()), len(before)
    if not n or not m:
        return Shift(0.0, 0.0)
    p, q = ((counts + _SMALL) / (counts.sum() + _SMALL * bins) for counts in (before, after))
    psi = float(((q - p) * np.log(q / p)).sum())
    return Shift(round(psi, 4), round((1 / n + 1 / m) * _chi_squared_95(bins - 1), 4))


def _chi_squared_95(degrees: int) -> float:
    """95th percentile, by Wilson and Hilferty's approximation (within 1 % from 2 degrees on, 3 % for 1)."""
    if degrees < 1:
        return 0.0
    spread = 2 / (9 * degrees)
    return degrees * (1 - spread + _NORMAL_95 * math.sqrt(spread)) ** 3
