from __future__ import annotations

from pathlib import Path

import pytest

from synth.doctor.gpu import check_gpu, check_search, check_torch
from synth.llm.install import has_gpu

needs_none = pytest.mark.skipif(Path("/proc/driver/nvidia/version").exists(), reason="this machine has a GPU")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH besides the system's."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def put_smi(path: Path, script: str) -> None:
    (path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (path / "nvidia-smi").chmod(0o755)


@needs_none
def test_a_machine_without_a_gpu_is_well(path: Path) -> None:
    assert not has_gpu()
    assert check_gpu().state == "ok"
    assert "none is needed" in check_gpu().said
    assert check_search().said == "FAISS, on the CPU"
    assert check_torch().state == "ok"


@needs_none
def test_what_the_driver_says_is_told(path: Path) -> None:
    row = "NVIDIA H200, 143771 MiB, 4 MiB, 575.57.08"
    put_smi(path, f"echo '{row}'; echo '{row}'")
    found = check_gpu()
    assert found.state == "ok"
    assert found.said == "2 x NVIDIA H200, 143771 MiB each, of which 4 MiB in use on the first, driver 575.57.08"


@needs_none
def test_a_driver_that_fails_is_a_warning(path: Path) -> None:
    put_smi(path, "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18")
    found = check_gpu()
    assert found.state == "warning"
    assert "version mismatch" in found.said
    assert "restart the machine" in found.fix


@needs_none
def test_a_gpu_that_faiss_was_not_built_for_is_a_warning(path: Path) -> None:
    put_smi(path, "true")
    assert check_gpu().said == "the driver is there and sees no GPU; none is needed"
    found = check_search()
    assert found.state == "warning"
    assert "[gpu]" in found.fix
