from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synth.lexicon import Lexicon, build_lexicon, count_terms
from synth.text import normalise, terms

WORDS = st.lists(st.sampled_from(["bond", "Bond", "yield", "the", "swap", "4.25%", "zürich", "|"]), max_size=8).map(
    " ".join
)
PASSAGES = st.lists(st.tuples(WORDS, WORDS, WORDS), max_size=8)

THREE = [
    ("Annual report", "Debt", "The bond matures. The bond yields 4%."),
    ("Annual report", "debt ", "A swap hedges the bond."),
    ("Letter", "Letter", "Gilts fell."),
]


def equal(first: Lexicon, second: Lexicon) -> bool:
    same = (first.language, first.passages, first.mean_length, first.terms, first.headings) == (
        second.language, second.passages, second.mean_length, second.terms, second.headings,
    )  # fmt: skip
    return (
        same and np.array_equal(first.frequency, second.frequency) and first.frequency.dtype == second.frequency.dtype
    )


@settings(max_examples=40)
@given(PASSAGES)
def test_document_frequencies_are_counted_once_a_passage(passages: list[tuple[str, str, str]]) -> None:
    lexicon = build_lexicon(iter(passages), "en")
    sets = [set(terms(text, "en")) for _, _, text in passages]
    assert lexicon.passages == len(passages)
    assert list(lexicon.terms) == sorted(set().union(*sets))
    assert list(lexicon.terms.values()) == list(range(len(lexicon.terms)))
    assert {term: int(lexicon.frequency[n]) for term, n in lexicon.terms.items()} == {
        term: sum(term in each for each in sets) for term in lexicon.terms
    }
    assert lexicon.mean_length == max(sum(len(terms(t, "en")) for _, _, t in passages) / max(len(passages), 1), 1.0)


@settings(max_examples=40)
@given(PASSAGES, st.randoms(use_true_random=False))
def test_the_order_of_passages_does_not_matter(passages: list[tuple[str, str, str]], source: object) -> None:
    shuffled = list(passages)
    source.shuffle(shuffled)  # type: ignore[attr-defined]
    assert equal(build_lexicon(shuffled, "en"), build_lexicon(passages, "en"))


def test_headings_and_titles_count_the_passages_under_them() -> None:
    assert build_lexicon(THREE, "en").headings == {"annual report": 2, "debt": 2, "letter": 1}


@settings(max_examples=40)
@given(PASSAGES)
def test_no_heading_counts_a_passage_twice(passages: list[tuple[str, str, str]]) -> None:
    for heading, count in build_lexicon(passages, "en").headings.items():
        assert count == sum(heading in (normalise(title), normalise(own)) for title, own, _ in passages)


def test_the_weight_of_a_term_falls_with_its_frequency() -> None:
    lexicon = build_lexicon(THREE, "en")
    assert lexicon.idf("bond") == pytest.approx(math.log(1 + 1.5 / 2.5))
    assert lexicon.idf("bond") < lexicon.idf("swap") < lexicon.idf("never seen")
    assert lexicon.idfs() == pytest.approx([lexicon.idf(term) for term in lexicon.terms], rel=1e-6)


def test_a_term_saturates_with_its_count_and_counts_less_in_a_long_text() -> None:
    lexicon = build_lexicon(THREE, "en")
    grown = [lexicon.saturate(count, lexicon.mean_length) for count in (0, 1, 2, 100)]
    assert grown[:2] == [0.0, pytest.approx(1.0)]
    assert grown == sorted(grown)
    assert grown[3] < 2.2
    assert lexicon.saturate(1, 100) < lexicon.saturate(1, 2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(PASSAGES)
def test_a_lexicon_survives_saving(tmp_path: Path, passages: list[tuple[str, str, str]]) -> None:
    lexicon = build_lexicon(passages, "en")
    lexicon.save(tmp_path)
    assert equal(Lexicon.load(tmp_path), lexicon)


def test_known_terms_of_a_text_are_counted_and_its_length_includes_the_unknown() -> None:
    lexicon = build_lexicon(THREE, "en")
    terms, counts, length = next(count_terms(lexicon, ["the bond, a Bond and an unseen swap"]))
    assert dict(zip(terms, counts, strict=True)) == {lexicon.terms["bond"]: 2, lexicon.terms["swap"]: 1}
    assert length == 4
    assert list(count_terms(lexicon, ["", "unseen"])) == [([], [], 0), ([], [], 1)]
