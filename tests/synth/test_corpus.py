from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from corpora import Row, build_corpus, write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.recipe import ChunkSettings, SplitSettings
from synth.corpus import Corpus, contains

SENTENCES = [
    f"Sentence number {n} tells of covenant {n * 7} and its {'very ' * (n % 3)}long history." for n in range(40)
]


def equivalent(corpus: Corpus, first: int, second: int) -> bool:
    return bool(corpus.are_equivalent(np.array([first]), np.array([second]))[0])


def test_a_passage_is_found_by_its_row(tmp_path: Path) -> None:
    texts = ["Bonds fell sharply in May.", "Rates rose by half a point.", "Gold did nothing at all."]
    corpus = build_corpus(tmp_path, texts)
    assert len(corpus) == 3
    assert corpus.texts([2, 0, 0]) == [texts[2], texts[0], texts[0]]
    assert corpus.texts(np.array([1])) == [texts[1]]
    assert corpus.texts([]) == []
    assert [p.id for p in corpus.passages([2, 1, 2])] == [corpus.ids[2], corpus.ids[1], corpus.ids[2]]
    assert [text for _, _, text in corpus.labelled_texts()] == texts


def test_passages_that_were_let_go_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.corpus.PASSAGES_KEPT", 2)
    corpus = build_corpus(tmp_path, ["Bonds fell sharply in May.", "Rates rose by half a point.", "Gold did nothing."])
    for wanted in ([0, 1], [1], [2, 0], [0, 2, 1, 0]):
        assert [passage.id for passage in corpus.passages(wanted)] == [corpus.ids[n] for n in wanted]


def test_titles_and_headings_travel_with_their_passage(tmp_path: Path) -> None:
    corpus = build_corpus(tmp_path, ["# Risks\n\nRates may rise.\n\n# Outlook\n\nNobody can know."])
    assert [(heading, text) for _, heading, text in corpus.labelled_texts()] == [
        ("Risks", "Rates may rise."),
        ("Outlook", "Nobody can know."),
    ]
    assert corpus.lexicon.headings == {"outlook": 1, "risks": 1}


def test_a_corpus_opened_again_is_the_same(tmp_path: Path) -> None:
    corpus = build_corpus(tmp_path, SENTENCES)
    again = Corpus(tmp_path)
    assert again.ids == corpus.ids
    assert again.texts(range(len(again))) == corpus.texts(range(len(corpus)))


def test_a_corpus_made_again_in_the_same_folder_shows_no_old_text(tmp_path: Path) -> None:
    """A run that died between chunking and `sources.json` is ingested again, from whatever the files hold now."""
    build_corpus(tmp_path, ["Bonds fell sharply in May.", "Rates rose by half a point."]).texts([0])
    again = build_corpus(tmp_path, ["Copper is a metal.", "Tin is another metal.", "Zinc is a third one."])
    assert again.texts([0, 1, 2]) == ["Copper is a metal.", "Tin is another metal.", "Zinc is a third one."]


def test_overlapping_chunks_of_one_document_are_equivalent(tmp_path: Path) -> None:
    chunk = ChunkSettings(max_chars=200, min_chars=10, overlap_sentences=1)
    corpus = build_corpus(tmp_path, [" ".join(SENTENCES)], chunk=chunk)
    assert len(corpus) > 4
    assert all(equivalent(corpus, n, n + 1) and equivalent(corpus, n + 1, n) for n in range(len(corpus) - 1))
    assert not equivalent(corpus, 0, len(corpus) - 1)


def test_chunks_that_only_touch_are_not_equivalent(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, [Row("a", 0, 10), Row("a", 10, 20), Row("b", 0, 10)])
    assert not equivalent(corpus, 0, 1)
    assert not equivalent(corpus, 0, 2)


def test_nearly_identical_passages_of_two_documents_are_equivalent(tmp_path: Path) -> None:
    common = " ".join(SENTENCES[:4])
    corpus = build_corpus(
        tmp_path, [common + " Signed in Berlin.", common + " Signed in Rome.", "Something else entirely."]
    )
    assert equivalent(corpus, 0, 1)
    assert equivalent(corpus, 1, 0)
    assert not equivalent(corpus, 0, 2)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.integers(1, 12)), min_size=1, max_size=12),
    st.data(),
)
def test_equivalence_is_what_its_definition_says(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    rows = [Row(document, start, start + length) for document, start, length in spans]
    numbers = st.integers(0, len(rows) - 1)
    near = data.draw(st.sets(st.tuples(numbers, numbers).filter(lambda pair: pair[0] < pair[1]), max_size=5))
    corpus = write_corpus(tmp_path_factory.mktemp("corpus"), rows, near)
    first, second = (grid.ravel() for grid in np.meshgrid(np.arange(len(rows)), np.arange(len(rows))))
    expected = [
        (a, b) in near
        or (b, a) in near
        or (rows[a].document == rows[b].document and rows[a].start < rows[b].end and rows[b].start < rows[a].end)
        for a, b in zip(first.tolist(), second.tolist(), strict=True)
    ]
    assert corpus.are_equivalent(first, second).tolist() == expected
    assert corpus.are_equivalent(second, first).tolist() == expected
    assert corpus.are_equivalent(first[:0], second[:0]).tolist() == []


def test_only_train_twins_of_test_passages_are_leaked(tmp_path: Path) -> None:
    rows = [Row("a"), Row("b", split="test"), Row("c"), Row("d"), Row("e", split="test"), Row("f", split="test")]
    corpus = write_corpus(tmp_path, rows, [(0, 1), (2, 3), (4, 5), (3, 4)])
    assert corpus.leaked.tolist() == [True, False, False, True, False, False]
    assert corpus.is_test.tolist() == [False, True, False, False, True, True]


def test_ingestion_finds_leaks_between_the_splits(tmp_path: Path) -> None:
    common = " ".join(SENTENCES[:4])
    corpus = build_corpus(tmp_path, [f"{common} Signed in {n}." for n in range(12)], splits=SplitSettings(test=0.5))
    assert 0 < corpus.is_test.sum() < 12
    assert corpus.leaked.tolist() == (~corpus.is_test).tolist()


@given(st.lists(st.integers(-5, 5)), st.lists(st.integers(-6, 6)))
def test_contains_agrees_with_a_set(known: list[int], asked: list[int]) -> None:
    found = contains(np.sort(np.array(known, dtype=np.int64)), np.array(asked, dtype=np.int64))
    assert found.tolist() == [key in set(known) for key in asked]
