"""How far people agree: in percent, and beyond what chance gives.

Cohen's kappa is for two auditors, with the interval of its large-sample variance (Fleiss, Cohen and Everitt, 1969);
Krippendorff's alpha for nominal data is for any number and with gaps, with a bootstrap over rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synth.arrays import Doubles, Ints
from synth.audit.rates import Rate, share

Z = 1.96
_RESAMPLES = 2_000
GAP = -1
"""Stands for no answer."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; NaN where it means nothing, such as where nobody ever differed or nothing varies.

    rows: that it is computed from
    """

    value: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class Agreement:
    """`percent` is the share of pairs of answers to one row that are equal; `kappa` is None unless there are two auditors."""

    percent: Rate
    kappa: Estimate | None
    alpha: Estimate
    auditors: int


def agreement_of(votes: Ints, seed: int = 0) -> Agreement | None:
    """Of codes from 0, shape (auditors, rows), `GAP` for no answer; None where no row has two answers."""
    shared = votes[:, (votes != GAP).sum(axis=0) >= 2]
    auditors = int((shared != GAP).any(axis=1).sum())
    if not shared.shape[1]:
        return None
    kappa = None
    if auditors == 2:
        both = shared[(shared != GAP).any(axis=1)]
        kappa = cohen_kappa(both[0], both[1])
    alpha = _interval(krippendorff_alpha(shared), _resampled(shared, seed), shared.shape[1])
    return Agreement(_percent(shared, seed), kappa, alpha, auditors)


def cohen_kappa(first: Sequence[int] | Ints, second: Sequence[int] | Ints) -> Estimate:
    """Kappa of two auditors over rows that both answered.

    >>> round(cohen_kappa([0, 0, 1, 1], [0, 1, 1, 1]).value, 2)
    0.5
    """
    one, other = np.asarray(first), np.asarray(second)
    size = int(max(one.max(), other.max())) + 1
    table = np.zeros((size, size))
    np.add.at(table, (one, other), 1 / len(one))
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    observed, expected = float(np.trace(table)), float(rows @ columns)
    if math.isclose(expected, 1):
        return Estimate(math.nan, math.nan, math.nan, len(one))
    kappa = (observed - expected) / (1 - expected)
    diagonal = np.diag(table)
    left = float((diagonal * (1 - (rows + columns) * (1 - kappa)) ** 2).sum())
    apart = table * (columns[:, None] + rows[None, :]) ** 2
    middle = (1 - kappa) ** 2 * float(apart.sum() - np.trace(apart))
    right = (kappa - expected * (1 - kappa)) ** 2
    error = math.sqrt(max(left + middle - right, 0) / len(one)) / (1 - expected)
    return Estimate(kappa, max(kappa - Z * error, -1.0), min(kappa + Z * error, 1.0), len(one))


def krippendorff_alpha(votes: Ints) -> float:
    """Alpha for nominal data, shape (auditors, rows), `GAP` for no answer; NaN where all answers are the same."""
    counts = _counts(votes)
    return float(_alpha(counts, np.ones((1, counts.shape[0])))[0])


def _counts(votes: Ints) -> Doubles:
    """How often each row was given each answer, shape (rows, answers); only rows with two answers or more."""
    values = np.unique(votes[votes != GAP])
    counts = np.stack([(votes == value).sum(axis=0) for value in values], axis=1) if len(values) else np.zeros((0, 1))
    kept: Doubles = counts[counts.sum(axis=1) >= 2].astype(np.float64)
    return kept


def _alpha(counts: Doubles, times: Doubles) -> Doubles:
    """Alpha where each row counts so many times, shape (resamples, rows) -> (resamples,)."""
    answered = counts.sum(axis=1)
    unequal = (answered**2 - (counts**2).sum(axis=1)) / (answered - 1)
    totals = times @ counts
    whole = totals.sum(axis=1)
    chance = whole**2 - (totals**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        alpha: Doubles = 1 - (whole - 1) * (times @ unequal) / chance
    return np.where(chance > 0, alpha, math.nan)


def _percent(votes: Ints, seed: int) -> Rate:
    counts = _counts(votes)
    answered = counts.sum(axis=1)
    pairs = answered * (answered - 1)
    return share((counts * (counts - 1)).sum(axis=1) / pairs, pairs, seed=seed)


def _resampled(votes: Ints, seed: int) -> Doubles:
    """Alpha of samples of as many rows, drawn with replacement."""
    counts = _counts(votes)
    rows = len(counts)
    times = np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows), size=_RESAMPLES).astype(np.float64)
    return _alpha(counts, times)


def _interval(value: float, resampled: Doubles, rows: int) -> Estimate:
    known = resampled[~np.isnan(resampled)]
    if math.isnan(value) or not len(known):
        return Estimate(value, math.nan, math.nan, rows)
    low, high = np.quantile(known, (0.025, 0.975)).tolist()
    return Estimate(value, min(low, value), max(high, value), rows)
