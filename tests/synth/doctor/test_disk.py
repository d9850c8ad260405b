from __future__ import annotations

import sys
from pathlib import Path

import pytest

from synth.doctor import disk
from synth.doctor.disk import check_disk, in_words, places


def test_folders_of_one_file_system_are_told_together(tmp_path: Path) -> None:
    found = check_disk({"the store": tmp_path / "a" / "b", "temporary files": tmp_path})
    assert found.said.count("free for") == 1
    assert "free for the store, temporary files" in found.said


@pytest.mark.parametrize(("bound", "state"), [("LITTLE", "warning"), ("NOTHING", "broken")])
def test_little_room_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, state: str) -> None:
    monkeypatch.setattr(disk, "LITTLE", 1 << 62)
    monkeypatch.setattr(disk, "NOTHING", 1 << 62 if bound == "NOTHING" else 0)
    found = check_disk({"the store": tmp_path / "store"})
    assert found.state == state
    assert str(tmp_path) in found.said
    assert "synth gc" in found.fix


def test_the_caches_are_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HF_HOME", raising=False)
    found = places(tmp_path / "store")
    assert found["the store"] == tmp_path / "store"
    assert found["models of the Hub"] == tmp_path / "cache" / "huggingface" / "hub"
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    assert places(None)["models of the Hub"] == tmp_path / "hf" / "hub"


def test_sizes_are_in_words() -> None:
    assert [in_words(n) for n in (0, 999, 1_500, 2e9, 3.5e12)] == ["0 B", "999 B", "1.5 kB", "2.0 GB", "3.5 TB"]


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_what_is_on_no_disk_needs_no_room(tmp_path: Path) -> None:
    assert check_disk({"the store": Path("/proc/store")}).state == "ok"
    assert "the store" not in check_disk({"the store": Path("/proc/store"), "temporary files": tmp_path}).said
