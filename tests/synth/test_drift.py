from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.drift import Histogram, _chi_squared_95, ks_distance, shift_of_counts, shift_of_numbers

SAMPLES = st.lists(st.integers(-20, 20), min_size=1, max_size=60)


def histogram(sample: list[int] | np.ndarray) -> Histogram:
    values, counts = np.unique(np.asarray(sample, dtype=np.float64), return_counts=True)
    return Histogram(values, counts.astype(np.float64))


@given(SAMPLES, st.floats(0.01, 1.0))
def test_mean_and_quantiles_are_those_of_the_sample(sample: list[int], share: float) -> None:
    found = histogram(sample)
    assert found.mean == pytest.approx(np.mean(sample))
    assert found.quantile(share) == np.quantile(sample, share, method="inverted_cdf")


@given(SAMPLES, SAMPLES)
def test_the_distance_is_the_largest_difference_of_the_cumulative_shares(one: list[int], other: list[int]) -> None:
    expected = max(
        abs(np.mean(np.asarray(one) <= value) - np.mean(np.asarray(other) <= value)) for value in {*one, *other}
    )
    assert ks_distance(histogram(one), histogram(other)) == pytest.approx(expected)


@given(SAMPLES)
def test_equal_samples_do_not_differ(sample: list[int]) -> None:
    same = shift_of_numbers(histogram(sample), histogram(sample))
    assert (same.psi, same.verdict) == (0.0, "none")


def test_the_index_is_what_the_formula_says() -> None:
    shift = shift_of_counts({"a": 8_000, "b": 2_000}, {"a": 5_000, "b": 5_000})
    assert shift.psi == pytest.approx((0.5 - 0.8) * np.log(0.5 / 0.8) + (0.5 - 0.2) * np.log(0.5 / 0.2), abs=1e-3)
    assert shift.verdict == "major"
    assert shift_of_counts({"a": 7_000, "b": 3_000}, {"a": 5_400, "b": 4_600}).verdict == "moderate"
    assert shift_of_counts({"a": 7_000, "b": 3_000}, {"a": 6_900, "b": 3_100}).verdict == "none"
    assert shift_of_counts({"a": 1_000}, {"b": 1_000}).verdict == "major"


def test_few_rows_of_one_distribution_are_no_shift_though_their_index_is_high() -> None:
    random = np.random.default_rng(0)
    shifts = [shift_of_numbers(*(histogram(random.integers(0, 10, 30)) for _ in range(2))) for _ in range(200)]
    assert np.mean([shift.psi >= 0.1 for shift in shifts]) > 0.8
    assert np.mean([shift.verdict != "none" for shift in shifts]) < 0.15


def test_numbers_that_moved_are_a_shift() -> None:
    random = np.random.default_rng(1)
    old, new = (histogram(random.normal(mean, 1, 5_000).round(2)) for mean in (0, 1))
    assert shift_of_numbers(old, new).verdict == "major"
    assert ks_distance(old, new) == pytest.approx(0.383, abs=0.03)


@pytest.mark.parametrize(("degrees", "expected"), [(1, 3.841), (2, 5.991), (9, 16.919), (30, 43.773)])
def test_the_percentile_of_chi_squared_is_near_the_tables(degrees: int, expected: float) -> None:
    assert _chi_squared_95(degrees) == pytest.approx(expected, rel=0.03)
