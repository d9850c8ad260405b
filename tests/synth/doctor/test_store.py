from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_s3 import FakeS3

from synth.doctor.finding import Finding
from synth.doctor.store import check_folder, check_lease, examine_store
from synth.lease import Lease
from synth.store import Store, choose_store

Look = Callable[..., dict[str, Finding]]


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own; skips where mounting is not allowed."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("file systems can't be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_store_with_a_version_is_well(finance: Any, look: Look) -> None:
    found = look(examine_store, finance.run.store)
    assert {name: finding.state for name, finding in found.items()} == dict.fromkeys(
        ("folder", "lease", "runs", "versions"), "ok"
    )
    assert found["versions"].said == "all files of the newest are there: finance@1"


def test_a_store_that_is_not_there_yet_is_well_and_not_made(tmp_path: Path, look: Look) -> None:
    found = look(examine_store, Store(tmp_path / "new" / "store"))
    assert {finding.state for finding in found.values()} == {"ok"}
    assert "the first run makes it" in found["folder"].said
    assert [*tmp_path.iterdir()] == []


def test_a_file_in_the_way_is_told(tmp_path: Path, look: Look) -> None:
    (tmp_path / "file").write_text("")
    found = look(examine_store, Store(tmp_path / "file" / "store"))
    assert [*found] == ["folder"]
    assert found["folder"].state == "broken"
    assert "is no folder" in found["folder"].said
    assert "--store" in found["folder"].fix


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_a_folder_that_even_root_can_not_write_is_told() -> None:
    found = check_folder(Store(Path("/proc/synth-store")))
    assert found.state == "broken"
    assert "/proc can't be written" in found.said


@pytest.mark.skipif(sys.platform != "linux", reason="mount has other options")
def test_a_read_only_file_system_is_told(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "ro,size=64k") as disk:
        found = check_folder(Store(disk / "store"))
    assert (found.state, found.said) == ("broken", f"{disk} can't be written (Read-only file system)")


@pytest.mark.skipif(sys.platform != "linux", reason="mount has other options")
def test_a_full_file_system_is_told(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=64k") as disk:
        (disk / "all").write_bytes(b"x" * 64 * 1024)
        found = check_folder(Store(disk))
    assert found.state == "broken"
    assert "No space left" in found.said


def test_a_file_system_without_hard_links_can_hold_no_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_paths: object, **_options: object) -> None:
        raise PermissionError(1, "Operation not permitted")  # what FAT and some network file systems say

    assert check_lease(Store(tmp_path)).state == "ok"
    monkeypatch.setattr(os, "link", refuse)
    found = check_lease(Store(tmp_path / "store"))
    assert found.state == "broken"
    assert "no hard link can be made" in found.said
    assert [*tmp_path.iterdir()] == []


def test_an_unfinished_run_is_a_warning_with_how_to_go_on(new_run: Any, make_texts: Any, look: Look) -> None:
    run = new_run(make_texts())
    runs = look(examine_store, run.store)["runs"]
    assert (runs.state, runs.said) == ("warning", f"1 unfinished: {run.id}")
    assert runs.fix.startswith(f"synth resume {run.id} --store {run.store.root}")


def test_a_run_that_somebody_works_on_is_no_warning(new_run: Any, make_texts: Any, look: Look) -> None:
    run = new_run(make_texts())
    with Lease(run.folder):
        assert look(examine_store, run.store)["runs"].state == "ok"


def test_a_run_that_can_not_be_read_is_named(new_run: Any, make_texts: Any, look: Look) -> None:
    run = new_run(make_texts())
    (run.folder / "run.json").write_text("{")
    runs = look(examine_store, run.store)["runs"]
    assert runs.state == "broken"
    assert run.id in runs.said


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "passages.parquet is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "passages.parquet has"),
        (lambda path: (path.parent / "manifest.json").write_text("{}"), "manifest.json is damaged"),
        (lambda path: (path.parent / "manifest.json").unlink(), "has no readable manifest"),
    ],
)
def test_a_newest_version_that_is_not_whole_is_told(
    own_finance: Any, look: Look, damage: Callable[[Path], object], said: str
) -> None:
    damage(own_finance.version.path / "passages.parquet")
    versions = look(examine_store, own_finance.run.store)["versions"]
    assert versions.state == "broken"
    assert said in versions.said
    assert versions.fix.startswith("synth datasets verify finance@1 --store")


def test_a_bucket_is_asked_for_a_conditional_put(remote: Store, look: Look) -> None:
    for _ in range(2):
        found = look(examine_store, remote)
        assert {finding.state for finding in found.values()} == {"ok"}
        assert "honours conditional puts" in found["bucket"].said


def test_a_server_that_ignores_conditions_is_broken(
    remote: Store, s3: FakeS3, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fake_s3.CONDITIONAL", False)
    found = look(examine_store, remote)["check"]
    assert found.state == "broken"
    assert "ignores conditional puts" in found.said


def test_a_bucket_that_is_not_there_is_told(s3: FakeS3, look: Look) -> None:
    found = look(examine_store, choose_store("s3://no-such-bucket/team"))["check"]
    assert found.state == "broken"
    assert found.fix == "make the bucket, or choose another --store"
