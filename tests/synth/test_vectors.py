from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import build_corpus

from synth.arrays import Floats
from synth.corpus import Corpus
from synth.progress import Silent
from synth.run import prepare
from synth.vectors import HashedTerms, Sum, region_similarity, space_of

TEXTS = [
    "The covenant was reset in June and the lenders agreed to a higher leverage ratio without a fee.",
    "A card payment that was not authorised is refunded by the next working day after it is disputed.",
    "Interest-rate swaps hedge the pension scheme against falling yields of long-dated gilts.",
]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return build_corpus(tmp_path / "corpus", TEXTS)


class Leaning:
    """Vectors of an embedder that puts all texts close together."""

    name = "leaning"

    def queries(self, texts: Sequence[str]) -> Floats:
        raise AssertionError("not needed")

    def passages(self, ordinals: Sequence[int]) -> Floats:
        near = np.random.default_rng(3).standard_normal((len(ordinals), 8)) * 0.1 + 1
        return (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)


def test_queries_of_the_same_words_lie_at_the_same_place(corpus: Corpus) -> None:
    space = HashedTerms(corpus)
    first, same, other = space.queries(
        ["Which covenant was reset?", "when were the covenants reset", "how is a card payment disputed"]
    )
    assert first @ same == pytest.approx(1, abs=1e-6)
    assert abs(float(first @ other)) < 0.2


def test_every_query_has_unit_length_even_one_of_function_words(corpus: Corpus) -> None:
    vectors = HashedTerms(corpus).queries(["what is it?", "covenant", "a word no passage holds: zyx", "?"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)


def test_a_rare_word_counts_more_than_a_common_one_and_than_one_that_no_passage_holds(tmp_path: Path) -> None:
    texts = [f"The bond of the issuer {name} matures." for name in ("Alder", "Cobalt", "Meridian", "Harbour")]
    space = HashedTerms(build_corpus(tmp_path / "corpus", texts, chunk={"max_chars": 100, "min_chars": 10}))
    query, rare, common, unknown = space.queries(["bond Cobalt elucidate", "Cobalt", "bond", "elucidate"])
    assert query @ rare > max(query @ common, query @ unknown)


def test_a_word_counts_once(corpus: Corpus) -> None:
    once, twice = HashedTerms(corpus).queries(["covenant reset", "covenant covenant reset"])
    assert np.array_equal(once, twice)


def test_the_mean_similarity_is_that_of_all_pairs() -> None:
    vectors = np.random.default_rng(1).standard_normal((30, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = (vectors @ vectors.T)[np.triu_indices(30, 1)]
    assert Sum.of(vectors).mean_similarity == pytest.approx(pairs.mean(), abs=1e-6)
    parts = Sum.of(vectors[:7]) + Sum.of(vectors[7:])
    assert parts.mean_similarity == pytest.approx(pairs.mean(), abs=1e-6)
    assert Sum.of(vectors[:1]).mean_similarity == 0.0


def test_a_region_is_narrower_where_an_embedder_puts_all_texts_close_together(corpus: Corpus) -> None:
    assert 0.4 < region_similarity(HashedTerms(corpus), len(corpus)) < 0.6
    assert region_similarity(Leaning(), 200) > 0.95


def test_the_teachers_own_vectors_are_used_where_it_has_them(
    new_run: Callable[..., Any], make_texts: Callable[..., Any]
) -> None:
    class Dense(Leaning):
        identity = {"model": "dense"}
        embed_queries = passage_vectors = Leaning.passages

    workshop = prepare(new_run(make_texts(3)), Silent())
    assert space_of(workshop).name == HashedTerms.name
    dense: Any = Dense()
    space = space_of(replace(workshop, teacher=dense))
    assert space.name == "lexical"
    assert space.queries(["one", "two"]).shape == (2, 8)
