from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.shingle_sets import read_shingles
from synth.text import jaccard, shingles, words

TEXTS = st.lists(st.lists(st.sampled_from("a b c D é 4.5% i j k l m n o p q".split()), max_size=40).map(" ".join))


@settings(deadline=None, max_examples=100)
@given(TEXTS, st.integers(1, 13))
def test_similarity_is_that_of_sets_of_strings(texts: list[str], size: int) -> None:
    sets = read_shingles(texts, size)
    expected = [shingles(words(text), size) for text in texts]
    assert sets.size.tolist() == [len(each) for each in expected]
    pairs = [(i, j) for i, j in combinations(range(len(texts)), 2) if expected[i] or expected[j]]
    first, second = np.asarray(pairs, dtype=np.int32).reshape(-1, 2).T
    assert sets.jaccard(first, second).tolist() == [jaccard(expected[i], expected[j]) for i, j in pairs]


def test_a_text_shorter_than_a_shingle_is_one_shingle() -> None:
    sets = read_shingles(["net debt", "Net debt", "net debt rose", "net", ""], 3)
    assert sets.size.tolist() == [1, 1, 1, 1, 0]
    assert sets.jaccard(np.array([0, 0], dtype=np.int32), np.array([1, 2], dtype=np.int32)).tolist() == [1.0, 0.0]


def test_shingles_that_occur_once_are_counted_and_not_listed() -> None:
    sets = read_shingles(["net debt rose", "net debt fell"], 1)
    assert sets.alone.tolist() == [1, 1]
    assert sets.listed.tolist() == [2, 2]


@pytest.mark.parametrize("length", [7, 9, 300, 2_000])
def test_long_texts_are_compared_as_well(length: int) -> None:
    text = " ".join(f"w{n}" for n in range(length))
    pair = np.array([0], dtype=np.int32), np.array([1], dtype=np.int32)
    assert read_shingles([text, f"{text} more"], 1).jaccard(*pair).tolist() == [length / (length + 1)]
