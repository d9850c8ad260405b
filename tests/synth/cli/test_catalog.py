from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

Cli = Callable[..., Any]


def test_the_catalogue_is_made_anew(cli: Cli, own_finance: Any) -> None:
    store = own_finance.run.store
    store.catalog.unlink(missing_ok=True)
    done = cli("catalog", "rebuild", "--store", store.root)
    assert done.code == 0
    assert done.err == ""
    assert done.out.startswith(f"{store.catalog}: 1 version")
    with duckdb.connect(str(store.catalog), read_only=True) as session:
        assert session.execute("SELECT name, version, accepted FROM versions").fetchall() == [("finance", 1, 60)]


def test_a_store_that_can_not_be_written_is_one_sentence(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = cli("catalog", "rebuild", "--store", tmp_path / "file")
    assert done.code == 2
    assert "is not a writable folder" in done.error
