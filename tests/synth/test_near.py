from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth import near
from synth.near import CROWD, find_near_pairs, find_nearest_of, find_originals
from synth.shingle_sets import read_shingles
from synth.text import jaccard, shingles, words

Pairs = set[tuple[int, int]]

WORDS = [f"w{n}" for n in range(40)]
THRESHOLDS = st.sampled_from([0.3, 0.5, 0.8, 0.85, 0.9, 1.0])
SIZES = st.sampled_from([1, 2, 3])


def near_pairs(texts: Sequence[str], threshold: float = 0.8, size: int = 3) -> Pairs:
    found = find_near_pairs(read_shingles(texts, size), threshold)
    return {(int(i), int(j)) for i, j in found}


def sets_of(texts: Sequence[str], size: int) -> list[set[str]]:
    return [shingles(words(text), size) for text in texts]


def compared_one_by_one(texts: Sequence[str], threshold: float, size: int = 3) -> Pairs:
    sets = sets_of(texts, size)
    return {(i, j) for i, j in combinations(range(len(texts)), 2) if jaccard(sets[i], sets[j]) >= threshold}


def gone_through_in_order(texts: Sequence[str], threshold: float, size: int, kind: Sequence[int]) -> list[int]:
    sets, originals = sets_of(texts, size), [-1] * len(texts)
    for j in range(len(texts)):
        kept = (i for i in range(j) if originals[i] < 0 and kind[i] == kind[j])
        originals[j] = next((i for i in kept if jaccard(sets[i], sets[j]) >= threshold), -1)
    return originals


def family_of_texts(source: random.Random, originals: int = 6, copies: int = 5) -> list[str]:
    """A few texts and edited copies of them: most pairs are either alike or not at all."""
    texts = []
    for _ in range(originals):
        chosen = source.choices(WORDS, k=source.choice([0, 2, 5, 12, 30, 80]))
        for _ in range(copies):
            edited = list(chosen)
            for _ in range(source.randint(0, 3) if edited else 0):
                edited[source.randrange(len(edited))] = source.choice(WORDS)
            texts.append(" ".join(edited))
    source.shuffle(texts)
    return texts


@pytest.fixture
def small_crowds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits so low that a few texts reach every path."""
    for name, value in (("CROWD", 3), ("_STEP", 4), ("_LARGE", 3), ("_BLOCK", 7)):
        monkeypatch.setattr(near, name, value)


@settings(deadline=None, max_examples=80)
@given(st.randoms(use_true_random=False), THRESHOLDS, SIZES)
def test_the_pairs_are_those_of_comparing_one_by_one(source: random.Random, threshold: float, size: int) -> None:
    texts = family_of_texts(source)
    assert near_pairs(texts, threshold, size) == compared_one_by_one(texts, threshold, size)


@pytest.mark.usefixtures("small_crowds")
@pytest.mark.parametrize("seed", range(40))
def test_large_groups_are_divided_and_nothing_is_lost(seed: int) -> None:
    source = random.Random(seed)
    texts = family_of_texts(source, copies=20)
    threshold, size = source.choice([0.4, 0.6, 0.8, 0.9]), source.choice([1, 3])
    found = find_near_pairs(read_shingles(texts, size), threshold, crowd=len(texts))
    assert set(map(tuple, found.tolist())) == compared_one_by_one(texts, threshold, size)


@settings(deadline=None, max_examples=25)
@given(st.randoms(use_true_random=False), THRESHOLDS)
def test_pairs_do_not_depend_on_the_order_of_the_texts(source: random.Random, threshold: float) -> None:
    texts = family_of_texts(source, originals=3, copies=4)
    order = list(range(len(texts)))
    source.shuffle(order)
    shuffled = near_pairs([texts[n] for n in order], threshold)
    assert {tuple(sorted((order[i], order[j]))) for i, j in shuffled} == near_pairs(texts, threshold)


def test_equal_texts_are_always_found() -> None:
    assert near_pairs(["alpha beta", "gamma delta", "Alpha, BETA!"], threshold=1.0) == {(0, 2)}


def test_texts_without_words_are_alike_to_nothing() -> None:
    assert near_pairs(["", "---", "| |"], threshold=0.8) == set()


def test_no_text_has_no_pair() -> None:
    assert near_pairs([]) == set()
    assert near_pairs(["only one"]) == set()
    assert find_originals(read_shingles([], 1), 0.8).tolist() == []


def test_in_a_crowd_each_text_is_paired_with_the_first_and_the_64_before_it() -> None:
    texts = ["one and the same text"] * (CROWD + 50)
    expected = {(i, j) for i, j in combinations(range(len(texts)), 2) if i == 0 or j - i <= 64}
    assert near_pairs(texts) == expected
    assert len(find_near_pairs(read_shingles(texts, 3), 0.8, crowd=len(texts))) == len(texts) * (len(texts) - 1) / 2


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False), THRESHOLDS, SIZES)
def test_a_text_is_dropped_for_the_first_kept_one_it_is_near_to(
    source: random.Random, threshold: float, size: int
) -> None:
    texts = family_of_texts(source)
    kind = source.choices([0, 1, 7], k=len(texts))
    found = find_originals(read_shingles(texts, size), threshold, np.asarray(kind))
    assert found.tolist() == gone_through_in_order(texts, threshold, size, kind)


@pytest.mark.usefixtures("small_crowds")
@pytest.mark.parametrize("seed", range(40))
def test_of_a_crowd_the_same_texts_are_kept_as_by_going_through_it(seed: int) -> None:
    source = random.Random(seed)
    texts = family_of_texts(source, copies=20)
    threshold, size = source.choice([0.4, 0.6, 0.8, 0.9]), source.choice([1, 3])
    found = find_originals(read_shingles(texts, size), threshold)
    assert found.tolist() == gone_through_in_order(texts, threshold, size, [0] * len(texts))


def test_ten_thousand_texts_of_one_template_leave_one() -> None:
    texts = [
        f"what was the effect of the new standard {n} on the revenue that the group reported" for n in range(10_000)
    ]
    assert find_originals(read_shingles(texts, 1), 0.8).tolist() == [-1] + [0] * 9_999


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False), THRESHOLDS, SIZES)
def test_the_first_near_text_of_another_collection_is_found(source: random.Random, threshold: float, size: int) -> None:
    texts = family_of_texts(source)
    others, sets = source.randint(0, len(texts)), sets_of(texts, size)
    near_to = [
        next((i for i in range(others) if jaccard(sets[i], sets[j]) >= threshold), -1)
        for j in range(others, len(texts))
    ]
    assert find_nearest_of(read_shingles(texts, size), others, threshold).tolist() == near_to
