"""A real Prefect server in a process of its own, which can be killed and started again on its port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

Row = dict[str, Any]


def clean_environment(home: Path) -> dict[str, str]:
    """Of a process that knows of no Prefect server and no store, and has a PREFECT_HOME of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "SYNTH_"))}
    return {**inherited, "PREFECT_HOME": str(home), "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


def wait_for(what: str, look: Callable[[], Any], seconds: float = 90, pause: float = 0.3) -> Any:
    """What `look` returns once that is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(pause)
    pytest.fail(f"{what} did not happen within {seconds} seconds")


@dataclass
class PrefectServer:
    """Its clients use `environment`; `ask` and `get` speak its API."""

    home: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def environment(self) -> dict[str, str]:
        return {**clean_environment(self.home), "PREFECT_API_URL": self.api, **self.extra}

    def start(self) -> None:
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(self.port)]
        log = self.home / "server.log"
        with log.open("a") as file:
            self.process = subprocess.Popen(
                command,
                env=clean_environment(self.home) | {"PREFECT_UI_API_URL": self.api},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 150
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(f"{self.api}/health", timeout=2).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.3)
        pytest.fail(f"the Prefect server did not start:\n{log.read_text()[-2_000:]}")

    def kill(self) -> None:
        """At once, as a machine that loses power does."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        def answered() -> httpx.Response | None:
            response = httpx.post(f"{self.api}/{path}", json=body or {}, timeout=20)
            return None if response.status_code == 503 else response  # SQLite is locked for a moment

        response: httpx.Response = wait_for(f"an answer to {path}", answered, 30)
        response.raise_for_status()
        return response.json() if response.content else None

    def get(self, path: str) -> Any:
        response = httpx.get(f"{self.api}/{path}", timeout=20)
        response.raise_for_status()
        return response.json()

    def deployment(self, reference: str) -> Row:
        """`FLOW/NAME`, once it is registered and something works for it."""

        def found() -> Row | None:
            rows = self.ask("deployments/filter")
            flow, _, name = reference.partition("/")
            flows = {row["id"]: row["name"] for row in self.ask("flows/filter")}
            ready = [row for row in rows if (flows[row["flow_id"]], row["name"]) == (flow, name)]
            return ready[0] if ready and ready[0]["status"] == "READY" else None

        row: Row = wait_for(f"registering {reference}", found)
        return row

    def trigger(self, reference: str, **parameters: Any) -> str:
        """Asks for a run of a deployment as the UI does, with some parameters changed; returns its id."""
        deployment = self.deployment(reference)
        merged = {"parameters": deployment["parameters"]["parameters"] | parameters}
        body = {"state": {"type": "SCHEDULED"}, "parameters": merged}
        return str(self.ask(f"deployments/{deployment['id']}/create_flow_run", body)["id"])

    def state(self, flow_run: str) -> str:
        return str(self.get(f"flow_runs/{flow_run}")["state_type"])

    def wait_until(self, flow_run: str, *states: str, seconds: float = 90) -> Row:
        """The flow run, once it is in one of the states."""
        wait_for(f"reaching {states}", lambda: self.state(flow_run) in states, seconds)
        row: Row = self.get(f"flow_runs/{flow_run}")
        return row

    def artifacts(self, flow_run: str) -> dict[str, Row]:
        rows = self.ask("artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [flow_run]}}})
        return {row["key"]: row for row in rows}
