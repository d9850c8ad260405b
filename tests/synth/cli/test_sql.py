from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synth.store import Store

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def root(make: Any, make_texts: Any, fresh: Any) -> Path:
    """A store with bonds-eu@1 and bonds-eu@2; read only."""
    store = Store(fresh() / "store")
    for number in (4, 5):
        make(make_texts(number), store=store, name="bonds-eu", settings={"set_gates": []})
    return store.root


def test_names_with_hyphens_and_numbers_are_asked_in_quotes(cli: Cli, root: Path) -> None:
    for reference, rows in (("bonds-eu", 20), ("bonds-eu@1", 16), ("bonds-eu@2", 20)):
        done = cli("sql", f'SELECT count(*) AS n FROM "{reference}"', "--store", root, "--json")
        assert (done.code, done.json) == (0, [{"n": rows}])


def test_a_field_of_a_struct_may_be_filtered_where_rows_are_sorted_and_cut(cli: Cli, root: Path) -> None:
    asked = "SELECT id, query FROM \"bonds-eu\" WHERE provenance.method LIKE 'extractive:%' ORDER BY id LIMIT 5"
    done = cli("sql", asked, "--store", root, "--json")
    assert done.code == 0, done.err
    assert [row["id"] for row in done.json] == sorted(row["id"] for row in done.json)
    assert len(done.json) == 5


def test_a_table_is_shown_for_people(cli: Cli, root: Path) -> None:
    done = cli("sql", "SELECT name, version, '[bold]x' AS markup FROM versions ORDER BY version", "--store", root)
    assert done.code == 0
    assert done.err == ""
    assert "bonds-eu" in done.out
    assert "[bold]x" in done.out


def test_records_are_one_json_document(cli: Cli, root: Path) -> None:
    rows = cli("sql", 'SELECT * FROM "bonds-eu"', "--store", root, "--json").json
    assert len(rows) == 20
    assert rows[0]["provenance"]["method"].startswith("extractive:")
    assert rows[0]["positive"]["passage_id"]


@pytest.mark.parametrize(
    "expression",
    ["sum(version)", "1.5", "avg(version)", "'a'::BLOB", "INTERVAL 1 DAY", "now()", "DATE '2026-01-01'", "uuid()", "'nan'::DOUBLE", "map([1], [2])", "NULL", "170141183460469231731687303715884105727"],
)  # fmt: skip
def test_every_type_can_be_printed(cli: Cli, root: Path, expression: str) -> None:
    done = cli("sql", f"SELECT {expression} AS value FROM versions LIMIT 1", "--store", root, "--json")
    assert done.code == 0
    assert len(done.json) == 1
    assert cli("sql", f"SELECT {expression} AS value FROM versions LIMIT 1", "--store", root).code == 0


@pytest.mark.parametrize(
    "statement",
    ["SELEC 1", "SELECT * FROM bonds-eu", "SELECT nope FROM versions", "", "SELECT name::INT FROM versions"],
)
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_wrong_query_is_one_sentence(cli: Cli, root: Path, statement: str, more: tuple[str, ...]) -> None:
    done = cli("sql", statement, "--store", root, *more)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert done.error.startswith("Error: the ")


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO '{file}'",
        "CREATE TABLE x AS SELECT 1",
        "ATTACH '{file}' AS other",
        "SELECT 1; COPY (SELECT 1) TO '{file}'",
        "INSERT INTO versions SELECT * FROM versions",
    ],
)
def test_nothing_can_be_written(cli: Cli, root: Path, tmp_path: Path, statement: str) -> None:
    file = tmp_path / "written"
    done = cli("sql", statement.format(file=file), "--store", root)
    assert done.code == 2
    assert done.error.startswith("Error: `synth sql` reads one SELECT and changes nothing, and this is ")
    assert not file.exists()


@pytest.mark.parametrize(
    "statement", ["SHOW TABLES", "DESCRIBE versions", "EXPLAIN SELECT 1", "WITH a AS (SELECT 1) FROM a"]
)
def test_what_only_looks_may_be_asked(cli: Cli, root: Path, statement: str) -> None:
    assert cli("sql", statement, "--store", root).code == 0


def test_a_wide_result_without_rows_says_so(cli: Cli, root: Path) -> None:
    done = cli("sql", "SELECT 1 AS a, 2 AS b, 3, 4, 5, 6, 7 FROM versions WHERE false", "--store", root)
    assert (done.code, done.out) == (0, "no rows of a, b, 3, 4, 5, 6, 7\n")


def test_texts_are_shown_as_they_are(cli: Cli, root: Path) -> None:
    done = cli("sql", "SELECT ':smile: [bold]' AS text, NULL AS nothing", "--store", root)
    assert ":smile: [bold]" in done.out
    assert "None" not in done.out


def test_a_store_that_does_not_exist_holds_nothing(cli: Cli, tmp_path: Path) -> None:
    assert cli("sql", "SELECT * FROM versions", "--store", tmp_path / "none", "--json").json == []
    done = cli("sql", "SELECT * FROM finance", "--store", tmp_path / "none")
    assert done.code == 2
    assert "(datasets here: none yet)" in done.error
    assert not (tmp_path / "none").exists()


def test_a_result_of_many_columns_is_one_block_a_row(cli: Cli, root: Path) -> None:
    done = cli("sql", "SELECT * FROM versions ORDER BY version", "--store", root)
    lines = done.out.splitlines()
    assert [line for line in lines if line.startswith("row")] == ["row 1", "row 2"]
    assert lines[1].split() == ["name", "bonds-eu"]
    assert lines[-1].split() == ["path", str(root / "versions" / "bonds-eu" / "2")]


def test_what_goes_to_a_pipe_is_never_cut(cli: Cli, root: Path) -> None:
    done = cli("sql", f"SELECT '{'x' * 300}' AS wide, 2 AS b", "--store", root)
    assert "x" * 300 in done.out
