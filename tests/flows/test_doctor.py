from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

from flows.doctor import compare_versions

Run = Callable[..., subprocess.CompletedProcess[str]]

LOOK = """
from flows.doctor import check_prefect
found = check_prefect()
print(found.state, found.said, found.fix, sep="|")
"""


@pytest.mark.parametrize(
    ("server", "state"),
    [
        ("3.8.8", "ok"),
        ("3.9.0", "ok"),
        ("3.8.8+12.gabc", "ok"),
        ("3.7.1", "warning"),
        ("2.20.4", "broken"),
        ("4.0.0", "broken"),
    ],
)
def test_a_server_may_be_newer_than_its_client_and_not_older(server: str, state: str) -> None:
    found = compare_versions("http://host/api answers", server, "3.8.8")
    assert found.state == state
    assert f"server {server}, client 3.8.8" in found.said
    assert (found.state == "ok") is (found.fix == "")


@pytest.mark.slow
def test_without_a_server_it_says_that_runs_need_none(environment: dict[str, str], run_python: Run) -> None:
    state, said, fix = _look(run_python, environment)
    assert (state, fix) == ("ok", "")
    assert "PREFECT_API_URL is not set" in said


@pytest.mark.slow
def test_a_server_that_answers_is_told_with_its_version(server: dict[str, str], run_python: Run) -> None:
    state, said, _ = _look(run_python, server)
    assert state == "ok"
    assert said.startswith(f"{server['PREFECT_API_URL']} answers; server 3.")


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_broken_and_in_a_profile_a_warning(
    environment: dict[str, str], run_python: Run
) -> None:
    state, said, fix = _look(run_python, {**environment, "PREFECT_API_URL": "http://127.0.0.1:1/api"})
    assert state == "broken"
    assert "Connection refused" in said
    assert "prefect server start" in fix
    assert fix.endswith("unset PREFECT_API_URL")
    set_in_profile = ["-m", "prefect", "config", "set", "PREFECT_API_URL=http://127.0.0.1:1/api"]
    subprocess.run([sys.executable, *set_in_profile], env=environment, check=True, capture_output=True)
    try:
        state, said, fix = _look(run_python, environment)
    finally:
        unset = ["-m", "prefect", "config", "unset", "PREFECT_API_URL", "--yes"]
        subprocess.run([sys.executable, *unset], env=environment, check=True, capture_output=True)
    assert state == "warning"
    assert "which the Prefect profile names" in said
    assert fix.endswith("prefect config unset PREFECT_API_URL")


def _look(run_python: Run, environment: Mapping[str, str]) -> list[str]:
    done = run_python(LOOK, environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split("|")
