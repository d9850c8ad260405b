from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synth import restore as restoring
from synth.diff import compare
from synth.errors import StoreError
from synth.restore import restore
from synth.store import Store
from synth.verify import verify_version

Make = Callable[..., Any]


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def made(make: Make, make_texts: Make, fresh: Callable[[], Path]) -> Store:
    store = Store(fresh() / "store")
    for number in (6, 7):
        make(make_texts(number), store=store)
    return store


@pytest.fixture
def store(made: Store, tmp_path: Path) -> Store:
    """A copy with finance@1 and finance@2, to change."""
    shutil.copytree(made.root, tmp_path / "store")
    return Store(tmp_path / "store")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_old_version_is_the_newest_again_under_a_number_of_its_own(store: Store) -> None:
    before = content(store.versions)
    old = store.find("finance@1")
    version = restore(store, old)
    assert str(version) == "finance@3"
    assert store.find("finance") == version
    manifest = version.manifest
    assert (manifest.version, manifest.parent, manifest.restored_from) == (3, "finance@2", "finance@1")
    assert manifest.content_sha256 == old.manifest.content_sha256
    assert manifest.files == old.manifest.files
    assert verify_version(version, store) == []
    assert compare(old, version).rows["same"] == manifest.funnel.accepted
    after = content(store.versions)
    assert {path: after[path] for path in before} == before


def test_no_byte_of_the_data_is_stored_twice(store: Store) -> None:
    old = store.find("finance@1")
    version = restore(store, old)
    for file in old.manifest.files:
        assert version.file(file.path).samefile(old.file(file.path))


def test_files_are_copied_where_there_are_no_links(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", _fail_with(errno.EPERM))
    old = store.find("finance@1")
    version = restore(store, old)
    for file in old.manifest.files:
        assert not version.file(file.path).samefile(old.file(file.path))
    assert verify_version(version, store) == []


def test_what_the_newest_version_holds_is_not_published_again(store: Store) -> None:
    assert restore(store, store.find("finance@2")) == store.find("finance@2")
    third = restore(store, store.find("finance@1"))
    assert restore(store, store.find("finance@1")) == third
    assert [version.number for version in store.iterate("finance")] == [1, 2, 3]


def test_a_restored_version_can_be_restored(store: Store) -> None:
    third = restore(store, store.find("finance@1"))
    fourth = restore(store, store.find("finance@2"))
    fifth = restore(store, third)
    assert [str(each) for each in (third, fourth, fifth)] == ["finance@3", "finance@4", "finance@5"]
    assert fifth.manifest.restored_from == "finance@3"


def test_content_that_was_restored_is_found_unchanged_in_the_newest_version(
    make: Make, make_texts: Make, store: Store
) -> None:
    third = restore(store, store.find("finance@1"))
    assert make(make_texts(6), store=store).version == third


def test_a_damaged_version_is_not_restored(store: Store) -> None:
    path = store.find("finance@1").file("rejects.parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    before = content(store.versions)
    with pytest.raises(StoreError, match=r"finance@1 can't be restored: its rejects.parquet is damaged"):
        restore(store, store.find("finance@1"))
    assert content(store.versions) == before


def test_the_newest_version_is_looked_at_before_it_is_called_whole(store: Store) -> None:
    newest = store.find("finance")
    newest.file("passages.parquet").write_bytes(b"x")
    with pytest.raises(StoreError, match=rf"{newest} can't be restored: its passages.parquet is damaged"):
        restore(store, newest)


@pytest.mark.parametrize("files", range(6))
def test_a_killed_restore_leaves_the_latest_as_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """After each file in turn, and before the claim."""
    done = 0

    def step(*args: Any) -> Any:
        nonlocal done
        if done == files:
            raise Killed
        done += 1
        return real(*args)

    owner, name = (restoring, "_link") if files < 5 else (Store, "claim")
    if name == "claim":
        done = files
    real = getattr(owner, name)
    before = content(store.versions)
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, step)
        patched.setattr(restoring.shutil, "rmtree", lambda *args, **options: None)
        with pytest.raises(Killed):
            restore(store, store.find("finance@1"))
    seen = {path: data for path, data in content(store.versions).items() if "/." not in path}
    assert seen == before
    assert str(store.find("finance")) == "finance@2"
    assert restore(store, store.find("finance@1")).number == 3


@pytest.mark.parametrize("call", ["replace", "rename", "fsync"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    before = content(store.versions)
    with monkeypatch.context() as patched:
        patched.setattr(os, call, _fail_with(errno.ENOSPC))
        with pytest.raises(StoreError, match="No space left on device") as caught:
            restore(store, store.find("finance@1"))
    assert "\n" not in str(caught.value)
    assert content(store.versions) == before
    assert not [path for path in (store.versions / "finance").iterdir() if path.name.startswith(".")]


def _fail_with(code: int) -> Callable[..., Any]:
    def fail(*args: Any, **options: Any) -> Any:
        raise OSError(code, os.strerror(code))

    return fail
