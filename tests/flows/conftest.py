from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from prefect_server import PrefectServer, clean_environment

from synth.recipe import Choices, resolve
from synth.run import Run, create_run, execute
from synth.store import Store, VersionRef


@pytest.fixture(scope="session")
def new_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Run]:
    """The shipped finance domain, --limit 60, in four shards of its own store."""

    def make() -> Run:
        store = Store(tmp_path_factory.mktemp("store"))
        return create_run(resolve(Choices("finance", limit=60)), store, shard_size=250)

    return make


@pytest.fixture(scope="session")
def in_process(new_run: Callable[[], Run]) -> VersionRef:
    """What the engine publishes without Prefect."""
    return execute(new_run())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PREFECT_HOME of the test's own, so that no profile or database of the user is seen."""
    return tmp_path_factory.mktemp("prefect-home")


@pytest.fixture(scope="module")
def environment(home: Path) -> dict[str, str]:
    """The environment of a process that knows of no Prefect server."""
    return clean_environment(home)


@pytest.fixture(scope="session")
def run_python() -> Callable[[str, Mapping[str, str], str], subprocess.CompletedProcess[str]]:
    """Run a few lines in a fresh process; `argument` is its sys.argv[1]."""

    def run(code: str, environment: Mapping[str, str], argument: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, argument]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)

    return run


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[dict[str, str]]:
    """A real Prefect server on a free port; yields the environment of its clients."""
    started = PrefectServer(home)
    started.start()
    yield started.environment
    started.stop()
