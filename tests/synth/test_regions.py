from __future__ import annotations

import numpy as np
import pytest

from synth import regions as module
from synth.arrays import Floats
from synth.regions import Regions


def unit(vectors: np.ndarray) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / lengths).astype(np.float32)


def cloud(count: int, dimension: int = 4, seed: int = 0) -> Floats:
    return unit(np.random.default_rng(seed).standard_normal((count, dimension)))


def one_by_one(vectors: Floats, similarity: float) -> list[int]:
    """The definition, without tiles."""
    leaders: list[int] = []
    found = []
    for row, vector in enumerate(vectors):
        scores = [float(vectors[leader] @ vector) for leader in leaders]
        if not scores or round(max(scores), 4) < similarity:
            leaders.append(row)
            found.append(len(leaders) - 1)
        else:
            found.append(int(np.argmax(scores)))
    return found


def test_a_query_that_is_like_none_before_opens_a_region() -> None:
    east, north = [1.0, 0.0], [0.0, 1.0]
    regions = Regions(0.8)
    assert regions.add(unit(np.asarray([east, north, [0.9, 0.1], [0.1, 0.9], [-1.0, 0.0]]))).tolist() == [0, 1, 0, 1, 2]
    assert len(regions) == 3


def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = cloud(400)
    expected = one_by_one(vectors, 0.9)
    assert 20 < max(expected) < 300
    for size in (7, 256):
        monkeypatch.setattr(module, "_TILE", size)
        assert Regions(0.9).add(vectors).tolist() == expected


def test_the_first_queries_open_the_same_regions_whatever_follows() -> None:
    vectors = cloud(300)
    pieces = Regions(0.9)
    found = [pieces.add(vectors[start:stop]) for start, stop in ((0, 1), (1, 90), (90, 300))]
    whole = Regions(0.9).add(vectors)
    assert np.concatenate(found).tolist() == whole.tolist()
    assert Regions(0.9).add(vectors[:90]).tolist() == whole[:90].tolist()


def test_so_many_leaders_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REGIONS", 5)
    regions = Regions(0.99)
    found = regions.add(cloud(50))
    assert regions.is_full
    assert len(regions) == 5
    assert set(found.tolist()) == {0, 1, 2, 3, 4}


def test_no_vector_opens_no_region() -> None:
    regions = Regions(0.5)
    assert regions.add(np.empty((0, 3), dtype=np.float32)).tolist() == []
    assert len(regions) == 0
