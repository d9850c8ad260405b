from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.recipe import ChunkSettings
from synth.chunk import Chunk, chunk_document

HEADING = re.compile(r"^#{1,6}[ \t]+.*$", re.MULTILINE)

LETTERS = st.text(st.sampled_from("abeé界😀1#*|-"), min_size=1, max_size=9)
SENTENCES = st.lists(LETTERS, min_size=1, max_size=25).map(lambda words: " ".join(words) + ".")
LONG_WORDS = st.integers(80, 400).map(lambda n: "x" * n)
HEADINGS = st.builds(lambda level, title: f"\n{'#' * level} {title}\n", st.integers(1, 6), LETTERS)
GAPS = st.sampled_from([" ", "\n", "\n\n", "\n \n\n", "  "])
DOCUMENTS = st.lists(st.one_of(SENTENCES, SENTENCES, SENTENCES, LONG_WORDS, HEADINGS, GAPS), max_size=40).map("".join)


@st.composite
def sizes(draw: st.DrawFn, overlap: int = 0) -> ChunkSettings:
    longest = draw(st.integers(100, 400))
    return ChunkSettings(
        max_chars=longest, min_chars=draw(st.integers(1, longest)), overlap_sentences=draw(st.integers(0, overlap))
    )


def without_space(text: str) -> str:
    return "".join(text.split())


def pieces(text: str, chunks: list[Chunk]) -> list[str]:
    return [text[chunk.start : chunk.end] for chunk in chunks]


@settings(deadline=None)
@given(DOCUMENTS, sizes())
def test_without_overlap_all_but_the_headings_is_covered_exactly_once(text: str, sizes: ChunkSettings) -> None:
    chunks = chunk_document(text, sizes)
    assert without_space("".join(pieces(text, chunks))) == without_space(HEADING.sub("", text))
    assert all(before.end <= after.start for before, after in pairwise(chunks))


@settings(deadline=None)
@given(DOCUMENTS, sizes(overlap=5))
def test_passages_are_trimmed_slices_in_order(text: str, sizes: ChunkSettings) -> None:
    chunks = chunk_document(text, sizes)
    assert all(piece and piece == piece.strip() for piece in pieces(text, chunks))
    assert all(a.start < b.start and a.end < b.end for a, b in pairwise(chunks))


@settings(deadline=None)
@given(DOCUMENTS, sizes(overlap=5))
def test_no_passage_is_longer_than_the_two_sizes_together(text: str, sizes: ChunkSettings) -> None:
    assert all(len(piece) <= sizes.max_chars + sizes.min_chars for piece in pieces(text, chunk_document(text, sizes)))


def test_a_short_tail_after_a_blank_line_does_not_push_a_passage_over_the_limit() -> None:
    text = "a" * 99 + ".\n\n\n\n" + "b" * 98 + "."
    sizes = ChunkSettings(max_chars=100, min_chars=100)
    assert all(len(piece) <= 200 for piece in pieces(text, chunk_document(text, sizes)))


@settings(deadline=None)
@given(DOCUMENTS, sizes(overlap=5))
def test_no_heading_is_inside_a_passage(text: str, sizes: ChunkSettings) -> None:
    spans = [match.span() for match in HEADING.finditer(text)]
    for chunk in chunk_document(text, sizes):
        assert not any(start < chunk.end and chunk.start < end for start, end in spans)


@settings(deadline=None)
@given(DOCUMENTS, sizes(overlap=5))
def test_the_same_document_is_always_cut_the_same_way(text: str, sizes: ChunkSettings) -> None:
    assert chunk_document(text, sizes) == chunk_document(text, sizes)


@settings(deadline=None)
@given(DOCUMENTS, sizes(overlap=3))
def test_overlap_never_loses_text_and_covers_all_but_the_headings(text: str, sizes: ChunkSettings) -> None:
    seen = ["\n" if c.isspace() else " " for c in text]
    for chunk in chunk_document(text, sizes):
        seen[chunk.start : chunk.end] = text[chunk.start : chunk.end]
    assert without_space("".join(seen)) == without_space(HEADING.sub("", text))


SENTENCE = "Sentence number {:02d} says one thing about the bond market."


def numbered(count: int) -> str:
    return " ".join(SENTENCE.format(n) for n in range(count))


def numbers_in(piece: str) -> list[int]:
    return [int(found) for found in re.findall(r"number (\d\d)", piece)]


@pytest.mark.parametrize("overlap", [0, 1, 2])
def test_each_passage_repeats_the_last_sentences_of_the_one_before(overlap: int) -> None:
    sizes = ChunkSettings(max_chars=5 * 60, min_chars=60, overlap_sentences=overlap)
    text = numbered(23)
    runs = [numbers_in(piece) for piece in pieces(text, chunk_document(text, sizes))]
    assert len(runs) > 3
    for before, after in pairwise(runs):
        assert before[len(before) - overlap :] == after[:overlap]
        assert after == list(range(after[0], after[-1] + 1))
    assert {number for run in runs for number in run} == set(range(23))


def test_overlap_gives_way_where_the_next_sentence_needs_the_room() -> None:
    text = numbered(1) + " " + "word " * 45 + "end."
    chunks = chunk_document(text, ChunkSettings(max_chars=250, min_chars=1, overlap_sentences=1))
    assert [len(piece) <= 250 for piece in pieces(text, chunks)] == [True, True]


def test_sentences_stay_whole_where_they_fit() -> None:
    text = numbered(20)
    for piece in pieces(text, chunk_document(text, ChunkSettings(max_chars=200, min_chars=50))):
        assert piece.startswith("Sentence")
        assert piece.endswith("market.")


def test_a_sentence_longer_than_a_passage_is_cut_between_words() -> None:
    text = "word " * 100
    found = pieces(text, chunk_document(text, ChunkSettings(max_chars=103, min_chars=1)))
    assert all(set(piece.split()) == {"word"} for piece in found)
    assert sum(len(piece.split()) for piece in found) == 100


def test_headings_start_a_passage_and_stand_apart() -> None:
    text = "Before.\n\n# Funding #\n\nRates rose.\n\n## Swaps\nHedged.\n\n# Empty\n\n####### not a heading\n#tag too\n"
    chunks = chunk_document(text, ChunkSettings(max_chars=900, min_chars=150))
    assert [(c.heading, text[c.start : c.end]) for c in chunks] == [
        ("", "Before."),
        ("Funding", "Rates rose."),
        ("Swaps", "Hedged."),
        ("Empty", "####### not a heading\n#tag too"),
    ]


def test_a_short_end_joins_its_section_but_never_another_one() -> None:
    text = f"{numbered(4)} Short end.\n\n# Next\n\nAlone."
    chunks = chunk_document(text, ChunkSettings(max_chars=4 * 60, min_chars=40))
    assert [text[c.start : c.end][-10:] for c in chunks] == ["Short end.", "Alone."]


@pytest.mark.parametrize("text", ["", " \n\t", "# Only a heading", "# One\n\n## Two\n"])
def test_a_document_without_text_has_no_passages(text: str) -> None:
    assert chunk_document(text, ChunkSettings()) == []


def test_another_language_is_cut_by_its_own_rules() -> None:
    text = "価格が上がった。金利も上がった。" * 12
    found = pieces(text, chunk_document(text, ChunkSettings(max_chars=100, min_chars=1), language="ja"))
    assert all(piece.endswith("。") for piece in found)


def test_headings_stay_in_passages_that_are_as_long_as_documents() -> None:
    text = "# Report\n\nSales rose in the spring.\n\n## Outlook\n\nThey will fall in the winter."
    settings = ChunkSettings(max_chars=1_000, min_chars=1, at_headings=False)
    assert chunk_document(text, settings) == [Chunk("", 0, len(text))]


def test_a_wide_letter_counts_as_three_so_that_passages_hold_as_much_in_every_script() -> None:
    chinese = "护士到村里来看病不用预约。" * 60
    cut = chunk_document(chinese, ChunkSettings(max_chars=900, min_chars=150), language="zh")
    assert max(chunk.end - chunk.start for chunk in cut) <= 300
    assert "".join(chinese[chunk.start : chunk.end] for chunk in cut) == chinese
    russian = "Паром отходит от причала каждый вторник. " * 40
    assert (
        max(c.end - c.start for c in chunk_document(russian, ChunkSettings(max_chars=900, min_chars=150), "ru")) > 700
    )
