from __future__ import annotations

import pytest

from synth.vocabulary import begins_known, is_beginning, is_known


@pytest.mark.parametrize("word", ["merge", "merged", "running", "quickly", "tables", "of", "pdf"])
def test_frequent_words_and_their_inflections_are_known(word: str) -> None:
    assert is_known(word)


@pytest.mark.parametrize("word", ["curren", "th", "outstandi", "percenta", "diff"])
def test_pieces_of_words_are_not(word: str) -> None:
    assert not is_known(word)
    assert begins_known(word)


@pytest.mark.parametrize("word", ["xylophagous", "metformin", "zzzz"])
def test_a_rare_word_begins_no_other(word: str) -> None:
    assert not is_known(word)
    assert not begins_known(word)


def test_an_inflection_does_not_make_a_word_a_beginning() -> None:
    assert is_beginning("percent", "percentage")
    assert not is_beginning("bracket", "brackets")
    assert not is_beginning("bracket", "bracket")
