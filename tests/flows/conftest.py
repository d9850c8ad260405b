from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

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
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "SYNTH_"))}
    return {**inherited, "PREFECT_HOME": str(home), "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


@pytest.fixture(scope="session")
def run_python() -> Callable[[str, Mapping[str, str], str], subprocess.CompletedProcess[str]]:
    """Run a few lines in a fresh process; `argument` is its sys.argv[1]."""

    def run(code: str, environment: Mapping[str, str], argument: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, argument]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)

    return run


@pytest.fixture(scope="module")
def server(environment: dict[str, str], home: Path) -> Iterator[dict[str, str]]:
    """A real Prefect server on a free port; yields the environment of its clients."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait_until_healthy(api, process, home / "server.log")
        yield {**environment, "PREFECT_API_URL": api}
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_healthy(api: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{api}/health", timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    pytest.fail(f"the Prefect server did not start:\n{log.read_text()[-2_000:]}")
