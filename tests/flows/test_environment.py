from __future__ import annotations

import os

import pytest

from flows.environment import DEFAULTS, set_defaults


def test_telemetry_is_off_and_the_temporary_server_has_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    set_defaults()
    assert {name: os.environ[name] for name in DEFAULTS} == DEFAULTS


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    set_defaults()
    assert os.environ["DO_NOT_TRACK"] == "0"
