from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synth import alike
from synth.alike import find_alike_originals, find_nearest_alike
from synth.teachers import round_scores


def vectors_of(count: int, seed: int) -> Any:
    source = np.random.default_rng(seed)
    centres = source.standard_normal((6, 16))
    vectors = centres[source.integers(6, size=count)] + 0.15 * source.standard_normal((count, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def by_going_through(vectors: Any, kind: Any, threshold: float) -> list[int]:
    cosines = round_scores((vectors.astype(np.float64) @ vectors.T.astype(np.float64)).astype(np.float32))
    originals = [-1] * len(vectors)
    for j in range(len(vectors)):
        near = (i for i in range(j) if originals[i] < 0 and kind[i] == kind[j] and cosines[i, j] >= threshold)
        originals[j] = next(near, -1)
    return originals


@pytest.mark.parametrize("seed", range(8))
def test_a_text_is_dropped_for_the_first_kept_one_that_is_alike(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "BLOCK", 13)
    vectors = vectors_of(120, seed)
    kind = np.random.default_rng(seed).integers(2, size=120).astype(np.uint64)
    found = find_alike_originals(lambda start, stop: vectors[start:stop], kind, 0.875)
    expected = by_going_through(vectors, kind, np.float32(0.875))
    assert found.tolist() == expected
    assert 10 < sum(each >= 0 for each in expected) < 118


def test_the_nearest_of_others_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "BLOCK", 7)
    vectors, others = vectors_of(40, 1), vectors_of(5, 2)
    nearest, cosines = find_nearest_alike(lambda start, stop: vectors[start:stop], 40, others, 0.3)
    products = vectors @ others.T
    assert nearest.tolist() == np.where(products.max(axis=1) >= 0.3, products.argmax(axis=1), -1).tolist()
    assert cosines == pytest.approx(products.max(axis=1), abs=1e-4)
    assert {-1} < set(nearest.tolist())


def test_of_no_text_nothing_is_alike() -> None:
    none = np.empty((0, 4), dtype=np.float32)
    assert find_alike_originals(lambda start, stop: none, np.empty(0, dtype=np.uint64), 0.9).tolist() == []
    assert find_nearest_alike(lambda start, stop: none, 3, none, 0.9)[0].tolist() == [-1, -1, -1]
