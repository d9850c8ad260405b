from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_llm import FakeLlm, fake_llm

from flows import nightly
from flows.nightly import NightlyParameters, hold_against, tonight
from synth.errors import RunError
from synth.llm.budget import Budget
from synth.llm.settings import reach
from synth.quality import Threshold
from synth.recipe import Choices, resolve
from synth.run import Run, create_run, execute
from synth.store import Store


@pytest.fixture(autouse=True)
def _no_flow_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect's logger exists within a flow run only."""
    monkeypatch.setattr(nightly, "get_run_logger", lambda: logging.getLogger("flows"))


@pytest.fixture
def llm() -> Iterator[FakeLlm]:
    with fake_llm() as fake:
        yield fake


def parameters(store: Store, **fields: object) -> NightlyParameters:
    return NightlyParameters.model_validate({"domain": "finance", "store": str(store.root)} | fields)


@pytest.mark.slow
def test_the_first_night_begins_and_later_ones_update(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert tonight(parameters(store)).update is False
    execute(create_run(resolve(Choices("finance", limit=20)), store))
    assert tonight(parameters(store)).update is True
    assert tonight(parameters(store, update=False)).update is False


def test_a_version_that_a_budget_cut_short_is_gone_on_with(tmp_path: Path, llm: FakeLlm) -> None:
    store = Store(tmp_path / "store")
    reached = reach([llm.url])
    resolved = resolve(Choices("finance", limit=300, models=tuple(reached.models)))
    run = create_run(resolved, store, llm=reached.model_copy(update={"budget": Budget(requests=90)}))
    assert execute(run).manifest.partial.startswith("budget: 90 requests")
    assert tonight(parameters(store)).run_id == run.id
    assert tonight(parameters(store, update=False)).run_id is None
    shutil.rmtree(run.folder)
    assert (tonight(parameters(store)).run_id, tonight(parameters(store)).update) == (None, True)


@pytest.mark.slow
def test_a_version_below_the_threshold_gives_way_to_the_one_before_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    runs: list[Run] = [create_run(resolve(Choices("finance", limit=limit)), store) for limit in (30, 20)]
    good, bad = map(execute, runs)
    hold_against(Threshold(min_records=25), runs[0], good)
    with pytest.raises(
        RunError,
        match="finance@2 is not good enough and was not pushed: 20 records, at least 25 wanted; finance@3 holds",
    ):
        hold_against(Threshold(min_records=25), runs[1], bad)
    assert store.find("finance").manifest.content_sha256 == good.manifest.content_sha256
