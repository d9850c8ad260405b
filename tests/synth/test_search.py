from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth import search
from synth.search import find_pairs_above, score_pairs, search_exactly
from synth.teachers import order_hits, round_scores

Floats = npt.NDArray[np.float32]

needs_faiss = pytest.mark.skipif(not search.has_faiss(), reason="FAISS is not installed")
each_backend = pytest.mark.parametrize("use_faiss", [False, pytest.param(True, marks=needs_faiss)])


def unit_vectors(seed: int, count: int, dimension: int = 16) -> Floats:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def by_brute_force(queries: Floats, passages: Floats, depth: int) -> tuple[list[list[int]], list[list[float]]]:
    """All products in float64, rounded, fully sorted: by score, then by ordinal."""
    products = round_scores((queries.astype(np.float64) @ passages.astype(np.float64).T).astype(np.float32))
    order = [np.lexsort((np.arange(len(passages)), -row))[:depth] for row in products]
    return [o.tolist() for o in order], [row[o].tolist() for row, o in zip(products, order, strict=True)]


def assert_exact(queries: Floats, passages: Floats, depth: int, **how: Any) -> None:
    ordinals, scores = search_exactly(queries, passages, depth, **how)
    expected_ordinals, expected_scores = by_brute_force(queries, passages, depth)
    assert ordinals.tolist() == expected_ordinals
    assert scores.tolist() == expected_scores


@each_backend
def test_the_best_passages_are_those_of_a_full_sort(use_faiss: bool) -> None:
    assert_exact(unit_vectors(1, 20), unit_vectors(2, 500), 10, use_faiss=use_faiss)


@each_backend
@pytest.mark.parametrize("tile", [3, 64, 199, 200])
def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch, use_faiss: bool, tile: int) -> None:
    monkeypatch.setattr(search, "TILE", tile)
    assert_exact(unit_vectors(3, 8), unit_vectors(4, 200), 12, use_faiss=use_faiss)


@each_backend
@pytest.mark.parametrize("depth", [1, 5, 6, 50])
def test_a_corpus_smaller_than_the_depth_is_ranked_whole(use_faiss: bool, depth: int) -> None:
    queries, passages = unit_vectors(5, 3), unit_vectors(6, 5)
    ordinals, scores = search_exactly(queries, passages, depth, use_faiss=use_faiss)
    assert ordinals.shape == scores.shape == (3, min(depth, 5))
    assert_exact(queries, passages, depth, use_faiss=use_faiss)


@each_backend
def test_equal_scores_are_ordered_by_ordinal(use_faiss: bool) -> None:
    passages = unit_vectors(7, 30)
    passages[[3, 11, 12, 29]] = passages[20]
    assert_exact(passages[[20]], passages, 4, use_faiss=use_faiss)


@each_backend
@pytest.mark.parametrize(("count", "copies", "tile"), [(150, 9, 64), (2_000, 200, 512), (2_000, 1_500, 4_096)])
def test_of_more_copies_than_are_wanted_the_first_by_ordinal_are_found(
    monkeypatch: pytest.MonkeyPatch, use_faiss: bool, count: int, copies: int, tile: int
) -> None:
    """Boilerplate: one disclaimer in hundreds of documents."""
    monkeypatch.setattr(search, "TILE", tile)
    passages = unit_vectors(8, count)
    passages[np.random.default_rng(0).permutation(count)[:copies]] = passages[0]
    assert_exact(passages[[0]], passages, 5, use_faiss=use_faiss)


@each_backend
def test_a_memory_mapped_corpus_is_searched_without_a_copy_in_the_answer(tmp_path: Path, use_faiss: bool) -> None:
    vectors = unit_vectors(9, 300)
    vectors.tofile(tmp_path / "passages.f32")
    mapped = np.memmap(tmp_path / "passages.f32", dtype=np.float32, mode="r", shape=vectors.shape)
    assert_exact(unit_vectors(10, 4), mapped, 7, use_faiss=use_faiss)
    ordinals, _ = search_exactly(unit_vectors(10, 4), mapped, 7, use_faiss=use_faiss)
    assert type(ordinals) is np.ndarray


@each_backend
def test_vectors_need_not_have_length_one(use_faiss: bool) -> None:
    random = np.random.default_rng(11)
    queries, passages = ((random.standard_normal((n, 8)) * 3).astype(np.float32) for n in (5, 60))
    assert_exact(queries, passages, 9, use_faiss=use_faiss)


@needs_faiss
@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    sizes=st.tuples(st.integers(1, 6), st.integers(1, 80)),
    depth=st.integers(1, 30),
    copies=st.integers(0, 30),
    tile=st.sampled_from([5, 32, 1000]),
)
def test_faiss_and_numpy_agree(seed: int, sizes: tuple[int, int], depth: int, copies: int, tile: int) -> None:
    queries, passages = unit_vectors(seed, sizes[0], 8), unit_vectors(seed + 1, sizes[1], 8)
    copied = np.random.default_rng(seed).integers(0, sizes[1], (2, copies))
    passages[copied[0]] = passages[copied[1]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "TILE", tile)
        with_faiss = search_exactly(queries, passages, depth, use_faiss=True)
        with_numpy = search_exactly(queries, passages, depth, use_faiss=False)
    assert with_faiss[0].tolist() == with_numpy[0].tolist()
    assert with_faiss[1].tolist() == with_numpy[1].tolist()


@each_backend
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    count=st.integers(1, 2_500),
    dimension=st.integers(1, 7),
    depth=st.integers(1, 20),
    tile=st.sampled_from([700, 4_096]),
)
def test_crowded_scores_are_ranked_as_by_a_full_sort(
    use_faiss: bool, seed: int, count: int, dimension: int, depth: int, tile: int
) -> None:
    """Few dimensions of few values: many passages tie with the last one that is wanted."""
    random = np.random.default_rng(seed)
    queries, passages = ((random.integers(-2, 3, (n, dimension)) / 4).astype(np.float32) for n in (3, count))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "TILE", tile)
        assert_exact(queries, passages, depth, use_faiss=use_faiss)


def test_scores_that_differ_only_beyond_four_decimals_tie() -> None:
    passages = np.array([[0.50001, 0], [0.50004, 0], [0.5, 0], [0.6, 0]], dtype=np.float32)
    ordinals, scores = search_exactly(np.array([[1, 0]], dtype=np.float32), passages, 4, use_faiss=False)
    assert ordinals.tolist() == [[3, 0, 1, 2]]
    assert scores.tolist() == [[np.float32(0.6), 0.5, 0.5, 0.5]]


def test_a_pair_scores_the_same_as_in_the_search() -> None:
    queries, passages = unit_vectors(12, 6), unit_vectors(13, 40)
    ordinals, scores = search_exactly(queries, passages, 5, use_faiss=False)
    for place in range(5):
        assert score_pairs(queries, passages[ordinals[:, place]]).tolist() == scores[:, place].tolist()


def test_without_faiss_numpy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "has_faiss", lambda: False)
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert_exact(unit_vectors(14, 3), unit_vectors(15, 50), 5)


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
    monkeypatch.setattr(search, "BLOCK", 7)
    vectors = unit_vectors(3, 60, 4)
    pairs, scores = find_pairs_above(vectors, 0.8)
    products = round_scores((vectors.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32))
    expected = [(i, j) for j in range(60) for i in range(j) if products[i, j] > np.float32(0.8)]
    assert sorted(map(tuple, pairs.tolist())) == sorted(expected)
    assert len(expected) > 20
    assert scores.tolist() == [products[i, j] for i, j in pairs.tolist()]
