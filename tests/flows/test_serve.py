from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.deployments import Timetable
from flows.server import check_server, ui_url
from synth.cli.serve import serve
from synth.errors import DomainError, InputError


@pytest.mark.parametrize("cron", ["0 3 * * *", "*/15 8-18 * * mon-fri", "@daily", None])
def test_cron_expressions_are_accepted(cron: str | None) -> None:
    Timetable(cron=cron).check()


@pytest.mark.parametrize("cron", ["", "often", "0 99 * * *", "0 3 * *", "61 * * * *"])
def test_what_cron_does_not_know_is_refused(cron: str) -> None:
    with pytest.raises(InputError, match="is not a cron expression"):
        Timetable(cron=cron).check()


def test_cron_and_interval_exclude_each_other() -> None:
    with pytest.raises(InputError, match="choose one"):
        Timetable(cron="0 3 * * *", interval=60).check()


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"domain": ["financ"]}, DomainError, "did you mean 'finance'"),
        ({"cron": "often"}, InputError, "is not a cron expression"),
        ({"name": "No/Name"}, InputError, "^--name"),
        ({}, InputError, "start one with `prefect server start` and set PREFECT_API_URL=http://127.0.0.1:4200/api"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_registered(
    wrong: dict[str, Any], error: type[Exception], message: str
) -> None:
    with temporary_settings(restore_defaults={PREFECT_API_URL}), pytest.raises(error, match=message):
        serve(**({"domain": ["finance"]} | wrong))


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_named() -> None:
    url = "http://127.0.0.1:1/api"
    with temporary_settings({PREFECT_API_URL: url}), pytest.raises(InputError, match=f"{url} does not answer"):
        check_server()


class _Locked(BaseHTTPRequestHandler):
    """As a Prefect server with PREFECT_SERVER_API_AUTH_STRING: well, but not for everybody."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/health" else 401)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: object) -> None:
        """Keeps the test's output clean."""


def test_a_server_that_asks_for_a_password_says_how_to_give_it() -> None:
    with HTTPServer(("127.0.0.1", 0), _Locked) as locked:
        Thread(target=locked.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{locked.server_port}/api"
        with temporary_settings({PREFECT_API_URL: url}), pytest.raises(InputError, match="set PREFECT_API_AUTH_STRING"):
            check_server()
        locked.shutdown()


def test_the_ui_is_beside_the_api() -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api"}):
        assert ui_url() == "http://127.0.0.1:4200"
