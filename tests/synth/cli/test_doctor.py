from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from fake_llm import Fill, Say, fake_llm

Cli = Callable[..., Any]

ANYWHERE = {"HF_HUB_OFFLINE": "1", "HF_TOKEN": "hf_nobodyMayReadThis"}
"""No network is asked for, and no token is sent."""


def synth(*arguments: object, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`synth ARGUMENTS` as users run it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "SYNTH_"))}
    code = "import sys; from synth.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        env={**inherited, **ANYWHERE, "PREFECT_HOME": str(folder / "prefect"), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_where_nothing_is_broken_it_ends_with_0_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = synth("doctor", folder=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    *lines, last = done.stdout.splitlines()
    assert last.startswith("Nothing is broken; ")
    assert [line for line in lines if line and not line.startswith(" ")] == [
        "this machine",
        "domain finance",
        f"store {tmp_path / 'synth-store'}",
        "services",
    ]
    assert ANYWHERE["HF_TOKEN"] not in done.stdout
    assert not (tmp_path / "synth-store").exists()


@pytest.mark.slow
def test_everything_that_is_broken_is_told_and_ends_with_1(tmp_path: Path) -> None:
    with fake_llm(lambda _prompt, _asked: Fill()) as well, fake_llm(lambda _prompt, _asked: Say("4 legs")) as ignoring:
        done = synth(
            *("doctor", "--json", "--domain", "finanse", "--store", "/proc/store", "--teacher", "lexicl"),
            *("--llm", well.url, "--llm", ignoring.url, "--llm", "http://me:geheim@host"),
            folder=tmp_path,
            PREFECT_API_URL="http://127.0.0.1:1/api",
        )
    assert done.returncode == 1
    told = orjson.loads(done.stdout)
    rows = told["findings"]
    broken = {(row["section"], row["name"]) for row in rows if row["state"] == "broken"}
    assert broken == {
        ("domain finanse", "domain"),
        ("domain finanse", "teacher"),
        ("store /proc/store", "folder"),
        (f"--llm {ignoring.url}", "schema"),
        ("--llm", "model"),
        ("services", "prefect"),
    }
    assert told["broken"] == len(broken)
    assert told["ok"] + told["warning"] + told["broken"] == len(rows)
    assert all(row["fix"] for row in rows if row["state"] != "ok")
    assert "geheim" not in done.stdout + done.stderr


def test_help_names_what_is_looked_at(cli: Cli) -> None:
    done = cli("doctor", "--help")
    assert done.code == 0
    for flag in ("--domain", "--llm", "--teacher", "--store", "--timeout", "--json"):
        assert flag in done.out
