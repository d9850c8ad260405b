from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_vectors import Counting, Floats, Off, assert_exact, each_backend, needs_faiss, unit_vectors

from synth.errors import InputError
from synth.search import exact, score_pairs, search_exactly
from synth.search.backends import Backend, Faiss, Numpy
from synth.search.exact import Tally


@each_backend
def test_the_best_passages_are_those_of_a_full_sort(backend: Backend) -> None:
    assert_exact(unit_vectors(1, 20), unit_vectors(2, 500), 10, backend=backend)


@each_backend
@pytest.mark.parametrize("tile", [3, 64, 199, 200])
def test_tiles_change_nothing(backend: Backend, tile: int) -> None:
    assert_exact(unit_vectors(3, 8), unit_vectors(4, 200), 12, backend=backend, tile=tile)


@each_backend
@pytest.mark.parametrize("depth", [1, 5, 6, 50])
def test_a_corpus_smaller_than_the_depth_is_ranked_whole(backend: Backend, depth: int) -> None:
    queries, passages = unit_vectors(5, 3), unit_vectors(6, 5)
    ordinals, scores = search_exactly(queries, passages, depth, backend=backend)
    assert ordinals.shape == scores.shape == (3, min(depth, 5))
    assert_exact(queries, passages, depth, backend=backend)


@each_backend
@pytest.mark.parametrize("tile", [0, 900])
def test_more_than_2048_passages_a_query_are_returned(backend: Backend, tile: int) -> None:
    assert_exact(unit_vectors(5, 3), unit_vectors(6, 4_000), 3_000, backend=backend, tile=tile)


@each_backend
@pytest.mark.parametrize(("queries", "passages"), [(0, 9), (4, 0), (0, 0)])
def test_no_queries_or_no_passages_give_no_hits(backend: Backend, queries: int, passages: int) -> None:
    ordinals, scores = search_exactly(unit_vectors(1, queries), unit_vectors(2, passages), 5, backend=backend)
    assert ordinals.shape == scores.shape == (queries, min(5, passages))
    assert (ordinals.dtype, scores.dtype) == (np.int64, np.float32)


@each_backend
def test_equal_scores_are_ordered_by_ordinal(backend: Backend) -> None:
    passages = unit_vectors(7, 30)
    passages[[3, 11, 12, 29]] = passages[20]
    assert_exact(passages[[20]], passages, 4, backend=backend)


@each_backend
@pytest.mark.parametrize(("count", "copies", "tile"), [(150, 9, 64), (2_000, 200, 512), (2_000, 1_500, 4_096)])
def test_of_more_copies_than_are_wanted_the_first_by_ordinal_are_found(
    backend: Backend, count: int, copies: int, tile: int
) -> None:
    """Boilerplate: one disclaimer in hundreds of documents."""
    passages = unit_vectors(8, count)
    passages[np.random.default_rng(0).permutation(count)[:copies]] = passages[0]
    assert_exact(passages[[0]], passages, 5, backend=backend, tile=tile)


@each_backend
@pytest.mark.parametrize("tile", [0, 700])
def test_of_a_corpus_of_one_passage_repeated_the_first_by_ordinal_are_found(backend: Backend, tile: int) -> None:
    passages = np.repeat(unit_vectors(8, 1), 3_000, axis=0)
    tally = Tally()
    ordinals, _ = search_exactly(unit_vectors(9, 20), passages, 5, backend=backend, tile=tile, tally=tally)
    assert ordinals.tolist() == [[0, 1, 2, 3, 4]] * 20
    assert tally.swept == 20


@each_backend
def test_only_queries_that_ties_leave_unsure_are_searched_again(backend: Backend) -> None:
    passages = unit_vectors(8, 2_000)
    passages[100:140] = passages[0]
    tally = Tally()
    queries = np.concatenate([passages[[0]], unit_vectors(10, 50)])
    assert_exact(queries, passages, 5, backend=backend, tally=tally)
    assert (tally.deepened, tally.swept) == (1, 0)


@each_backend
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_memory_mapped_corpus_is_searched_without_a_copy_in_the_answer(
    tmp_path: Path, backend: Backend, dtype: type
) -> None:
    vectors = unit_vectors(9, 300).astype(dtype)
    vectors.tofile(tmp_path / "passages")
    mapped = np.memmap(tmp_path / "passages", dtype=dtype, mode="r", shape=vectors.shape)
    assert_exact(unit_vectors(10, 4), mapped, 7, backend=backend, tile=90)
    ordinals, _ = search_exactly(unit_vectors(10, 4), mapped, 7, backend=backend)
    assert type(ordinals) is np.ndarray


@each_backend
def test_float16_vectors_are_the_data_and_score_as_the_same_values_in_float32(backend: Backend) -> None:
    queries, stored = unit_vectors(11, 30, 48), unit_vectors(12, 800, 48).astype(np.float16)
    as_stored = search_exactly(queries, stored, 20, backend=backend, tile=300)
    widened = search_exactly(queries, stored.astype(np.float32), 20, backend=backend)
    assert as_stored[0].tolist() == widened[0].tolist()
    assert as_stored[1].tolist() == widened[1].tolist()


@each_backend
def test_vectors_need_not_have_length_one(backend: Backend) -> None:
    random = np.random.default_rng(11)
    queries, passages = ((random.standard_normal((n, 8)) * 300).astype(np.float32) for n in (5, 60))
    assert_exact(queries, passages, 9, backend=backend)


@each_backend
def test_vectors_need_not_lie_in_one_piece(backend: Backend) -> None:
    queries, passages = unit_vectors(1, 12, 32), unit_vectors(2, 400, 32)
    assert_exact(queries[::2, ::-1], passages[::3, ::-1], 9, backend=backend, tile=50)


@needs_faiss
@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    sizes=st.tuples(st.integers(1, 6), st.integers(1, 80)),
    depth=st.integers(1, 30),
    copies=st.integers(0, 30),
    tiles=st.tuples(*[st.sampled_from([5, 32, 1000])] * 2),
)
def test_faiss_and_numpy_agree_whatever_the_tiles(
    seed: int, sizes: tuple[int, int], depth: int, copies: int, tiles: tuple[int, int]
) -> None:
    queries, passages = unit_vectors(seed, sizes[0], 8), unit_vectors(seed + 1, sizes[1], 8)
    copied = np.random.default_rng(seed).integers(0, sizes[1], (2, copies))
    passages[copied[0]] = passages[copied[1]]
    with_faiss = search_exactly(queries, passages, depth, backend=Faiss(), tile=tiles[0])
    with_numpy = search_exactly(queries, passages, depth, backend=Numpy(), tile=tiles[1])
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
    backend: Backend, seed: int, count: int, dimension: int, depth: int, tile: int
) -> None:
    """Few dimensions of few values: many passages tie with the last one that is wanted."""
    random = np.random.default_rng(seed)
    queries, passages = ((random.integers(-2, 3, (n, dimension)) / 4).astype(np.float32) for n in (3, count))
    assert_exact(queries, passages, depth, backend=backend, tile=tile)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**20), by=st.sampled_from([1e-4, 1e-3, 0.02]), depth=st.integers(1, 40))
def test_a_backend_may_be_off_by_as_much_as_it_says(seed: int, by: float, depth: int) -> None:
    """As a GPU is, which stores float16: candidates may be missed, the answer is the same."""
    assert_exact(unit_vectors(seed, 4), unit_vectors(seed + 1, 900), depth, backend=Off(Numpy(), by), tile=350)


@each_backend
@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_blocks_of_queries_change_nothing(monkeypatch: pytest.MonkeyPatch, backend: Backend, block: int) -> None:
    monkeypatch.setattr(exact, "ORDERED", block)
    monkeypatch.setattr("synth.search.backends.MERGED", block)
    monkeypatch.setattr("synth.search.backends.PRODUCTS_BYTES", block * 400)
    monkeypatch.setattr("synth.search.scoring.CHUNK", block * 3)
    monkeypatch.setattr("synth.search.scoring.VALUES", block * 16)
    assert_exact(unit_vectors(3, 20), unit_vectors(4, 300), 12, backend=backend, tile=100)


def test_scores_that_differ_only_beyond_four_decimals_tie() -> None:
    passages = np.array([[0.50001, 0], [0.50004, 0], [0.5, 0], [0.6, 0]], dtype=np.float32)
    ordinals, scores = search_exactly(np.array([[1, 0]], dtype=np.float32), passages, 4)
    assert ordinals.tolist() == [[3, 0, 1, 2]]
    assert scores.tolist() == [[np.float32(0.6), 0.5, 0.5, 0.5]]


def test_a_pair_scores_the_same_as_in_the_search() -> None:
    queries, passages = unit_vectors(12, 6), unit_vectors(13, 40)
    ordinals, scores = search_exactly(queries, passages, 5)
    for place in range(5):
        assert score_pairs(queries, passages[ordinals[:, place]]).tolist() == scores[:, place].tolist()


def test_without_faiss_numpy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "has_faiss", lambda: False)
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert_exact(unit_vectors(14, 3), unit_vectors(15, 50), 5)


def test_a_long_search_begins_with_a_check_of_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, passages = unit_vectors(14, 5), unit_vectors(15, 50)
    backend = Counting(Numpy())
    assert_exact(queries, passages, 5, backend=backend)
    assert backend.tiles == 1
    monkeypatch.setattr(exact, "LONG", 5 * 50 * 16 - 1)
    assert_exact(queries, passages, 5, backend=backend)
    assert backend.tiles == 3


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_vector_that_is_not_finite_is_named(value: float) -> None:
    queries, passages = unit_vectors(1, 4), unit_vectors(2, 90)
    broken = passages.copy()
    broken[77, 3] = value
    with pytest.raises(InputError, match=r"the vector of passage 77 has a value that is not finite"):
        search_exactly(queries, broken, 3, tile=20)
    queries[2, 0] = value
    with pytest.raises(InputError, match=r"the vector of query 2 "):
        search_exactly(queries, passages, 3)


def test_vectors_of_two_models_and_an_impossible_depth_are_refused() -> None:
    queries: Floats = unit_vectors(1, 4, 8)
    with pytest.raises(InputError, match=r"shape \(4, 8\) can't be compared with passages of shape \(5, 9\)"):
        search_exactly(queries, unit_vectors(2, 5, 9), 3)
    with pytest.raises(InputError, match="give a depth of 1 or more"):
        search_exactly(queries, unit_vectors(2, 5, 8), -1)
