from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Cli = Callable[..., Any]


def test_the_shipped_domain_is_listed(cli: Cli) -> None:
    done = cli("domains")
    assert done.code == 0
    assert done.err == ""
    assert done.out.startswith("finance  ")
    assert "finance.yaml" in done.out


def test_domains_are_listed_for_machines(cli: Cli) -> None:
    finance = next(row for row in cli("domains", "--json").json if row["name"] == "finance")
    assert set(finance) == {"name", "title", "description", "file"}
    assert Path(finance["file"]).is_file()
