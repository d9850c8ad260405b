from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from synth.catalog import open_catalog, outcomes, rebuild_catalog, run_query
from synth.errors import InputError, StoreError
from synth.store import Store

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def shared(make: Make, make_texts: Make, fresh: Make) -> Store:
    """Two datasets, one of them with two versions; read only."""
    store = Store(fresh() / "a store with 'quotes'")
    for number in (5, 7):
        make(make_texts(number), store=store, name="bonds-eu", limit=10)
    make(make_texts(4, sentences=4), store=store, name="notes_v1.2")
    return store


@pytest.fixture
def store(shared: Store, tmp_path: Path) -> Store:
    """A copy to change."""
    shutil.copytree(shared.root, tmp_path / "store")
    return Store(tmp_path / "store")


def ask(store: Store, statement: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = run_query(store, statement).to_pylist()
    return rows


def everything(session: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    found = {}
    for (name,) in session.execute("SELECT table_name FROM information_schema.tables ORDER BY 1").fetchall():
        found[name] = sorted(map(repr, session.execute(f'SELECT * FROM "{name}"').fetchall()))
    return found


def test_there_is_a_row_a_version(shared: Store) -> None:
    rows = ask(shared, "SELECT name, version, accepted, planned, train + test AS records FROM versions ORDER BY ALL")
    assert [(row["name"], row["version"]) for row in rows] == [("bonds-eu", 1), ("bonds-eu", 2), ("notes_v1.2", 1)]
    assert all(row["records"] == row["accepted"] for row in rows)


def test_the_funnel_adds_up_to_what_was_planned(shared: Store) -> None:
    rows = ask(
        shared,
        "SELECT v.planned, sum(f.items)::BIGINT AS items FROM versions v JOIN funnel f USING (name, version) GROUP BY v.name, v.version, v.planned",
    )
    assert len(rows) == 3
    assert all(row["planned"] == row["items"] for row in rows)


def test_outcomes_add_up(shared: Store) -> None:
    manifest = shared.find("bonds-eu").manifest
    assert sum(items for _, _, items in outcomes(manifest)) == manifest.funnel.planned


def test_a_name_means_the_newest_version_and_a_number_that_one(shared: Store) -> None:
    for reference in ("bonds-eu", "bonds-eu@1", "bonds-eu@2", "notes_v1.2"):
        version = shared.find(reference)
        manifest = version.manifest
        (row,) = ask(
            shared,
            f'SELECT (SELECT count(*) FROM "{reference}") AS records, (SELECT count(*) FROM "{reference}_rejects") AS rejects,'
            f' (SELECT count(*) FROM "{reference}_passages") AS passages',
        )
        assert row["records"] == manifest.funnel.accepted
        assert row["rejects"] == manifest.funnel.planned - manifest.funnel.accepted
        assert row["passages"] == manifest.passages


def test_files_are_those_of_the_manifests(shared: Store) -> None:
    rows = ask(shared, "SELECT name, version, path, row_count, bytes, sha256 FROM files")
    expected = {
        (v.name, v.number, f.path, f.rows, f.bytes, f.sha256)
        for name in shared.names()
        for v in shared.iterate(name)
        for f in v.manifest.files
    }
    assert {tuple(row.values()) for row in rows} == expected


def test_a_catalogue_made_anew_equals_the_old_one(store: Store) -> None:
    assert rebuild_catalog(store) == 3
    with duckdb.connect(str(store.catalog), read_only=True) as session:
        old = everything(session)
    store.catalog.unlink()
    assert rebuild_catalog(store) == 3
    with duckdb.connect(str(store.catalog), read_only=True) as session:
        assert everything(session) == old
    with open_catalog(store) as session:
        assert everything(session) == old


def test_an_empty_store_has_an_empty_catalogue(tmp_path: Path) -> None:
    store = Store(tmp_path / "nothing")
    assert ask(store, "SELECT * FROM versions") == []
    assert not store.root.exists()
    assert rebuild_catalog(store) == 0
    assert store.catalog.is_file()


def test_a_damaged_cache_is_no_hindrance(store: Store) -> None:
    store.catalog.write_bytes(b"not a database")
    assert len(ask(store, "SELECT * FROM versions")) == 3
    assert rebuild_catalog(store) == 3
    with duckdb.connect(str(store.catalog), read_only=True) as session:
        assert len(everything(session)["versions"]) == 3


@pytest.mark.parametrize("failing", ["os.replace", "synth.catalog._fill"])
def test_the_old_catalogue_survives_a_failure(store: Store, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    rebuild_catalog(store)
    before = store.catalog.read_bytes()

    def full(*args: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(failing, full)
        with pytest.raises(StoreError, match="can't write .*No space left on device"):
            rebuild_catalog(store)
    assert store.catalog.read_bytes() == before
    assert not list(store.root.glob(".catalog*"))


def test_a_store_that_is_no_folder_has_no_catalogue(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="is not a writable folder"):
        rebuild_catalog(Store(tmp_path / "file"))


@pytest.mark.parametrize(
    "statement",
    [
        "SELEC 1",
        "SELECT * FROM nosuch",
        "SELECT nosuch FROM versions",
        "SELECT name::INTEGER FROM versions",
        "SELECT 1 +",
        "",
        ";",
        "-- nothing",
        "SELECT * FROM read_parquet('/nowhere/at/all.parquet')",
    ],
)
def test_a_wrong_query_is_one_sentence(shared: Store, statement: str) -> None:
    with pytest.raises(InputError) as caught:
        run_query(shared, statement)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("the ")


def test_a_wrong_query_names_the_datasets(shared: Store) -> None:
    with pytest.raises(InputError, match=r"nosuch does not exist! \(datasets here: bonds-eu, notes_v1.2\)"):
        run_query(shared, "SELECT * FROM nosuch")


def test_queries_change_nothing_in_the_store(store: Store) -> None:
    rebuild_catalog(store)
    before = store.catalog.read_bytes()
    for statement in ("DROP TABLE versions", "DELETE FROM versions"):
        try:
            run_query(store, statement)
        except InputError:
            continue
    assert store.catalog.read_bytes() == before
    assert len(ask(store, "SELECT * FROM versions")) == 3


def test_two_columns_of_one_name_are_both_there(shared: Store) -> None:
    assert run_query(shared, "SELECT 1 AS a, 2 AS a").num_columns == 2


@pytest.mark.parametrize("name", ["versions", "funnel", "files", "runs", "scores", "answers", "parents"])
def test_a_dataset_called_like_a_table_does_not_break_the_catalogue(
    make: Make, make_texts: Make, tmp_path: Path, name: str
) -> None:
    store = Store(tmp_path / "store")
    _publish_if_the_name_is_allowed(make, make_texts, store, name)
    rebuild_catalog(store)
    assert {row["name"] for row in ask(store, "SELECT name FROM versions")} == set(store.names())


def test_a_dataset_called_like_the_view_of_another_does_not_break_the_catalogue(
    make: Make, make_texts: Make, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    make(make_texts(4), store=store, name="bonds")
    _publish_if_the_name_is_allowed(make, make_texts, store, "bonds_rejects")
    rebuild_catalog(store)
    assert {row["name"] for row in ask(store, "SELECT name FROM versions")} == set(store.names())


def _publish_if_the_name_is_allowed(make: Make, make_texts: Make, store: Store, name: str) -> None:
    """Refusing the name with a StoreError is as good as coping with it."""
    try:
        make(make_texts(4), store=store, name=name)
    except StoreError:
        assert name not in store.names()


@pytest.mark.parametrize("name", ["brackets[1]", "stars*", "marks?"])
def test_a_store_below_a_folder_with_wildcards_in_its_name_can_be_asked(
    shared: Store, tmp_path: Path, name: str
) -> None:
    root = tmp_path / name
    shutil.copytree(shared.root, root)
    (row,) = ask(Store(root), 'SELECT count(*) AS records FROM "bonds-eu"')
    assert row["records"] == 10
