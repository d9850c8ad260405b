from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from synth import collect as collecting
from synth.collect import Collection, Wish, collected_numbers, find_removals, remove
from synth.errors import InputError, StoreError
from synth.lease import Lease
from synth.llm.archive import generation_hash
from synth.restore import restore
from synth.run import Run, execute, iterate_runs
from synth.store import Store
from synth.verify import verify_version

Make = Callable[..., Any]
EVERYTHING = Wish(keep=1, runs=True, answers=True, embeddings=True)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def made(make: Make, make_texts: Make, fresh: Callable[[], Path]) -> Store:
    store = Store(fresh() / "store")
    for number in (4, 5, 6):
        make(make_texts(number), store=store)
    make(make_texts(7), store=store, name="notes")
    return store


@pytest.fixture
def store(made: Store, tmp_path: Path) -> Store:
    """A copy with finance@1 to finance@3 and notes@1, to change."""
    shutil.copytree(made.root, tmp_path / "store")
    return Store(tmp_path / "store")


def names(found: Collection) -> list[tuple[str, str]]:
    return [(each.kind, each.name) for each in found.removals]


def size(folder: Path) -> int:
    files = {path.stat().st_ino: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    return sum(files.values())


def age(path: Path, seconds: float) -> None:
    """As if it had been left so long ago."""
    then = time.time() - seconds
    for each in (*path.rglob("*"), path):
        os.utime(each, (then, then))


def test_a_store_in_order_holds_nothing_to_remove(store: Store) -> None:
    assert find_removals(store, Wish()) == Collection([], [])


def test_an_empty_store_holds_nothing_to_remove(tmp_path: Path) -> None:
    assert find_removals(Store(tmp_path / "none"), EVERYTHING) == Collection([], [])
    assert not (tmp_path / "none").exists()


def test_finding_changes_nothing(store: Store) -> None:
    before = sorted(store.root.rglob("*"))
    find_removals(store, EVERYTHING)
    assert sorted(store.root.rglob("*")) == before


def test_versions_beyond_the_newest_go_and_the_rest_stays_sound(store: Store) -> None:
    found = find_removals(store, Wish(keep=2))
    assert names(found) == [("version", "finance@1")]
    assert remove(store, found.removals) == []
    assert [version.number for version in store.iterate("finance")] == [2, 3]
    assert store.names() == ["finance", "notes"]
    for version in store.iterate("finance"):
        assert verify_version(version, store) == []


@pytest.mark.parametrize("keep", [0, -1])
def test_keeping_none_is_refused(store: Store, keep: int) -> None:
    with pytest.raises(InputError, match=rf"--keep {keep} would remove the newest version too; keep at least 1"):
        find_removals(store, Wish(keep=keep))


def test_a_name_that_is_no_dataset_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="no dataset 'finanse' .*did you mean 'finance'"):
        find_removals(store, Wish(keep=1, names=("finanse",)))


def test_only_the_datasets_that_are_named_lose_versions_and_runs(store: Store) -> None:
    assert names(find_removals(store, Wish(keep=1, names=("notes",), runs=True))) == [
        ("run", next(run.id for run in iterate_runs(store) if run.info.name == "notes"))
    ]


def test_the_next_number_is_never_one_that_was_collected(make: Make, make_texts: Make, store: Store) -> None:
    remove(store, find_removals(store, Wish(keep=1)).removals)
    assert make(make_texts(8), store=store).version.number == 4
    assert make(make_texts(4), store=store).version.number == 5


def test_of_a_version_that_goes_a_line_stays(store: Store) -> None:
    gone = {version.number: version.manifest for version in store.iterate("finance")}
    remove(store, find_removals(store, Wish(keep=2)).removals)
    remove(store, find_removals(store, Wish(keep=1)).removals)
    lines = orjson.loads((store.versions / "finance" / "collected.json").read_bytes())
    assert [line["version"] for line in lines] == [1, 2]
    for line in lines:
        assert line["content_sha256"] == gone[line["version"]].content_sha256
        assert line["records"] == gone[line["version"]].funnel.accepted
    assert collected_numbers(store, "finance") == {1, 2}


def test_a_version_that_can_not_be_read_is_not_removed(store: Store) -> None:
    (store.versions / "finance" / "1" / "manifest.json").write_bytes(b"{}")
    with pytest.raises(StoreError, match="manifest.json is damaged"):
        find_removals(store, Wish(keep=1))


def test_a_removal_that_was_killed_is_finished_by_the_next(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*args: Any, **options: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(collecting.shutil, "rmtree", die)
        with pytest.raises(Killed):
            remove(store, find_removals(store, Wish(keep=2)).removals)
    assert [version.number for version in store.iterate("finance")] == [2, 3]
    assert verify_version(store.find("finance@2"), store) == []
    found = find_removals(store, Wish())
    assert [each.kind for each in found.removals] == ["leftover"]
    remove(store, found.removals)
    assert find_removals(store, Wish()) == Collection([], [])
    assert sorted(path.name for path in (store.versions / "finance").iterdir()) == ["2", "3", "collected.json"]


def test_the_bytes_are_those_that_are_free_afterwards(store: Store) -> None:
    restore(store, store.find("finance@1"))  # shares its files with finance@1
    found = find_removals(store, Wish(keep=1, runs=True))
    before = size(store.root)
    remove(store, found.removals)
    log = (store.versions / "finance" / "collected.json").stat().st_size
    assert before - size(store.root) == sum(each.bytes for each in found.removals) - log
    first = next(each for each in found.removals if each.name == "finance@1")
    assert 0 < first.bytes < 200_000


def test_what_a_killed_writer_left_goes_and_what_somebody_may_be_writing_stays(store: Store) -> None:
    folder = store.versions / "finance"
    for name in (".restored-old.tmp", ".restored-new.tmp"):
        (folder / name / "records").mkdir(parents=True)
        (folder / name / "records" / "train.parquet").write_bytes(b"x" * 1_000)
    age(folder / ".restored-old.tmp", 2 * collecting.QUIET_SECONDS)
    found = find_removals(store, Wish())
    assert names(found) == [("leftover", "versions/finance/.restored-old.tmp")]
    assert found.removals[0].bytes == 1_000
    assert found.spared == ["versions/finance/.restored-new.tmp: somebody may be writing it"]


def test_the_hidden_folder_of_a_run_goes_once_nobody_holds_the_run(store: Store) -> None:
    run = next(iterate_runs(store))
    hidden = store.versions / "finance" / f".{run.id}.tmp"
    hidden.mkdir()
    age(hidden, 120)
    with Lease(run.folder):
        assert find_removals(store, Wish()).removals == []
    assert names(find_removals(store, Wish())) == [("leftover", f"versions/finance/{hidden.name}")]


def test_leftovers_are_found_wherever_something_is_written(store: Store) -> None:
    for place in (store.root, store.corpora, next(iterate_runs(store)).folder / "items", store.answers / "g" / "0"):
        place.mkdir(parents=True, exist_ok=True)
        (place / ".x.parquet.1234.tmp").write_bytes(b"half")
        age(place / ".x.parquet.1234.tmp", 2 * collecting.QUIET_SECONDS)
    assert [each.kind for each in find_removals(store, Wish()).removals] == ["leftover"] * 4


@pytest.mark.parametrize(("name", "goes"), [(".fresh-ab12", True), (".lease-7-8", True), (".gitignore", False)])
def test_only_what_writers_call_so_is_a_leftover(store: Store, name: str, goes: bool) -> None:
    (store.root / name).write_bytes(b"x")
    age(store.root / name, 2 * collecting.QUIET_SECONDS)
    assert names(find_removals(store, Wish())) == ([("leftover", name)] if goes else [])


def test_runs_that_published_go_and_unfinished_ones_stay(new_run: Make, make_texts: Make, store: Store) -> None:
    unfinished = new_run(make_texts(9), store=store)
    found = find_removals(store, Wish(runs=True))
    assert {each.kind for each in found.removals} == {"run"}
    assert len(found.removals) == 4
    assert found.spared == [
        f"the run {unfinished.id} is unfinished: `synth resume {unfinished.id}`, or remove {unfinished.folder}"
    ]
    remove(store, found.removals)
    assert [run.id for run in iterate_runs(store)] == [unfinished.id]
    assert execute(Run(store, unfinished.id)).number == 4


def test_a_run_that_is_taken_up_meanwhile_stays(store: Store) -> None:
    found = find_removals(store, Wish(runs=True))
    taken = Run(store, found.removals[0].name)
    with Lease(taken.folder):
        assert remove(store, found.removals) == [f"the run {taken.id} has been taken up again and stays"]
    assert [run.id for run in iterate_runs(store)] == [taken.id]


def test_answers_stay_while_a_run_or_a_version_would_ask_for_them(store: Store) -> None:
    needed = generation_hash(store.find("finance@1").manifest.recipe)
    for name in (needed, "f" * 64):
        (store.answers / name / "0").mkdir(parents=True)
        (store.answers / name / "0" / "a.parquet").write_bytes(b"x" * 10)
    assert find_removals(store, Wish()).removals == []
    assert names(find_removals(store, Wish(answers=True))) == [("answers", "f" * 12)]
    assert names(find_removals(store, Wish(keep=2, answers=True)))[1:] == [("answers", "f" * 12)]
    removals = find_removals(store, Wish(keep=2, runs=True, answers=True)).removals
    assert {each.path.name for each in removals if each.kind == "answers"} == {needed, "f" * 64}


def test_no_answer_goes_while_a_run_has_not_read_its_documents(new_run: Make, make_texts: Make, store: Store) -> None:
    (store.answers / ("f" * 64)).mkdir(parents=True)
    new_run(make_texts(9), store=store)
    found = find_removals(store, Wish(answers=True))
    assert found.removals == []
    assert found.spared == ["all answers: a run has not read its documents yet, so nobody knows which it will need"]


def test_vectors_of_a_teacher_that_nobody_names_go(store: Store) -> None:
    for name in ("lexical-0123456789abcdef", "e5-0123456789abcdef"):
        (store.embeddings / name / "query").mkdir(parents=True)
    assert names(find_removals(store, Wish(embeddings=True))) == [("embeddings", "e5-0123456789abcdef")]


def test_what_can_not_be_removed_is_told_and_the_rest_goes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.rename

    def refuse(source: Any, target: Any) -> None:
        if Path(source).name == "1":
            raise PermissionError(13, "Permission denied")
        real(source, target)

    found = find_removals(store, Wish(keep=1))
    monkeypatch.setattr(os, "rename", refuse)
    (failure,) = remove(store, found.removals)
    assert failure == f"{store.versions / 'finance' / '1'} can't be removed: Permission denied"
    assert [version.number for version in store.iterate("finance")] == [1, 3]


def test_the_parent_of_an_unfinished_update_stays(new_run: Make, make: Make, make_texts: Make, store: Store) -> None:
    run = new_run(make_texts(7), store=store, update={})
    make(make_texts(8), store=store)
    found = find_removals(store, Wish(keep=1))
    assert names(found) == [("version", "finance@1"), ("version", "finance@2")]
    assert found.spared == [f"finance@3 is what the unfinished run {run.id} updates: `synth resume {run.id}` first"]
