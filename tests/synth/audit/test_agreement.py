from __future__ import annotations

import math

import numpy as np
import pytest

from synth.audit.agreement import GAP, agreement_of, cohen_kappa, krippendorff_alpha

_ = GAP
HAYES_KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]
"""The example of the R package irr (`?kripp.alpha`), whose printed nominal alpha is 0.743."""


def pairs(table: list[list[int]]) -> tuple[list[int], list[int]]:
    """Two auditors whose answers give a contingency table."""
    cells = [(row, column) for row, counts in enumerate(table) for column, n in enumerate(counts) for _ in range(n)]
    return [row for row, _ in cells], [column for _, column in cells]


@pytest.mark.parametrize(
    ("table", "kappa", "low", "high"),
    [
        ([[31, 12], [4, 58]], 0.6756757, 0.5317210, 0.8196303),  # R package statpsych, ?ci.kappa
        ([[0, 4, 1], [0, 8, 0], [0, 1, 5]], 0.4842, 0.2137, 0.7547),  # statsmodels, as SAS prints it
        ([[20, 5], [10, 15]], 0.4, 0.1510, 0.6490),  # Wikipedia, Cohen's kappa; the interval worked out by hand
    ],
)
def test_kappa_and_its_interval_are_the_published_ones(
    table: list[list[int]], kappa: float, low: float, high: float
) -> None:
    found = cohen_kappa(*pairs(table))
    assert (found.value, found.low, found.high) == pytest.approx((kappa, low, high), abs=1e-4)
    assert found.rows == sum(map(sum, table))


def test_alpha_of_four_observers_with_gaps_is_the_published_one() -> None:
    assert krippendorff_alpha(np.array(HAYES_KRIPPENDORFF)) == pytest.approx(0.743, abs=5e-4)


def test_alpha_by_hand() -> None:
    """Answers 1 1, 1 2, 2 2: one coincidence matrix of 3, 1, 1, ... gives 1 - 5 * 2 / (36 - 18)."""
    assert krippendorff_alpha(np.array([[1, 1, 2], [1, 2, 2]])) == pytest.approx(1 - 5 * 2 / 18)


def test_all_measures_of_several_auditors_come_with_intervals() -> None:
    found = agreement_of(np.array(HAYES_KRIPPENDORFF))
    assert found is not None
    assert (found.kappa, found.auditors) == (None, 4)
    assert found.alpha.low < 0.743 < found.alpha.high <= 1
    columns = np.array(HAYES_KRIPPENDORFF).T
    equal = sum(n * (n - 1) for column in columns for value in range(1, 6) for n in [(column == value).sum()])
    assert found.percent.rate == pytest.approx(equal / sum(n * (n - 1) for n in (columns != GAP).sum(axis=1)))


def test_two_auditors_have_a_kappa_over_what_both_answered() -> None:
    found = agreement_of(np.array([[0, 1, 1, 0, _], [0, 1, 0, 0, 1]]))
    assert found is not None
    assert found.kappa is not None
    assert found.percent.rate == 0.75
    assert found.kappa.value == pytest.approx(0.5)
    assert found.kappa.rows == found.percent.rows == 4


def test_full_agreement_is_not_taken_for_certain() -> None:
    found = agreement_of(np.array([[0, 1, 1, 0], [0, 1, 1, 0]]))
    assert found is not None
    assert (found.percent.rate, found.alpha.value) == (1.0, 1.0)
    assert found.percent.low < 0.6


def test_where_everybody_always_says_the_same_nothing_is_known_of_chance() -> None:
    found = agreement_of(np.ones((2, 6), dtype=np.int64))
    assert found is not None
    assert found.percent.rate == 1.0
    assert math.isnan(found.alpha.value)
    assert found.kappa is not None
    assert math.isnan(found.kappa.value)


def test_one_auditor_agrees_with_nobody() -> None:
    assert agreement_of(np.array([[0, 1, 1]])) is None
    assert agreement_of(np.array([[0, _, 1], [_, 1, _]])) is None
