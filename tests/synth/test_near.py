from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.near import PERMUTATIONS, find_near_pairs, shingle_set, sign, sign_all
from synth.text import jaccard

Pairs = set[tuple[int, int]]

WORDS = [f"w{n}" for n in range(40)]
THRESHOLDS = st.sampled_from([0.8, 0.85, 0.9, 1.0])


def near_pairs(texts: Sequence[str], threshold: float = 0.8, size: int = 3) -> Pairs:
    found = find_near_pairs(
        sign_all(texts, size), lambda numbers: [texts[n] for n in numbers], threshold=threshold, size=size
    )
    return {(int(i), int(j)) for i, j in found}


def compared_one_by_one(texts: Sequence[str], threshold: float, size: int = 3) -> Pairs:
    sets = [shingle_set(text, size) for text in texts]
    return {(i, j) for i, j in combinations(range(len(texts)), 2) if jaccard(sets[i], sets[j]) >= threshold}


def family_of_texts(source: random.Random, originals: int = 6, copies: int = 5) -> list[str]:
    """A few texts and edited copies of them: most pairs are either alike or not at all."""
    texts = []
    for _ in range(originals):
        words = source.choices(WORDS, k=source.randint(30, 80))
        for _ in range(copies):
            edited = list(words)
            for _ in range(source.randint(0, 3)):
                edited[source.randrange(len(edited))] = source.choice(WORDS)
            texts.append(" ".join(edited))
    source.shuffle(texts)
    return texts


@settings(deadline=None, max_examples=40)
@given(st.randoms(use_true_random=False), THRESHOLDS)
def test_every_pair_found_is_a_near_pair(source: random.Random, threshold: float) -> None:
    texts = family_of_texts(source, originals=3, copies=4)
    assert near_pairs(texts, threshold) <= compared_one_by_one(texts, threshold)


@pytest.mark.parametrize("threshold", [0.8, 0.9])
def test_nearly_all_near_pairs_are_found(threshold: float) -> None:
    found = expected = 0
    for seed in range(40):
        texts = family_of_texts(random.Random(seed))
        truth = compared_one_by_one(texts, threshold)
        found += len(near_pairs(texts, threshold) & truth)
        expected += len(truth)
    assert expected > 300
    assert found / expected >= 0.95


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
    assert sign_all([], 3).shape == (0, PERMUTATIONS)
    assert near_pairs([]) == set()
    assert near_pairs(["only one"]) == set()


def test_a_low_threshold_looks_at_more_candidates() -> None:
    source = random.Random(5)
    texts = [" ".join(source.choices(WORDS[:12], k=14)) for _ in range(60)]
    truth = compared_one_by_one(texts, 0.5, size=1)
    assert truth
    assert near_pairs(texts, 0.5, size=1) <= truth
    assert len(near_pairs(texts, 0.5, size=1)) >= 0.9 * len(truth)


def test_in_a_crowd_of_equal_texts_each_is_paired_with_the_first_and_the_64_before_it() -> None:
    pairs = near_pairs(["one and the same text"] * 100)
    assert pairs == {(i, j) for i, j in combinations(range(100), 2) if i == 0 or j - i <= 64}


def test_texts_are_fetched_only_for_candidates() -> None:
    texts = ["a b c d e f g", "h i j k l m n", "a b c d e f g", "o p q r s t u"]
    asked: list[int] = []

    def fetch(numbers: Sequence[int]) -> list[str]:
        asked.extend(numbers)
        return [texts[n] for n in numbers]

    find_near_pairs(sign_all(texts, 3), fetch, threshold=0.8, size=3)
    assert asked == [0, 2]


def test_a_signature_is_the_same_on_every_machine() -> None:
    """Golden value: signatures are stored, and an old store must still find its duplicates."""
    assert sign("net sales rose by eight per cent", 3)[:4].tolist() == [3306423684, 2388800503, 3595145662, 3487657427]
    assert np.array_equal(sign_all(["x y z"], 3)[0], sign("X, y; Z", 3))


def test_a_signature_has_as_many_permutations_as_asked_for_and_finds_the_same_pairs() -> None:
    texts = ["one two three four five six seven eight nine ten", "one two three four five six seven eight nine"]
    signatures = sign_all(texts, 1, 128)
    assert signatures.shape == (2, 128)
    pairs = find_near_pairs(signatures, lambda numbers: [texts[n] for n in numbers], threshold=0.9, size=1)
    assert pairs.tolist() == [[0, 1]]
