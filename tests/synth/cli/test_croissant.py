"""`synth datasets croissant` on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

Cli = Callable[..., Any]
URL = "https://example.org/finance"


def test_it_is_written_beside_the_version_or_to_stdout(cli: Cli, finance: Any, tmp_path: Path) -> None:
    store, file = str(finance.run.store.root), tmp_path / "croissant.json"
    asked = ("datasets", "croissant", "finance", "--creator", "Acme", "--store", store)
    assert orjson.loads(cli(*asked, "--url", URL).out)["name"] == "finance"
    assert cli(*asked, "--url", URL, "--out", str(file)).code == 0
    assert orjson.loads(file.read_bytes())["url"] == URL
    assert cli(*asked, "--url", URL, "--out", str(file)).code == 2
    assert "is no address" in cli(*asked, "--url", "here").err
