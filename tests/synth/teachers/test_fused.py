from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.recipe import FusionMethod
from synth.errors import InputError
from synth.teachers import Embedder, Hits, queries_at_a_time, vectors_of
from synth.teachers.fused import RRF_K, Fused, fuse_hits
from synth.teachers.rescore import Rescored

METHODS: tuple[FusionMethod, ...] = get_args(FusionMethod)


def listing(scores: np.ndarray, positives: np.ndarray, depth: int) -> Hits:
    """What a teacher with these scores, shape (queries, passages), finds; it lists no passage that has none."""
    order = np.lexsort((np.broadcast_to(np.arange(scores.shape[1]), scores.shape), -scores), axis=1)[:, :depth]
    best = np.take_along_axis(scores, order, axis=1)
    own = np.where(positives >= 0, np.take_along_axis(scores, np.maximum(positives, 0), axis=1), 0)
    return Hits(
        np.where(np.isfinite(best), order, -1).astype(np.int64),
        np.where(np.isfinite(best), best, 0).astype(np.float32),
        np.where(np.isfinite(own), own, -2).astype(np.float32),
    )


def brute(
    found: Sequence[Hits], positives: list[int], query: int, method: FusionMethod, share: Sequence[float]
) -> tuple[dict[int, float], set[int]]:
    """(score of every passage that is listed or a positive, which are listed), of one query, one passage at a time."""
    lists = [
        {int(p): (rank, float(s)) for rank, (p, s) in enumerate(zip(hits.passages[query], hits.scores[query], strict=True)) if p >= 0}
        for hits in found
    ]  # fmt: skip
    scores = {}
    for passage in {*positives, *(p for own in lists for p in own)}:
        total, held = 0.0, 0
        for hits, own, weight in zip(found, lists, share, strict=True):
            said = [s for _, s in own.values()]
            low, high = (min(said), max(said)) if said else (0.0, 1.0)
            low = high - 1 if low == high else low
            if passage in own:
                held += 1
                rank, score = own[passage]
                total += weight * (
                    (RRF_K + 1) / (RRF_K + 1 + rank) if method == "rrf" else (score - low) / (high - low)
                )
            elif passage in positives and method != "rrf":
                score = float(hits.positive_scores[query][positives.index(passage)])
                total += weight * (score - low) / (high - low)
        scores[passage] = total * held / len(found) if method == "agreement" else total
    return scores, {p for own in lists for p in own}


TABLES = st.integers(1, 3).flatmap(
    lambda teachers: st.tuples(st.integers(1, 3), st.integers(1, 7)).flatmap(
        lambda shape: st.tuples(
            st.lists(
                st.lists(
                    st.one_of(st.integers(-4, 4), st.none()), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]
                ),
                min_size=teachers,
                max_size=teachers,
            ),
            st.just(shape),
            st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=teachers, max_size=teachers),
            st.lists(st.sets(st.integers(0, shape[1] - 1), max_size=2), min_size=shape[0], max_size=shape[0]),
        )
    )
)


@settings(deadline=None, max_examples=150)
@given(TABLES, st.sampled_from(METHODS), st.integers(1, 8))
def test_the_fused_ranking_is_what_one_passage_at_a_time_gives(
    tables: tuple[list[list[int | None]], tuple[int, int], list[float], list[set[int]]],
    method: FusionMethod,
    depth: int,
) -> None:
    said, shape, weights, known = tables
    positives = np.full((shape[0], 2), -1, dtype=np.int64)
    for query, own in enumerate(known):
        positives[query, : len(own)] = sorted(own)
    found = [
        listing(np.array([-np.inf if s is None else s / 4 for s in each]).reshape(shape), positives, depth)
        for each in said
    ]
    share = [weight / sum(weights) for weight in weights]
    fused = fuse_hits(found, positives, method, share, depth)
    for query, own in enumerate(known):
        scores, listed = brute(found, sorted(own), query, method, share)
        order = [p for p in fused.passages[query].tolist() if p >= 0]
        assert set(order) <= listed and len(order) == min(depth, len(listed))
        assert fused.scores[query, : len(order)].tolist() == pytest.approx([scores[p] for p in order], abs=1e-4)
        left = [scores[p] for p in listed - set(order)]
        assert not left or max(left) <= fused.scores[query, len(order) - 1] + 1e-4
        assert (fused.scores[query, len(order) :] == 0).all()
        held = positives[query] >= 0
        assert fused.positive_scores[query][held].tolist() == pytest.approx([scores[p] for p in sorted(own)], abs=1e-4)
        assert (fused.positive_scores[query][~held] == 0).all()


class Told:
    """A teacher that lists what it is told to, whatever it is asked."""

    def __init__(self, name: str, at_a_time: int = 0) -> None:
        self.identity = {"model": name}
        if at_a_time:
            self.queries_at_a_time = lambda depth: at_a_time * depth

    def index(self, corpus: object, reporter: object) -> None:
        pass

    def search(self, queries: Sequence[str], positives: np.ndarray, depth: int) -> Hits:
        raise NotImplementedError


class Vectors(Told):
    def embed_queries(self, queries: Sequence[str]) -> np.ndarray:
        return np.eye(len(queries), dtype=np.float32)

    def passage_vectors(self, ordinals: Sequence[int]) -> np.ndarray:
        return np.eye(len(ordinals), dtype=np.float32)


def test_its_identity_names_each_teacher_its_weight_and_how_they_are_fused() -> None:
    fused = Fused([Told("a"), Told("b")], "rrf", [1, 3])
    assert fused.identity == {
        "model": "a + b",
        "fusion": "rrf",
        "weights": "0.25, 0.75",
        "k": "60",
        "1.model": "a",
        "2.model": "b",
    }
    assert Fused([Told("a"), Told("b")], "weighted").identity["weights"] == "0.5, 0.5"


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, -1.0]])
def test_weights_that_are_not_one_above_zero_a_teacher_are_refused(weights: list[float]) -> None:
    with pytest.raises(InputError, match="weights were given for 2 teachers; give one above 0 for each"):
        Fused([Told("a"), Told("b")], "weighted", weights)


def test_it_is_asked_as_many_queries_at_a_time_as_suits_the_largest_of_them() -> None:
    fused = Fused([Told("a"), Told("b", 100)])
    assert queries_at_a_time(fused, 20) == 2_000
    assert queries_at_a_time(fused, 2) == 512
    assert queries_at_a_time(Rescored(fused, None, 5), 20) == 2_000  # type: ignore[arg-type]


def test_vectors_are_those_of_the_first_teacher_that_has_any() -> None:
    first, second = Vectors("b"), Vectors("c")
    fused = Fused([Told("a"), first, second])
    assert isinstance(fused, Embedder)
    assert vectors_of(fused) is first
    assert vectors_of(Rescored(fused, None, 5)) is first  # type: ignore[arg-type]
    assert not isinstance(Fused([Told("a"), Told("d")]), Embedder)
