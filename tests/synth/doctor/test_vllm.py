from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from synth.doctor.finding import Finding
from synth.doctor.vllm import check_served, check_vllm
from synth.llm.install import environment_folder

Look = Callable[..., dict[str, Finding]]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("SYNTH_VLLM", raising=False)


def put_vllm(folder: Path) -> Path:
    command = folder / "bin" / "vllm"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    return command


def test_without_vllm_all_is_well_and_it_says_how_to_get_it() -> None:
    assert check_vllm().state == "ok"
    assert "`make vllm` (or" in check_vllm().said


def test_the_environment_of_make_vllm_is_found() -> None:
    command = put_vllm(environment_folder())
    (environment_folder() / "complete").touch()
    assert check_vllm().state == "ok"
    assert str(command) in check_vllm().said
    command.unlink()
    assert check_vllm().state == "broken"
    assert "make vllm" in check_vllm().fix


def test_one_that_is_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTH_VLLM", str(tmp_path / "mine"))
    assert check_vllm().state == "broken"
    assert check_vllm().fix.startswith("unset it, or set it to")
    command = put_vllm(tmp_path / "mine")
    assert check_vllm().said == f"{command}, as SYNTH_VLLM says"


def test_a_model_to_start_is_looked_at_and_not_started(tmp_path: Path, look: Look) -> None:
    missing = look(lambda: [check_served("vllm:Qwen/Qwen3-8B")])["check"]
    assert missing.said == "vLLM is not installed"
    assert missing.fix.startswith("run `make vllm`")
    put_vllm(environment_folder())
    (environment_folder() / "complete").touch()
    assert "would serve Qwen/Qwen3-8B of the Hub" in check_served("vllm:Qwen/Qwen3-8B").said
    assert f"the folder {tmp_path}" in check_served(f"vllm:{tmp_path}").said
    assert look(lambda: [check_served("vllm:./nothing")])["check"].fix.startswith("give the folder of a model")
