"""The commands of deploy/ at work without containers: a Prefect server on Postgres, a worker, a run, SIGTERM."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from containers import ROOT, Image, read_compose, read_stages, read_unit
from prefect_server import PrefectServer, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RUNNER = "8080"
"""Port of the worker's health check."""


@dataclass(frozen=True)
class Process:
    """A service at work; `check` says whether it is healthy, within seconds it `ends` after SIGTERM."""

    process: subprocess.Popen[bytes]
    log: Path
    check: Callable[[], bool]
    ends: int

    def wait_until_healthy(self) -> None:
        def healthy() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return self.check()

        wait_for(f"being healthy, see {self.log}", healthy, 120)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(self.ends)


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """What `docker build` makes, with nothing of this environment in it."""
    made = Image(Path(tempfile.mkdtemp(prefix="synth-image-")))
    made.build()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def ports() -> dict[str, str]:
    """A free port for each that the files name."""
    free: dict[str, str] = {}
    for port in ("5432", "4200", RUNNER):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free[port] = str(probe.getsockname()[1])
    return free


@pytest.fixture(scope="module")
def compose(ports: dict[str, str]) -> dict[str, Any]:
    """The services of the compose file, on this machine."""
    services: dict[str, Any] = on_this_machine(read_compose({"POSTGRES_PASSWORD": "secret"})["services"], ports)
    return services


def on_this_machine(part: Any, ports: dict[str, str]) -> Any:
    """Names of services and ports replaced by those that can be reached here."""
    if isinstance(part, dict):
        return {key: on_this_machine(value, ports) for key, value in part.items()}
    if isinstance(part, list):
        return [on_this_machine(value, ports) for value in part]
    if not isinstance(part, str):
        return part
    part = re.sub(r"http://(server|localhost):", "http://127.0.0.1:", part)
    part = "127.0.0.1" if part == "database" else part
    return re.sub(rf"\b({'|'.join(ports)})\b", lambda found: ports[found[1]], part)


@pytest.fixture(scope="module")
def database(compose: dict[str, Any], ports: dict[str, str]) -> Iterator[None]:
    """A real Postgres with the user, database and password of the compose file."""
    initdb, pg_ctl = shutil.which("initdb"), shutil.which("pg_ctl")
    if not initdb or not pg_ctl:
        pytest.skip("THE DEPLOYED STACK DID NOT RUN: there is no Postgres here")
    settings = compose["database"]["environment"]
    user, password = settings["POSTGRES_USER"], settings["POSTGRES_PASSWORD"]
    folder = Path(tempfile.mkdtemp(prefix="synth-postgres-"))
    (folder / "password").write_text(password)
    as_other: list[str] = []
    if os.getuid() == 0:  # Postgres refuses to run as root
        shutil.chown(folder, "nobody")
        shutil.chown(folder / "password", "nobody")
        as_other = ["setpriv", "--reuid=nobody", "--clear-groups"]

    def run(*command: str) -> None:
        subprocess.run(
            [*as_other, *command], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )

    data = str(folder / "data")
    run(initdb, "--pgdata", data, "--username", user, "--pwfile", str(folder / "password"), "--auth", "scram-sha-256")
    options = f"-p {ports['5432']} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    run(pg_ctl, "--pgdata", data, "--options", options, "--log", str(folder / "log"), "--wait", "start")
    try:
        address = f"postgresql://{user}:{password}@127.0.0.1:{ports['5432']}"
        subprocess.run(["psql", f"{address}/postgres", "-qc", f"CREATE DATABASE {settings['POSTGRES_DB']}"], check=True)
        yield
    finally:
        run(pg_ctl, "--pgdata", data, "--mode", "immediate", "stop")
        shutil.rmtree(folder)


def checker(image: Image, check: list[str]) -> Callable[[], bool]:
    """The health check of a container, `["CMD", "python", …]`."""
    _, *command = check
    path = {"PATH": image.environment["PATH"]}
    return lambda: subprocess.run(command, env=path, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def server(
    image: Image,
    compose: dict[str, Any],
    database: None,
    ports: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PrefectServer]:
    """The service `server`; yields what asks it."""
    service = compose["server"]
    log = tmp_path_factory.mktemp("server") / "log"
    entrypoint = [part.replace("0.0.0.0", "127.0.0.1") for part in service["entrypoint"]]
    process = image.start([*entrypoint, *service["command"]], service["environment"], log)
    check = checker(image, service["healthcheck"]["test"])
    server = Process(process, log, check, 30)
    try:
        server.wait_until_healthy()
        yield PrefectServer(tmp_path_factory.mktemp("client"), int(ports["4200"]))
        server.stop()
    finally:
        if process.poll() is None:
            process.kill()


@pytest.fixture(params=["compose.yaml", "synth-serve.service"])
def worker(
    request: pytest.FixtureRequest,
    image: Image,
    compose: dict[str, Any],
    server: PrefectServer,
    ports: dict[str, str],
    tmp_path: Path,
) -> Iterator[Process]:
    """The worker as the compose file or as systemd starts it."""
    health = next(line.rest for line in read_stages()[1] if line.word == "HEALTHCHECK").partition(" CMD ")[2]
    check = checker(image, on_this_machine(["CMD", *json.loads(health)], ports))
    if request.param == "compose.yaml":
        service = compose["worker"]
        command, environment = ["synth", *shlex.split(service["command"])], service["environment"]
        ends = int(service["stop_grace_period"].removesuffix("s"))
    else:
        unit = read_unit(request.param)["Service"]
        command = shlex.split(unit["ExecStart"])
        environment = on_this_machine(dict(line.split("=", 1) for line in unit["Environment"].splitlines()), ports)
        ends = int(unit["TimeoutStopSec"])
    process = image.start(
        command,
        {**environment, "PREFECT_RUNNER_SERVER_PORT": ports[RUNNER], "PREFECT_RUNNER_POLL_FREQUENCY": "1"},
        tmp_path / "log",
    )
    yield Process(process, tmp_path / "log", check, ends)
    if process.poll() is None:
        process.kill()


def test_the_stack_makes_a_version_and_stops_when_told(server: PrefectServer, worker: Process, image: Image) -> None:
    worker.wait_until_healthy()
    deployment = server.deployment("synth-generate/finance")
    assert [schedule["schedule"]["cron"] for schedule in deployment["schedules"]] == ["0 3 * * *"]
    run = server.trigger("synth-generate/finance")
    server.wait_until(run, "COMPLETED", seconds=180)
    page = server.artifacts(run)["synth-version-finance"]["data"]
    folder = re.search(r"^    (/.*/versions/finance/\d+)$", page, re.MULTILINE)
    assert folder and (Path(folder[1]) / "manifest.json").exists()
    assert Path(folder[1]).is_relative_to(image.root)
    assert worker.stop() == 0
    assert "Stopped" in worker.log.read_text()


def test_the_ui_is_served_though_the_image_can_not_be_written(server: PrefectServer) -> None:
    base = server.api.removesuffix("/api")
    settings = httpx.get(f"{base}/ui-settings").json()
    assert settings["api_url"] == server.api
    assert "Prefect" in httpx.get(f"{base}/v2/").text


def test_the_image_holds_the_pinned_packages_and_no_other(image: Image) -> None:
    code = (
        "from importlib.metadata import distributions as d; print(*{f'{x.name}=={x.version}' for x in d()}, sep='\\n')"
    )
    python = image.root / "opt/synth/bin/python"
    printed = subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True, env=image.environment
    ).stdout
    pinned = set((ROOT / "constraints.txt").read_text().split())
    installed = {
        re.sub(r"[._]", "-", line.lower().split("==")[0]) + "==" + line.split("==")[1] for line in printed.split()
    }
    assert {line.split("==")[0] for line in installed - pinned} == {"synth", "pip", "setuptools"}
