"""Shares of a version, estimated from the rows that were answered.

A row stands for the size of its stratum by the rows of it that were answered (a Hájek estimate), so that shares are
those of the version and not of the sheet. The 95 % interval is that of `synth.mining.rates`: the wider of a bootstrap
over rows and Wilson's at the effective size of the sample. Nothing is taken off for strata that were audited whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from schemas.audit import AuditKey
from synth.arrays import Doubles, Ints, Mask
from synth.mining.rates import Point, Sample, curve_of

_ONE = np.zeros(1)


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval, NaN where no row tells anything; rows: that it was estimated from."""

    rate: float
    low: float
    high: float
    rows: int


NOTHING = Rate(math.nan, math.nan, math.nan, 0)


@dataclass(frozen=True)
class Strata:
    """The stratum of each row of the key, and how many of the version are in each stratum."""

    of_row: Ints
    size: Doubles

    @classmethod
    def of(cls, key: AuditKey) -> Strata:
        return cls(np.asarray([row.stratum for row in key.rows]), np.asarray([float(each.size) for each in key.strata]))

    def weights(self, known: Mask) -> Doubles:
        """How many of the version each row stands for where only the known ones tell something, shape (rows,)."""
        told = np.bincount(self.of_row[known], minlength=len(self.size))
        weights: Doubles = np.where(known, (self.size / np.maximum(told, 1))[self.of_row], 0.0)
        return weights

    def covered(self, known: Mask, among: Mask) -> float:
        """Share of the population of some rows' strata that the known rows stand for."""
        strata = np.unique(self.of_row[among])
        reached = np.unique(self.of_row[known & among])
        whole = self.size[strata].sum()
        return float(self.size[reached].sum() / whole) if whole else math.nan


def share(value: Doubles, weight: Doubles, cluster: Ints | None = None, seed: int = 0) -> Rate:
    """The weighted share of `value`, 0 to 1; rows of one cluster are resampled together. Rows of weight 0 don't count."""
    kept = weight > 0
    if not kept.any():
        return NOTHING
    point = points_of(value, weight, np.ones((len(value), 1), dtype=bool), _ONE, cluster, seed)[0]
    return Rate(point.rate, point.low, point.high, point.judged)


def points_of(
    value: Doubles, weight: Doubles, member: Mask, grid: Doubles, cluster: Ints | None = None, seed: int = 0
) -> tuple[Point, ...]:
    """The share under each value of a grid; member: which rows it takes, shape (rows, values)."""
    kept = weight > 0
    groups = np.arange(len(value)) if cluster is None else cluster
    sample = Sample(groups[kept], member[kept], value[kept], weight[kept])
    return curve_of(grid, sample, np.zeros(len(grid)), lambda _: False, seed).points
