from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.arrays import Ints
from synth.mining.signals import DEEPEST, HEAD, LIMIT, Evidence, Signals, compute_signals


def evidence(lists: int = 5, depth: int = 80, shift: float = 0.0, scale: float = 1.0) -> Evidence:
    random = np.random.default_rng(7)
    rows = lists * depth
    score, between = random.normal(size=rows) * scale + shift, random.normal(size=rows) * scale + shift
    return Evidence(
        query=np.repeat(np.arange(lists), depth),
        score=score.astype(np.float32),
        between=between.astype(np.float32),
        overlap=random.gamma(1.0, size=rows).astype(np.float32),
        overlap_between=random.random(rows).astype(np.float32),
        rank_between=random.integers(1, 900, rows),
    )


def reordered(known: Evidence, order: Ints) -> Evidence:
    assert known.overlap is not None and known.overlap_between is not None and known.rank_between is not None
    return Evidence(
        known.query[order],
        known.score[order],
        known.between[order],
        known.overlap[order],
        known.overlap_between[order],
        known.rank_between[order],
    )


def column(signals: Signals, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return signals.columns((name,))[:, 0]


def test_signals_follow_their_rows_into_any_order() -> None:
    known = evidence()
    order = np.random.default_rng(1).permutation(len(known.query))
    np.testing.assert_allclose(
        compute_signals(reordered(known, order)).values, compute_signals(known).values[order], rtol=0, atol=1e-9
    )


def test_a_list_means_the_same_whatever_lists_stand_beside_it() -> None:
    known = evidence()
    own = np.flatnonzero(known.query == 3)
    alone = reordered(known, own)
    alone = Evidence(alone.query * 0, *(getattr(alone, name) for name in list(alone.__dataclass_fields__)[1:]))
    np.testing.assert_allclose(compute_signals(alone).values, compute_signals(known).values[own], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("shift", "scale"), [(0.8, 0.05), (-11.0, 4.0), (25.0, 100.0)])
def test_the_unit_of_the_scores_does_not_matter(shift: float, scale: float) -> None:
    plain, moved = compute_signals(evidence()), compute_signals(evidence(shift=shift, scale=scale))
    np.testing.assert_allclose(moved.values, plain.values, atol=2e-4)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.floats(-1e6, 1e6, width=32), st.floats(-40, 40, width=32)), min_size=1, max_size=40
    )
)  # fmt: skip
def test_signals_are_finite_for_any_scores(rows: list[tuple[int, float, float]]) -> None:
    query, score, between = (np.asarray(values) for values in zip(*rows, strict=True))
    found = compute_signals(Evidence(query, score.astype(np.float32), between.astype(np.float32)))
    assert np.isfinite(found.values).all()
    assert (np.abs(found.values) <= LIMIT).all()


def test_a_list_of_equal_scores_says_nothing() -> None:
    alike = np.full(6, -3.7, dtype=np.float32)
    assert not compute_signals(Evidence(np.zeros(6, dtype=np.int64), alike, alike)).values.any()


def test_the_best_of_a_list_has_a_score_of_0_and_the_others_are_below() -> None:
    known = evidence()
    found = column(compute_signals(known), "score")
    for query in range(5):
        own = known.query == query
        assert found[own].max() == 0
        assert found[own].argmax() == known.score[own].argmax()


def test_what_lies_beyond_the_best_of_a_list_does_not_change_the_others() -> None:
    deep = evidence(lists=1, depth=3 * HEAD)
    order = np.argsort(-deep.score)
    deep = reordered(deep, order)
    short = reordered(deep, np.arange(HEAD))
    np.testing.assert_allclose(compute_signals(deep).values[:HEAD], compute_signals(short).values, atol=1e-9)


def test_a_rank_that_no_search_reached_is_the_deepest() -> None:
    known = Evidence(
        np.zeros(3, dtype=np.int64),
        np.asarray([3, 2, 1], dtype=np.float32),
        np.zeros(3, dtype=np.float32),
        rank_between=np.asarray([1, DEEPEST, 65_535]),
    )
    assert column(compute_signals(known), "rank_between").tolist() == pytest.approx([0, np.log(200), np.log(200)])


def test_only_what_is_known_becomes_a_signal() -> None:
    known = evidence()
    found = compute_signals(Evidence(known.query, known.score, known.between))
    assert found.names == ("score", "between")
    with pytest.raises(KeyError, match="no signal 'overlap' among score, between"):
        found.columns(("score", "overlap"))


def test_no_candidates_have_no_signals() -> None:
    none = np.empty(0, dtype=np.float32)
    assert compute_signals(Evidence(none.astype(np.int64), none, none)).values.shape == (0, 2)
