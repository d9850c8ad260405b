from __future__ import annotations

import math

import numpy as np
import pytest

from synth.lexicon import build_lexicon, count_terms
from synth.mining import overlap as module
from synth.mining.overlap import Overlap

PASSAGES = [
    "Covenants on the bond were reset in 2024.",
    "The bond yields 4.25% and the covenants hold.",
    "Gilts fell while swaps rose.",
    "the and of",
    "Covenants on the bond were reset in 2024.",
]
QUERIES = ["Which covenants were reset?", "zebra", "gilts and swaps"]
LEXICON = build_lexicon((("", "", text) for text in PASSAGES), "en")


def bm25(query: str, passage: str) -> float:
    numbers, counts, length = next(count_terms(LEXICON, [passage]))
    asked = {LEXICON.terms[term] for term in LEXICON.split(query) if term in LEXICON.terms}
    idf = LEXICON.idfs()
    return sum(float(idf[n]) * LEXICON.saturate(c, length) for n, c in zip(numbers, counts, strict=True) if n in asked)


def test_a_pair_scores_what_bm25_gives_it() -> None:
    query, passage = np.asarray([2, 0, 1, 0, 0]), np.asarray([2, 1, 0, 0, 3])
    found = Overlap(LEXICON, PASSAGES).with_queries(QUERIES, query, passage)
    wanted = [bm25(QUERIES[q], PASSAGES[p]) for q, p in zip(query, passage, strict=True)]
    assert found.tolist() == pytest.approx(wanted, abs=1e-5)
    assert found[1] > 0 and found[2] == 0 and found[4] == 0


def test_equal_passages_have_a_cosine_of_1_and_unlike_ones_of_0() -> None:
    found = Overlap(LEXICON, PASSAGES).between(np.asarray([0, 0, 0, 3]), np.asarray([4, 2, 1, 3]))
    assert found[0] == pytest.approx(1)
    assert found[1] == 0
    assert 0 < found[2] < 1
    assert found[3] == 0


def test_the_cosine_is_the_same_from_both_sides() -> None:
    overlap = Overlap(LEXICON, PASSAGES)
    first, second = np.asarray([0, 1, 2]), np.asarray([1, 0, 1])
    assert overlap.between(first, second).tolist() == pytest.approx(overlap.between(second, first).tolist())


def test_blocks_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    first, second = random.integers(0, 5, 200), random.integers(0, 5, 200)
    whole = Overlap(LEXICON, PASSAGES).between(first, second)
    monkeypatch.setattr(module, "SCRATCH", 1)
    np.testing.assert_array_equal(Overlap(LEXICON, PASSAGES).between(first, second), whole)


def test_no_pairs_have_no_overlap() -> None:
    none = np.empty(0, dtype=np.int64)
    assert Overlap(LEXICON, PASSAGES).between(none, none).shape == (0,)
    assert math.isclose(Overlap(LEXICON, []).with_queries(QUERIES, none, none).sum(), 0)
