from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.text import (
    STOP_WORDS,
    TOKEN,
    content_words,
    draw,
    hash64,
    jaccard,
    normalise,
    shingles,
    terms,
    word_count,
    words,
)

TOKENS = st.lists(st.sampled_from("abcdefgh"), max_size=12)


@given(st.text())
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize("text", ["Net  Sales", " net\tsales\n", "NET SALES", "net\u00a0sales", "ｎｅｔ sales"])
def test_texts_that_differ_only_in_case_width_and_space_are_the_same(text: str) -> None:
    assert normalise(text) == "net sales"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Net debt rose 4.25% to $1,234.5m", ["net", "debt", "rose", "4.25%", "to", "1,234.5m"]),
        ("Zürich, 3.1.2024.", ["zürich", "3.1.2024"]),
        ("don't—ever", ["don", "t", "ever"]),
        ("| --- |", []),
        ("", []),
    ],
)
def test_words_keep_numbers_whole_and_drop_punctuation(text: str, expected: list[str]) -> None:
    assert list(words(text)) == expected


@given(st.text(alphabet=st.sampled_from("aB9.,%_-'\u00a0\u2028\t\n \u0130\u03a3\u0661ß")))
def test_no_word_is_lost_or_cut_because_a_text_is_read_piece_by_piece(text: str) -> None:
    assert words(text) == tuple(TOKEN.findall(text.lower()))


def test_content_words_are_neither_function_words_nor_single_characters() -> None:
    assert content_words("What is the yield of a 5 year bond?") == ["yield", "year", "bond"]


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Covenants were reset in 2024", "en", ["coven", "reset", "2024"]),
        ("the covenant resets", "en", ["coven", "reset"]),
        ("Häuser im Haus", "de", ["haus", "im", "haus"]),
        ("Yields rise", "xx", ["yields", "rise"]),
    ],
)
def test_terms_are_stems_in_a_language_that_has_a_stemmer(text: str, language: str, expected: list[str]) -> None:
    assert terms(text, language) == expected


def test_terms_are_the_same_in_every_thread() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: tuple(terms("Covenants were reset", "en")), range(100)))
    assert found == {("coven", "reset")}


def test_stop_words_are_lower_case_words() -> None:
    assert all(words(word) == (word,) for word in STOP_WORDS)


@given(TOKENS, st.integers(1, 5))
def test_shingles_are_all_runs_of_that_length(tokens: list[str], size: int) -> None:
    found = shingles(tokens, size)
    if len(tokens) <= size:
        assert found == ({" ".join(tokens)} if tokens else set())
    else:
        assert all(" ".join(tokens[i : i + size]) in found for i in range(len(tokens) - size + 1))
        assert all(len(each.split()) == size for each in found)


@given(st.sets(st.integers(0, 9).map(str)), st.sets(st.integers(0, 9).map(str)))
def test_jaccard_is_symmetric_and_one_only_for_equal_sets(first: set[str], second: set[str]) -> None:
    similarity = jaccard(first, second)
    assert 0.0 <= similarity <= 1.0
    assert similarity == jaccard(second, first)
    assert (similarity == 1.0) == (first == second and bool(first))


def test_hashes_are_the_same_in_every_process() -> None:
    """Golden values: a changed hash would change every plan and every id."""
    assert (hash64(""), hash64("é")) == (16_476_032_584_258_269_876, 14_635_220_546_840_893_743)
    assert draw(0, "passage", 3) == 0.4725098435679915
    told = subprocess.run(
        [sys.executable, "-c", "from synth.text import hash64; print(hash64('é'))"],
        capture_output=True, check=True, text=True, env={"PYTHONHASHSEED": "5", "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert int(told.stdout) == hash64("é")


@given(st.lists(st.integers() | st.text(), max_size=4))
def test_a_draw_lies_in_the_half_open_unit_interval(parts: list[object]) -> None:
    assert 0.0 <= draw(*parts) < 1.0
    assert draw(*parts) == draw(*parts)


def test_draws_are_spread_evenly() -> None:
    counts = [0] * 10
    for number in range(10_000):
        counts[int(draw("seed", number) * 10)] += 1
    assert all(850 < count < 1150 for count in counts)


def test_the_parts_of_a_draw_are_kept_apart() -> None:
    assert draw("ab", "c") != draw("a", "bc")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Net debt fell – by 4.25 %.", 5),
        ("净债务在六月底下降到四亿。", 6),
        ("जून के अंत में शुद्ध ऋण घटा।", 7),
        ("The 純債務 fell", 4),
    ],
)
def test_words_are_counted_in_every_script(text: str, count: int) -> None:
    assert word_count(words(text)) == count
