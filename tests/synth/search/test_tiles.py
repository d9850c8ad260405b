from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from random_vectors import unit_vectors

from synth.search import tiles
from synth.search.tiles import give_back, is_large_map, read_tile, tile_bounds


def test_tiles_cover_every_passage_once() -> None:
    vectors = unit_vectors(1, 23, 4)
    assert list(tile_bounds(vectors, 10)) == [(0, 10), (10, 20), (20, 23)]
    assert list(tile_bounds(vectors)) == [(0, 23)]
    assert list(tile_bounds(vectors[:0])) == []


def test_a_tile_holds_as_many_bytes_whatever_the_dimension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "TILE_BYTES", 1_600)
    assert list(tile_bounds(unit_vectors(1, 150, 4))) == [(0, 100), (100, 150)]
    assert list(tile_bounds(unit_vectors(1, 3, 1_000))) == [(0, 1), (1, 2), (2, 3)]


def test_a_tile_of_float32_is_no_copy_and_one_of_float16_is_widened() -> None:
    vectors = unit_vectors(1, 20, 4)
    assert np.shares_memory(read_tile(vectors, 5, 9), vectors)
    widened = read_tile(vectors.astype(np.float16), 5, 9)
    assert widened.dtype == np.float32
    assert widened.tolist() == vectors[5:9].astype(np.float16).tolist()


def resident(path: Path) -> int:
    """Kilobytes of a mapped file that this process holds."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    return sum(
        int(next(line for line in lines if line.startswith("Rss:")).split()[1]) for at in lines if str(path) in at
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_pages_of_a_large_mapped_file_are_given_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tiles, "TILE_BYTES", 1 << 20)
    path = tmp_path / "vectors"
    unit_vectors(1, 40_000).tofile(path)
    mapped = np.memmap(path, dtype=np.float32, mode="r", shape=(40_000, 16))
    assert read_tile(mapped, 0, 40_000).sum() != 0
    assert resident(path) > 2_000
    give_back(mapped)
    assert resident(path) < 300
    assert mapped[7].tolist() == unit_vectors(1, 40_000)[7].tolist()


def test_changes_that_only_memory_holds_are_never_given_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tiles, "TILE_BYTES", 100)
    unit_vectors(1, 50).tofile(tmp_path / "vectors")
    private = np.memmap(tmp_path / "vectors", dtype=np.float32, mode="c", shape=(50, 16))
    private[3] = 7
    give_back(private)
    assert private[3].tolist() == [7] * 16
    assert not is_large_map(private)
    assert not is_large_map(np.zeros((50, 16), dtype=np.float32))
