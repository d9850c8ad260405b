"""What the judge's grades are worth: how many records of each grade people call right, and from which grade on enough are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.audit import AuditKey
from synth.arrays import Doubles, Mask
from synth.audit.rates import Rate, Strata, points_of, share

GRADES = np.arange(1.0, 6.0)
PROBABILITIES = np.round(np.arange(0.0, 1.0, 0.1), 1)
FINE = np.round(np.arange(0.0, 1.0, 0.05), 2)
AXES = ("relevance", "answerability", "clarity", "faithfulness", "probability")


@dataclass(frozen=True)
class Level:
    """A grade, or probabilities from `value` to 0.1 above it; said: the judge's mean probability there, NaN for grades."""

    value: float
    said: float
    right: Rate


@dataclass(frozen=True)
class Bound:
    """What a bound lets through: kept is its share of the judged, `right` the share of that which people call right."""

    bound: float
    right: Rate
    kept: float


@dataclass(frozen=True)
class Calibration:
    """Of one axis, held against what people say: whether the query is clear for `clarity`, else whether the positive is right.

    chosen: the loosest bound whose estimate reaches the wanted precision; sure: the loosest whose interval lies above it
    error: mean distance of probabilities and shares, weighed by records (expected calibration error); NaN for grades
    """

    axis: str
    against: str
    levels: list[Level]
    bounds: list[Bound]
    chosen: Bound | None
    sure: Bound | None
    error: float


def calibrations(key: AuditKey, relevant: Doubles, clear: Doubles, precision: float) -> Iterator[Calibration]:
    """One for each axis on which something was graded; `relevant` and `clear` are majorities, shape (rows,)."""
    strata = Strata.of(key)
    for axis in AXES:
        grades = np.asarray([getattr(row.judgement, axis, None) for row in key.rows], dtype=np.float64)
        against = "clear" if axis == "clarity" else "relevant"
        truth = clear if against == "clear" else relevant
        if (~np.isnan(grades) & ~np.isnan(truth)).any():
            yield _calibration(axis, against, grades, truth, strata, precision)


def _calibration(
    axis: str, against: str, grades: Doubles, truth: Doubles, strata: Strata, precision: float
) -> Calibration:
    known = ~np.isnan(truth)
    weight = np.where(np.isnan(grades), 0.0, strata.weights(known))
    value = np.where(known, truth, 0.0)
    is_grade = axis != "probability"
    levels = list(_levels(grades, value, weight, GRADES if is_grade else PROBABILITIES))
    bounds = list(_bounds(grades, value, weight, GRADES if is_grade else FINE))
    return Calibration(
        axis,
        against,
        levels,
        bounds,
        next((each for each in bounds if each.right.rate >= precision), None),
        next((each for each in bounds if each.right.low >= precision), None),
        np.nan if is_grade else _error(levels, grades, weight),
    )


def _levels(grades: Doubles, value: Doubles, weight: Doubles, grid: Doubles) -> Iterator[Level]:
    for number, place in _placed(grades, grid):
        own = np.where(place, weight, 0.0)
        if own.any():
            is_grade = grid is GRADES
            said = np.nan if is_grade else float(np.average(grades[place], weights=own[place]))
            yield Level(number, said, share(value, own))


def _placed(grades: Doubles, grid: Doubles) -> Iterator[tuple[float, Mask]]:
    ends = [*grid[1:].tolist(), np.inf]
    for start, end in zip(grid.tolist(), ends, strict=True):
        yield start, (grades >= start) & (grades < end)


def _bounds(grades: Doubles, value: Doubles, weight: Doubles, grid: Doubles) -> Iterator[Bound]:
    member: Mask = grades[:, None] >= grid[None, :]
    for point, inside in zip(points_of(value, weight, member, grid), member.T, strict=True):
        if point.judged:
            kept = float(weight[inside].sum() / weight.sum())
            yield Bound(point.bound, Rate(point.rate, point.low, point.high, point.judged), kept)


def _error(levels: Sequence[Level], grades: Doubles, weight: Doubles) -> float:
    held = {number: weight[place].sum() for number, place in _placed(grades, PROBABILITIES)}
    apart = sum(held[level.value] * abs(level.said - level.right.rate) for level in levels)
    return float(apart / weight.sum())
