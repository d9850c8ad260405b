from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_vectors import FakeGpus, assert_exact, by_brute_force, unit_vectors

from synth.errors import InputError, RunError
from synth.search.backends import GPU_DEPTH, FaissDevices, Found, Gpus, has_gpu_faiss, merge
from synth.search.exact import ExactSearch, Tally
from synth.search.tiles import Tile


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    gpus=st.integers(1, 5),
    count=st.integers(1, 700),
    depth=st.integers(1, 60),
    copies=st.integers(0, 300),
    tile=st.sampled_from([0, 3, 150]),
)
def test_shards_on_gpus_give_the_same_hits_as_numpy(
    seed: int, gpus: int, count: int, depth: int, copies: int, tile: int
) -> None:
    passages = unit_vectors(seed, count)
    passages[np.random.default_rng(seed).integers(0, count, copies)] = passages[0]
    assert_exact(unit_vectors(seed + 1, 5), passages, depth, backend=Gpus(FakeGpus(gpus)), tile=tile)


@pytest.mark.parametrize("gpus", [1, 3])
def test_more_than_a_gpu_returns_is_merged_from_shards(gpus: int) -> None:
    devices = FakeGpus(gpus)
    assert_exact(unit_vectors(1, 3), unit_vectors(2, 30_000), 5_000, backend=Gpus(devices))
    assert {device for device, _, _ in devices.searched} == set(range(gpus))
    assert max(wanted for _, _, wanted in devices.searched) == GPU_DEPTH


def test_hits_that_all_lie_in_one_shard_are_found_though_it_can_not_return_them() -> None:
    """A corpus in the order of its documents: the best 3,000 are neighbours."""
    passages = np.concatenate([unit_vectors(3, 60_000), np.zeros((60_000, 16), dtype=np.float32)], axis=1)
    passages[:3_500, 16] = 3
    queries = np.concatenate([unit_vectors(4, 2) / 9, np.eye(16, dtype=np.float32)[[0, 0]]], axis=1)
    tally = Tally()
    assert_exact(queries, passages, 3_000, backend=Gpus(FakeGpus(1)), tally=tally)
    assert (tally.deepened, tally.swept) == (2, 2)


def test_every_gpu_holds_a_shard_of_a_tile() -> None:
    devices = FakeGpus(4)
    Gpus(devices).search(unit_vectors(1, 3), Tile(unit_vectors(2, 1_000)), 10)
    assert sorted(devices.searched) == [(device, 250, 10) for device in range(4)]
    assert Gpus(devices).device == "gpu x 4"


def test_a_gpu_that_fails_is_named_and_nothing_else_searches() -> None:
    with pytest.raises(RunError) as failed:
        assert_exact(unit_vectors(1, 3), unit_vectors(2, 1_000), 10, backend=Gpus(FakeGpus(2, broken=1)))
    assert str(failed.value) == (
        "the search failed on GPU 1 with 500 passages of 16 dimensions: Error in cudaMalloc: out of memory; "
        "free its memory, or write ,search_on=cpu behind the teacher's name"
    )


def test_vectors_are_put_on_gpus_once_for_all_blocks_of_queries() -> None:
    devices, passages = FakeGpus(2), unit_vectors(2, 1_000)
    exact = ExactSearch(passages, Gpus(devices), tile=300)
    for seed in range(4):
        queries = unit_vectors(seed + 5, 6)
        assert exact.search(queries, 10)[0].tolist() == by_brute_force(queries, passages, 10)[0]
    assert sum(rows for _, rows in devices.uploaded) == 1_000
    assert len(devices.searched) >= 4 * 8
    del exact
    gc.collect()
    assert not list(devices.held)


def test_what_does_not_fit_on_a_gpu_is_put_there_a_shard_at_a_time() -> None:
    devices, passages = FakeGpus(1, room=700), unit_vectors(2, 1_000)
    exact = ExactSearch(passages, Gpus(devices), tile=300)
    for seed in range(3):
        queries = unit_vectors(seed + 5, 6)
        assert exact.search(queries, 10)[0].tolist() == by_brute_force(queries, passages, 10)[0]
    assert sum(rows for _, rows in devices.uploaded) >= 3_000


def test_values_that_float16_can_not_hold_are_refused_by_a_gpu() -> None:
    with pytest.raises(InputError, match="beyond 65,504; normalise the vectors"):
        assert_exact(unit_vectors(1, 3), unit_vectors(2, 10) * 1e6, 3, backend=Gpus(FakeGpus(1)))


def test_what_is_left_out_of_a_merge_is_not_forgotten() -> None:
    scores = np.array([[0.9, 0.5]], dtype=np.float32)
    first = Found(np.array([[1, 2]]), scores, np.array([0.4], dtype=np.float32))
    second = Found(np.array([[7, 8]]), scores - np.float32(0.1), np.array([0.3], dtype=np.float32))
    merged = merge([first, second], 3)
    assert sorted(merged.ordinals[0].tolist()) == [1, 2, 7]
    assert merged.cut.tolist() == [np.float32(0.4)]
    assert merge([first, second], 2).cut.tolist() == [0.5]


@pytest.mark.skipif(has_gpu_faiss(), reason="this FAISS is built for GPUs")
def test_a_faiss_without_gpus_has_none() -> None:
    assert FaissDevices().count() == 0


@pytest.mark.skipif(not FaissDevices().count(), reason="no GPU")
@pytest.mark.parametrize(("depth", "tile"), [(10, 0), (3_000, 0), (100, 5_000)])
def test_real_gpus_give_the_same_hits_as_numpy(depth: int, tile: int) -> None:
    passages = unit_vectors(2, 20_000, 96)
    passages[500:900] = passages[3]
    queries = np.concatenate([unit_vectors(1, 60, 96), passages[:4]])
    assert_exact(queries, passages, depth, backend=Gpus(FaissDevices()), tile=tile)
