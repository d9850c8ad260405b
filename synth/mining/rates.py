"""Rates of false negatives from a weighted sample, with an interval.

The 95 % interval is the wider of a bootstrap over queries and, as few events make a bootstrap too sure, Wilson's at the
effective size of the sample (Kish).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from synth.arrays import Doubles, Ints, Mask

_RESAMPLES = 1_000
_AT_ONCE = 50
"""Resamples, for the memory that they take."""
_Z = 1.96


@dataclass(frozen=True)
class Point:
    """The rate of false negatives under one value of the bound; NaN where nothing is known.

    negatives: that a query gets on average; judged: of the sample that this value picks
    """

    bound: float
    rate: float
    low: float
    high: float
    judged: int
    negatives: float

    def describe(self) -> str:
        return f"{self.rate:.1%} false negatives ({self.low:.1%} to {self.high:.1%}, {self.judged:,} judged)"


@dataclass(frozen=True)
class Curve:
    """Points from the loosest value to the tightest, and the loosest one that keeps the target."""

    points: tuple[Point, ...]
    chosen: Point | None

    def as_dict(self) -> dict[str, Any]:
        return {"chosen": self.chosen and vars(self.chosen), "curve": [vars(point) for point in self.points]}


@dataclass(frozen=True)
class Sample:
    """Judged candidates: their query, the values that pick them, how far they are false negatives, their weight."""

    query: Ints
    member: Mask
    value: Doubles
    weight: Doubles

    def only(self, rows: Mask) -> Sample:
        return Sample(self.query[rows], self.member[rows], self.value[rows], self.weight[rows])


def curve_of(grid: Doubles, sample: Sample, negatives: Doubles, keeps: Callable[[Point], bool], seed: int) -> Curve:
    """The rate under each value of `grid`, shape (values,), and the first point that `keeps` the target."""
    weight = sample.member * sample.weight[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = (weight * sample.value[:, None]).sum(axis=0) / weight.sum(axis=0)
        size = weight.sum(axis=0) ** 2 / (weight**2).sum(axis=0)
    low, high = _interval(sample, weight, rate, size, seed)
    judged = sample.member.sum(axis=0)
    columns = zip(*(each.tolist() for each in (grid, rate, low, high, judged, negatives)), strict=True)
    points = tuple(Point(*row) for row in columns)
    return Curve(points, next((point for point in points if keeps(point)), None))


def _interval(sample: Sample, weight: Doubles, rate: Doubles, size: Doubles, seed: int) -> tuple[Doubles, Doubles]:
    resampled = _bootstrap(sample, weight, seed)
    quiet = np.where(np.isnan(rate), 0.0, rate)
    ends = np.nanquantile(np.vstack([resampled, quiet]), (0.025, 0.975), axis=0)
    half = _Z * np.sqrt(rate * (1 - rate) / size + _Z**2 / (4 * size**2))
    middle, scale = rate + _Z**2 / (2 * size), 1 + _Z**2 / size
    low, high = np.fmin(ends[0], (middle - half) / scale), np.fmax(ends[1], (middle + half) / scale)
    unknown = np.isnan(rate)
    return np.where(unknown, np.nan, np.clip(low, 0, 1)), np.where(unknown, np.nan, np.clip(high, 0, 1))


def _bootstrap(sample: Sample, weight: Doubles, seed: int) -> Doubles:
    """Rates of samples of as many queries, drawn with replacement, shape (resamples, values)."""
    _, cluster = np.unique(sample.query, return_inverse=True)
    count = int(cluster.max(initial=-1)) + 1
    if not count:
        return np.full((1, weight.shape[1]), np.nan)
    false, whole = np.zeros((count, weight.shape[1])), np.zeros((count, weight.shape[1]))
    np.add.at(false, cluster, weight * sample.value[:, None])
    np.add.at(whole, cluster, weight)
    source = np.random.default_rng(seed)
    parts = []
    for _ in range(_RESAMPLES // _AT_ONCE):
        times = source.multinomial(count, np.full(count, 1 / count), size=_AT_ONCE).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            parts.append((times @ false) / (times @ whole))
    return np.concatenate(parts)
