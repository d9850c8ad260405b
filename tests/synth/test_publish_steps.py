"""A publish that ends at any of its writes: what readers see, and what comes of doing it again."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fake_s3 import Failure, FakeS3, Request

from synth import run as running
from synth.errors import StoreError
from synth.objects import Objects
from synth.publish import publish
from synth.run import Run, execute
from synth.store import Store, VersionRef
from synth.verify import verify_version

Make = Callable[..., Any]


class Killed(BaseException):
    """Stands for the end of the process."""


@dataclass
class Steps:
    """Counts the changes that this thread makes to disk or bucket, and fails one of them.

    With Killed nothing is done any more after that: no tidying, no renaming, no closing of files.
    """

    end: int = 0
    error: type[BaseException] = Killed
    after: bool = False
    """The last step is still done."""
    done: list[str] = field(default_factory=list)
    dead: bool = False
    thread: int = field(default_factory=threading.get_ident)

    def wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            if threading.get_ident() != self.thread:
                return real(*args, **options)
            if self.dead:
                raise Killed
            self.done.append(name)
            if len(self.done) != self.end:
                return real(*args, **options)
            if self.after:
                with suppress(OSError):  # a folder that is there already
                    real(*args, **options)
            if self.error is Killed:
                self.dead = True
                raise Killed
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        return step


ON_DISK = [
    *((os, name) for name in ("mkdir", "replace", "rename", "fsync", "unlink", "rmdir")),
    *((pq.ParquetWriter, name) for name in ("__init__", "write_table", "close")),
    (Path, "write_bytes"),
    (shutil, "copyfile"),
]
IN_BUCKET = [(Objects, "put"), (Objects, "create")]


@contextmanager
def stepwise(steps: Steps, changes: list[tuple[Any, str]]) -> Iterator[Steps]:
    with pytest.MonkeyPatch.context() as patched:
        for owner, name in changes:
            patched.setattr(owner, name, steps.wrap(name, getattr(owner, name)))
        yield steps


@dataclass
class Writer:
    """What `publish` is given by a run that is done but for that."""

    run: Run
    given: tuple[Any, ...]

    def publish(self, store: Store) -> VersionRef:
        folder, info, workshop, assessment, _, *rest = self.given
        return publish(folder, info, workshop, assessment, store, *rest)


def writer_of(run: Run) -> Writer:
    caught: list[tuple[Any, ...]] = []

    def stop(*args: Any) -> Any:
        caught.append(args)
        raise Killed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(running, "publish", stop)
        with suppress(Killed):
            execute(run)
    return Writer(run, caught[0])


@pytest.fixture(scope="module")
def writers(new_run: Make, make_texts: Make, fresh: Make) -> tuple[Writer, Writer]:
    """Of the first and of the second version; what a publish keeps in its run, such as hashes of texts, is there."""
    store = Store(fresh() / "store")
    first, second = (writer_of(new_run(make_texts(number, sentences=5), store=store)) for number in (3, 4))
    for writer in (first, second):
        writer.publish(Store(fresh() / "elsewhere"))
    return first, second


@pytest.fixture
def folder(writers: tuple[Writer, Writer], tmp_path: Path) -> Store:
    """A store with the first version."""
    store = Store(tmp_path / "folder")
    writers[0].publish(store)
    return store


@pytest.fixture
def bucket(writers: tuple[Writer, Writer], remote: Store) -> Store:
    writers[0].publish(remote)
    return remote


def latest(store: Store) -> int:
    """Number of the newest version, which is whole."""
    newest = store.find("finance")
    assert verify_version(newest) == []
    assert newest.manifest.version == newest.number
    return newest.number


def content(version: VersionRef) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in version.path.rglob("*") if path.is_file()}


def names(store: Store) -> list[str]:
    return sorted(path.name for path in (store.versions / "finance").iterdir())


def check_done_again(store: Store, writer: Writer) -> None:
    """Publishing after a failure leaves two versions and nothing else."""
    assert writer.publish(store).number == 2
    assert latest(store) == 2


def test_a_publish_writes_each_file_beside_its_place_and_renames_the_folder_once(
    folder: Store, writers: tuple[Writer, Writer]
) -> None:
    with stepwise(Steps(), ON_DISK) as steps:
        writers[1].publish(folder)
    counted = Counter(steps.done)
    assert counted["rename"] == 1
    assert counted["replace"] == 6, "records of two splits, rejects, passages, sources, manifest"
    assert counted["fsync"] == 2 * counted["replace"] + 1
    last_write = max(place for place, step in enumerate(steps.done) if step == "replace")
    assert last_write < steps.done.index("rename")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # files that a dead process left open
@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_writer_that_dies_at_any_step_leaves_the_old_version_or_the_new_one_and_both_whole(
    folder: Store, writers: tuple[Writer, Writer], after: bool
) -> None:
    with stepwise(Steps(), ON_DISK) as all_steps:
        writers[1].publish(folder)
    renamed = all_steps.done.index("rename") + 1
    old = folder.find("finance@1")
    before = content(old)
    assert verify_version(old) == []
    for end, step in enumerate(all_steps.done, 1):
        shutil.rmtree(folder.versions / "finance" / "2")
        with stepwise(Steps(end, after=after), ON_DISK), pytest.raises(Killed):
            writers[1].publish(folder)
        there = 2 if end > renamed or (after and end == renamed) else 1
        assert folder.find("finance").number == there, (end, step)
        assert content(old) == before
        if there == 2:
            assert latest(folder) == 2
        assert [name for name in names(folder) if name[0] != "."] == ["1", "2"][:there]
        check_done_again(folder, writers[1])
        assert names(folder) == ["1", "2"]


@pytest.mark.slow
def test_a_disk_that_fills_at_any_step_is_one_sentence_and_leaves_nothing(
    folder: Store, writers: tuple[Writer, Writer]
) -> None:
    with stepwise(Steps(), ON_DISK) as all_steps:
        writers[1].publish(folder)
    renamed = all_steps.done.index("rename") + 1
    told = []
    for end, step in enumerate(all_steps.done, 1):
        shutil.rmtree(folder.versions / "finance" / "2")
        there = 2
        with stepwise(Steps(end, OSError), ON_DISK):
            try:
                writers[1].publish(folder)  # a folder that was there anyway, a file that was of no use any more
            except StoreError as error:
                told.append(str(error))
                there = 2 if end > renamed else 1
        assert latest(folder) == there, (end, step)
        if step not in ("unlink", "rmdir"):
            assert names(folder) == ["1", "2"][:there]
        check_done_again(folder, writers[1])
        assert names(folder) == ["1", "2"]
    assert len(told) > 20
    assert not [error for error in told if "\n" in error or "No space left" not in error or "--store" not in error]


_KILLED = """
import os, signal, sys
from pathlib import Path
from synth import run as running
from synth.run import Run, execute
from synth.store import Store
root, run_id, call, left = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
real, publish = getattr(os, call), running.publish
def die(*args, **options):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **options)
def armed(*args):
    setattr(os, call, die)
    return publish(*args)
running.publish = armed
execute(Run(Store(root), run_id))
"""

_LIMITED = """
import resource, sys
from pathlib import Path
from synth import run as running
from synth.errors import StoreError
from synth.run import Run, execute
from synth.store import Store
publish = running.publish
def limited(*args):
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
    return publish(*args)
running.publish = limited
try:
    execute(Run(Store(Path(sys.argv[1])), sys.argv[2]))
except StoreError as error:
    print(error)
"""


@pytest.fixture
def waiting(writers: tuple[Writer, Writer], tmp_path: Path) -> Callable[[Path], Run]:
    """A store in a folder with the first version, and in it the run that makes the second."""

    def copy(root: Path) -> Run:
        shutil.copytree(writers[1].run.store.root, root)
        writers[0].publish(Store(root))
        return Run(Store(root), writers[1].run.id)

    return copy


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "times"), [("mkdir", 1), ("replace", 1), ("replace", 6), ("rename", 1), ("fsync", 13)]
)
def test_kill_9_while_publishing_leaves_the_old_version_or_the_new_one(
    waiting: Callable[[Path], Run], tmp_path: Path, call: str, times: int
) -> None:
    run = waiting(tmp_path / "store")
    command = [sys.executable, "-c", _KILLED, str(run.store.root), run.id, call, str(times)]
    assert subprocess.run(command, check=False).returncode == -9
    assert latest(run.store) == (2 if call == "fsync" else 1)
    assert execute(run).number == latest(run.store) == 2
    assert names(run.store) == ["1", "2"]


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_is_one_sentence_too(waiting: Callable[[Path], Run], tmp_path: Path) -> None:
    """EFBIG, as of a quota: a real error of the system that needs no right to mount."""
    run = waiting(tmp_path / "store")
    command = [sys.executable, "-c", _LIMITED, str(run.store.root), run.id]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "File too large" in told
    assert told.count("\n") == 1
    assert names(run.store) == ["1"]
    assert execute(run).number == latest(run.store) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount a tmpfs of so many bytes."""
    folder = tmp_path / "disk"

    def mount(size: int) -> Path:
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if not shutil.which("mount") or subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("this user can't mount a tmpfs")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_really_full_leaves_the_old_version(
    writers: tuple[Writer, Writer], small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(1 << 20)
    store = Store(disk / "store")
    writers[0].publish(store)
    ballast = disk / "ballast"
    free = shutil.disk_usage(disk).free
    for left in range(4096, 49_152, 4096):
        ballast.write_bytes(b"x" * (free - left))
        with pytest.raises(StoreError, match=r"No space left on device.*--store") as caught:
            writers[1].publish(store)
        assert "\n" not in str(caught.value)
        assert latest(store) == 1
        assert names(store) == ["1"]
        ballast.unlink()
    check_done_again(store, writers[1])
    assert names(store) == ["1", "2"]


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_writer_to_a_bucket_that_dies_at_any_write_leaves_the_old_version_or_the_new_one(
    bucket: Store, writers: tuple[Writer, Writer], s3: FakeS3, after: bool
) -> None:
    name = bucket.where.split("/")[2]
    before = set(s3.objects(name))
    with stepwise(Steps(), IN_BUCKET) as all_steps:
        writers[1].publish(bucket)
    assert all_steps.done == ["put"] * (len(all_steps.done) - 1) + ["create"]
    assert len(all_steps.done) > 3
    for end in range(1, len(all_steps.done) + 1):
        for key in set(s3.objects(name)) - before:
            s3.delete(name, key)
        with stepwise(Steps(end, after=after), IN_BUCKET), pytest.raises(Killed):
            writers[1].publish(bucket)
        assert latest(bucket) == (2 if after and end == len(all_steps.done) else 1)
        check_done_again(bucket, writers[1])
        assert [version.number for version in bucket.iterate("finance")] == [1, 2]


@pytest.mark.slow
def test_a_bucket_that_refuses_any_write_is_one_sentence_and_leaves_the_old_version(
    bucket: Store, writers: tuple[Writer, Writer], s3: FakeS3
) -> None:
    name = bucket.where.split("/")[2]
    before = set(s3.objects(name))
    writers[1].publish(bucket)
    needed = len(set(s3.objects(name)) - before)
    for allowed in range(needed):
        for key in set(s3.objects(name)) - before:
            s3.delete(name, key)
        left = iter(range(allowed))

        def refuse(request: Request, left: Iterator[int] = left) -> Failure | None:
            return (403, "AccessDenied") if request.writes and next(left, None) is None else None

        s3.fail = refuse
        with pytest.raises(StoreError, match="lets these credentials not write objects") as caught:
            writers[1].publish(bucket)
        assert "\n" not in str(caught.value)
        s3.fail = lambda request: None
        assert latest(bucket) == 1
        check_done_again(bucket, writers[1])


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_many_read_while_one_writes_and_see_whole_versions_only(
    writers: tuple[Writer, Writer], where: str, request: pytest.FixtureRequest
) -> None:
    store: Store = request.getfixturevalue(where)
    begun, stop = threading.Event(), threading.Event()
    problems: list[str] = []
    seen: list[int] = []

    def watch() -> None:
        while not stop.is_set():
            newest = store.find("finance")
            problems.extend(verify_version(newest))
            seen.append(newest.number)
            begun.set()

    watchers = [threading.Thread(target=watch) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    begun.wait()
    writers[1].publish(store)
    looked = len(seen)
    while len(seen) < looked + 4 and any(watcher.is_alive() for watcher in watchers):
        stop.wait(0.01)
    stop.set()
    for watcher in watchers:
        watcher.join()
    assert problems == []
    assert set(seen) == {1, 2}


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_two_who_write_at_once_get_two_numbers(
    writers: tuple[Writer, Writer], where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store: Store = Store(tmp_path / "empty") if where == "folder" else request.getfixturevalue("remote")
    together = threading.Barrier(2)
    claimed: list[VersionRef] = []
    real = type(store).claim

    def claim(*args: Any) -> VersionRef:
        together.wait()
        return real(*args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(store), "claim", claim)
        threads = [
            threading.Thread(target=lambda writer=writer: claimed.append(writer.publish(store))) for writer in writers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(version.number for version in claimed) == [1, 2]
    assert latest(store) == 2
