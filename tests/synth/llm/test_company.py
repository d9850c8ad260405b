from __future__ import annotations

import os
from pathlib import Path

import pytest

from synth.llm.budget import Budget
from synth.llm.company import SILENT_SECONDS, Company, Sharing, together
from synth.llm.ledger import find_ledger
from synth.llm.limits import Limit
from synth.llm.metrics import Load
from synth.llm.settings import LlmSettings


def test_those_at_work_are_counted_and_who_is_silent_is_gone(tmp_path: Path) -> None:
    with together(tmp_path, None):
        one, other, dead = (Company(tmp_path) for _ in range(3))
        for company in (one, other, dead):
            company.join()
        assert one.count() == 3
        for path in (tmp_path / "asking").iterdir():
            old = path.stat().st_mtime - SILENT_SECONDS - 1
            os.utime(path, (old, old))
        other.join()
        assert one.count() == 2
        other.part()
        assert one.count() == 1
    assert list(tmp_path.iterdir()) == []


def test_where_nobody_executes_the_run_one_asks_alone(tmp_path: Path) -> None:
    company = Company(tmp_path)
    company.join()
    assert company.count() == 1
    company.part()


def test_an_execution_begins_with_the_whole_budget_and_leaves_nothing(tmp_path: Path) -> None:
    with together(tmp_path, LlmSettings(budget=Budget(requests=10))):
        ledger = find_ledger(tmp_path)
        assert ledger is not None
        ledger.draw(0, 1)
    with together(tmp_path, LlmSettings(budget=Budget(requests=10))):
        assert ledger.left.requests == 10
    assert list(tmp_path.iterdir()) == []


def test_a_client_without_a_run_has_servers_and_budget_to_itself() -> None:
    sharing = Sharing(None, Budget(requests=3), [Limit()])
    sharing.join()
    for _ in range(3):
        assert not sharing.purse.is_closed
        sharing.purse.send(b"")
    assert sharing.purse.is_closed
    sharing.part()


@pytest.mark.parametrize("askers", [1, 4, 25])
def test_the_queue_at_a_server_is_the_same_however_many_ask(askers: int) -> None:
    """64 slots; what does not run waits. All askers look at the same time and see the queue of all."""
    limits = [Limit() for _ in range(askers)]
    for limit in limits:
        limit.share(askers)
    now = 0.0
    most = 0
    for look in range(60):
        now += 0.5
        out = sum(limit.value for limit in limits)
        load = Load(min(out, 64), max(0, out - 64), 0, 0.5, 0, 0)
        for limit in limits:
            limit.observe(load, limit.value, now)
        if look > 20:
            most = max(most, out)
    total = sum(limit.value for limit in limits)
    assert 64 - askers <= total <= 64 * 1.25 + askers
    assert most <= 64 * 1.25 + askers
