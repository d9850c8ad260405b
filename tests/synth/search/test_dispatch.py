from __future__ import annotations

import sys
from pathlib import Path

import pytest
from random_vectors import FakeGpus, needs_faiss, unit_vectors

from synth.errors import InputError, MissingExtra, RunError
from synth.search import SearchSettings, dispatch, search, search_exactly
from synth.search.backends import FaissDevices, has_gpu_faiss

QUERIES, PASSAGES = unit_vectors(1, 6), unit_vectors(2, 500)


@pytest.mark.parametrize(
    ("settings", "device", "why"),
    [
        (SearchSettings("cpu"), "cpu", "search_on=cpu"),
        (SearchSettings("gpu"), "gpu x 2", "search_on=gpu"),
        (SearchSettings("auto"), "gpu x 2", "search_on=auto"),
    ],
)
def test_the_device_that_is_asked_for_is_taken_and_told(settings: SearchSettings, device: str, why: str) -> None:
    ordinals, scores, report = search(QUERIES, PASSAGES, 7, settings, devices=FakeGpus(2))
    expected = search_exactly(QUERIES, PASSAGES, 7)
    assert ordinals.tolist() == expected[0].tolist()
    assert scores.tolist() == expected[1].tolist()
    assert (report.device, report.why, report.index) == (device, why, "exact")
    assert ("GPU" in report.backend) == (device != "cpu")
    assert report.seconds > 0
    assert report.recall is None


def test_auto_without_a_gpu_takes_the_cpu_and_says_why() -> None:
    _, _, report = search(QUERIES, PASSAGES, 7, SearchSettings("auto"), devices=FakeGpus(0))
    assert report.device == "cpu"
    assert report.why.startswith("search_on=auto, and FAISS ")


@needs_faiss
@pytest.mark.skipif(has_gpu_faiss(), reason="this FAISS is built for GPUs")
def test_a_gpu_that_is_not_there_is_an_error_that_says_what_to_type() -> None:
    with pytest.raises(
        InputError, match=r"no search on a GPU is possible: FAISS .* is built for the CPU; type pip .*'synth\[gpu\]'"
    ):
        search(QUERIES, PASSAGES, 7, SearchSettings("gpu"))


@pytest.mark.skipif(not has_gpu_faiss() or FaissDevices().count() > 0, reason="needs a FAISS for GPUs, and no GPU")
def test_a_faiss_for_gpus_without_one_is_an_error() -> None:
    with pytest.raises(InputError, match="sees no GPU; look at nvidia-smi"):
        search(QUERIES, PASSAGES, 7, SearchSettings("gpu"))


def test_without_faiss_a_gpu_is_an_error_and_auto_takes_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("approximate", "backends", "exact"):
        monkeypatch.setattr(f"synth.search.{module}.has_faiss", lambda: False)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match="FAISS is not installed; type pip install"):
        search(QUERIES, PASSAGES, 7, SearchSettings("gpu"))
    with pytest.raises(MissingExtra, match="index=hnsw"):
        search(QUERIES, PASSAGES, 7, SearchSettings(index="hnsw"))
    assert search(QUERIES, PASSAGES, 7)[2].backend.startswith("numpy")


def test_a_gpu_that_fails_never_becomes_a_search_on_the_cpu() -> None:
    for device in ("auto", "gpu"):
        with pytest.raises(RunError, match="failed on GPU 0"):
            search(QUERIES, PASSAGES, 7, SearchSettings(device), devices=FakeGpus(1, broken=0))


def test_tiles_and_what_was_kept_of_them_are_told(tmp_path: Path) -> None:
    first, second = (search(QUERIES, PASSAGES, 7, SearchSettings(tile=100), folder=tmp_path)[2] for _ in range(2))
    assert (first.tiles, first.reused, second.tiles, second.reused) == (5, 0, 0, 5)


@needs_faiss
def test_an_index_of_the_cpu_is_told_to_be_one() -> None:
    assert search(QUERIES, PASSAGES, 7, SearchSettings(index="ivf"))[2].why == "index=ivf is searched on the CPU"
    with pytest.raises(InputError, match="leave search_on=gpu out, or write index=cagra"):
        search(QUERIES, PASSAGES, 7, SearchSettings("gpu", "hnsw"), devices=FakeGpus(1))
    with pytest.raises(InputError, match="write index=exact or index=hnsw"):
        search(QUERIES, PASSAGES, 7, SearchSettings("cpu", "cagra"))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"device": "cuda"}, "search: there is no device 'cuda'"),
        ({"index": "hnws"}, "search: there is no index 'hnws'; did you mean 'hnsw'?"),
        ({"tile": -1}, "search: a tile of -1 passages is impossible"),
    ],
)
def test_settings_that_there_are_not_are_refused(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        SearchSettings(**settings)  # type: ignore[arg-type]
    assert str(refused.value).startswith(sentence)


def test_what_is_missing_names_the_faiss_that_sees_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "has_gpu_faiss", lambda: True)
    monkeypatch.setattr(dispatch, "faiss_version", lambda: "1.15.1")
    with pytest.raises(InputError, match=r"FAISS 1.15.1 sees no GPU; look at nvidia-smi and CUDA_VISIBLE_DEVICES"):
        search(QUERIES, PASSAGES, 7, SearchSettings("gpu"), devices=FakeGpus(0))


@needs_faiss
@pytest.mark.parametrize("device", ["auto", "gpu"])
def test_cagra_is_refused_where_faiss_lacks_it_and_where_no_gpu_is(
    monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    import faiss

    monkeypatch.delattr(faiss, "GpuIndexCagra", raising=False)
    with pytest.raises(InputError, match="a FAISS that was built with cuVS"):
        search(QUERIES, PASSAGES, 7, SearchSettings(device, "cagra"), devices=FakeGpus(1))
    monkeypatch.setattr("synth.search.approximate.has_gpu_faiss", lambda: True)
    monkeypatch.setattr(faiss, "GpuIndexCagra", object, raising=False)
    with pytest.raises(InputError, match="no search on a GPU is possible"):
        search(QUERIES, PASSAGES, 7, SearchSettings(device, "cagra"), devices=FakeGpus(0))
