from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_vectors import unit_vectors

from synth.errors import InputError
from synth.search import find_pairs_above, score_at, score_pairs, scoring
from synth.teachers import order_hits, round_scores


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    sizes=st.tuples(st.integers(0, 9), st.integers(1, 50), st.integers(0, 12)),
    dtype=st.sampled_from([np.float16, np.float32]),
)
def test_pairs_score_as_in_float64_whatever_the_storage(
    seed: int, sizes: tuple[int, int, int], dtype: type[np.float16 | np.float32]
) -> None:
    queries, vectors = unit_vectors(seed, sizes[0], 24), unit_vectors(seed + 1, sizes[1], 24).astype(dtype)
    rows = np.random.default_rng(seed).integers(-1, sizes[1], (sizes[0], sizes[2]))
    scores = score_at(queries, vectors, rows)
    products = round_scores((queries.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32))
    expected = np.take_along_axis(products, np.maximum(rows, 0), axis=1)
    assert scores.dtype == np.float32
    assert scores.tolist() == np.where(rows < 0, np.float32(-np.inf), expected).tolist()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_pairs_of_a_large_file_score_as_in_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dtype: type) -> None:
    monkeypatch.setattr(scoring, "TILE_BYTES", 5_000)
    monkeypatch.setattr("synth.search.tiles.TILE_BYTES", 5_000)
    vectors = unit_vectors(2, 700, 24).astype(dtype)
    vectors.tofile(tmp_path / "vectors")
    mapped = np.memmap(tmp_path / "vectors", dtype=dtype, mode="r", shape=vectors.shape)
    queries, rows = unit_vectors(1, 40, 24), np.random.default_rng(3).integers(-1, 700, (40, 30))
    assert score_at(queries, mapped, rows).tolist() == score_at(queries, vectors, rows).tolist()
    assert score_at(queries, mapped[100:], rows[rows[:, 0] < 0] // 2).shape[1] == 30


def test_pairs_score_as_at_their_ordinals() -> None:
    queries, vectors = unit_vectors(1, 9), unit_vectors(2, 30)
    rows = np.arange(9)[:, None] * 3
    assert score_pairs(queries, vectors[rows[:, 0]]).tolist() == score_at(queries, vectors, rows)[:, 0].tolist()


@pytest.mark.parametrize("ordinal", [30, -2])
def test_an_ordinal_that_there_is_not_is_refused(ordinal: int) -> None:
    with pytest.raises(InputError, match="there are 30 vectors"):
        score_at(unit_vectors(1, 1), unit_vectors(2, 30), np.array([[0, ordinal]]))


def test_rounded_scores_have_four_decimals() -> None:
    assert round_scores(np.array([0.123449, -0.99996, 1.0], dtype=np.float32)).tolist() == [
        np.float32(0.1234),
        np.float32(-1.0),
        1.0,
    ]


def test_hits_are_ordered_by_score_and_then_by_ordinal() -> None:
    passages, scores = order_hits(np.array([9, 2, 7, 4]), np.array([0.5, 0.5, 0.9, 0.1], dtype=np.float32), 3)
    assert passages.tolist() == [7, 2, 9]
    assert scores.tolist() == [np.float32(0.9), 0.5, 0.5]


def test_pairs_above_a_threshold_are_those_of_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "BLOCK", 7)
    vectors = unit_vectors(3, 60, 4)
    pairs, scores = find_pairs_above(vectors, 0.8)
    products = round_scores((vectors.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32))
    expected = [(i, j) for j in range(60) for i in range(j) if products[i, j] > np.float32(0.8)]
    assert sorted(map(tuple, pairs.tolist())) == sorted(expected)
    assert len(expected) > 20
    assert scores.tolist() == [products[i, j] for i, j in pairs.tolist()]
