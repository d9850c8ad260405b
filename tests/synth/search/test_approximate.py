from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from random_vectors import Floats, needs_faiss, unit_vectors

from synth.errors import RunError
from synth.search import SearchSettings, approximate, score_pairs, search, search_exactly
from synth.search.approximate import Breadth

pytestmark = needs_faiss
each_index = pytest.mark.parametrize("index", ["hnsw", "ivf"])


def clustered(seed: int, count: int) -> Floats:
    near = unit_vectors(0, 40, 24)[np.random.default_rng(seed).integers(0, 40, count)]
    vectors = near + 0.7 * unit_vectors(seed, count, 24)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def find(index: str, queries: Any, passages: Any, depth: int, **how: Any) -> Any:
    return search(queries, passages, depth, SearchSettings(index=index, **how))


@each_index
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_what_an_index_finds_is_scored_and_ordered_as_by_an_exact_search(index: str, dtype: type) -> None:
    queries, passages = clustered(1, 300), clustered(2, 5_000).astype(dtype)
    ordinals, scores, report = find(index, queries, passages, 10)
    for place in range(10):
        assert score_pairs(queries, passages[ordinals[:, place]]).tolist() == scores[:, place].tolist()
    order = np.lexsort((ordinals, -scores), axis=1)
    assert (order == np.arange(10)).all()
    exact, _ = search_exactly(queries, passages, 10)
    overlap = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ordinals.tolist(), exact.tolist(), strict=True)])
    assert report.recall is not None
    assert report.recall.queries == 200
    assert report.recall.low <= report.recall.mean <= report.recall.high
    assert abs(report.recall.mean - overlap) < 0.02
    assert overlap > 0.9


@each_index
def test_the_same_call_finds_the_same(index: str) -> None:
    queries, passages = clustered(1, 250), clustered(2, 3_000)
    first, second = (find(index, queries, passages, 10) for _ in range(2))
    assert first[0].tolist() == second[0].tolist()
    assert first[2].recall == second[2].recall
    assert first[2].deterministic


@each_index
def test_the_less_is_looked_at_the_lower_is_the_recall(index: str) -> None:
    queries, passages = clustered(1, 300), clustered(2, 5_000)
    narrow = find(index, queries, passages, 2, breadth=Breadth(ef_search=1, nprobe=1))[2].recall
    wide = find(index, queries, passages, 2, breadth=Breadth(ef_search=400, nprobe=500))[2].recall
    assert narrow.mean < wide.mean
    assert wide.mean > 0.99


@each_index
def test_a_corpus_smaller_than_the_depth_and_no_queries_are_no_special_case(index: str) -> None:
    ordinals, scores, report = find(index, unit_vectors(1, 3), unit_vectors(2, 7), 10)
    assert ordinals.shape == scores.shape == (3, 7)
    assert report.recall.queries == 3
    ordinals, scores, report = find(index, unit_vectors(1, 0), unit_vectors(2, 7), 10)
    assert ordinals.shape == (0, 7)
    assert report.recall is None


def test_an_index_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("std::bad_alloc\nat somewhere.cpp")

    monkeypatch.setitem(approximate._BUILDERS, "hnsw", fail)
    with pytest.raises(RunError, match=r"^the index hnsw over 9 passages failed: std::bad_alloc; write index=exact"):
        find("hnsw", unit_vectors(1, 3), unit_vectors(2, 9), 2)


def test_where_an_index_finds_fewer_the_rest_is_marked() -> None:
    ordinals, scores, report = find("ivf", clustered(1, 50), clustered(2, 4_000), 500, breadth=Breadth(nprobe=1))
    assert (ordinals[:, -1] == -1).all()
    assert (scores[ordinals < 0] == 0).all()
    assert report.recall.mean < 0.9
