from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from random_vectors import FakeGpus, Floats, Off, each_backend, unit_vectors

from synth.errors import RunError
from synth.search import check_backend
from synth.search.backends import Backend, Found, Gpus, Numpy
from synth.search.tiles import Tile


@each_backend
@pytest.mark.parametrize("count", [1, 50, 5_000])
def test_a_backend_that_agrees_with_numpy_passes(backend: Backend, count: int) -> None:
    for scale in (1, 40):
        check_backend(backend, unit_vectors(1, 100, 64), unit_vectors(2, count, 64) * np.float32(scale))


def test_a_gpu_that_stores_float16_passes() -> None:
    check_backend(Gpus(FakeGpus(2)), unit_vectors(1, 100, 64), unit_vectors(2, 5_000, 64).astype(np.float16))


def test_a_backend_that_is_further_off_than_it_may_be_is_refused() -> None:
    check_backend(Off(Numpy(), 1e-3), unit_vectors(1, 100), unit_vectors(2, 5_000))
    with pytest.raises(RunError) as refused:
        check_backend(Off(Numpy(), 1e-3, says=1e-6), unit_vectors(1, 100), unit_vectors(2, 5_000))
    assert "is wrong on a sample of these vectors: a pair scores 0." in str(refused.value)
    assert str(refused.value).endswith("or write ,search_on=cpu behind the teacher's name")


class Forgetful(Numpy):
    """Leaves out the best passage."""

    def search(self, queries: Floats, tile: Tile, wanted: int) -> Any:
        found = super().search(queries, tile, wanted + 1)
        order = np.argsort(found.scores, axis=1)[:, :-1]
        kept = np.take_along_axis(found.ordinals, order, axis=1), np.take_along_axis(found.scores, order, axis=1)
        return Found(*kept, kept[1].min(axis=1))


class OutOfRange(Numpy):
    def search(self, queries: Floats, tile: Tile, wanted: int) -> Any:
        found = super().search(queries, tile, wanted)
        found.ordinals[0, 0] = -1
        return found


@pytest.mark.parametrize(
    ("backend", "fault"), [(Forgetful(), "leaves out a passage"), (OutOfRange(), "some of no passage")]
)
def test_a_backend_that_forgets_passages_is_refused(backend: Backend, fault: str) -> None:
    with pytest.raises(RunError, match=fault):
        check_backend(backend, unit_vectors(1, 100), unit_vectors(2, 5_000))


def test_scores_that_are_no_numbers_are_refused() -> None:
    class Nothing(Numpy):
        def search(self, queries: Floats, tile: Tile, wanted: int) -> Any:
            found = super().search(queries, tile, wanted)
            return Found(found.ordinals, found.scores * np.float32(np.nan), found.cut)

    with pytest.raises(RunError, match="scores nan there"):
        check_backend(Nothing(), unit_vectors(1, 100), unit_vectors(2, 5_000))
