from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from synth.lease import Lease
from synth.run import Run, find_run
from synth.store import Store
from synth.verify import verify_version

Cli = Callable[..., Any]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def unfinished(new_run: Any, make_texts: Any, store: Store) -> Run:
    run: Run = new_run(make_texts(), store=store)
    return run


def test_the_newest_unfinished_run_is_taken_to_its_end(cli: Cli, unfinished: Run, store: Store) -> None:
    done = cli("resume", "--store", store.root)
    assert done.code == 0
    assert done.err.splitlines()[0] == f"Resuming {unfinished.id}"
    assert "Published finance@1" in done.out
    assert store.catalog.is_file()


def test_a_finished_run_returns_its_version_again(cli: Cli, unfinished: Run, store: Store) -> None:
    first = cli("resume", unfinished.id, "--store", store.root, "--json")
    again = cli("resume", unfinished.id, "--store", store.root, "--json")
    assert first.json == again.json
    assert again.json["dataset"] == "finance@1"
    assert again.err == f"Resuming {unfinished.id}\n"


def test_nothing_to_resume_is_one_sentence(cli: Cli, unfinished: Run, store: Store) -> None:
    cli("resume", "--store", store.root)
    done = cli("resume", "--store", store.root)
    assert done.code == 2
    assert "no unfinished run" in done.error


def test_an_unknown_run_is_one_sentence_with_the_nearest(cli: Cli, unfinished: Run, store: Store) -> None:
    done = cli("resume", unfinished.id[:-1], "--store", store.root)
    assert done.code == 2
    assert f"did you mean '{unfinished.id}'?" in done.error


def test_a_run_that_is_worked_on_is_refused(cli: Cli, unfinished: Run, store: Store) -> None:
    with Lease(unfinished.folder):
        done = cli("resume", unfinished.id, "--store", store.root)
    assert done.code == 1
    assert "is being worked on by process" in done.error
    assert store.names() == []


def test_a_live_run_can_not_be_resumed_and_can_be_interrupted(cli: Cli, start: Any, store: Store) -> None:
    live = start("generate", "--domain", "finance", "--limit", 900, "--store", store.root)
    assert live.wait_for("make items")
    live.send(signal.SIGSTOP)
    refused = cli("resume", "--store", store.root)
    assert refused.code == 1
    assert "is being worked on by process" in refused.error
    live.send(signal.SIGINT)
    live.send(signal.SIGCONT)
    done = live.end()
    assert done.code == 130, done.err
    run = find_run(store, None)
    assert re.search(rf"Go on with: \S*synth resume {run.id} --store {store.root}\n", done.err)
    assert "Traceback" not in done.err
    assert done.out == ""
    assert not run.is_busy
    assert store.names() == []


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_if_nothing_had_happened(
    cli: Cli, start: Any, finance: Any, store: Store
) -> None:
    """SIGKILL at four moments: shortly after a stage began, by chance within it."""
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    command: tuple[object, ...] = ("generate", "--domain", "finance", "--limit", 60, "--shard-size", 137)
    killed = 0
    kept = "the documents are as they were"  # where the kill came after all passages were made
    for stages in (["chunk documents"], ["compare passages", kept], ["make items"], ["mine and publish"]):
        process = start(*command, "--store", store.root)
        if process.wait_for(*stages):
            time.sleep(chance.uniform(0, 0.1))  # not a wait: the moment of the kill is left to chance
        killed += process.kill().code == -signal.SIGKILL
        command = ("resume",)
    assert killed >= 3
    run = find_run(store, None) if store.names() == [] else next(iter(_runs(store)))
    assert cli("resume", run.id, "--store", store.root).code == 0, f"seed {seed}"
    version = store.find("finance")
    assert version.number == 1
    manifest = version.manifest
    assert manifest.content_sha256 == finance.hash, f"seed {seed}"
    assert manifest.funnel == finance.manifest.funnel
    assert verify_version(version) == []
    positions = [row["position"] for row in pq.read_table(version.path / "rejects.parquet").to_pylist()]
    for split in ("train", "test"):
        rows = pq.read_table(version.path / "records" / f"{split}.parquet").to_pylist()
        positions += [row["provenance"]["position"] for row in rows]
    assert sorted(positions) == list(range(manifest.funnel.planned))
    assert [path.name for path in (store.versions / "finance").iterdir()] == ["1"]
    assert not [path for path in version.path.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize("order", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_the_result_does_not_depend_on_the_order_in_which_python_keeps_sets(
    start: Any, finance: Any, store: Store, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 2, a sum of floats over a set once broke a tie between two spans the other way than with 1."""
    monkeypatch.setenv("PYTHONHASHSEED", order)
    assert start("generate", "--domain", "finance", "--limit", 60, "--store", store.root).end().code == 0
    assert store.find("finance").manifest.content_sha256 == finance.hash


def _runs(store: Store) -> list[Run]:
    return [Run(store, path.name) for path in store.runs.iterdir()]
