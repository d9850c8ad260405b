from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import READ_TOKEN, TOKEN, FakeHub
from huggingface_hub import constants
from served_hub import reached_hub

from synth.doctor.hub import check_hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with reached_hub(tmp_path) as running:
        yield running


def test_a_token_that_the_hub_knows_is_told_by_its_owner_and_never_shown(hub: FakeHub) -> None:
    found = check_hub()
    assert (found.state, found.said) == ("ok", f"{hub.url} knows acme-bot by the token of HF_TOKEN (role write)")
    assert TOKEN not in found.said


def test_a_token_that_may_only_read_says_so(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", READ_TOKEN)
    assert check_hub().said.endswith("which may read and not `synth push`")


def test_a_token_that_is_not_valid_is_broken_and_not_shown(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_nobodyGaveThisOut")
    found = check_hub()
    assert found.state == "broken"
    assert "refuses the token of HF_TOKEN" in found.said
    assert "hf auth login" in found.fix
    assert "nobodyGaveThisOut" not in found.said + found.fix


def test_a_login_of_the_hubs_own_is_found(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    assert "by the token of `hf auth login`" in check_hub().said


def test_without_a_token_all_is_well(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    found = check_hub()
    assert found.state == "ok"
    assert f"{hub.url} answers; not logged in" in found.said


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_a_hub_that_can_not_be_reached_is_a_warning(hub: FakeHub, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    found = check_hub()
    assert found.state == "warning"
    assert "http://127.0.0.1:1 can't be" in found.said


def test_a_hub_that_fails_is_a_warning(hub: FakeHub) -> None:
    hub.faults["GET /api/whoami-v2"] = (500, "broken")
    found = check_hub()
    assert (found.state, "HTTP 500" in found.said) == ("warning", True)


def test_offline_nothing_is_asked(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert check_hub().state == "ok"
    assert hub.requests == []
