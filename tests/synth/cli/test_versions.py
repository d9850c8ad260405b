"""`synth datasets diff | restore | verify --all` and `synth gc`, as they are typed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synth.store import Store

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def made(make: Any, make_texts: Any, fresh: Any) -> Path:
    store = Store(fresh() / "store")
    for number in (4, 6):
        make(make_texts(number), store=store)
    make(make_texts(5), store=store, name="notes")
    return store.root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy with finance@1, finance@2 and notes@1, to change."""
    shutil.copytree(made, tmp_path / "store")
    return tmp_path / "store"


def test_a_name_alone_is_compared_with_its_parent(cli: Cli, made: Path) -> None:
    done = cli("datasets", "diff", "finance", "--store", made)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("finance@1 → finance@2: ")
    for told in ("added", "removed", "changed", "accepted", "query length", "positive score", "shift"):
        assert told in done.out
    assert len(done.out.splitlines()) < 50
    assert cli("datasets", "diff", "finance@1", "finance@2", "--store", made).out == done.out


def test_a_comparison_is_one_json_document(cli: Cli, made: Path) -> None:
    found = cli("datasets", "diff", "finance@1", "finance@2", "--store", made, "--json").json
    assert (found["old"], found["new"]) == ("finance@1", "finance@2")
    assert set(found["rows"]) == {"added", "removed", "changed", "same"}
    planned = next(stage for stage in found["stages"] if stage["stage"] == "planned")
    assert planned["new"] > planned["old"] > 0
    assert set(found["numbers"]["query length"]["new"]) == {"mean", "p5", "median", "p95"}
    assert found["types"]["task"]["shift"]["psi"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("diff", "finance@1"), "finance@1 has no parent"),
        (("diff", "finanse"), "no dataset 'finanse'"),
        (("diff", "finance", "finance@9"), "finance has no version '9'"),
        (("restore", "finance"), "say which version of 'finance'"),
        (("restore", "finance@9"), "finance has no version '9'"),
        (("verify",), "say which version"),
        (("verify", "finance@1", "--all"), "leave out one of the two"),
    ],
)
def test_a_wrong_reference_is_one_sentence(cli: Cli, made: Path, arguments: tuple[str, ...], sentence: str) -> None:
    done = cli("datasets", *arguments, "--store", made)
    assert done.code == 2
    assert sentence in done.error


def test_an_old_version_is_made_the_newest(cli: Cli, root: Path) -> None:
    done = cli("datasets", "restore", "finance@1", "--store", root)
    assert (done.code, done.out) == (0, "finance@3 holds what finance@1 holds, and finance@latest means it now.\n")
    again = cli("datasets", "restore", "finance@1", "--store", root)
    assert again.out == "finance@3 is the newest version and holds what finance@1 holds; nothing to do.\n"
    told = cli("datasets", "restore", "finance@2", "--store", root, "--json").json
    assert told == {"dataset": "finance@4", "restored_from": "finance@2", "parent": "finance@3", "new": True}
    rows = cli("sql", "SELECT version FROM versions WHERE name = 'finance' ORDER BY ALL", "--store", root, "--json")
    assert [row["version"] for row in rows.json] == [1, 2, 3, 4]


def test_all_versions_are_verified_one_after_the_other(cli: Cli, root: Path) -> None:
    done = cli("datasets", "verify", "--all", "--store", root)
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == ["finance@1", "finance@2", "notes@1"]
    assert all(" is sound: 5 files, " in line for line in done.out.splitlines())
    assert len(cli("datasets", "verify", "finance", "--all", "--store", root, "--json").json) == 2


def test_one_damaged_version_does_not_hide_another(cli: Cli, root: Path) -> None:
    (root / "versions" / "finance" / "1" / "manifest.json").write_bytes(b"{}")
    (root / "versions" / "notes" / "1" / "rejects.parquet").unlink()
    done = cli("datasets", "verify", "--all", "--store", root)
    assert done.code == 2
    assert "finance@2 is sound" in done.out
    assert "manifest.json is damaged" in done.err
    assert "notes@1: rejects.parquet is missing" in done.err
    assert done.err.splitlines()[-1] == "Error: 2 of 3 versions are not what their manifest says"
    told = cli("datasets", "verify", "--all", "--store", root, "--json")
    assert told.code == 2
    assert [bool(each["problems"]) for each in told.json] == [True, False, True]


def test_collecting_says_first_what_would_go(cli: Cli, root: Path) -> None:
    before = sorted(root.rglob("*"))
    done = cli("gc", "--keep", "1", "--runs", "--store", root)
    assert done.code == 0
    assert "finance@1" in done.out
    assert done.out.splitlines()[-1].startswith("version 1, run 3: ")
    assert done.out.endswith("would be free. Nothing was removed; add --yes to do it.\n")
    assert sorted(root.rglob("*")) == before


def test_collecting_with_yes_removes_what_was_said(cli: Cli, root: Path) -> None:
    said = cli("gc", "--keep", "1", "--runs", "--store", root, "--json").json
    done = cli("gc", "--keep", "1", "--runs", "--yes", "--store", root, "--json").json
    assert said["bytes"] == done["bytes"] == sum(each["bytes"] for each in done["removals"]) > 0
    assert (said["removed"], done["removed"], done["failures"]) == (False, True, [])
    assert said["removals"] == done["removals"]
    listed = [row["dataset"] for row in cli("datasets", "list", "--store", root, "--json").json]
    assert listed == ["finance@2", "notes@1"]
    assert list((root / "runs").iterdir()) == []
    assert cli("gc", "--keep", "1", "--runs", "--store", root).out == "Nothing to remove.\n"
    assert cli("datasets", "verify", "--all", "--store", root).code == 0


def test_an_empty_store_has_nothing_to_collect(cli: Cli, tmp_path: Path) -> None:
    done = cli("gc", "--keep", "3", "--yes", "--store", tmp_path / "none")
    assert (done.code, done.out) == (0, "Nothing to remove.\n")
    assert not (tmp_path / "none").exists()


def test_keeping_none_is_refused(cli: Cli, root: Path) -> None:
    done = cli("gc", "--keep", "0", "--yes", "--store", root)
    assert done.code == 2
    assert "keep at least 1" in done.error
    assert len(list((root / "versions" / "finance").iterdir())) == 2
