from __future__ import annotations

from synth.overlap import copied_pairs, distinct_words, is_whole
from synth.text import words

PASSAGE = "Net sales rose 8%. Sales of iPhone fell."


def test_two_neighbours_are_copied_where_they_are_neighbours_in_the_passage() -> None:
    assert copied_pairs(words("net sales rose of iphone"), PASSAGE) == (True, True, False, True)


def test_only_whole_words_count() -> None:
    assert copied_pairs(words("et sales ros"), PASSAGE) == (False, False)


def test_one_word_has_no_neighbour() -> None:
    assert copied_pairs(words("sales"), PASSAGE) == ()


def test_distinct_words_have_no_order() -> None:
    assert distinct_words("Sales of sales") == {"sales", "of"}


def test_a_stretch_is_the_whole_passage_only_with_all_its_words() -> None:
    assert is_whole(("net", "debt"), "Net debt.")
    assert not is_whole(("net", "debt"), "Net debt fell.")
